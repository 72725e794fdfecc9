// The row of Apple: a client secret that is a JWT of ours, checked by the upstream as Apple documents it, and names in the form post.
import { generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { ScriptedUpstream } from '../../support/scripted-upstream.ts';
import { openIdRow, withoutUserinfo } from './oidc.ts';
import { made, type UpstreamRow } from './row.ts';

const CLIENT = 'com.example.latchkey';
const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PEM = KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export const appleRow: UpstreamRow = {
  kind: 'apple',
  async open() {
    const upstream = await ScriptedUpstream.start();
    upstream.clientId = CLIENT;
    upstream.person = {
      ...{ sub: '001999.0123456789abcdef.0815', email: 'x7@privaterelay.appleid.com', email_verified: true },
      is_private_email: true,
    };
    upstream.isClient = async (req, form) => {
      if (req.headers.authorization !== undefined || form.get('client_id') !== CLIENT) return false;
      const { payload, protectedHeader } = await jwtVerify(form.get('client_secret') ?? '', KEYS.publicKey, {
        ...{ algorithms: ['ES256'], issuer: 'TEAM123456', subject: CLIENT, audience: 'https://appleid.apple.com' },
      });
      const life = (payload.exp ?? 0) - (payload.iat ?? 0);
      return protectedHeader.kid === 'KEY1234567' && life > 0 && life <= 300;
    };
    const declaration = {
      ...{ id: 'apple', kind: 'apple', clientId: CLIENT, teamId: 'TEAM123456', keyId: 'KEY1234567' },
      endpoints: { issuer: upstream.issuer },
    };
    const row = openIdRow(upstream, (fetch) => made(createAdapter(declaration, { fetch, secret: PEM })));
    return withoutUserinfo({
      ...row,
      hostile: {
        ...row.hostile,
        // The only error that Apple documents.
        deny: () => {
          upstream.script.callback = { code: undefined, error: 'user_cancelled_authorize' };
        },
      },
      signIn(url) {
        if (url.searchParams.get('response_mode') !== 'form_post') throw new Error('Apple wants form_post');
        const answer = row.signIn(url);
        const names = { name: { firstName: 'Ann', lastName: 'Example' }, email: 'somebody.else@example.com' };
        if (answer.has('code')) answer.set('user', JSON.stringify(names));
        return answer;
      },
    });
  },
  expected: (row) => ({
    ...{ issuer: row.issuer, subject: '001999.0123456789abcdef.0815', email: 'x7@privaterelay.appleid.com' },
    ...{ emailVerified: true, username: null, name: 'Ann Example', givenName: 'Ann', familyName: 'Example' },
    ...{ picture: null, locale: null },
  }),
};
