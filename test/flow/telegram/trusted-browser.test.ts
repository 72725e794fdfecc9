// A browser that is trusted with an approval in the bot: only where the operator allows it and the box was ticked before the question, which says so
// to whoever answers it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { eventually } from '../../support/eventually.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';
import { AAL2, addPasskey, ask, assertClaims, essential, landed, PHR } from '../factors/stories.ts';
import { csrfOf, enrolInBot, numberOf, pressIn } from './stories.ts';

const { api, env } = await setTelegramStage();

interface Half {
  readonly page: Page;
  readonly finish: (page: Page) => ReturnType<typeof landed>;
}

/** The password is right, and nobody is signed in from before. */
async function enter(
  latchkey: Latchkey,
  browser: Browser,
  account: AccountRow,
  params = {},
  metadata = {},
): Promise<Half> {
  await browser.jar.setCookie('latchkey_session=; Max-Age=0; Path=/', latchkey.issuer);
  const client = await latchkey.createClient(metadata);
  const { page, verifier } = await ask(latchkey, browser, client, params);
  const next = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
  return { page: next, finish: (end) => landed(latchkey, browser, client, end, verifier) };
}

async function question(browser: Browser, page: Page, user: TestTelegramPerson, trust: boolean) {
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  const ready = await eventually(async () => {
    const found = await browser.get(page.url);
    assert.ok(found.html.querySelector('#submit'), 'the bot is there');
    return found;
  });
  const wait = await browser.submit(ready, { trust });
  assert.equal(wait.id, 'telegram-wait', wait.describe());
  return { wait, message: await api.nextMessage(user, seen) };
}

const isTrusting = async (browser: Browser): Promise<boolean> =>
  (await browser.cookies()).some(({ name }) => name.startsWith('latchkey_trust_'));

