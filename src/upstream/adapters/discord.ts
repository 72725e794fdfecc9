// Discord. The number is the key; an account may have no address, and one that is not verified says so.
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { emailText, languageTag, plainText, subjectOf } from '../identity.ts';
import { asObject, createOauth2Kind } from './oauth2.ts';

export function createDiscordAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  return createOauth2Kind(declaration, parts, {
    issuer: 'https://discord.com',
    label: 'Discord',
    icon: 'discord',
    scopes: ['identify', 'email'],
    authorizationEndpoint: 'https://discord.com/oauth2/authorize',
    tokenEndpoint: 'https://discord.com/api/oauth2/token',
    secretIn: 'header',
    api: 'https://discord.com/api/v10',
    async identify(ask, issuer) {
      const profile = asObject(await ask('/users/@me'));
      const subject = subjectOf(profile['id']);
      const email = emailText(profile['email']);
      const { avatar } = profile;
      const hasAvatar = typeof avatar === 'string' && /^\w{1,64}$/.test(avatar) && /^\d+$/.test(subject);
      return {
        ...{ issuer, subject, email, emailVerified: email !== null && profile['verified'] === true },
        username: plainText(profile['username'], 100),
        name: plainText(profile['global_name'], 255) ?? plainText(profile['username'], 100),
        ...{ givenName: null, familyName: null },
        picture: hasAvatar ? `https://cdn.discordapp.com/avatars/${subject}/${avatar}.png` : null,
        locale: languageTag(profile['locale']),
      };
    },
  });
}
