// When the engine has to ask a person something: the library's own checks, an account chooser in front, and ours for accounts that may no
// longer sign in, for sign-ins that are weaker than a client asks (OIDC Core 5.5.1.1, RFC 9470), and for native apps, which anybody on the
// device can imitate (RFC 8252, 8.6).
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { ACR_LEVELS, type Acr, shownAcr } from '../credential/assurance.ts';
import { type AcrRequest, reaches, requestedAcr } from './acr.ts';
import { type OrganizationsOf, organizationCheck, organizationPrompt } from './chosen-organization.ts';
import { appSessionTtl } from './token-life.ts';

const { base, Check, Prompt } = interactionPolicy;
type Policy = ReturnType<typeof base>;

/** What the chooser hands on to the login prompt. */
interface AccountChoice {
  /** The engine's account id, or null for "another account". */
  readonly accountId: string | null;
}

export interface InteractionPolicyParts {
  /**
   * Whether an account could sign in as strongly as one of these levels: then it is asked to when a client would like it. Without an answer
   * only those are asked again whose client insists.
   * @param accountId the engine's
   */
  readonly canReach?: (accountId: string, levels: readonly string[]) => Promise<boolean>;
  /**
   * The least that a sign-in of this account to this app has to be, whatever the request says.
   * @param accountId the engine's
   */
  readonly requiredAcr?: (accountId: string, clientId: string) => Promise<Acr>;
  /** What an account belongs to: of several it chooses one for a client that asks. */
  readonly organizationsOf?: OrganizationsOf;
  /** By which way a session of the engine began, for what organizations ask of it. */
  readonly findWay?: (sessionUid: string) => Promise<string | null>;
  /** The version of the terms that an account has not agreed to yet, if there is one. @param accountId the engine's */
  readonly owedTerms?: (accountId: string) => Promise<string | null>;
}

export function createInteractionPolicy(parts: InteractionPolicyParts = {}): Policy {
  const policy = base();
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);

  const login = policy.get('login');
  login?.checks.add(
    new Check('account_gone', 'the signed-in account may no longer sign in', 'login_required', (ctx) => {
      const { oidc } = ctx;
      return oidc.session?.accountId !== undefined && oidc.account === undefined && !isLoggedIn(ctx);
    }),
  );
  login?.checks.add(
    new Check('other_account', 'another account was chosen', (ctx) => {
      const choice = choiceOf(ctx);
      return choice !== undefined && !isLoggedIn(ctx) && choice.accountId !== ctx.oidc.session?.accountId;
    }),
  );
  login?.checks.add(
    new Check('app_session', 'the sign-in is too old for this app', 'login_required', (ctx) => {
      const { client, session } = ctx.oidc;
      const most = client === undefined ? null : appSessionTtl(client);
      return most !== null && session?.accountId !== undefined && !isLoggedIn(ctx) && session.past(most);
    }),
  );
  // The library's two know no levels: a stronger sign-in than the one asked for would not do.
  login?.checks.remove('essential_acrs');
  login?.checks.remove('essential_acr');
  login?.checks.add(
    new Check(
      'acr',
      'the sign-in is not as strong as the client asks',
      'login_required',
      async (ctx) => (await breaksPolicy(ctx, parts)) || needsStronger(ctx, parts),
      ({ oidc }) => ({ acr: requestedAcr(oidc.params ?? {}) }),
    ),
  );

  login?.checks.add(organizationCheck(parts.organizationsOf, parts.findWay));

  policy.add(termsPrompt(parts), 2);
  policy.add(organizationPrompt(parts.organizationsOf), 3);

  const consent = policy.get('consent');
  consent?.checks.remove('native_client_prompt');
  consent?.checks.add(
    new Check('native_client', 'a native app must be confirmed each time', 'interaction_required', (ctx) => {
      const { oidc } = ctx;
      // Only a claimed https redirect proves to the system which app gets the answer.
      const isClaimed = textOf(oidc.params?.['redirect_uri']).startsWith('https://');
      return oidc.client?.applicationType === 'native' && !isClaimed && oidc.result?.consent === undefined;
    }),
  );
  return policy;
}

/** After signing in, before anything is granted: also for a session from before there were these terms (requirements R4). */
function termsPrompt({ owedTerms }: InteractionPolicyParts): InstanceType<typeof Prompt> {
  const prompt = new Prompt({ name: 'terms', requestable: false });
  prompt.checks.add(
    new Check('terms_not_accepted', 'the terms have to be agreed to', 'interaction_required', async (ctx) => {
      const { oidc } = ctx;
      const accountId = oidc.account?.accountId;
      const owed = accountId === undefined ? null : ((await owedTerms?.(accountId)) ?? null);
      // The page has written it down; another process may not have seen it yet.
      const accepted = (oidc.result as { terms?: { version?: unknown } } | undefined)?.terms?.version;
      return owed !== null && owed !== accepted;
    }),
  );
  return prompt;
}

/**
 * What the policy demands, whoever signed in and wherever: also a session from before the policy is asked again.
 * @throws errors.UnmetAuthenticationRequirements when a sign-in was handed in that is weaker: no page of ours does that
 */
async function breaksPolicy(ctx: KoaContextWithOIDC, { requiredAcr }: InteractionPolicyParts): Promise<boolean> {
  const { accountId, acr } = ctx.oidc.session ?? {};
  const { client } = ctx.oidc;
  if (accountId === undefined || client === undefined || !requiredAcr) return false;
  if (reaches(acr, await requiredAcr(accountId, client.clientId))) return false;
  if (isLoggedIn(ctx)) {
    throw new errors.UnmetAuthenticationRequirements('the sign-in is not as strong as the policy asks');
  }
  return true;
}

/** @throws errors.UnmetAuthenticationRequirements when what the client insists on cannot be, or was not done when it was asked for */
async function needsStronger(ctx: KoaContextWithOIDC, { canReach }: InteractionPolicyParts): Promise<boolean> {
  const { oidc } = ctx;
  const request = requestedAcr(oidc.params ?? {});
  if (!request || isMet(shownAcr(oidc.session?.acr, oidc.session?.amr), request)) return false;
  if (request.isEssential) {
    if (isLoggedIn(ctx) || !isPossible(request)) {
      throw new errors.UnmetAuthenticationRequirements('the sign-in cannot be as strong as the client asks');
    }
    return true;
  }
  const accountId = oidc.session?.accountId;
  if (accountId === undefined || isLoggedIn(ctx) || oidc.prompts.has('none') || !isPossible(request)) return false;
  return (await canReach?.(accountId, request.values)) ?? false;
}

function isMet(acr: string | undefined, request: AcrRequest): boolean {
  return request.values.some((value) => reaches(acr, value));
}

function isPossible(request: AcrRequest): boolean {
  return request.values.some((value) => reaches(ACR_LEVELS.at(-1), value));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function choiceOf(ctx: KoaContextWithOIDC): AccountChoice | undefined {
  return (ctx.oidc.result as { select_account?: AccountChoice } | undefined)?.select_account;
}

function isLoggedIn(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.result?.login !== undefined;
}
