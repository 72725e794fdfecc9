// The organization that a sign-in is for. It travels from the code to every token of the sign-in beside the claims that were asked for, because those
// are the one thing that the engine hands on from each to the next. What it says is never taken on trust: see find-account.ts.
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Membership } from '../access/organizations.ts';

const { Check, Prompt } = interactionPolicy;
/** Beside `id_token` and `userinfo`, where no client looks. */
const KEY = 'latchkey_organization';

/** What an account belongs to. @param accountId the engine's */
export type OrganizationsOf = (accountId: string) => Promise<readonly Membership[]>;

/** @param token what a code or token says, which a client may have written itself */
export function chosenOrganization(token: object | undefined): string | undefined {
  const { claims } = (token ?? {}) as { claims?: Record<string, unknown> };
  const chosen = claims?.[KEY];
  return typeof chosen === 'string' ? chosen : undefined;
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
      const found = findNamed(ctx, all) ?? findChosen(ctx, all) ?? (all.length === 1 ? all[0] : undefined);
      // What the client wrote there is gone in any case.
      Object.assign(oidc, { claims: { ...oidc.claims, [KEY]: found?.id } });
      return !found && all.length > 1;
    }),
  );
  return prompt;
}

/** As the prompt does for who has nothing to choose from, for a sign-in that nobody makes. */
export function takeOnlyOrganization(oidc: KoaContextWithOIDC['oidc'], all: readonly Membership[]): void {
  Object.assign(oidc, { claims: { ...oidc.claims, [KEY]: all.length === 1 ? all[0]?.id : undefined } });
}

/** @throws errors.AccessDenied for one that the account does not belong to, whether it exists or not */
function findNamed({ oidc }: KoaContextWithOIDC, all: readonly Membership[]): Membership | undefined {
  const named = oidc.params?.['organization'];
  if (typeof named !== 'string' || named === '') return undefined;
  const found = all.find(({ id, slug }) => id === named || slug === named);
  if (!found) throw new errors.AccessDenied('the account does not belong to the organization');
  return found;
}

function findChosen({ oidc }: KoaContextWithOIDC, all: readonly Membership[]): Membership | undefined {
  const { organization } = (oidc.result ?? {}) as { organization?: { id?: unknown } };
  const hint = oidc.entities.IdTokenHint as { payload?: Record<string, unknown> } | undefined;
  const chosen = organization?.id ?? hint?.payload?.['org_id'];
  return all.find(({ id }) => id === chosen);
}
