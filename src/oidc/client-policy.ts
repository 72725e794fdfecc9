// What we ask of a client's metadata beyond the engine's rules: who may carry our own members, which response types, and what the FAPI 2.0
// security profile brings with it. The engine calls it whenever it builds a client, so what breaks a rule can be neither stored nor used.
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { EXTRA_CLIENT_METADATA, FAPI_PROFILE } from '../client/client-metadata.ts';
import { DEVICE_GRANT } from './device-flow.ts';
import type { Resources } from './resources.ts';

/** FAPI 2.0 Security Profile, 5.4.1. */
export const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const FOREIGN_URIS = [
  ...['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri', 'sector_identifier_uri'],
  ...['backchannel_logout_uri', 'initiate_login_uri'],
];

interface PolicyOptions {
  /** Whether who registers by the protocol may have the device grant: its codes are what phishers pass on. */
  readonly isDeviceGrantOpen: boolean;
  readonly resources: Resources;
}

type ExtraClientMetadata = NonNullable<Configuration['extraClientMetadata']>;
/** The engine's working copy: what is changed in it counts. */
type Metadata = Record<string, unknown>;

export function clientPolicy(options: PolicyOptions): ExtraClientMetadata {
  return {
    properties: EXTRA_CLIENT_METADATA,
    validator(ctx, key, _value, metadata) {
      // Called once for each of our members; one call does it all.
      if (key === EXTRA_CLIENT_METADATA[0]) check(ctx, metadata, options);
    },
  };
}

/** Whether a client_id names a metadata document instead of something that was registered. */
function isDocumentId(clientId: unknown): boolean {
  return typeof clientId === 'string' && /^https:\/\//i.test(clientId);
}

/** @param ctx only while a client registers or changes itself by the protocol */
function check(ctx: KoaContextWithOIDC | undefined, metadata: Metadata, options: PolicyOptions): void {
  if (ctx !== undefined || isDocumentId(metadata['client_id'])) checkForeign(metadata, options);
  leaveOutScopesOfResources(metadata, options.resources);
  if (metadata['latchkey_profile'] === FAPI_PROFILE) applyFapi(metadata);
  const responseTypes = texts(metadata['response_types']);
  if (metadata['latchkey_test_client'] !== true && responseTypes.some((type) => type !== 'code')) {
    refuse('response_types other than code are for clients with latchkey_test_client');
  }
}

/**
 * Clients register the scopes that an API's metadata name (RFC 9728), as the MCP's do. The engine refuses what is no scope of ours, and would not
 * look at it later: who gets which scope of an API is the API's declaration.
 */
function leaveOutScopesOfResources(metadata: Metadata, resources: Resources): void {
  const { scope } = metadata;
  if (typeof scope !== 'string') return;
  const own = scope.split(' ').filter((one) => !resources.hasScope(one));
  if (own.length > 0) metadata['scope'] = own.join(' ');
  else delete metadata['scope'];
}

/** Metadata that a stranger wrote: none of our own members, and no address that others could read or change on the way. */
function checkForeign(metadata: Metadata, options: PolicyOptions): void {
  for (const name of EXTRA_CLIENT_METADATA) delete metadata[name];
  for (const name of FOREIGN_URIS) {
    const uri = metadata[name];
    if (typeof uri === 'string' && URL.parse(uri)?.protocol !== 'https:') refuse(`${name} must be an https URI`);
  }
  for (const name of ['redirect_uris', 'post_logout_redirect_uris']) {
    for (const uri of texts(metadata[name])) {
      const parsed = URL.parse(uri);
      if (parsed?.protocol === 'http:' && !LOOPBACK.has(parsed.hostname)) {
        refuse(`${name} must use https, or http on a loopback address`);
      }
    }
  }
  if (!options.isDeviceGrantOpen && texts(metadata['grant_types']).includes(DEVICE_GRANT)) {
    refuse(`${DEVICE_GRANT} is not open for registration`);
  }
}

/** FAPI 2.0 Security Profile, 5.3: sender-constrained tokens, pushed requests, strong client authentication, code only. */
function applyFapi(metadata: Metadata): void {
  const needs = (isMet: boolean, what: string): void => {
    if (!isMet) refuse(`latchkey_profile ${FAPI_PROFILE} needs ${what}`);
  };
  const isStrong = (algorithm: unknown): boolean => FAPI_ALGORITHMS.includes(String(algorithm));
  needs(metadata['token_endpoint_auth_method'] === 'private_key_jwt', 'token_endpoint_auth_method private_key_jwt');
  needs(
    isStrong(metadata['token_endpoint_auth_signing_alg']),
    `token_endpoint_auth_signing_alg, one of ${FAPI_ALGORITHMS.join(', ')}`,
  );
  needs(isStrong(metadata['id_token_signed_response_alg']), 'id_token_signed_response_alg ES256 or EdDSA');
  needs(metadata['latchkey_pkce_optional'] !== true, 'PKCE');
  needs(
    texts(metadata['response_types']).every((type) => type === 'code'),
    'response_types code alone',
  );
  needs(
    texts(metadata['redirect_uris']).every((uri) => URL.parse(uri)?.protocol === 'https:'),
    'https redirect URIs',
  );
  metadata['require_pushed_authorization_requests'] = true;
  metadata['dpop_bound_access_tokens'] = true;
}

function refuse(reason: string): never {
  throw new errors.InvalidClientMetadata(reason);
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
