// Approval in the bot, set up inside of a sign-in that needs a second factor: with the linked Telegram account or one that becomes linked by it,
// never after Telegram itself, and nobody gets around the page.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { givePhone, linkTelegram, messagesTo, nextCode } from '../../support/phone-stage.ts';
import { isSignedIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot, setTelegramStage } from '../../support/telegram-stage.ts';
import { AAL2, addTotp, ask, assertClaims, codeOf, landed, PHR } from '../factors/stories.ts';
import { askFactor, csrfOf, numberOf, pressIn } from './stories.ts';

const { api, env } = await setTelegramStage();
const TELEGRAM = 'a[href$="method=telegram"]';

describeOnEachBackend(
  'approval in the bot, set up while signing in',
  (latchkey) => {
    /** The password is right, and something has to be set up. */
    async function begin(account: AccountRow, browser = latchkey().browser(), metadata = {}) {
      const client = await latchkey().createClient(metadata);
      await openWithBot(latchkey(), browser, await latchkey().createClient());
      const { page, verifier } = await ask(latchkey(), browser, client);
      const next = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(next.id, 'second-factor-setup', next.describe());
      return { browser, page: next, finish: (end: Page) => landed(latchkey(), browser, client, end, verifier) };
    }
    async function openWait(browser: Browser, page: Page): Promise<Page> {
      const setUp = await browser.get(page.element(TELEGRAM).getAttribute('href') ?? '');
      const wait = await browser.submit(setUp);
      assert.equal(wait.id, 'telegram-wait', wait.describe());
      return wait;
    }
    const enrolledAs = async ({ id }: AccountRow) =>
      (await latchkey().app.factors.overview(id)).telegram?.telegramId ?? null;
    const ownerOf = (user: TestTelegramPerson) =>
      latchkey().app.identities.findAccountId({
        ...{ upstream: 'telegram', issuer: 'https://telegram.org', subject: String(user.id) },
      });
    async function eventsOf({ id }: AccountRow): Promise<readonly string[]> {
      const rows = await latchkey()
        .app.database.em()
        .execute<{ text: string }[]>(
          `select action || ':' || result || coalesce(':' || reason, '') as text from audit_event
           where target_id = ? and action in ('identity.link', 'factor.add') order by id`,
          [id],
        );
      return rows.map(({ text }) => text);
    }

    it('is done by the linked Telegram account, hands out recovery codes, and is asked for from then on', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      await linkTelegram(latchkey(), account, user);
      const { browser, page, finish } = await begin(account);
      const wait = await openWait(browser, page);
      assert.equal((await browser.submit(wait)).id, 'telegram-wait', 'nothing before the answer');
      assert.equal(await isSignedIn(latchkey(), browser), false);
      await answerInBot(api, user, wait);
      const codes = await browser.submit(wait);
      assert.equal(codes.html.querySelectorAll('.codes li').length, 10, codes.describe());
      assert.equal(await isSignedIn(latchkey(), browser), false, 'not before the codes were read');
      assertClaims(await finish(await browser.submit(codes)), AAL2, ['pwd', 'tg', 'mfa']);
      assert.equal(await enrolledAs(account), String(user.id));
      assert.deepEqual(await eventsOf(account), ['factor.add:success:telegram']);
      const again = latchkey().browser();
      const visit = await ask(latchkey(), again, await latchkey().createClient());
      const second = await again.submit(visit.page, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(second.id, 'second-factor', second.describe());
      const asked = await askFactor(api, again, second, user);
      await pressIn(api, user, asked.message, numberOf(asked.wait));
      assert.equal((await again.submit(asked.wait)).id, 'consent');
    });

    it('links the Telegram account that answers where there is none, and tells its owner of both', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      const { browser, page, finish } = await begin(account);
      const setUp = await browser.get(page.element(TELEGRAM).getAttribute('href') ?? '');
      assert.match(setUp.text, /is then connected with this account/);
      const wait = await browser.submit(setUp);
      await answerInBot(api, user, wait);
      const codes = await browser.submit(wait);
      assertClaims(await finish(await browser.submit(codes)), AAL2, ['pwd', 'tg', 'mfa']);
      assert.equal(await ownerOf(user), account.id);
      assert.equal(await enrolledAs(account), String(user.id));
      assert.deepEqual(await eventsOf(account), ['identity.link:success', 'factor.add:success:telegram']);
      const em = latchkey().app.database.em();
      assert.equal((await em.execute('select from outbox_mail where account_id = ?', [account.id])).length, 2);
    });

    it('is not offered, nor taken, after a sign-in by Telegram: by the bot, or by a code to the phone', async () => {
      const account = await latchkey().createAccount();
      const { user, number } = await givePhone(latchkey(), api, account);
      const byBot = latchkey().browser();
      const wait = await askBot(byBot, await openWithBot(latchkey(), byBot, await latchkey().createClient()));
      await answerInBot(api, user, wait);
      const byPhone = latchkey().browser();
      const login = await openWithBot(latchkey(), byPhone, await latchkey().createClient());
      const seen = messagesTo(api, user);
      const code = await byPhone.submit(login, { login: number }, { button: ['method', 'mail-code'] });
      for (const [browser, page] of [
        [byBot, await byBot.submit(wait)],
        [byPhone, await byPhone.submit(code, { code: await nextCode(api, user, seen) })],
      ] as const) {
        assert.equal(page.id, 'second-factor-setup', page.describe());
        assert.ok(page.html.querySelector('a[href$="method=totp"]'));
        assert.equal(page.html.querySelector(TELEGRAM), null);
        const forced = await browser.post(`${page.url.pathname}/telegram`, `csrf=${csrfOf(page)}`);
        assert.equal(forced.location?.pathname, page.url.pathname);
        const chosen = await browser.get(`${page.url.pathname}?method=telegram`);
        assert.equal(chosen.html.querySelector('form[action$="/telegram"]'), null);
        assert.equal(await isSignedIn(latchkey(), browser), false);
      }
      assert.equal(await enrolledAs(account), null);
    });

    it('takes no answer of a Telegram account that is somebody else’s, or not the linked one', async () => {
      const [mine, theirs] = [newTelegramPerson(), newTelegramPerson()];
      const [account, other] = [await latchkey().createAccount(), await latchkey().createAccount()];
      await linkTelegram(latchkey(), other, theirs);
      const first = await begin(account);
      const wait = await openWait(first.browser, first.page);
      await answerInBot(api, theirs, wait);
      const refused = await first.browser.submit(wait);
      assert.equal(refused.status, 422, refused.describe());
      assert.match(refused.element('#problems').text, /another one is connected/);
      assert.equal(
        refused.element('form[action$="/telegram"]').getAttribute('action'),
        `${first.page.url.pathname}/telegram`,
      );
      assert.equal(await ownerOf(theirs), other.id);
      assert.equal(await enrolledAs(account), null);
      await linkTelegram(latchkey(), account, mine);
      const stranger = newTelegramPerson();
      const again = await first.browser.submit(refused);
      await answerInBot(api, stranger, again);
      assert.equal((await first.browser.submit(again)).status, 422);
      assert.equal(await ownerOf(stranger), null, 'one Telegram account is not replaced by another');
      assert.deepEqual(await eventsOf(account), Array(2).fill('factor.add:failure:not-linked'));
      assert.equal(await isSignedIn(latchkey(), first.browser), false);
    });

    it('changes nothing after a no, and can be asked again', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      const { browser, page } = await begin(account);
      const wait = await openWait(browser, page);
      await answerInBot(api, user, wait, 'No, this is not me');
      const over = await browser.submit(wait);
      assert.equal(over.html.querySelector('[data-number]'), null, over.describe());
      assert.equal(await ownerOf(user), null);
      const again = await browser.submit(over);
      await answerInBot(api, user, again);
      assert.equal((await browser.submit(again)).html.querySelectorAll('.codes li').length, 10);
    });

    it('is taken once of twenty at once, and by the browser and the sign-in that asked', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      const { browser, page } = await begin(account);
      const wait = await openWait(browser, page);
      await answerInBot(api, user, wait);
      const thief = await begin(account);
      const id = wait.url.pathname.split('/').at(-1) ?? '';
      await thief.browser.post(wait.url.pathname, `csrf=${csrfOf(thief.page)}`);
      await thief.browser.post(`${thief.page.url.pathname}/telegram/${id}`, `csrf=${csrfOf(thief.page)}`);
      const second = await begin(account, browser);
      await browser.post(`${second.page.url.pathname}/telegram/${id}`, `csrf=${csrfOf(second.page)}`);
      assert.equal(await enrolledAs(account), null);
      const answers = await together(20, () => browser.submitOnce(wait));
      assert.equal(answers.filter(({ text }) => text.includes('id="recovery-codes"')).length, 1);
      assert.deepEqual(await eventsOf(account), ['identity.link:success', 'factor.add:success:telegram']);
      for (const { status } of answers) assert.ok(status === 200 || status === 303, String(status));
    });

    it('takes no approval of another purpose', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      const { browser, page } = await begin(account);
      const [, , uid = ''] = page.url.pathname.split('/');
      const wait = await askBot(browser, await browser.get(`/interaction/${uid}?choose=1`));
      await answerInBot(api, user, wait);
      const id = wait.url.pathname.split('/').at(-1) ?? '';
      const path = `${page.url.pathname}/telegram/${id}`;
      assert.equal((await browser.post(path, `csrf=${csrfOf(page)}`)).location?.pathname, path, 'refused');
      assert.equal((await browser.get(path)).id, 'second-factor-setup');
      assert.equal(await enrolledAs(account), null);
      assert.equal(await ownerOf(user), null);
      // And the other way round: it signs nobody in.
      const asked = await openWait(browser, page);
      await answerInBot(api, user, asked);
      const other = asked.url.pathname.split('/').at(-1) ?? '';
      const asSignIn = await browser.post(`/interaction/${uid}/telegram/${other}`, `csrf=${csrfOf(page)}`);
      assert.equal(asSignIn.location?.pathname, `/interaction/${uid}/telegram/${other}`, 'refused');
    });

    it('is not offered where only a passkey would do', async () => {
      const account = await latchkey().createAccount();
      const { browser, page } = await begin(account, undefined, { latchkey_required_acr: PHR });
      assert.equal(page.html.querySelector(TELEGRAM), null);
      const forced = await browser.post(`${page.url.pathname}/telegram`, `csrf=${csrfOf(page)}`);
      assert.equal(forced.location?.pathname, page.url.pathname);
    });

    it('is offered where the app hides the bot to who has linked it, and to nobody else', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      const hidden = { latchkey_upstreams: [] };
      assert.equal((await begin(account, undefined, hidden)).page.html.querySelector(TELEGRAM), null);
      await linkTelegram(latchkey(), account, user);
      const { browser, page } = await begin(account, undefined, hidden);
      const wait = await openWait(browser, page);
      await answerInBot(api, user, wait);
      assert.equal((await browser.submit(wait)).html.querySelectorAll('.codes li').length, 10);
    });

    it('gives way to what was set up meanwhile, which is asked for then', async () => {
      const [account, user] = [await latchkey().createAccount(), newTelegramPerson()];
      await linkTelegram(latchkey(), account, user);
      const { browser, page } = await begin(account);
      const wait = await openWait(browser, page);
      await answerInBot(api, user, wait);
      const secret = await addTotp(latchkey(), account);
      const next = await browser.submit(wait);
      assert.equal(next.id, 'second-factor', next.describe());
      assert.equal(await enrolledAs(account), null);
      assert.equal((await browser.submit(next, { code: codeOf(secret, 1) })).id, 'consent');
    });

    it('may be the very Telegram account that waits to be linked', async () => {
      const [account, user, browser] = [await latchkey().createAccount(), newTelegramPerson(), latchkey().browser()];
      const wait = await askBot(browser, await openWithBot(latchkey(), browser, await latchkey().createClient()));
      await answerInBot(api, user, wait);
      const newcomer = await browser.submit(wait);
      assert.equal(newcomer.id, 'upstream-account', newcomer.describe());
      const login = await browser.submit(newcomer, {}, { form: 'form[action$="/link"]' });
      const page = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(page.id, 'second-factor-setup', page.describe());
      const asked = await openWait(browser, page);
      await answerInBot(api, user, asked);
      const codes = await browser.submit(asked);
      assert.equal((await browser.submit(codes)).id, 'consent');
      assert.deepEqual(await eventsOf(account), ['identity.link:success', 'factor.add:success:telegram']);
    });
  },
  {
    env: {
      ...env,
      LATCHKEY_SECOND_FACTOR_REQUIRED: 'true',
      LATCHKEY_NETWORK_FAILURES: '10000',
      LATCHKEY_LIMITS_OFF: 'true',
    },
  },
);

const away = await setTelegramStage();
away.api.setFault({ code: 500 });

describeOnEachBackend(
  'approval in the bot, while the bot cannot be reached',
  (latchkey) => {
    it('cannot be set up, says so, and leaves the other ways', async () => {
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const { page } = await ask(latchkey(), browser, await latchkey().createClient());
      const next = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
      const setUp = await browser.get(next.element(TELEGRAM).getAttribute('href') ?? '');
      assert.match(setUp.text, /Telegram cannot be reached/);
      assert.equal(setUp.html.querySelector('#submit'), null);
      const totp = await browser.get(setUp.element('a[href$="method=totp"]').getAttribute('href') ?? '');
      const secret = totp.element('#totp-secret').text;
      assert.ok((await browser.submit(totp, { code: codeOf(secret) })).html.querySelector('.codes'));
    });
  },
  { env: { ...away.env, LATCHKEY_SECOND_FACTOR_REQUIRED: 'true' } },
);
