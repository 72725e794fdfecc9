// A ready example for openid-client, filled with a client's own values: what `client create` and the set-up page show.
import type { ClientMetadata } from './client-metadata.ts';

interface SnippetInput {
  readonly issuer: string;
  readonly metadata: ClientMetadata;
  readonly clientSecret?: string;
}

export type SnippetKind = 'openid-client' | 'settings' | 'authlib' | 'oauth2-proxy' | 'curl';

/** Examples for several libraries and programs; a machine gets the one that it can use. */
export function clientSnippets(input: SnippetInput): readonly { readonly kind: SnippetKind; readonly text: string }[] {
  const { issuer, metadata, clientSecret = 'YOUR_CLIENT_SECRET' } = input;
  const id = metadata.client_id ?? '';
  const method = metadata.token_endpoint_auth_method ?? 'client_secret_basic';
  const hasSecret = method === 'client_secret_basic' || method === 'client_secret_post';
  const grants = metadata.grant_types ?? ['authorization_code'];
  if (!grants.includes('authorization_code')) {
    const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
    const credentials =
      method === 'client_secret_post'
        ? `-d client_id=${quoted(id)} -d client_secret=${quoted(clientSecret)}`
        : `-u ${quoted(`${id}:${clientSecret}`)}`;
    if (!grants.includes('client_credentials') || !hasSecret) return [];
    return [
      { kind: 'curl', text: `curl ${credentials} -d grant_type=client_credentials ${quoted(`${issuer}/token`)}\n` },
    ];
  }
  const redirectUri = metadata.redirect_uris?.[0] ?? 'https://app.example.com/callback';
  const text = (value: string): string => JSON.stringify(value);
  const settings = [
    `OIDC_ISSUER=${issuer}`,
    `OIDC_DISCOVERY=${issuer}/.well-known/openid-configuration`,
    `OIDC_CLIENT_ID=${id}`,
    ...(hasSecret ? [`OIDC_CLIENT_SECRET=${clientSecret}`] : []),
    `OIDC_REDIRECT_URI=${redirectUri}`,
    'OIDC_SCOPE=openid profile email',
    `OIDC_TOKEN_AUTH_METHOD=${method}`,
    `OIDC_ID_TOKEN_ALG=${metadata.id_token_signed_response_alg ?? 'RS256'}`,
  ];
  const authlib = [
    'from authlib.integrations.flask_client import OAuth',
    '',
    'oauth = OAuth(app)',
    'oauth.register(',
    '    name="latchkey",',
    `    server_metadata_url=${text(`${issuer}/.well-known/openid-configuration`)},`,
    `    client_id=${text(id)},`,
    ...(hasSecret ? [`    client_secret=${text(clientSecret)},`] : []),
    '    client_kwargs={',
    '        "scope": "openid profile email",',
    '        "code_challenge_method": "S256",',
    `        "token_endpoint_auth_method": ${text(method)},`,
    '    },',
    ')',
  ];
  const proxy = [
    'provider = "oidc"',
    `oidc_issuer_url = ${text(issuer)}`,
    `client_id = ${text(id)}`,
    `client_secret = ${text(clientSecret)}`,
    `redirect_url = ${text(redirectUri)}`,
    'scope = "openid profile email"',
    'code_challenge_method = "S256"',
  ];
  return [
    { kind: 'openid-client', text: clientSnippet(input) },
    { kind: 'settings', text: `${settings.join('\n')}\n` },
    { kind: 'authlib', text: `${authlib.join('\n')}\n` },
    ...(hasSecret ? [{ kind: 'oauth2-proxy', text: `${proxy.join('\n')}\n` } as const] : []),
  ];
}

/** JavaScript that signs a person in with code + PKCE, up to the claims. */
export function clientSnippet(input: SnippetInput): string {
  const { issuer, metadata, clientSecret } = input;
  const redirectUri = metadata.redirect_uris?.[0] ?? 'https://app.example.com/callback';
  const text = (value: string): string => JSON.stringify(value);
  const method = metadata.token_endpoint_auth_method ?? 'client_secret_basic';
  const authentication =
    method === 'none'
      ? 'oidc.None()'
      : method === 'client_secret_post'
        ? `oidc.ClientSecretPost(${text(clientSecret ?? 'YOUR_CLIENT_SECRET')})`
        : `oidc.ClientSecretBasic(${text(clientSecret ?? 'YOUR_CLIENT_SECRET')})`;
  const insecure = issuer.startsWith('http:');
  const options = insecure
    ? `, {\n  execute: [oidc.allowInsecureRequests], // the issuer is http: development only\n}`
    : '';
  return `import * as oidc from 'openid-client';

const config = await oidc.discovery(new URL(${text(issuer)}), ${text(metadata.client_id ?? '')}, {
  id_token_signed_response_alg: ${text(metadata.id_token_signed_response_alg ?? 'RS256')},
}, ${authentication}${options});

// Keep these two for the callback, in the session of the browser.
const codeVerifier = oidc.randomPKCECodeVerifier();
const state = oidc.randomState();

// Send the browser here.
const url = oidc.buildAuthorizationUrl(config, {
  redirect_uri: ${text(redirectUri)},
  scope: 'openid profile email',
  code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: 'S256',
  state,
});

// At ${text(redirectUri)}: currentUrl is the URL that the browser came back with.
const tokens = await oidc.authorizationCodeGrant(config, currentUrl, {
  pkceCodeVerifier: codeVerifier,
  expectedState: state,
});
console.log(tokens.claims());
`;
}
