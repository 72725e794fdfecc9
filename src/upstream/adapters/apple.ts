// Apple: an OpenID provider whose client secret is a short-lived JWT of our own, which answers by a cross-site form post, and which names the
// person once, at the first sign-in, in a form field (Apple, "Sign in with Apple", REST API). That field comes through the browser: it gives a
// display name at most. The address may be a relay of Apple's. `email_verified` is documented as boolean or text. Only the boolean counts, as
// everywhere: text that counts here would be one rule more to get wrong, and who comes with text is only asked whose account it is.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { ClientSecretPost } from 'openid-client';
import { AppError } from '../../errors.ts';
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { identityFromClaims, plainText } from '../identity.ts';
import { createOidcKind } from './oidc.ts';

const ISSUER = 'https://appleid.apple.com';
/** Seconds that a client secret lives, and before its end when the next one is made. */
const SECRET_TTL = 300;
const SECRET_SLACK = 60;
/** Characters of the form field that are looked at. */
const MOST = 2000;

/** @throws AppError `upstream-setting` when the private key cannot be read */
export function createAppleAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  const secrets = new ClientSecrets(declaration, readKey(declaration.id, parts.secret));
  return createOidcKind(declaration, parts, {
    issuer: declaration.endpoints?.issuer ?? ISSUER,
    label: 'Apple',
    icon: 'apple',
    scopes: ['openid', 'name', 'email'],
    // Apple asks for it wherever a scope beside openid is asked for.
    responseMode: 'form_post',
    usesUserinfo: false,
    clientAuthentication: async () => ClientSecretPost(await secrets.get()),
    identify(claims, callback) {
      const identity = identityFromClaims(String(claims['iss']), claims);
      return { ...identity, ...namesOf(callback.get('user')) };
    },
  });
}

/** Made for a few minutes and used until shortly before its end. */
class ClientSecrets {
  readonly #declaration: AdapterDeclaration;
  readonly #key: KeyObject;
  #current: { readonly secret: Promise<string>; readonly until: number } | undefined;

  constructor(declaration: AdapterDeclaration, key: KeyObject) {
    this.#declaration = declaration;
    this.#key = key;
  }

  get(now = Date.now()): Promise<string> {
    if (this.#current === undefined || this.#current.until <= now) {
      const secret = this.#make(Math.floor(now / 1000));
      this.#current = { secret, until: now + (SECRET_TTL - SECRET_SLACK) * 1000 };
    }
    return this.#current.secret;
  }

  #make(now: number): Promise<string> {
    const { teamId = '', keyId = '', clientId } = this.#declaration;
    return new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: keyId })
      .setIssuer(teamId)
      .setSubject(clientId)
      .setAudience(ISSUER)
      .setIssuedAt(now)
      .setExpirationTime(now + SECRET_TTL)
      .sign(this.#key);
  }
}

function readKey(id: string, pem: string | undefined): KeyObject {
  try {
    const key = createPrivateKey(pem ?? '');
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Said below, without a word of the key.
  }
  throw new AppError(
    'upstream-setting',
    500,
    `upstreams: ${id}: privateKey is no private key for ES256; give the .p8 file that Apple offers for download, as it is`,
  );
}

/** `{"name":{"firstName":…,"lastName":…},"email":…}`; its address proves nothing and is not read. */
function namesOf(field: string | null): { name?: string; givenName?: string; familyName?: string } {
  if (field === null || field.length > MOST) return {};
  try {
    const { name } = JSON.parse(field) as { name?: { firstName?: unknown; lastName?: unknown } };
    const givenName = plainText(name?.firstName, 100) ?? undefined;
    const familyName = plainText(name?.lastName, 100) ?? undefined;
    const full = [givenName, familyName].filter(Boolean).join(' ');
    return {
      ...(full === '' ? {} : { name: full }),
      ...(givenName === undefined ? {} : { givenName }),
      ...(familyName === undefined ? {} : { familyName }),
    };
  } catch {
    return {};
  }
}
