// When the engine has to ask a person something: the library's own checks, an account chooser in front, and ours for accounts that may no
// longer sign in and for native apps, which anybody on the device can imitate (RFC 8252, 8.6).
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

const { base, Check, Prompt } = interactionPolicy;
type Policy = ReturnType<typeof base>;

/** What the chooser hands on to the login prompt. */
interface AccountChoice {
  /** The engine's account id, or null for "another account". */
  readonly accountId: string | null;
}

export function createInteractionPolicy(): Policy {
  const policy = base();
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);

  const login = policy.get('login');
  login?.checks.add(
    new Check('account_gone', 'the signed-in account may no longer sign in', (ctx) => {
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

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function choiceOf(ctx: KoaContextWithOIDC): AccountChoice | undefined {
  return (ctx.oidc.result as { select_account?: AccountChoice } | undefined)?.select_account;
}

function isLoggedIn(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.result?.login !== undefined;
}
