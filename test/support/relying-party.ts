// The other side of the protocol, spoken by hand: for what no well-behaved client library would send, and for driving the real pages to the
// point where a library takes over.
import { createHash, randomBytes } from 'node:crypto';
import type { Browser, Page } from './browser-client.ts';
import { type Latchkey, TEST_PASSWORD, type TestClient } from './server.ts';
import { send } from './web.ts';

export type Parameters = Readonly<Record<string, string | undefined>>;

export interface Authorization {
  readonly url: URL;
  readonly verifier: string;
  readonly state: string;
}

export interface SignedIn extends Authorization {
  readonly code: string;
  /** The redirect to the client. */
  readonly page: Page;
}

interface Person {
  readonly email: string | null;
  readonly username: string | null;
}

export interface PromptAnswers {
  readonly account?: Person;
  readonly password?: string;
  readonly remember?: boolean;
  readonly decision?: 'allow' | 'deny';
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export function newVerifier(): string {
  return randomBytes(32).toString('base64url');
}

export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url');
}

/** A good authorization request. @param change parameters to add, replace, or with `undefined` to leave out */
export function authorizationRequest(issuer: string, client: TestClient, change: Parameters = {}): Authorization {
  const verifier = newVerifier();
  const state = randomBytes(16).toString('base64url');
  const url = new URL('/auth', issuer);
  const params: Parameters = {
    client_id: client.clientId,
    response_type: 'code',
    redirect_uri: client.redirectUri,
    scope: 'openid',
    state,
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...change,
  };
  for (const [name, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(name, value);
  return { url, verifier, state: change['state'] ?? state };
}

/** Answers what is asked until something else comes: a redirect to the client, or a page that asks nothing. */
export async function answerPrompts(browser: Browser, first: Page, answers: PromptAnswers): Promise<Page> {
  const { account, password = TEST_PASSWORD, remember, decision = 'allow' } = answers;
  let page = first;
  for (let count = 0; count < 5; count += 1) {
    if (page.status !== 200) return page;
    if (page.id === 'login') {
      const login = account?.email ?? account?.username ?? '';
      page = await browser.submit(page, { login, password, ...(remember === undefined ? {} : { remember }) });
    } else if (page.id === 'reauthenticate') {
      page = await browser.submit(page, { password });
    } else if (page.id === 'consent') {
      page = await browser.submit(page, {}, { button: ['decision', decision] });
    } else {
      return page;
    }
  }
  return page;
}

/**
 * Signs in through the real pages, whatever they ask.
 * @throws when it does not end with a code at the client
 */
export async function signIn(
  latchkey: Pick<Latchkey, 'issuer'>,
  browser: Browser,
  client: TestClient,
  options: PromptAnswers & { readonly params?: Parameters } = {},
): Promise<SignedIn> {
  const request = authorizationRequest(latchkey.issuer, client, options.params);
  const page = await answerPrompts(browser, await browser.get(request.url), options);
  const { code } = page.params;
  if (code === undefined) throw new Error(`no code: ${page.describe()}`);
  return { ...request, code, page };
}

/** A request to one of the token endpoints, authenticated as the client registered. */
export async function tokenRequest(
  latchkey: Pick<Latchkey, 'issuer'>,
  path: string,
  client: TestClient,
  params: Parameters,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined) body.append(name, value);
  const authentication: Record<string, string> = {};
  const method = client.metadata.token_endpoint_auth_method ?? 'client_secret_basic';
  if (method === 'client_secret_basic') {
    const pair = [client.clientId, client.clientSecret ?? ''].map(encodeURIComponent).join(':');
    authentication['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  } else {
    body.set('client_id', client.clientId);
    if (method === 'client_secret_post') body.set('client_secret', client.clientSecret ?? '');
  }
  const answer = await send(new URL(path, latchkey.issuer).href, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...authentication, ...headers },
    body: body.toString(),
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: answer.text === '' ? {} : (JSON.parse(answer.text) as Record<string, unknown>),
  };
}

/** Exchanges the code of a sign-in. @param change parameters to add, replace or leave out */
export function redeem(
  latchkey: Pick<Latchkey, 'issuer'>,
  client: TestClient,
  signedIn: Pick<SignedIn, 'code' | 'verifier'>,
  change: Parameters = {},
): Promise<TokenAnswer> {
  return tokenRequest(latchkey, '/token', client, {
    grant_type: 'authorization_code',
    code: signedIn.code,
    redirect_uri: client.redirectUri,
    code_verifier: signedIn.verifier,
    ...change,
  });
}

export function refresh(
  latchkey: Pick<Latchkey, 'issuer'>,
  client: TestClient,
  refreshToken: unknown,
): Promise<TokenAnswer> {
  return tokenRequest(latchkey, '/token', client, {
    grant_type: 'refresh_token',
    refresh_token: String(refreshToken),
  });
}

export async function userinfo(latchkey: Pick<Latchkey, 'issuer'>, accessToken: unknown): Promise<TokenAnswer> {
  const answer = await send(new URL('/me', latchkey.issuer).href, {
    headers: { authorization: `Bearer ${String(accessToken)}` },
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: answer.text === '' ? {} : (JSON.parse(answer.text) as Record<string, unknown>),
  };
}

/** Whether the browser's person is signed in at the provider: what a new app of the house gets to know without a page. */
export async function isSignedIn(
  latchkey: Pick<Latchkey, 'issuer' | 'createClient'>,
  browser: Browser,
): Promise<boolean> {
  const client = await latchkey.createClient({ latchkey_first_party: true });
  const { url } = authorizationRequest(latchkey.issuer, client, { prompt: 'none' });
  const { params } = await browser.get(url);
  if (params['code'] === undefined && params['error'] !== 'login_required') throw new Error(JSON.stringify(params));
  return params['code'] !== undefined;
}

/** Confirms the question whether to sign out. @returns where that leads */
export async function confirmSignOut(browser: Browser, url: string | URL): Promise<Page> {
  const question = await browser.get(new URL(url));
  if (question.id !== 'logout') throw new Error(`no question: ${question.describe()}`);
  return browser.submit(question, {}, { button: ['decision', 'allow'] });
}
