// The row of GitHub: two calls, errors with status 200, and answers that name an issuer with a path.
import { openOauth2Row } from './oauth2.ts';
import type { UpstreamRow } from './row.ts';

export const githubRow: UpstreamRow = {
  kind: 'github',
  open: () =>
    openOauth2Row({
      kind: 'github',
      person: { sub: '583231', id: 583_231, login: 'octo-ann', name: 'Ann Example', primary: true, verified: true },
      api: {
        '/user': ({ id, login, name }) => ({
          ...{ id, login, name, email: 'public-and-unproven@example.com' },
          avatar_url: 'https://avatars.githubusercontent.com/u/583231',
        }),
        '/user/emails': ({ primary, verified }) => [
          { email: 'second@example.com', primary: false, verified: true, visibility: null },
          { email: 'ann@example.com', primary, verified, visibility: 'private' },
        ],
      },
      withoutSubject: { id: undefined },
      emailVerified: (value) => ({ verified: value }),
      refusal: {
        status: 200,
        body: { error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' },
      },
      clientRefusal: {
        status: 200,
        body: { error: 'incorrect_client_credentials', error_description: 'The client_id is incorrect.' },
      },
      issuerPath: '/login/oauth',
    }),
  expected: (row) => ({
    ...{ issuer: row.issuer, subject: '583231', email: 'ann@example.com', emailVerified: true },
    ...{ username: 'octo-ann', name: 'Ann Example', givenName: null, familyName: null, locale: null },
    picture: 'https://avatars.githubusercontent.com/u/583231',
  }),
};
