// The only place that hands an interaction's outcome to the engine, which then decides what is still missing.
import type { Context } from 'koa';
import type { InteractionResults } from 'oidc-provider';
import type { Engine } from '../oidc/engine.ts';

/** A sign-in that is complete: every factor that the account owes was proven. */
export interface CompletedLogin {
  /** The engine's account id. */
  readonly subject: string;
  /** RFC 8176. */
  readonly amr: readonly string[];
  readonly acr: string;
  /** For the list of sessions. */
  readonly methods: readonly string[];
  /** The first factor as the rules of organizations name it; undefined where the session began by it before. */
  readonly way?: string | undefined;
  /** Null leaves the session as it is: a step-up asks for nothing but what was missing. */
  readonly remember: boolean | null;
  /** Seconds since 1970: when the oldest of the proofs was given, if that was not now. */
  readonly authTime?: number | undefined;
}

export async function finishLogin(ctx: Context, engine: Engine, login: CompletedLogin): Promise<void> {
  const { subject, amr, acr, methods, way, remember, authTime } = login;
  // The engine makes a session short-lived and never long-lived again, so `true` leaves it as it is.
  const keep = {
    ...{ remember: remember ?? true, ...(authTime === undefined ? {} : { ts: authTime }) },
    ...(way === undefined ? {} : { way }),
  };
  await finish(ctx, engine, { login: { accountId: subject, amr: [...amr], acr, methods: [...methods], ...keep } });
}

export async function finishConsent(ctx: Context, engine: Engine, grantId: string): Promise<void> {
  await finish(ctx, engine, { consent: { grantId } });
}

/** @param version of the terms that were agreed to */
export async function finishTerms(ctx: Context, engine: Engine, version: string): Promise<void> {
  await finish(ctx, engine, { terms: { version } });
}

/** @param id of the organization that this sign-in is for */
export async function finishOrganization(ctx: Context, engine: Engine, id: string): Promise<void> {
  await finish(ctx, engine, { organization: { id } });
}

/**
 * @param accountId the engine's account id, or null for "another account"
 * @param login what the sign-in page fills in when the chosen account has to sign in
 */
export async function finishAccountChoice(
  ctx: Context,
  engine: Engine,
  accountId: string | null,
  login?: string | null,
): Promise<void> {
  await finish(ctx, engine, { select_account: { accountId, ...(login ? { login } : {}) } });
}

/** The person does not want to: the client is told (OIDC Core 3.1.2.6). */
export async function finishDenied(ctx: Context, engine: Engine): Promise<void> {
  await finish(ctx, engine, { error: 'access_denied', error_description: 'End-User denied the request' });
}

async function finish(ctx: Context, engine: Engine, result: InteractionResults): Promise<void> {
  // It writes the 303 itself.
  ctx.respond = false;
  await engine.provider.interactionFinished(ctx.req, ctx.res, result, {
    mergeWithLastSubmission: !('error' in result),
  });
}
