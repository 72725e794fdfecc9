// Signing in by an approval in the bot, from an app's request to the app, and everything that must not sign anybody in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { answerPrompts, authorizationRequest, redeem } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import {
  answerInBot,
  askBot,
  newTelegramPerson,
  openWithBot,
  readWait,
  setTelegramStage,
} from '../../support/telegram-stage.ts';

const { api, env } = await setTelegramStage();

/** The ID token's claims after a whole sign-in by the bot. */
async function claimsOf(
  latchkey: Latchkey,
  client: TestClient,
  user: TestTelegramPerson,
): Promise<Record<string, unknown>> {
  const browser = latchkey.browser();
  await openWithBot(latchkey, browser, client);
  const request = authorizationRequest(latchkey.issuer, client);
  const wait = await askBot(browser, await browser.get(request.url));
  await answerInBot(api, user, wait);
  const end = await arrive(browser, await browser.submit(wait));
  const tokens = await redeem(latchkey, client, { ...request, code: end.params['code'] ?? '' });
  const [, payload = ''] = String(tokens.body['id_token']).split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}

async function arrive(browser: Browser, page: Page): Promise<Page> {
  const end = await answerPrompts(browser, page, {});
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
  return end;
}

async function waiting(latchkey: Latchkey): Promise<{ browser: Browser; wait: Page }> {
  const browser = latchkey.browser();
  const wait = await askBot(browser, await openWithBot(latchkey, browser, await latchkey.createClient()));
  assert.equal(wait.id, 'telegram-wait');
  return { browser, wait };
}

