// The row of Telegram: an OpenID provider without a profile, whose key is another claim than `sub`.
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { startTelegramIssuer, TELEGRAM_PERSON, telegramDeclaration } from '../../support/telegram-issuer.ts';
import { openIdRow } from './oidc.ts';
import type { UpstreamRow } from './row.ts';

export const telegramRow: UpstreamRow = {
  kind: 'telegram',
  mayOmitNonce: true,
  async open() {
    const upstream = await startTelegramIssuer();
    const row = openIdRow(upstream, (fetch) => {
      const adapter = createAdapter(telegramDeclaration(upstream), { fetch, secret: UPSTREAM_CLIENT.secret });
      if (!adapter) throw new Error('there is no adapter for telegram');
      return adapter;
    });
    const { otherProfile: _profile, emailVerified: _email, ...hostile } = row.hostile;
    const { paths } = upstream;
    const withoutSubject = (): void => {
      upstream.script.claims = { id: undefined };
    };
    return { ...row, hostile: { ...hostile, calls: [paths.token, paths.jwks], withoutSubject } };
  },
  expected: () => ({
    issuer: 'https://telegram.org',
    subject: '6123456789012',
    upstreamSubject: TELEGRAM_PERSON.sub,
    email: null,
    emailVerified: false,
    username: 'zoe_n',
    name: 'Zoë',
    givenName: null,
    familyName: null,
    picture: 'https://cdn4.telesco.pe/file/zoe.jpg',
    locale: null,
  }),
};
