// The relying party of the OpenID conformance plans, by raw HTTP: two confidential clients with refresh, one that sends its secret in the body,
// and an account with every standard claim. Modules are written once and run for every response type and mode.
import assert from 'node:assert/strict';
import { createRemoteJWKSet, type JWTPayload, jwtVerify, type ProtectedHeaderParameters } from 'jose';
import { Account } from '../../../src/account/account.entity.ts';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { answerPrompts, type Parameters, type PromptAnswers, tokenRequest } from '../../support/relying-party.ts';
import type { Latchkey, StartOptions, TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';

export interface Variant {
  readonly responseType: string;
  readonly responseMode: 'form_post' | undefined;
}

const SECRET = 'a secret of a client of the conformance plans';
export const REDIRECT = 'https://suite.example.com/callback';
export const GOODBYE = 'https://suite.example.com/goodbye';
const TYPES = ['code', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token'];

const METADATA = {
  client_secret: SECRET,
  redirect_uris: [REDIRECT],
  post_logout_redirect_uris: [GOODBYE],
  latchkey_pkce_optional: true,
};

/** Settings of a server that the plans run against. @param isTestTypes with implicit and hybrid response types */
export function planOptions(isTestTypes: boolean, metadata: Record<string, unknown> = {}): StartOptions {
  const grants = ['authorization_code', 'refresh_token', ...(isTestTypes ? ['implicit'] : [])];
  const types = isTestTypes ? { response_types: TYPES, latchkey_test_client: true } : {};
  const client = (id: string, more: object = {}) => ({
    client_id: id,
    ...METADATA,
    ...types,
    grant_types: grants,
    ...metadata,
    ...more,
  });
  const clients = [
    client('first'),
    client('second'),
    client('post', { token_endpoint_auth_method: 'client_secret_post' }),
  ];
  return {
    env: {
      ...settingsFile(JSON.stringify({ clients })),
      LATCHKEY_TEST_RESPONSE_TYPES: String(isTestTypes),
      LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
    },
  };
}

export interface Authorized {
  readonly page: Page;
  /** The parameters of the answer, wherever its mode puts them. */
  readonly answer: Readonly<Record<string, string>>;
  readonly browser: Browser;
  readonly client: TestClient;
}

interface AuthorizeOptions extends PromptAnswers {
  readonly browser?: Browser;
  readonly client?: TestClient;
}

/** Every claim of OIDC Core 5.1, as the account has it. */
export const PROFILE = {
  name: 'Ann Mary Lee',
  given_name: 'Ann',
  middle_name: 'Mary',
  family_name: 'Lee',
  nickname: 'ann',
  preferred_username: 'ann_lee',
  profile: 'https://ann.example.com/',
  picture: 'https://ann.example.com/ann.png',
  website: 'https://ann.example.com/blog',
  gender: 'female',
  birthdate: '1980-02-29',
  zoneinfo: 'Europe/Berlin',
  locale: 'en-GB',
};
export const ADDRESS = {
  formatted: '1 Main Street\nTown',
  street_address: '1 Main Street',
  locality: 'Town',
  country: 'GB',
};
export const PHONE = '+442079460018';

export class Suite {
  readonly latchkey: Latchkey;
  readonly variant: Variant;
  readonly account: AccountRow;
  readonly first: TestClient;
  readonly second: TestClient;
  readonly post: TestClient;

  private constructor(latchkey: Latchkey, variant: Variant, account: AccountRow, clients: readonly TestClient[]) {
    const [first, second, post] = clients;
    assert.ok(first && second && post);
    this.latchkey = latchkey;
    this.variant = variant;
    this.account = account;
    this.first = first;
    this.second = second;
    this.post = post;
  }

  static async open(latchkey: Latchkey, variant: Variant): Promise<Suite> {
    const { clients } = latchkey.app;
    const known = await Promise.all(['first', 'second', 'post'].map((id) => clients.get(id)));
    const testClients = known.map(({ clientId, metadata }) => ({
      clientId,
      clientSecret: SECRET,
      redirectUri: REDIRECT,
      metadata,
    }));
    return new Suite(latchkey, variant, await fullAccount(latchkey), testClients);
  }

  get hasCode(): boolean {
    return this.#types.includes('code');
  }

  get hasToken(): boolean {
    return this.#types.includes('token');
  }

  get hasIdToken(): boolean {
    return this.#types.includes('id_token');
  }

  get #types(): readonly string[] {
    return this.variant.responseType.split(' ');
  }

  /** An authorization request as the suite makes it. @param change parameters to add, replace or leave out */
  url(change: Parameters = {}, client: TestClient = this.first): URL {
    const { responseType, responseMode } = this.variant;
    const url = new URL('/auth', this.latchkey.issuer);
    const params: Parameters = {
      client_id: client.clientId,
      response_type: responseType,
      redirect_uri: client.redirectUri,
      scope: 'openid',
      state: 'a "state" <of> & mine',
      nonce: 'a-nonce',
      response_mode: responseMode,
      ...change,
    };
    for (const [name, value] of Object.entries(params)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  async authorize(change: Parameters = {}, options: AuthorizeOptions = {}): Promise<Authorized> {
    const { browser = this.latchkey.browser(), client = this.first, ...answers } = options;
    const first = await browser.get(this.url(change, client));
    const page = await answerPrompts(browser, first, { account: this.account, ...answers });
    return { page, answer: this.read(page), browser, client };
  }

  /** The answer that a page carries to the client; empty for a page that carries none. */
  read(page: Page): Record<string, string> {
    if (this.variant.responseMode === 'form_post') {
      const form = page.html.querySelector('form[method=post]');
      if (form?.getAttribute('action') !== REDIRECT) return {};
      const inputs = form
        .querySelectorAll('input')
        .map((input) => [input.getAttribute('name'), input.getAttribute('value')]);
      return Object.fromEntries(inputs) as Record<string, string>;
    }
    const { location } = page;
    if (location === null || !location.href.startsWith(REDIRECT)) return {};
    const isInFragment = location.hash !== '';
    const answer = Object.fromEntries(
      isInFragment ? new URLSearchParams(location.hash.slice(1)) : location.searchParams,
    );
    // Where the request does not say what it wants, the error goes into the query.
    if (answer['error'] === undefined) assert.equal(isInFragment, this.variant.responseType !== 'code');
    return answer;
  }

  async exchange(authorized: Authorized, change: Parameters = {}) {
    const { client, answer } = authorized;
    return tokenRequest(this.latchkey, '/token', client, {
      grant_type: 'authorization_code',
      code: answer['code'],
      redirect_uri: client.redirectUri,
      ...change,
    });
  }

  /** What the answer is worth in the end: the tokens of the front channel, and those that its code buys. */
  async tokens(authorized: Authorized): Promise<{ idToken?: string; accessToken?: string; refreshToken?: string }> {
    const { answer, page } = authorized;
    assert.equal(answer['error'], undefined, `${page.describe()} ${JSON.stringify(answer)}`);
    for (const name of this.#types) {
      assert.ok(answer[name === 'token' ? 'access_token' : name], `no ${name}: ${page.describe()}`);
    }
    if (!this.hasCode) return defined({ idToken: answer['id_token'], accessToken: answer['access_token'] });
    const { status, body } = await this.exchange(authorized);
    assert.equal(status, 200, JSON.stringify(body));
    return defined({
      idToken: body['id_token'] as string | undefined,
      accessToken: body['access_token'] as string | undefined,
      refreshToken: body['refresh_token'] as string | undefined,
    });
  }

  async verifyIdToken(
    idToken: string | undefined,
    client: TestClient = this.first,
  ): Promise<{ payload: JWTPayload; protectedHeader: ProtectedHeaderParameters }> {
    assert.ok(idToken, 'an ID token');
    const { issuer } = this.latchkey;
    return jwtVerify(idToken, createRemoteJWKSet(new URL('/jwks', issuer)), { issuer, audience: client.clientId });
  }

  /** The claims that the client gets for its scopes: at userinfo, or in the ID token where there is no access token. */
  async claims(authorized: Authorized): Promise<Readonly<Record<string, unknown>>> {
    const { idToken, accessToken } = await this.tokens(authorized);
    const { payload } = await this.verifyIdToken(idToken, authorized.client);
    if (accessToken === undefined) return payload;
    const answer = await fetch(new URL('/me', this.latchkey.issuer), {
      headers: { authorization: `Bearer ${accessToken}` },
    });
    assert.equal(answer.status, 200);
    const claims = (await answer.json()) as Record<string, unknown>;
    assert.equal(claims['sub'], payload.sub);
    return claims;
  }
}

function defined<T extends object>(value: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [Key in keyof T]?: NonNullable<T[Key]>;
  };
}

async function fullAccount(latchkey: Latchkey): Promise<AccountRow> {
  const { database, accounts } = latchkey.app;
  const known = await accounts.findBySignInName('ann@example.com');
  if (known) return known;
  const made = await latchkey.createAccount({ email: 'ann@example.com', username: 'ann_lee', name: PROFILE.name });
  await database.em().nativeUpdate(
    Account,
    { id: made.id },
    {
      givenName: PROFILE.given_name,
      middleName: PROFILE.middle_name,
      familyName: PROFILE.family_name,
      nickname: PROFILE.nickname,
      profile: PROFILE.profile,
      picture: PROFILE.picture,
      website: PROFILE.website,
      gender: PROFILE.gender,
      birthdate: PROFILE.birthdate,
      zoneinfo: PROFILE.zoneinfo,
      locale: PROFILE.locale,
      address: ADDRESS,
      phoneNumber: PHONE,
      phoneNumberVerifiedAt: new Date(),
    },
  );
  accounts.forgetRecent();
  return accounts.get(made.id);
}
