// The tokens of a native app and the four rules for them: refresh five minutes before they end; one refresh at a time, and whoever needs a token
// meanwhile waits for it; a refusal clears everything; only https leaves this machine.
const REFRESH_AHEAD_SECONDS = 5 * 60;
const TIME_OUT_MS = 10_000;

export interface Tokens {
  readonly accessToken: string;
  /** In the keychain of the system in a real app: Keychain, Keystore, Secret Service, Credential Manager. */
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** Nobody is signed in, or not any more. */
export class SignedOut extends Error {}

export class TokenKeeper {
  readonly #refresh: (refreshToken: string) => Promise<Tokens>;
  #tokens: Tokens | undefined;
  #refreshing: Promise<Tokens> | undefined;

  /** @param refresh asks the provider; throws SignedOut when it refuses */
  constructor(refresh: (refreshToken: string) => Promise<Tokens>) {
    this.#refresh = refresh;
  }

  get current(): Tokens | undefined {
    return this.#tokens;
  }

  keep(tokens: Tokens): void {
    this.#tokens = tokens;
  }

  clear(): void {
    this.#tokens = undefined;
  }

  /** One that is good for another five minutes. @throws SignedOut */
  async accessToken(): Promise<string> {
    const { expiresAt = 0 } = this.#tokens ?? {};
    const isFresh = expiresAt - Date.now() / 1000 > REFRESH_AHEAD_SECONDS;
    return (isFresh && this.#tokens ? this.#tokens : await this.refreshed()).accessToken;
  }

  /** New tokens, for everybody who asks at the same time: a used refresh token that is sent again ends them all. @throws SignedOut */
  refreshed(): Promise<Tokens> {
    this.#refreshing ??= this.#refreshOnce().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** A call with the access token. @throws SignedOut when it is not accepted */
  async fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    requireSafe(new URL(url));
    const headers = new Headers(init.headers);
    headers.set('Authorization', `Bearer ${await this.accessToken()}`);
    const answer = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(TIME_OUT_MS) });
    if (answer.status !== 401 && answer.status !== 403) return answer;
    this.clear();
    throw new SignedOut(`The answer was ${answer.status}.`);
  }

  async #refreshOnce(): Promise<Tokens> {
    const old = this.#tokens;
    if (old?.refreshToken === undefined) throw new SignedOut('There is no refresh token.');
    try {
      const fresh = await this.#refresh(old.refreshToken);
      this.#tokens = { ...fresh, refreshToken: fresh.refreshToken ?? old.refreshToken };
      return this.#tokens;
    } catch (error) {
      // The network may be away for a while; only a refusal means that nobody is signed in.
      if (error instanceof SignedOut) this.clear();
      throw error;
    }
  }
}

/** @throws for an address that others on the way could read */
export function requireSafe({ protocol, hostname }: URL): void {
  if (protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname)) {
    throw new Error('Tokens are sent by https only.');
  }
}