describeOnEachBackend(
  'signing in by the bot',
  (latchkey) => {
    test('makes one account for one Telegram account, without an address, and says how it was proven', async () => {
      const client = await latchkey().createClient();
      const user = newTelegramPerson({ username: 'zoe_before' });
      const first = await claimsOf(latchkey(), client, user);
      const second = await claimsOf(latchkey(), client, { ...user, username: 'zoe_after', firstName: 'Zoey' });
      assert.equal(second['sub'], first['sub']);
      assert.deepEqual(first['amr'], ['tg']);
      assert.equal(first['acr'], 'urn:latchkey:aal1');
      const account = await latchkey().app.accounts.findBySubject(String(first['sub']));
      assert.deepEqual([account?.email, account?.emailVerified, account?.status], [null, false, 'active']);
      const somebodyElse = await claimsOf(latchkey(), client, newTelegramPerson({ username: 'zoe_before' }));
      assert.notEqual(somebodyElse['sub'], first['sub'], 'a username changes hands and is no key');
    });

    test('goes nowhere before the bot has its answer, however often the page is asked', async () => {
      const { browser, wait } = await waiting(latchkey());
      assert.equal((await browser.submit(wait)).id, 'telegram-wait');
      const user = newTelegramPerson();
      const { start } = readWait(wait);
      api.write(user, start);
      await api.nextMessage(user);
      const again = await browser.submit(wait);
      assert.equal(again.id, 'telegram-wait', 'pressing Start signs nobody in');
      assert.deepEqual(JSON.parse((await browser.get(`${wait.url.pathname}/state`)).text), { state: 'claimed' });
    });

    test('tells the page by events as soon as the bot was answered', async () => {
      const { browser, wait } = await waiting(latchkey());
      const cookie = await browser.jar.getCookieString(wait.url.href);
      const events = await fetch(`${wait.url.href}/events`, { headers: { cookie } });
      assert.match(events.headers.get('content-type') ?? '', /^text\/event-stream/);
      const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
      assert.ok(reader);
      let text = '';
      const read = async (until: string): Promise<void> => {
        while (!text.includes(until)) {
          const { value, done } = await reader.read();
          assert.ok(!done, `ended before ${until}: ${text}`);
          text += value;
        }
      };
      await read('data: open');
      await answerInBot(api, newTelegramPerson(), wait);
      await read('data: approved');
      await reader.cancel();
    });

    for (const [what, button] of [
      ['no', 'No, this is not me'],
      ['a wrong number', null],
    ] as const) {
      test(`ends with ${what}, says so, and can begin again`, async () => {
        const { browser, wait } = await waiting(latchkey());
        const { number } = readWait(wait);
        const user = newTelegramPerson();
        const { start } = readWait(wait);
        api.write(user, start);
        const message = await api.nextMessage(user);
        const wrong = message.buttons.find((one) => one.text !== number)?.text ?? '';
        api.press(user, message, button ?? wrong);
        api.write(user, '/help');
        await api.nextMessage(user, 1);
        const page = await browser.submit(wait);
        assert.equal(page.id, 'telegram-wait');
        assert.ok(!page.text.includes('data-number'));
        const next = await browser.submit(page);
        assert.equal(next.id, 'telegram-wait');
        assert.notEqual(readWait(next).start, start);
      });
    }

    test('is worth nothing in the browser of whoever got the link or the page', async () => {
      const { browser, wait } = await waiting(latchkey());
      const victim = newTelegramPerson();
      await answerInBot(api, victim, wait);
      const thief = latchkey().browser();
      for (const path of ['', '/state', '/events']) {
        const page = await thief.get(`${wait.url.pathname}${path}`);
        assert.ok(page.status === 410 || page.status === 404, `${path} ${page.describe()}`);
      }
      assert.equal((await thief.submit(wait)).params['code'], undefined);
      await arrive(browser, await browser.submit(wait));
    });

    test('counts for the sign-in it was asked for and for no other of the same browser', async () => {
      const { browser, wait } = await waiting(latchkey());
      await answerInBot(api, newTelegramPerson(), wait);
      const other = await askBot(browser, await openWithBot(latchkey(), browser, await latchkey().createClient()));
      const [, , , , id] = wait.url.pathname.split('/');
      const elsewhere = other.url.pathname.replace(/[^/]+$/, String(id));
      assert.equal((await browser.get(elsewhere)).id, 'login');
    });

    test('is used once, however many requests come together', async () => {
      const { browser, wait } = await waiting(latchkey());
      await answerInBot(api, newTelegramPerson(), wait);
      const answers = await together(20, () => browser.submitOnce(wait));
      const sent = answers.filter((page) => page.status === 303 && !String(page.location).includes('/telegram/'));
      assert.equal(sent.length, 1, answers.map((page) => `${page.status} ${String(page.location)}`).join('\n'));
    });

    test('needs the form of our own page', async () => {
      const { browser, wait } = await waiting(latchkey());
      await answerInBot(api, newTelegramPerson(), wait);
      const foreign = await browser.post(wait.url, 'csrf=made-up');
      assert.equal(foreign.status, 403);
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open' } },
);

for (const [name, closing] of [
  ['by any way', { LATCHKEY_REGISTRATION: 'closed' }],
  ['by this way', { LATCHKEY_REGISTRATION: 'open', LATCHKEY_REGISTRATION_BY_TELEGRAM: 'false' }],
] as const) {
  describeOnEachBackend(
    `the bot where nobody may register: ${name}`,
    (latchkey) => {
      test('signs in nobody new and makes no account', async () => {
        const browser = latchkey().browser();
        const wait = await askBot(browser, await openWithBot(latchkey(), browser, await latchkey().createClient()));
        await answerInBot(api, newTelegramPerson(), wait);
        const page = await browser.submit(wait);
        assert.equal(page.id, 'upstream-account');
        const rows = await latchkey().app.database.em().execute('select 1 as one from linked_identity');
        assert.equal(rows.length, 0);
      });

      test('links to the account that is proven next, and finds it from then on', async () => {
        const account = await latchkey().createAccount();
        const client = await latchkey().createClient();
        const user = newTelegramPerson();
        const browser = latchkey().browser();
        const wait = await askBot(browser, await openWithBot(latchkey(), browser, client));
        await answerInBot(api, user, wait);
        const choice = await browser.submit(wait);
        const login = await browser.submit(choice, {}, { form: 'form[action$="/link"]' });
        await arriveAs(browser, login, account);
        assert.equal((await claimsOf(latchkey(), client, user))['sub'], account.subject);
      });
    },
    { env: { ...env, ...closing } },
  );
}

async function arriveAs(
  browser: Browser,
  page: Page,
  account: { email: string | null; username: string | null },
): Promise<void> {
  const end = await answerPrompts(browser, page, { account });
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
}