describeOnEachBackend(
  'a browser that is trusted with an approval in the bot',
  (latchkey) => {
    async function enrolled() {
      const [account, user, browser] = [await latchkey().createAccount(), newTelegramPerson(), latchkey().browser()];
      await enrolInBot(api, latchkey(), account, user);
      return { account, user, browser };
    }

    async function trustedBy({ id }: AccountRow): Promise<number> {
      const em = latchkey().app.database.em();
      return (await em.execute('select from trusted_device where account_id = ?', [id])).length;
    }

    it('is not asked again, and the app is told that the factor was not shown now', async () => {
      const { account, user, browser } = await enrolled();
      const { page, finish } = await enter(latchkey(), browser, account);
      assert.equal(page.element('input[name=trust]').hasAttribute('checked'), false, 'unticked');
      const { wait, message } = await question(browser, page, user, true);
      assert.match(message.text, /no second step is asked in that browser for 30 days/);
      assert.equal(await isTrusting(browser), false, 'not before the answer');
      await pressIn(api, user, message, numberOf(wait));
      assertClaims(await finish(await browser.submit(wait)), AAL2, ['pwd', 'tg', 'mfa']);
      const again = await enter(latchkey(), browser, account);
      assert.equal(again.page.id, 'consent', again.page.describe());
      assertClaims(await again.finish(again.page), AAL2, ['pwd']);
      assert.equal((await enter(latchkey(), latchkey().browser(), account)).page.id, 'second-factor', 'another one is');
    });

    it('is not trusted where the box was left alone, and the bot says nothing of it', async () => {
      const { account, user, browser } = await enrolled();
      const { page } = await enter(latchkey(), browser, account);
      const { wait, message } = await question(browser, page, user, false);
      assert.doesNotMatch(message.text, /second step is asked/);
      await pressIn(api, user, message, numberOf(wait));
      // A box that is not on this page adds nothing to what was asked and answered.
      const body = `csrf=${csrfOf(wait)}&trust=on`;
      assert.equal((await browser.post(wait.url, body)).status, 400);
      assert.equal((await browser.submit(wait)).id, 'consent');
      assert.equal(await isTrusting(browser), false);
      assert.equal((await enter(latchkey(), browser, account)).page.id, 'second-factor');
    });

    it('is not trusted after a no, and the box comes back as it was with the button to ask again', async () => {
      const { account, user, browser } = await enrolled();
      const { page } = await enter(latchkey(), browser, account);
      const { wait, message } = await question(browser, page, user, true);
      await pressIn(api, user, message, 'No, this is not me');
      const over = await browser.submit(wait);
      assert.equal(await isTrusting(browser), false);
      assert.equal(over.element('input[name=trust]').hasAttribute('checked'), true);
      const seen = api.messages.filter((one) => one.chatId === user.id).length;
      const again = await browser.submit(over, { trust: false });
      const next = await api.nextMessage(user, seen);
      assert.doesNotMatch(next.text, /second step is asked/);
      await pressIn(api, user, next, numberOf(again));
      assert.equal((await browser.submit(again)).id, 'consent');
      assert.equal(await isTrusting(browser), false);
    });

    it('is never offered, nor taken, where it would not count: a fresh sign-in, a level that an app asks for, a passkey', async () => {
      const { account, user } = await enrolled();
      await addPasskey(latchkey(), account);
      for (const [params, metadata] of [
        [{ prompt: 'login' }, {}],
        [essential(AAL2), {}],
        [essential(PHR), {}],
        [{}, { latchkey_required_acr: PHR }],
      ] as const) {
        const browser = latchkey().browser();
        const { page } = await enter(latchkey(), browser, account, params, metadata);
        assert.equal(page.id, 'second-factor', page.describe());
        assert.equal(page.html.querySelector('input[name=trust]'), null, JSON.stringify(params));
        const path = `${page.url.pathname}/telegram`;
        const seen = api.messages.filter((one) => one.chatId === user.id).length;
        const sent = await browser.post(path, `csrf=${csrfOf(page)}&trust=on`);
        if (sent.status !== 303) {
          assert.equal(sent.html.querySelector('input[name=trust]'), null);
          assert.ok('latchkey_required_acr' in metadata || 'claims' in params, 'no approval is enough there');
          continue;
        }
        const wait = await browser.get(sent.location ?? '');
        const message = await api.nextMessage(user, seen);
        assert.doesNotMatch(message.text, /second step is asked/);
        await pressIn(api, user, message, numberOf(wait));
        await browser.submit(wait);
        assert.equal(await isTrusting(browser), false, JSON.stringify(params));
      }
    });

    it('ends when the approval in the bot is taken away', async () => {
      const { account, user, browser } = await enrolled();
      const { page } = await enter(latchkey(), browser, account);
      const { wait, message } = await question(browser, page, user, true);
      await pressIn(api, user, message, numberOf(wait));
      assert.equal((await browser.submit(wait)).id, 'consent');
      assert.equal(await trustedBy(account), 1);
      assert.equal(await latchkey().app.factors.remove(account.id, { kind: 'telegram' }), 'removed');
      assert.equal(await trustedBy(account), 0);
    });
  },
  { env: { ...env, LATCHKEY_TRUSTED_DEVICES: 'true', LATCHKEY_NETWORK_FAILURES: '10000' } },
);

describeOnEachBackend(
  'where no browser may be trusted, an approval in the bot',
  (latchkey) => {
    it('has no box, and a tick that is sent all the same changes nothing', async () => {
      const [account, user, browser] = [await latchkey().createAccount(), newTelegramPerson(), latchkey().browser()];
      await enrolInBot(api, latchkey(), account, user);
      const { page } = await enter(latchkey(), browser, account);
      assert.equal(page.html.querySelector('input[name=trust]'), null);
      const seen = api.messages.filter((one) => one.chatId === user.id).length;
      const sent = await browser.post(`${page.url.pathname}/telegram`, `csrf=${csrfOf(page)}&trust=on`);
      assert.equal(sent.status, 303, sent.describe());
      const wait = await browser.get(sent.location ?? '');
      const message = await api.nextMessage(user, seen);
      assert.doesNotMatch(message.text, /second step is asked/);
      await pressIn(api, user, message, numberOf(wait));
      assert.equal((await browser.submit(wait)).id, 'consent');
      assert.equal(await isTrusting(browser), false);
    });
  },
  { env },
);
