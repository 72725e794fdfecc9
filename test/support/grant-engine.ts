// oidc-provider itself on a loopback port over a given grant storage, with one confidential app and nobody in front of it: every sign-in
// and every consent is granted at once. For testing the storage through the engine's own code.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Adapter, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { randomToken } from '../../src/crypto/random.ts';
import type { GrantStorage } from '../../src/oidc/grant-adapter.ts';
import { createUnitProvider } from '../../src/oidc/unit-provider.ts';

const SECRET = randomToken();
const REDIRECT = 'https://app.example/callback';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NO_CLIENTS = { find: async () => undefined } as unknown as Adapter;

export interface TokenAnswer {
  readonly status: number;
  readonly error?: string;
  readonly access_token?: string;
  readonly refresh_token?: string;
}

export interface GrantEngine {
  /** A browser that keeps its cookies and is signed in as `accountId` by whatever it opens first. */
  browser(accountId: string): Browser;
  exchange(code: string): Promise<TokenAnswer>;
  refresh(token: string): Promise<TokenAnswer>;
  isActive(token: string): Promise<boolean>;
  revoke(token: string): Promise<void>;
  /** Runs once, inside of a request of the engine, while it makes an access token. */
  whileIssuing(work: (ctx: KoaContextWithOIDC) => Promise<void>): void;
  /** Runs once, inside of a request of the engine, before it saves the session. */
  whileAuthorizing(work: (ctx: KoaContextWithOIDC) => Promise<void>): void;
  /** Model and id of everything the engine has saved. */
  readonly saved: readonly { readonly model: string; readonly id: string; readonly payload: object }[];
  close(): Promise<void>;
}

export interface Browser {
  /** Goes to the app and comes back with a code. */
  authorize(clientId?: string): Promise<string>;
  /** Whether the app gets a code without any interaction. */
  isSignedIn(): Promise<boolean>;
  readonly cookies: ReadonlyMap<string, string>;
}

export async function startGrantEngine(storage: GrantStorage): Promise<GrantEngine> {
  const saved: { model: string; id: string; payload: object }[] = [];
  let whileIssuing: ((ctx: KoaContextWithOIDC) => Promise<void>) | undefined;
  let whileAuthorizing: ((ctx: KoaContextWithOIDC) => Promise<void>) | undefined;
  const accounts = new Map<string, string>();
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const metadata = {
    client_secret: SECRET,
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post' as const,
    id_token_signed_response_alg: 'ES256' as const,
  };

  const configuration: Configuration = {
    adapter: (model: string) => {
      if (model === 'Client') return NO_CLIENTS;
      const adapter = storage.adapter(model);
      return {
        ...adapter,
        upsert: (id, payload, expiresIn) => {
          saved.push({ model, id, payload });
          return adapter.upsert(id, payload, expiresIn);
        },
      } satisfies Adapter;
    },
    clients: [
      { client_id: 'app', ...metadata },
      { client_id: 'other', ...metadata },
    ],
    cookies: { keys: [randomToken()] },
    extraTokenClaims: async (ctx) => {
      const work = whileIssuing;
      whileIssuing = undefined;
      await work?.(ctx);
      return undefined;
    },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
    findAccount: async (_ctx, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'test' }] },
    loadExistingGrant: async (ctx) => {
      const work = whileAuthorizing;
      whileAuthorizing = undefined;
      await work?.(ctx);
      const { client, session, provider: engine, result } = ctx.oidc;
      const grantId = result?.consent?.grantId ?? session?.grantIdFor(client?.clientId ?? '');
      return grantId === undefined ? undefined : engine.Grant.find(grantId);
    },
    pkce: { required: () => false },
    revokeGrantPolicy: (ctx) => ctx.oidc.route !== 'revocation' || ctx.oidc.entities.AccessToken === undefined,
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access'],
    ttl: {
      AccessToken: 900,
      AuthorizationCode: 60,
      Grant: 3600,
      IdToken: 60,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
  };
  const provider = createUnitProvider(issuer, configuration, storage);
  provider.silent = true;
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    ctx.respond = false;
    const accountId = accounts.get(ctx.get('x-browser')) ?? '';
    if (prompt.name === 'login') return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId } });
    const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
    const grant =
      known ?? new provider.Grant({ accountId: session?.accountId ?? '', clientId: String(params['client_id']) });
    grant.addOIDCScope('openid offline_access');
    return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } });
  });
  const handle = provider.callback();
  server.on('request', (req, res) => void handle(req, res));

  const post = async (path: string, form: Record<string, string>): Promise<Response> => {
    const body = new URLSearchParams({ client_id: 'app', client_secret: SECRET, ...form });
    return fetch(issuer + path, { method: 'POST', body, headers: { accept: 'application/json' } });
  };
  const token = async (form: Record<string, string>): Promise<TokenAnswer> => {
    const answer = await post('/token', form);
    return { status: answer.status, ...((await answer.json()) as object) };
  };

  return {
    saved,
    browser(accountId) {
      const name = randomToken();
      accounts.set(name, accountId);
      const cookies = new Map<string, string>();
      const open = async (url: string): Promise<Response> => {
        const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join('; ');
        const answer = await fetch(url, { redirect: 'manual', headers: { cookie, 'x-browser': name } });
        await answer.arrayBuffer();
        for (const line of answer.headers.getSetCookie()) {
          const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
          if (value === '') cookies.delete(key);
          else cookies.set(key, value);
        }
        return answer;
      };
      const start = (clientId: string, prompt: string) => {
        const query = new URLSearchParams({
          client_id: clientId,
          redirect_uri: REDIRECT,
          response_type: 'code',
          scope: 'openid offline_access',
          prompt,
          state: 'state',
        });
        return `${issuer}/auth?${query}`;
      };
      return {
        cookies,
        async authorize(clientId = 'app') {
          let url = start(clientId, 'consent');
          for (let step = 0; step < 10; step += 1) {
            const answer = await open(url);
            const next = new URL(answer.headers.get('location') ?? '', issuer);
            const code = next.searchParams.get('code');
            if (code !== null) return code;
            if (next.origin !== issuer) throw new Error(`the engine refused: ${next.search}`);
            url = next.href;
          }
          throw new Error('the engine never came to an end');
        },
        async isSignedIn() {
          const answer = await open(start('app', 'none'));
          return new URL(answer.headers.get('location') ?? '').searchParams.has('code');
        },
      };
    },
    exchange: (code) => token({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT }),
    refresh: (value) => token({ grant_type: 'refresh_token', refresh_token: value }),
    async isActive(value) {
      const answer = await post('/token/introspection', { token: value });
      return ((await answer.json()) as { active: boolean }).active;
    },
    async revoke(value) {
      const answer = await post('/token/revocation', { token: value });
      if (answer.status !== 200) throw new Error(`revocation answered ${answer.status}`);
    },
    whileIssuing(work) {
      whileIssuing = work;
    },
    whileAuthorizing(work) {
      whileAuthorizing = work;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
