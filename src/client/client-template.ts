// What an administrator starts a client from: the metadata of a kind of app, and of some apps to host oneself, whose paths are known
// (docs/frameworks.md).
import type { ClientMetadata } from './client-metadata.ts';

export const CLIENT_TEMPLATES = [
  ...(['web', 'spa', 'native', 'machine', 'grafana', 'nextcloud', 'gitea', 'immich'] as const),
] as const;
export type ClientTemplate = (typeof CLIENT_TEMPLATES)[number];

/** Adds its known path to where the app is; of the plain kinds the address is the redirect URI itself. */
const at = (address: string, path: string): string => `${address.replace(/\/+$/, '')}${path}`;

const BUILDERS: Readonly<Record<ClientTemplate, (address: string) => ClientMetadata>> = {
  web: (address) => ({ redirect_uris: [address], grant_types: ['authorization_code', 'refresh_token'] }),
  spa: (address) => ({
    redirect_uris: [address],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }),
  native: (address) => ({
    application_type: 'native',
    redirect_uris: [address],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }),
  machine: () => ({ redirect_uris: [], response_types: [], grant_types: ['client_credentials'] }),
  grafana: (address) => ({
    redirect_uris: [at(address, '/login/generic_oauth')],
    grant_types: ['authorization_code', 'refresh_token'],
  }),
  nextcloud: (address) => ({
    redirect_uris: [at(address, '/apps/user_oidc/code')],
    id_token_signed_response_alg: 'RS256',
    backchannel_logout_uri: at(address, '/apps/user_oidc/backchannel-logout/latchkey'),
  }),
  // It sends no PKCE for such sources.
  gitea: (address) => ({
    redirect_uris: [at(address, '/user/oauth2/latchkey/callback')],
    latchkey_pkce_optional: true,
  }),
  immich: (address) => ({
    redirect_uris: ['/auth/login', '/user-settings', '/api/oauth/mobile-redirect'].map((path) => at(address, path)),
    token_endpoint_auth_method: 'client_secret_post',
    id_token_signed_response_alg: 'RS256',
  }),
};

/** @param address the redirect URI, or where an app of a known kind is; a machine needs none */
export function metadataFrom(template: ClientTemplate, name: string, address: string): ClientMetadata {
  return { client_name: name, ...BUILDERS[template](address) };
}
