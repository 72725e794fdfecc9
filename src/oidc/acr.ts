// How strongly a client asks somebody to sign in (OIDC Core 5.5.1.1; RFC 9470), and what a token says of it. What it says is always true: a
// stronger sign-in is stated as the level that was asked for, a weaker one never is. What a sign-in is worth is credential/assurance.ts.
import { ACR_LEVELS, type Acr, satisfies } from '../credential/assurance.ts';

/** Whether a sign-in at `have` is at least as strong as `want`; a level that we do not know is never reached. */
export function reaches(have: string | undefined, want: string): boolean {
  return isLevel(have) && isLevel(want) && satisfies(have, want);
}

export interface AcrRequest {
  /** In the client's order; any of them is enough. */
  readonly values: readonly string[];
  /** The client wants an error rather than a weaker sign-in. */
  readonly isEssential: boolean;
}

/**
 * What an authorization request asks for by its parameters `claims` and `acr_values`. An essential claim counts more than the voluntary
 * `acr_values`, which may be the client's registered default.
 */
export function requestedAcr(params: {
  readonly claims?: unknown;
  readonly acr_values?: unknown;
}): AcrRequest | undefined {
  const claim = acrClaim(params.claims);
  const values = claim === undefined ? [] : [claim.value, ...listOf(claim.values)].filter(isText);
  if (claim?.essential === true && values.length > 0) return { values, isEssential: true };
  const asked = isText(params.acr_values) ? params.acr_values.split(' ').filter((value) => value !== '') : values;
  return asked.length > 0 ? { values: asked, isEssential: false } : undefined;
}

/** What a token says of a sign-in at `have`: the strongest level asked for that it reaches, else what it is. */
export function statedAcr(have: string | undefined, request: AcrRequest | undefined): string | undefined {
  const reached = (request?.values ?? []).filter((value) => reaches(have, value));
  return ACR_LEVELS.findLast((level) => reached.includes(level)) ?? have;
}

interface AcrClaim {
  readonly essential?: unknown;
  readonly value?: unknown;
  readonly values?: unknown;
}

function acrClaim(claims: unknown): AcrClaim | undefined {
  if (!isText(claims)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(claims);
  } catch {
    // The engine refuses the request for it.
    return undefined;
  }
  const claim = (parsed as { id_token?: { acr?: AcrClaim | null } | null } | null)?.id_token?.acr;
  return typeof claim === 'object' && claim !== null ? claim : undefined;
}

function isLevel(value: string | undefined): value is Acr {
  return ACR_LEVELS.some((level) => level === value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
