// GitHub, and GitHub Enterprise Server by `endpoints`. The number is the key: names change hands. The address is the one that GitHub calls
// primary and verified, which only the second call tells; without `user:email`, or for a GitHub App without that permission, it answers 403
// or 404, and there is no address.
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { emailText, httpsUrl, plainText, subjectOf } from '../identity.ts';
import { asObject, createOauth2Kind } from './oauth2.ts';

export function createGithubAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  return createOauth2Kind(declaration, parts, {
    issuer: 'https://github.com',
    // "The issuer for GitHub.com is https://github.com/login/oauth", and its answers have named it since April 2026.
    issuerPath: '/login/oauth',
    label: 'GitHub',
    icon: 'github',
    scopes: ['read:user', 'user:email'],
    authorizationEndpoint: 'https://github.com/login/oauth/authorize',
    tokenEndpoint: 'https://github.com/login/oauth/access_token',
    secretIn: 'body',
    api: 'https://api.github.com',
    headers: { 'x-github-api-version': '2022-11-28', 'user-agent': 'Latchkey' },
    async identify(ask, issuer) {
      const profile = asObject(await ask('/user'));
      const email = primaryEmail(await ask('/user/emails', { mayBeHidden: true }));
      return {
        ...{ issuer, subject: subjectOf(profile['id']), email, emailVerified: email !== null },
        username: plainText(profile['login'], 100),
        name: plainText(profile['name'], 255) ?? plainText(profile['login'], 100),
        ...{ givenName: null, familyName: null },
        ...{ picture: httpsUrl(profile['avatar_url']), locale: null },
      };
    },
  });
}

/** An address that is not verified is none at all: others could have typed it. */
function primaryEmail(answer: unknown): string | null {
  if (!Array.isArray(answer)) return null;
  const rows = answer.slice(0, 100).map((row) => (typeof row === 'object' && row !== null ? row : {}) as object);
  const found = rows.find(
    (row) => 'primary' in row && row.primary === true && 'verified' in row && row.verified === true,
  );
  return found && 'email' in found ? emailText(found.email) : null;
}
