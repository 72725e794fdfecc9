// The organization that a sign-in is for. It travels from the code to every token of the sign-in beside the claims that were asked for, because those
// are the one thing that the engine hands on from each to the next. What it says is never taken on trust: see find-account.ts.
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Membership } from '../access/organizations.ts';

const { Check, Prompt } = interactionPolicy;
/** Beside `id_token` and `userinfo`, where no client looks. */
const KEY = 'latchkey_organization';
/** How long the organization lets a sign-in live, in seconds. */
const SESSION_KEY = 'latchkey_organization_session';

/** What an account belongs to. @param accountId the engine's */
export type OrganizationsOf = (accountId: string) => Promise<readonly Membership[]>;

/** @param token what a code or token says, which a client may have written itself */
export function chosenOrganization(token: object | undefined): string | undefined {
  const { claims } = (token ?? {}) as { claims?: Record<string, unknown> };
  const chosen = claims?.[KEY];
  return typeof chosen === 'string' ? chosen : undefined;
}

/** Seconds after the sign-in at which what it gave is over; null where the organization says nothing. A client that writes it only shortens it. */
export function organizationSessionTtl(token: object): number | null {
  const { claims } = token as { claims?: Record<string, unknown> };
  const ttl = claims?.[SESSION_KEY];
  return typeof ttl === 'number' ? ttl : null;
}

/** What the page says that asks for another sign-in: part of the prompt's details. */
export interface OrganizationDemand {
  readonly name: string;
  /** Those that count; null where the sign-in is only too old. */
  readonly ways: readonly string[] | null;
}

const demands = new WeakMap<KoaContextWithOIDC, OrganizationDemand>();

/**
 * For the login prompt: what the organization of this sign-in asks of it. Which one that is may be known only after the choice; then the person signs in
 * once more. Of an account that does not belong to the one that is named nothing is asked here.
 * @param findWay by which way a session of the engine began
 */
export function organizationCheck(
  organizationsOf: OrganizationsOf | undefined,
  findWay: ((sessionUid: string) => Promise<string | null>) | undefined,
): InstanceType<typeof Check> {
  return new Check(
    'organization_rules',
    'the organization asks for another sign-in',
    'login_required',
    async (ctx) => {
      const { oidc } = ctx;
      const { session } = oidc;
      if (oidc.account === undefined || session?.accountId === undefined || !organizationsOf) return false;
      if (!oidc.requestParamOIDCScopes.has('organizations')) return false;
      const found = findWanted(ctx, await organizationsOf(oidc.account.accountId));
      if (!found) return false;
      const login = oidc.result?.login as { readonly way?: string } | undefined;
      const isOld = found.sessionTtl !== null && login === undefined && session.past(found.sessionTtl);
      const way = login?.way ?? (found.ways === null ? null : await findWay?.(session.uid));
      const isOther = found.ways !== null && !found.ways.includes(way ?? '');
      if (isOld || isOther) demands.set(ctx, { name: found.name, ways: found.ways });
      return isOld || isOther;
    },
    (ctx) => ({ organization: demands.get(ctx) }),
  );
}

/**
 * After signing in: the one that the request names (`organization`, an id or a slug), that was chosen on the page or that the last ID token was for; the
 * only one; else the person is asked.
 */
export function organizationPrompt(organizationsOf: OrganizationsOf | undefined): InstanceType<typeof Prompt> {
  const prompt = new Prompt({ name: 'organization', requestable: false });
  prompt.checks.add(
    new Check('organization_not_chosen', 'an organization has to be chosen', 'interaction_required', async (ctx) => {
      const { oidc } = ctx;
      const accountId = oidc.account?.accountId;
      if (accountId === undefined || !organizationsOf || !oidc.requestParamOIDCScopes.has('organizations'))
        return false;
      const all = await organizationsOf(accountId);
      const found = findWanted(ctx, all);
      if (!found && isNamed(ctx)) throw new errors.AccessDenied('the account does not belong to the organization');
      // What the client wrote there is gone in any case.
      const session = found?.sessionTtl ?? undefined;
      Object.assign(oidc, { claims: { ...oidc.claims, [KEY]: found?.id, [SESSION_KEY]: session } });
      return !found && all.length > 1;
    }),
  );
  return prompt;
}

/** As the prompt does for who has nothing to choose from, for a sign-in that nobody makes. */
export function takeOnlyOrganization(oidc: KoaContextWithOIDC['oidc'], all: readonly Membership[]): void {
  Object.assign(oidc, { claims: { ...oidc.claims, [KEY]: all.length === 1 ? all[0]?.id : undefined } });
}

/** The one that the sign-in is for, as far as that is known. Of an account that does not belong to the one that is named it is none. */
function findWanted(ctx: KoaContextWithOIDC, all: readonly Membership[]): Membership | undefined {
  const named = ctx.oidc.params?.['organization'];
  if (isNamed(ctx)) return all.find(({ id, slug }) => id === named || slug === named);
  return findChosen(ctx, all) ?? (all.length === 1 ? all[0] : undefined);
}

/** By an app that knows which organization it wants. */
function isNamed({ oidc }: KoaContextWithOIDC): boolean {
  const named = oidc.params?.['organization'];
  return typeof named === 'string' && named !== '';
}

function findChosen({ oidc }: KoaContextWithOIDC, all: readonly Membership[]): Membership | undefined {
  const { organization } = (oidc.result ?? {}) as { organization?: { id?: unknown } };
  const hint = oidc.entities.IdTokenHint as { payload?: Record<string, unknown> } | undefined;
  const chosen = organization?.id ?? hint?.payload?.['org_id'];
  return all.find(({ id }) => id === chosen);
}
