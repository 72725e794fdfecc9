// The row of Discord, whose people may have an address that was never verified, or none.
import { openOauth2Row } from './oauth2.ts';
import type { UpstreamRow } from './row.ts';

export const discordRow: UpstreamRow = {
  kind: 'discord',
  open: () =>
    openOauth2Row({
      kind: 'discord',
      person: { sub: '80351110224678912', id: '80351110224678912', verified: true },
      api: {
        '/users/@me': ({ id, verified }) => ({
          ...{ id, verified, username: 'ann', discriminator: '0', global_name: 'Ann', email: 'ann@example.com' },
          ...{ avatar: '8342729096ea3675442027381ff50dfe', locale: 'en-US', mfa_enabled: true },
        }),
      },
      withoutSubject: { id: undefined },
      emailVerified: (value) => ({ verified: value }),
    }),
  expected: (row) => ({
    ...{ issuer: row.issuer, subject: '80351110224678912', email: 'ann@example.com', emailVerified: true },
    ...{ username: 'ann', name: 'Ann', givenName: null, familyName: null, locale: 'en-US' },
    picture: 'https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png',
  }),
};
