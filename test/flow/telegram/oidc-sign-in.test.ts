// Signing in with Telegram as an OpenID provider, beside the bot: one person is one account, through whichever door.
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { answerPrompts, authorizationRequest, redeem } from '../../support/relying-party.ts';
import { UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';
import { BOT_TOKEN, startTelegramApi } from '../../support/telegram-api.ts';
import { startTelegramIssuer, telegramClaims, telegramDeclaration } from '../../support/telegram-issuer.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot } from '../../support/telegram-stage.ts';
import { openSignIn, passThrough, press } from '../../support/upstream-stage.ts';

const upstream = await startTelegramIssuer();
const api = await startTelegramApi();
after(() => Promise.all([upstream.close(), api.close()]));
afterEach(() => upstream.reset());
const declarations = {
  telegram: { botToken: BOT_TOKEN, apiRoot: api.url },
  upstreams: [{ ...telegramDeclaration(upstream), clientSecret: UPSTREAM_CLIENT.secret }],
};

async function claimsOf(
  latchkey: Latchkey,
  walk: (browser: Browser, page: Page) => Promise<Page>,
): Promise<Record<string, unknown>> {
  const client = await latchkey.createClient();
  const browser = latchkey.browser();
  await openWithBot(latchkey, browser, client);
  const request = authorizationRequest(latchkey.issuer, client);
  const end = await answerPrompts(browser, await walk(browser, await browser.get(request.url)), {});
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
  const tokens = await redeem(latchkey, client, { ...request, code: end.params['code'] });
  const [, payload = ''] = String(tokens.body['id_token']).split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}

describeOnEachBackend(
  'signing in with Telegram by OpenID Connect',
  (latchkey) => {
    test('is the account of the bot, in both orders, and no address is stored', async () => {
      const byBot = (user: ReturnType<typeof newTelegramPerson>) =>
        claimsOf(latchkey(), async (browser, page) => {
          const wait = await askBot(browser, page);
          await answerInBot(api, user, wait);
          return browser.submit(wait);
        });
      const byOidc = (user: ReturnType<typeof newTelegramPerson>) =>
        claimsOf(latchkey(), (browser, page) =>
          passThrough(browser, page, 'telegram', upstream, { ...telegramClaims(user), email: 'ann@example.com' }),
        );
      const [one, other] = [newTelegramPerson(), newTelegramPerson()];
      const first = await byOidc(one);
      assert.deepEqual(first['amr'], ['tg']);
      assert.equal((await byBot(one))['sub'], first['sub']);
      const second = await byBot(other);
      assert.equal((await byOidc({ ...other, username: one.username ?? '' }))['sub'], second['sub']);
      assert.notEqual(second['sub'], first['sub']);
      const account = await latchkey().app.accounts.findBySubject(String(first['sub']));
      assert.deepEqual([account?.email, account?.emailVerified, account?.status], [null, false, 'active']);
    });

    test('an answer without code and error says which address BotFather has to know, and the attempt stays', async () => {
      const browser = latchkey().browser();
      const page = await openSignIn(latchkey(), browser, await latchkey().createClient());
      await press(browser, page, 'telegram');
      const answer = await browser.get('/upstream/telegram/callback', { 'sec-fetch-site': 'cross-site' });
      assert.equal(answer.status, 502);
      assert.match(answer.text, /not registered in BotFather/);
      assert.ok(answer.text.includes(`${latchkey().issuer}/upstream/telegram/callback`));
    });

    test('an ID token without the numeric id makes no account and tells the operator why', async () => {
      upstream.script.claims = { id: undefined };
      const browser = latchkey().browser();
      const page = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const answer = await passThrough(browser, page, 'telegram', upstream, telegramClaims(newTelegramPerson()));
      assert.equal(answer.status, 502);
      assert.ok(latchkey().logLines.some((line) => line.includes('no numeric id')));
    });
  },
  {
    env: {
      ...settingsFile(JSON.stringify(declarations)),
      LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
      LATCHKEY_REGISTRATION: 'open',
    },
  },
);
