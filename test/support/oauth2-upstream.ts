// An OAuth 2.0 provider of one kind on loopback, and one whole sign-in at it through our adapter.
import { randomBytes } from 'node:crypto';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import type { UpstreamIdentity } from '../../src/upstream/adapter.ts';
import { createAdapter } from '../../src/upstream/adapters/index.ts';
import { json, ScriptedUpstream, UPSTREAM_CLIENT } from './scripted-upstream.ts';

type Endpoints = Record<'authorization' | 'token' | 'api', string>;

export interface Oauth2Upstream {
  readonly upstream: ScriptedUpstream;
  /** What a path of its API answers; a status other than 200 where one is given. */
  says(path: string, body: unknown, status?: number, headers?: Readonly<Record<string, string>>): void;
  /**
   * @param change what the browser brings back instead
   * @param endpoints other names of the same server for some of them
   */
  signIn(change?: (callback: URLSearchParams) => void, endpoints?: Partial<Endpoints>): Promise<UpstreamIdentity>;
}

export async function startOauth2Upstream(kind: string): Promise<Oauth2Upstream> {
  const upstream = await ScriptedUpstream.start();
  const { issuer, paths } = upstream;
  // Its token endpoint then gives no ID token.
  upstream.api.set('/', () => ({}));
  const declaration = {
    ...{ id: kind, kind, clientId: UPSTREAM_CLIENT.id },
  };
  const own: Endpoints = {
    ...{ authorization: `${issuer}${paths.authorization}`, token: `${issuer}${paths.token}`, api: issuer },
  };
  return {
    upstream,
    says: (path, body, status = 200, headers = {}) => {
      upstream.script.answers.set(path, (_req, res) => {
        for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
        json(res, body, status);
      });
    },
    async signIn(change, endpoints = {}) {
      const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost', '127.0.0.1'] });
      const adapter = createAdapter(
        { ...declaration, endpoints: { ...own, ...endpoints } },
        { fetch, secret: UPSTREAM_CLIENT.secret },
      );
      if (!adapter) throw new Error(`there is no adapter for ${kind}`);
      const random = (): string => randomBytes(32).toString('base64url');
      const request = {
        redirectUri: `https://id.example.com/upstream/${kind}/callback`,
        ...{ state: random(), nonce: random(), codeVerifier: random() },
      };
      const callback = upstream.authorize(await adapter.authorizationUrl(request));
      change?.(callback);
      return adapter.identify(callback, request);
    },
  };
}
