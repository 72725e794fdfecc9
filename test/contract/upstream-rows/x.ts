// The row of X, which knows no address of anybody.
import { openOauth2Row } from './oauth2.ts';
import type { UpstreamRow } from './row.ts';

export const xRow: UpstreamRow = {
  kind: 'x',
  open: () =>
    openOauth2Row({
      kind: 'x',
      person: { sub: '2244994945', id: '2244994945' },
      api: {
        '/2/users/me': ({ id }) => ({
          data: {
            ...{ id, name: 'Ann Example', username: 'ann_x' },
            profile_image_url: 'https://pbs.twimg.com/profile_images/1/ann.png',
          },
        }),
      },
      clientRefusal: {
        status: 401,
        body: { error: 'unauthorized_client', error_description: 'Missing valid authorization header' },
      },
      withoutSubject: { id: undefined },
    }),
  expected: (row) => ({
    ...{ issuer: row.issuer, subject: '2244994945', email: null, emailVerified: false },
    ...{ username: 'ann_x', name: 'Ann Example', givenName: null, familyName: null, locale: null },
    picture: 'https://pbs.twimg.com/profile_images/1/ann.png',
  }),
};
