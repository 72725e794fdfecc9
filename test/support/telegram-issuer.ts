// Telegram's OpenID provider on loopback, with its habits: other paths, no userinfo, a nonce that does not come back, `sub` that is not the user
// id, a phone number without plus, no e-mail.
import { ScriptedUpstream, UPSTREAM_CLIENT, type UpstreamPerson } from './scripted-upstream.ts';
import type { TestTelegramPerson } from './telegram-api.ts';

export const TELEGRAM_PERSON = telegramClaims({ id: 6_123_456_789_012, firstName: 'Zoë', username: 'zoe_n' });

export async function startTelegramIssuer(): Promise<ScriptedUpstream> {
  const upstream = await ScriptedUpstream.start();
  Object.assign(upstream.paths, { authorization: '/auth', token: '/token', jwks: '/.well-known/jwks.json' });
  upstream.metadata = {
    userinfo_endpoint: undefined,
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA', 'ES256K'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
  };
  upstream.person = TELEGRAM_PERSON;
  return upstream;
}

/** What the ID token says of somebody. */
export function telegramClaims(user: TestTelegramPerson): UpstreamPerson {
  return {
    // A number of this bot for the person.
    ...{ sub: `9${String(user.id * 3).padStart(18, '0')}`, id: user.id, name: user.firstName ?? 'Zoë' },
    ...(user.username === undefined ? {} : { preferred_username: user.username }),
    ...{ picture: 'https://cdn4.telesco.pe/file/zoe.jpg', phone_number: '79991234567', nonce: undefined },
  };
}

export function telegramDeclaration(upstream: ScriptedUpstream) {
  return {
    ...{ id: 'telegram', kind: 'telegram', clientId: UPSTREAM_CLIENT.id, endpoints: { issuer: upstream.issuer } },
  } as const;
}
