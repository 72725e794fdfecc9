// A truthful upstream: a second oidc-provider with one person in it, whose pages ask and are answered like anybody's.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { UPSTREAM_CLIENT } from './scripted-upstream.ts';

export interface UpstreamProvider {
  readonly issuer: string;
  close(): Promise<void>;
}

const PERSON = {
  ...{ email: 'eve@upstream.example', email_verified: true, name: 'Eve Upstream', preferred_username: 'eve' },
  locale: 'en',
};

/** @param callback our own, as it is registered there @param host another name than ours: cookies ignore ports */
export async function startUpstreamProvider(callback: string, host = '127.0.0.1'): Promise<UpstreamProvider> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://${host}:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: UPSTREAM_CLIENT.id,
        client_secret: UPSTREAM_CLIENT.secret,
        redirect_uris: [callback],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'locale'] },
    cookies: { keys: ['only for tests'] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...PERSON }) }),
    interactions: { url: (_ctx, { uid }) => `/sign-in/${uid}` },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
    pkce: { required: () => true },
  });
  provider.silent = true;
  // One page with one button, which signs the person in and agrees to everything.
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/sign-in/')) return next();
    const details = await provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method !== 'POST') {
      ctx.type = 'html';
      ctx.body = `<!doctype html><html lang="en"><head><title>Upstream</title><link rel="icon" href="data:,"></head>
        <body><h1>Upstream</h1><form method="post"><button>Sign in as Eve</button></form></body></html>`;
      return;
    }
    const grant = new provider.Grant({ accountId: 'eve', clientId: String(details.params['client_id']) });
    grant.addOIDCScope(String(details.params['scope']));
    ctx.respond = false;
    const consent = { grantId: await grant.save() };
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'eve' }, consent });
  });
  const handle = provider.callback();
  server.on('request', (req, res) => void handle(req, res));
  return {
    issuer,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
