// Who is signed in, and calls with the access token. Tokens are in this page's memory only: a script that gets in later, or another tab, finds
// nothing in storage. After a reload the session at the provider is asked again, in a frame and without a question.
/* global oidc */
const TIME_OUT_SECONDS = 10;
const AHEAD_SECONDS = 60;

export class Session {
  #manager;
  /** The refresh under way: whoever needs a token meanwhile waits for it. */
  #refreshing;

  constructor({ issuer, clientId }) {
    this.#manager = new oidc.UserManager({
      authority: issuer,
      client_id: clientId,
      redirect_uri: `${location.origin}/`,
      silent_redirect_uri: `${location.origin}/silent.html`,
      post_logout_redirect_uri: `${location.origin}/`,
      scope: 'openid profile email',
      userStore: new oidc.WebStorageStateStore({ store: new oidc.InMemoryWebStorage() }),
      // What has to survive the way to the provider and back: state and the PKCE verifier, no token.
      stateStore: new oidc.WebStorageStateStore({ store: sessionStorage }),
      automaticSilentRenew: false,
      silentRequestTimeoutInSeconds: TIME_OUT_SECONDS,
      requestTimeoutInSeconds: TIME_OUT_SECONDS,
    });
  }

  /** Finishes a sign-in that comes back, or looks whether there is one. @returns the claims, or null */
  async start() {
    const params = new URLSearchParams(location.search);
    if (params.has('state') && (params.has('code') || params.has('error'))) {
      try {
        const user = await this.#manager.signinCallback();
        return user?.profile ?? null;
      } finally {
        // Codes do not stay in the address bar and in the history.
        history.replaceState(null, '', '/');
      }
    }
    return (await this.refresh())?.profile ?? null;
  }

  signIn() {
    return this.#manager.signinRedirect();
  }

  async signOut() {
    await this.#manager.signoutRedirect();
  }

  /** New tokens, once for all who ask at the same time. @returns null when nobody is signed in any more */
  refresh() {
    this.#refreshing ??= this.#manager
      .signinSilent()
      .catch(async (error) => {
        // login_required, consent_required and the like: a person has to do something. Everything else is the network.
        if (!(error instanceof oidc.ErrorResponse)) throw error;
        await this.#manager.removeUser();
        return null;
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  /** A call with the access token, which is refreshed when it is about to end or is not accepted. @returns null when nobody is signed in */
  async fetch(url, init = {}) {
    let user = await this.#manager.getUser();
    if (!user || user.expires_in < AHEAD_SECONDS) user = await this.refresh();
    if (!user) return null;
    const answer = await send(url, init, user);
    if (answer.status !== 401) return answer;
    user = await this.refresh();
    return user && send(url, init, user);
  }
}

function send(url, init, user) {
  const headers = { ...init.headers, Authorization: `Bearer ${user.access_token}` };
  return fetch(url, { ...init, headers, signal: AbortSignal.timeout(TIME_OUT_SECONDS * 1000) });
}
