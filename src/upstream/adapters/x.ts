// X. The number is the key; there is no address.
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { httpsUrl, plainText, subjectOf } from '../identity.ts';
import { asObject, createOauth2Kind } from './oauth2.ts';

export function createXAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  return createOauth2Kind(declaration, parts, {
    issuer: 'https://x.com',
    label: 'X',
    icon: 'x',
    // Reading the own profile needs both.
    scopes: ['users.read', 'tweet.read'],
    authorizationEndpoint: 'https://x.com/i/oauth2/authorize',
    tokenEndpoint: 'https://api.x.com/2/oauth2/token',
    secretIn: 'header',
    api: 'https://api.x.com',
    async identify(ask, issuer) {
      const answer = asObject(await ask('/2/users/me?user.fields=profile_image_url'));
      const profile = asObject(answer['data']);
      return {
        ...{ issuer, subject: subjectOf(profile['id']), email: null, emailVerified: false },
        username: plainText(profile['username'], 100),
        name: plainText(profile['name'], 255) ?? plainText(profile['username'], 100),
        ...{ givenName: null, familyName: null },
        ...{ picture: httpsUrl(profile['profile_image_url']), locale: null },
      };
    },
  });
}
