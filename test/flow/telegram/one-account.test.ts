// All five doors of Telegram lead to one account, whichever was opened first: OpenID Connect, the legacy widget, the Mini App, the approval in the
// bot, and the code to a phone number that was proven there.
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Browser, Page } from '../../support/browser-client.ts';
import { signInitData, signWidget } from '../../support/init-data.ts';
import { messagesTo, newPhone, nextCode, shareContact } from '../../support/phone-stage.ts';
import { answerPrompts, authorizationRequest, redeem, tokenRequest } from '../../support/relying-party.ts';
import { UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';
import { BOT_TOKEN, startTelegramApi, type TestTelegramPerson } from '../../support/telegram-api.ts';
import { startTelegramIssuer, telegramClaims, telegramDeclaration } from '../../support/telegram-issuer.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot } from '../../support/telegram-stage.ts';
import { passThrough } from '../../support/upstream-stage.ts';

const upstream = await startTelegramIssuer();
const api = await startTelegramApi();
after(() => Promise.all([upstream.close(), api.close()]));
afterEach(() => upstream.reset());

interface Visit {
  readonly latchkey: Latchkey;
  readonly browser: Browser;
  readonly client: TestClient;
  readonly user: TestTelegramPerson;
  /** The sign-in page of the client's request. */
  readonly page: Page;
}

/** From the sign-in page to where nothing of Telegram is left to do. */
type Door = (visit: Visit) => Promise<Page>;

const DOORS: Readonly<Record<string, Door>> = {
  'OpenID Connect': ({ browser, page, user }) => passThrough(browser, page, 'telegram', upstream, telegramClaims(user)),
  async 'the legacy widget'({ browser, page, user }) {
    const widget = await browser.submit(page, {}, { button: ['upstream', 'telegram-widget'] });
    const script = widget.element('script[data-telegram-login]');
    const address = new URL(`?${signWidget(user).toString()}`, script.getAttribute('data-auth-url') ?? '');
    return browser.get(address, { 'sec-fetch-site': 'cross-site' });
  },
  async 'the bot'({ browser, page, user }) {
    const wait = await askBot(browser, page);
    await answerInBot(api, user, wait);
    return browser.submit(wait);
  },
};

/** The Mini App has a start of its own: the client pushes its request first. */
async function byMiniApp(latchkey: Latchkey, client: TestClient, user: TestTelegramPerson) {
  const request = authorizationRequest(latchkey.issuer, client);
  const pushed = await tokenRequest(latchkey, '/request', client, Object.fromEntries(request.url.searchParams));
  const startParam = `r-${String(pushed.body['request_uri']).split(':').at(-1) ?? ''}`;
  const browser = latchkey.browser();
  const initData = { init_data: signInitData(user, { startParam }) };
  const confirm = await browser.submit(await browser.get('/telegram/mini-app'), initData, { form: 'form[data-init]' });
  return { ...request, browser, page: await browser.submit(confirm) };
}

const PHONE = 'the code to a proven phone';
/** Those that may make an account. */
const NAMES = [...Object.keys(DOORS), 'the Mini App'];

/** Proves a number of theirs first, which needs an account. */
async function byPhone({ browser, page, user }: Visit): Promise<Page> {
  const number = newPhone();
  await shareContact(api, user, number);
  const form = await browser.get(page.element('a[href$="/phone"]').getAttribute('href') ?? '');
  const seen = messagesTo(api, user);
  const wait = await browser.submit(form, { phone: number });
  return browser.submit(wait, { code: await nextCode(api, user, seen) });
}

/** What a client is told of somebody who comes through a door. */
async function claimsBy(latchkey: Latchkey, name: string, user: TestTelegramPerson) {
  const client = await latchkey.createClient();
  const enter = name === PHONE ? byPhone : DOORS[name];
  const walk = async () => {
    if (!enter) return byMiniApp(latchkey, client, user);
    const browser = latchkey.browser();
    await openWithBot(latchkey, browser, client);
    const request = authorizationRequest(latchkey.issuer, client);
    const page = await browser.get(request.url);
    return { ...request, browser, page: await enter({ latchkey, browser, client, user, page }) };
  };
  const { browser, page, verifier } = await walk();
  const end = await answerPrompts(browser, page, {});
  assert.ok(end.params['code'], `${name}: ${end.describe()}`);
  const tokens = await redeem(latchkey, client, { code: end.params['code'], verifier });
  const { sub, amr, acr } = decodeJwt(String(tokens.body['id_token']));
  return { sub, amr, acr };
}

describeOnEachBackend(
  'all five doors of Telegram',
  (latchkey) => {
    for (const first of NAMES) {
      test(`lead to one account that was made by ${first}`, async () => {
        const user = newTelegramPerson();
        const made = await claimsBy(latchkey(), first, user);
        assert.deepEqual([made.amr, made.acr], [['tg'], 'urn:latchkey:aal1']);
        for (const name of NAMES.filter((one) => one !== first)) {
          // A name changes hands and is no key.
          const now = { ...user, username: `now_${user.id}`, firstName: name };
          assert.deepEqual(await claimsBy(latchkey(), name, now), made, name);
        }
        assert.deepEqual(await claimsBy(latchkey(), PHONE, user), { ...made, amr: ['otp', 'tg'] });
        const rows = await latchkey()
          .app.database.em()
          .execute<object[]>(
            'select upstream, upstream_subject as "upstreamSubject" from linked_identity where subject = ?',
            [String(user.id)],
          );
        // What OpenID Connect calls them is kept beside the key, and stays when another door does not know it.
        assert.deepEqual(rows, [{ upstream: 'telegram', upstreamSubject: telegramClaims(user).sub }]);
        const account = await latchkey().app.accounts.findBySubject(String(made.sub));
        assert.deepEqual([account?.email, account?.emailVerified], [null, false]);
      });
    }

    test('lead to two accounts for two people', async () => {
      const username = 'shared_name';
      const subjects = [];
      for (const name of NAMES) subjects.push((await claimsBy(latchkey(), name, newTelegramPerson({ username }))).sub);
      assert.equal(new Set(subjects).size, NAMES.length);
    });
  },
  {
    env: {
      ...settingsFile(
        JSON.stringify({
          telegram: { botToken: BOT_TOKEN, apiRoot: api.url, widget: true, miniApp: true },
          upstreams: [{ ...telegramDeclaration(upstream), clientSecret: UPSTREAM_CLIENT.secret }],
        }),
      ),
      LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
      LATCHKEY_REGISTRATION: 'open',
    },
  },
);
