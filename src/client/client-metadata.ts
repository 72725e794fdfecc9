// What a client may register, under the registered names of OIDC Registration and RFC 7591, plus a few of ours with the prefix `latchkey_`.
// The protocol's own rules (redirect URIs, algorithms, combinations) are checked by the engine; here every name and size is.
import { z } from 'zod';

/** FAPI 2.0 Security Profile. */
export const FAPI_PROFILE = 'fapi2';

/** What a client_id can be (RFC 6749, appendix A.1, without the space). */
export const CLIENT_ID = /^[\x21-\x7e]{1,200}$/;

const text = (most: number) => z.string().trim().min(1).max(most);
const uri = z.string().max(2048);
const uris = z.array(uri).max(100);
const names = z.array(text(200)).max(50);

export const clientMetadataSchema = z.strictObject({
  client_id: z
    .string()
    .regex(CLIENT_ID, 'visible ASCII without spaces, at most 200')
    // Names the document that describes a client: whoever could register one would be taken for its owner.
    .regex(/^(?!https:\/\/)/i, 'an https URL is the id of a client metadata document')
    .optional(),
  client_id_issued_at: z.int().min(0).optional(),
  client_name: text(200).optional(),
  client_uri: uri.optional(),
  logo_uri: uri.optional(),
  policy_uri: uri.optional(),
  tos_uri: uri.optional(),
  contacts: z.array(text(254)).max(20).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  redirect_uris: uris.optional(),
  post_logout_redirect_uris: uris.optional(),
  initiate_login_uri: uri.optional(),
  grant_types: names.optional(),
  response_types: names.optional(),
  response_modes: names.optional(),
  scope: text(2000).optional(),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .optional(),
  token_endpoint_auth_signing_alg: text(20).optional(),
  id_token_signed_response_alg: text(20).optional(),
  userinfo_signed_response_alg: text(20).optional(),
  introspection_signed_response_alg: text(20).optional(),
  request_object_signing_alg: text(20).optional(),
  require_signed_request_object: z.boolean().optional(),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(20) }).optional(),
  jwks_uri: uri.optional(),
  subject_type: z.enum(['public', 'pairwise']).optional(),
  sector_identifier_uri: uri.optional(),
  default_max_age: z.int().min(0).max(31_536_000).optional(),
  require_auth_time: z.boolean().optional(),
  default_acr_values: names.optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  backchannel_logout_uri: uri.optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  /** Consent is not asked: the app and the provider are one house. */
  latchkey_first_party: z.boolean().optional(),
  /** Exception by name for clients that cannot do PKCE. Never for public clients. */
  latchkey_pkce_optional: z.boolean().optional(),
  /** Origins of browser code that may call token, userinfo and revocation; redirect URIs' origins count anyway. */
  latchkey_cors_origins: uris.optional(),
  /** Seconds that its access tokens live, where the resource says nothing. */
  latchkey_access_token_ttl: z.int().min(30).max(86_400).optional(),
  /** Seconds that its ID tokens live; the deployment's life is the most. */
  latchkey_id_token_ttl: z.int().min(30).max(86_400).optional(),
  /** Seconds that its refresh tokens live without use; the deployment's idle lives and families are the most. */
  latchkey_refresh_token_ttl: z.int().min(60).max(31_536_000).optional(),
  /** Seconds after a sign-in at which it is over for this app: its refresh tokens end, and the next request asks the person again. */
  latchkey_session_ttl: z.int().min(60).max(31_536_000).optional(),
  /** The least that a sign-in to it has to be, whatever the request asks for; see docs/connecting-an-app.md. */
  latchkey_required_acr: z.enum(['urn:latchkey:aal2', 'urn:latchkey:phr']).optional(),
  /** Ids of the upstreams that its sign-in page shows; all of them without it. */
  latchkey_upstreams: z.array(text(32)).max(50).optional(),
  /** The API whose roles it is told of under the scope `roles`; without it, Latchkey's own. */
  latchkey_role_audience: text(500).optional(),
  /** Rules beyond the ordinary ones that it agrees to be held to. */
  latchkey_profile: z.literal(FAPI_PROFILE).optional(),
  /** May use implicit and hybrid response types where the deployment allows them for tests. */
  latchkey_test_client: z.boolean().optional(),
  /** Registered itself by the protocol (RFC 7591). */
  latchkey_registered: z.boolean().optional(),
  /** Can do nothing until an administrator takes this member away. */
  latchkey_quarantined: z.boolean().optional(),
});

export type ClientMetadata = z.infer<typeof clientMetadataSchema>;

/** Members of ours that the engine must carry along. */
export const EXTRA_CLIENT_METADATA = Object.keys(clientMetadataSchema.shape).filter((name) =>
  name.startsWith('latchkey_'),
);
