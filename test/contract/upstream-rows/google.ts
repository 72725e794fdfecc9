// The row of Google, which says everything in the ID token.
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { openIdRow, withoutUserinfo } from './oidc.ts';
import { made, type UpstreamRow } from './row.ts';

export const googleRow: UpstreamRow = {
  kind: 'google',
  async open() {
    const upstream = await ScriptedUpstream.start();
    upstream.person = {
      ...{ sub: '110169484474386276334', email: 'ann@gmail.com', email_verified: true, name: 'Ann Example' },
      ...{ given_name: 'Ann', family_name: 'Example', picture: 'https://lh3.googleusercontent.com/a/ann' },
    };
    const declaration = {
      ...{ id: 'google', kind: 'google', clientId: UPSTREAM_CLIENT.id },
      endpoints: { issuer: upstream.issuer },
    };
    return withoutUserinfo(
      openIdRow(upstream, (fetch) => made(createAdapter(declaration, { fetch, secret: UPSTREAM_CLIENT.secret }))),
    );
  },
  expected: (row) => ({
    ...{ issuer: row.issuer, subject: '110169484474386276334', email: 'ann@gmail.com', emailVerified: true },
    ...{ username: null, name: 'Ann Example', givenName: 'Ann', familyName: 'Example', locale: null },
    picture: 'https://lh3.googleusercontent.com/a/ann',
  }),
};
