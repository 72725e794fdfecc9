// The client of the Model Context Protocol before a small server of its own kind: it is refused, finds us by the server's metadata (RFC 9728),
// registers or is known by its document, asks for tokens for that server alone (RFC 8707), and the server verifies them.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import express from 'express';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { startJsonHost } from '../../support/json-host.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { kidOf, publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';
import { AppServer } from './app-visit.ts';

const REDIRECT = 'http://127.0.0.1:9/callback';
// Both are named in settings, so they listen before the provider is there.
const server = await new AppServer().start();
const documents = await startJsonHost({ isSecure: true });
after(async () => {
  server.stop();
  await documents.close();
});
const RESOURCE = `${server.origin}/mcp`;
const env = {
  ...settingsFile(`
resources:
  - { id: '${RESOURCE}', name: Tools, scopes: { 'tools:call': use your tools } }
`),
  LATCHKEY_CLIENT_REGISTRATION: 'open',
  LATCHKEY_CLIENT_REGISTRATION_APPROVAL: 'false',
  LATCHKEY_CLIENT_DOCUMENT_HOSTS: 'localhost',
  LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
};

/** Tokens that the server does not take any more, as if their time were over. */
const expired = new Set<string>();

async function createServer(issuer: string) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  const metadata = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
  const app = express();
  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: (await metadata.json()) as Parameters<typeof mcpAuthMetadataRouter>[0]['oauthMetadata'],
      resourceServerUrl: new URL(RESOURCE),
      scopesSupported: ['tools:call', 'offline_access'],
    }),
  );
  const verifyAccessToken = async (token: string) => {
    if (expired.has(token)) throw new InvalidTokenError('expired');
    const { payload } = await jwtVerify(token, keys, { issuer, audience: RESOURCE, typ: 'at+jwt' });
    return {
      token,
      clientId: String(payload['client_id']),
      scopes: String(payload['scope']).split(' '),
      expiresAt: payload.exp ?? 0,
      resource: new URL(String(payload.aud)),
      extra: { sub: payload.sub },
    };
  };
  app.use(
    '/mcp',
    requireBearerAuth({
      verifier: { verifyAccessToken },
      expectedResource: new URL(RESOURCE),
      resourceMetadataUrl: `${server.origin}/.well-known/oauth-protected-resource/mcp`,
    }),
    async (req, res) => {
      const tools = new McpServer({ name: 'tools', version: '1.0.0' });
      tools.registerTool('who', {}, ({ authInfo }) => ({
        content: [{ type: 'text', text: String(authInfo?.extra?.['sub']) }],
      }));
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
      await tools.connect(transport);
      await transport.handleRequest(req, res);
    },
  );
  return app;
}

/** What an app stores for the client, and where it sends the browser. */
class Provider implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = {
    client_name: 'Tool User',
    redirect_uris: [REDIRECT],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };
  readonly clientMetadataUrl?: string;
  client: OAuthClientInformationMixed | undefined;
  stored: OAuthTokens | undefined;
  verifier = '';
  sentTo: URL | undefined;

  constructor(clientMetadataUrl?: string) {
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
  }
  state(): string {
    return 'the state';
  }
  clientInformation(): OAuthClientInformationMixed | undefined {
    return this.client;
  }
  saveClientInformation(client: OAuthClientInformationMixed): void {
    this.client = client;
  }
  tokens(): OAuthTokens | undefined {
    return this.stored;
  }
  saveTokens(tokens: OAuthTokens): void {
    this.stored = tokens;
  }
  redirectToAuthorization(url: URL): void {
    this.sentTo = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }
  codeVerifier(): string {
    return this.verifier;
  }
}

describeOnEachBackend(
  'the MCP client',
  (latchkey) => {
    const connect = async (provider: Provider) => {
      const client = new Client({ name: 'test', version: '1.0.0' });
      const transport = new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider: provider });
      await client.connect(transport);
      return client;
    };
    const who = async (client: Client) => (await client.callTool({ name: 'who' })).content;

    const signIn = async (provider: Provider) => {
      const account = await latchkey().createAccount();
      await assert.rejects(connect(provider), UnauthorizedError);
      assert.ok(provider.sentTo);
      assert.equal(provider.sentTo.searchParams.get('resource'), RESOURCE);
      assert.equal(provider.sentTo.searchParams.get('code_challenge_method'), 'S256');
      const browser = latchkey().browser();
      const page = await answerPrompts(browser, await browser.get(provider.sentTo), { account });
      assert.equal(page.params['state'], 'the state', page.describe());
      const transport = new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider: provider });
      await transport.finishAuth(page.params['code'] ?? '');
      return account;
    };

    for (const kind of ['that registers itself', 'that is described by its document'] as const) {
      it(`${kind} signs in, calls and refreshes, across a rotation`, async () => {
        const provider =
          kind === 'that registers itself' ? new Provider() : new Provider(`${documents.url}/tool-user.json`);
        documents.documents.set('/tool-user.json', {
          ...provider.clientMetadata,
          client_id: `${documents.url}/tool-user.json`,
        });
        const letThemSign = await publishNextKeys(latchkey());
        server.use(await createServer(latchkey().issuer));
        const account = await signIn(provider);
        assert.equal(
          provider.client?.client_id === `${documents.url}/tool-user.json`,
          kind !== 'that registers itself',
        );
        const first = provider.stored?.access_token ?? '';
        assert.equal(decodeJwt(first).aud, RESOURCE);
        const client = await connect(provider);
        assert.deepEqual(await who(client), [{ type: 'text', text: account.subject }]);

        await letThemSign();
        expired.add(first);
        assert.deepEqual(await who(client), [{ type: 'text', text: account.subject }]);
        assert.notEqual(provider.stored?.access_token, first);
        assert.notEqual(kidOf(provider.stored?.access_token), kidOf(first));
        await client.close();
      });
    }
  },
  { env },
);
