// A ready example for openid-client, filled with a client's own values: what `client create` and the set-up page show.
import type { ClientMetadata } from './client-metadata.ts';

/** JavaScript that signs a person in with code + PKCE, up to the claims. */
export function clientSnippet(input: {
  readonly issuer: string;
  readonly metadata: ClientMetadata;
  readonly clientSecret?: string;
}): string {
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
