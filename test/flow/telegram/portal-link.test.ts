// Linking the bot in the account portal: by an approval with number matching, for the account and the session that asked, and for nobody else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { eventually } from '../../support/eventually.ts';
import { answerPrompts, authorizationRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import {
  answerInBot,
  askBot,
  newTelegramPerson,
  openWithBot,
  readWait,
  setTelegramStage,
} from '../../support/telegram-stage.ts';

const { api, env } = await setTelegramStage();
const HOME = '/account/identities';

/** The page with the button, once the bot is there. */
async function openPortal(latchkey: Latchkey, account: AccountRow): Promise<{ browser: Browser; page: Page }> {
  const browser = latchkey.browser();
  await answerPrompts(browser, await browser.get(HOME), { account });
  const page = await eventually(async () => {
    const found = await browser.get(HOME);
    assert.ok(found.html.querySelector('[data-upstream="telegram-bot"]'), found.describe());
    return found;
  });
  return { browser, page };
}

async function waiting(latchkey: Latchkey, account?: AccountRow) {
  const owner = account ?? (await latchkey.createAccount());
  const { browser, page } = await openPortal(latchkey, owner);
  const wait = await browser.submit(page, {}, { button: ['upstream', 'telegram-bot'] });
  assert.equal(wait.id, 'telegram-wait', wait.describe());
  return { account: owner, browser, wait };
}

async function ownersOf(latchkey: Latchkey, telegramId: number): Promise<readonly string[]> {
  const rows = await latchkey.app.database
    .em()
    .execute<{ id: string }[]>('select account_id as id from linked_identity where upstream = ? and subject = ?', [
      'telegram',
      String(telegramId),
    ]);
  return rows.map((row) => row.id);
}

describeOnEachBackend(
  'linking the bot in the portal',
  (latchkey) => {
    test('leads through the bot to a linked identity that signs in, is told by mail, and can be removed', async () => {
      const { account, browser, wait } = await waiting(latchkey());
      const user = newTelegramPerson({ username: 'zoe_links' });
      await answerInBot(api, user, wait);
      const linked = await browser.submit(wait);
      assert.equal(linked.id, 'account-identities', linked.describe());
      assert.match(linked.element('[data-identity]').text, /zoe_links/);
      assert.deepEqual(await ownersOf(latchkey(), user.id), [account.id]);
      const asked = api.messages.filter((one) => one.chatId === user.id);
      assert.equal(asked.length, 1);

      const app = latchkey().browser();
      const signIn = await askBot(app, await openWithBot(latchkey(), app, await latchkey().createClient()));
      await answerInBot(api, user, signIn);
      assert.ok((await answerPrompts(app, await app.submit(signIn), {})).params['code']);

      const [mail] = await latchkey()
        .app.database.em()
        .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
          account.id,
        ]);
      assert.ok((mail?.count ?? 0) >= 1);
      const path = linked.element('a[href$="/unlink"]').getAttribute('href') ?? '';
      const left = await browser.submit(await browser.get(path));
      assert.equal(left.html.querySelector('[data-identity]'), null, left.describe());
      assert.deepEqual(await ownersOf(latchkey(), user.id), []);
    });

    test('goes nowhere by Start alone, nor by a wrong number, and says that nothing was changed', async () => {
      const { browser, wait } = await waiting(latchkey());
      const user = newTelegramPerson();
      const { start, number } = readWait(wait);
      api.write(user, start);
      const message = await api.nextMessage(user);
      assert.match(message.text, /^Connect this Telegram account/);
      assert.equal((await browser.submit(wait)).id, 'telegram-wait');
      assert.deepEqual(JSON.parse((await browser.get(`${wait.url.pathname}/state`)).text), { state: 'claimed' });
      api.press(user, message, message.buttons.find((one) => one.text !== number)?.text ?? '');
      await eventually(() => assert.match(message.text, /^Refused/));
      const over = await browser.submit(wait);
      assert.match(over.element('h1').text, /Nothing was changed/);
      assert.deepEqual(await ownersOf(latchkey(), user.id), []);
      const again = await browser.submit(over);
      assert.equal(again.id, 'telegram-wait');
      assert.notEqual(readWait(again).start, start);
    });

    test('is used once, however many requests come together', async () => {
      const { browser, wait } = await waiting(latchkey());
      const user = newTelegramPerson();
      await answerInBot(api, user, wait);
      const answers = await together(10, () => browser.submitOnce(wait));
      const done = answers.filter((page) => String(page.location).endsWith('done=linked'));
      assert.equal(done.length, 1, answers.map((page) => `${page.status} ${String(page.location)}`).join('\n'));
      assert.equal((await ownersOf(latchkey(), user.id)).length, 1);
    });

    test('takes nobody else’s Telegram account away', async () => {
      const first = await waiting(latchkey());
      const user = newTelegramPerson();
      await answerInBot(api, user, first.wait);
      await first.browser.submit(first.wait);
      const second = await waiting(latchkey());
      await answerInBot(api, user, second.wait);
      const refused = await second.browser.submit(second.wait);
      assert.equal(refused.status, 409, refused.describe());
      assert.deepEqual(await ownersOf(latchkey(), user.id), [first.account.id]);
    });

    test('counts for no other browser, account or session, and not as a sign-in', async () => {
      const { account, browser, wait } = await waiting(latchkey());
      const user = newTelegramPerson();
      await answerInBot(api, user, wait);
      const { pathname } = wait.url;
      const other = await openPortal(latchkey(), await latchkey().createAccount());
      const strange = await other.browser.get(pathname);
      assert.equal(strange.id, 'account-identities');
      const csrf = String(strange.element('input[name=csrf]').getAttribute('value'));
      await other.browser.post(pathname, `csrf=${csrf}`);
      assert.deepEqual(await ownersOf(latchkey(), user.id), []);
      assert.deepEqual(JSON.parse((await other.browser.get(`${pathname}/state`)).text), { state: 'expired' });
      assert.equal((await latchkey().browser().get(`${pathname}/state`)).status, 404);

      // The same browser, for a sign-in.
      const client = await latchkey().createClient();
      const start = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'login' }).url);
      const id = pathname.split('/').at(-1) ?? '';
      const elsewhere = `${start.url.pathname}/telegram/${id}`;
      assert.notEqual((await browser.get(elsewhere)).id, 'telegram-wait');
      const token = String(start.element('input[name=csrf]').getAttribute('value'));
      const posted = await browser.post(elsewhere, `csrf=${token}`);
      assert.equal(posted.location?.pathname, elsewhere, 'back to its page, which leads on to nothing');

      // Somebody else signs in with the same browser meanwhile.
      const switched = await browser.submit(start, {}, { form: 'form#switch' });
      const next = await latchkey().createAccount();
      assert.ok((await answerPrompts(browser, switched, { account: next })).params['code']);
      await answerPrompts(browser, await browser.get(HOME), { account: next });
      await browser.submit(wait);
      assert.deepEqual(await ownersOf(latchkey(), user.id), []);
      assert.notEqual(account.id, next.id);
    });

    test('needs a fresh proof and the form of our own page', async () => {
      const { browser, wait } = await waiting(latchkey());
      assert.equal((await browser.post(wait.url, 'csrf=made-up')).status, 403);
      assert.equal((await browser.post(`${HOME}/telegram`, 'csrf=made-up')).status, 403);
      const csrf = String(wait.element('input[name=csrf]').getAttribute('value'));
      assert.equal((await browser.post(`${HOME}/telegram`, `csrf=${csrf}&more=1`)).status, 400);
    });
  },
  { env },
);

describeOnEachBackend(
  'the bot as the only way in',
  (latchkey) => {
    test('stays linked', async () => {
      const browser = latchkey().browser();
      const user = newTelegramPerson();
      const app = await openWithBot(latchkey(), browser, await latchkey().createClient());
      const wait = await askBot(browser, app);
      await answerInBot(api, user, wait);
      assert.ok((await answerPrompts(browser, await browser.submit(wait), {})).params['code']);
      const page = await browser.get(HOME);
      assert.equal(page.id, 'account-identities', page.describe());
      const id = page.element('[data-identity]').getAttribute('data-identity') ?? '';
      assert.equal(page.html.querySelector('a[href$="/unlink"]'), null);
      const forced = await browser.submit(await browser.get(`${HOME}/${id}/unlink`));
      assert.equal(forced.status, 409, forced.describe());
      assert.equal((await ownersOf(latchkey(), user.id)).length, 1);
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open' } },
);
