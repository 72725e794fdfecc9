// The approval in the bot as second factor and for step-up: set up in the portal, asked in the one chat it was set up with, and good for nothing but
// what it was asked for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { TELEGRAM_ISSUER } from '../../../src/account/linked-identities.ts';
import { RecoveryCodes } from '../../../src/credential/recovery-code.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { shortCodes, together } from '../../support/credentials.ts';
import { eventually } from '../../support/eventually.ts';
import { linkTelegram, messagesTo, newPhone, nextCode, openPhone, shareContact } from '../../support/phone-stage.ts';
import { answerPrompts, isSignedIn, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import type { SentMessage, TestTelegramPerson } from '../../support/telegram-api.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot, setTelegramStage } from '../../support/telegram-stage.ts';
import {
  AAL1,
  AAL2,
  addTotp,
  ask,
  assertClaims,
  codeOf,
  essential,
  landed,
  PHR,
  reasonsOf,
} from '../factors/stories.ts';
import { askFactor, csrfOf, enrolInBot, halfWay, numberOf, pressIn } from './stories.ts';

const { api, env } = await setTelegramStage();
const SECURITY = '/account/security';
const FREE = { env: { ...env, LATCHKEY_NETWORK_FAILURES: '10000' } };

const enrol = (latchkey: Latchkey, account: AccountRow, user: TestTelegramPerson) =>
  enrolInBot(api, latchkey, account, user);
const question = (browser: Browser, page: Page, user: TestTelegramPerson) => askFactor(api, browser, page, user);
const press = (user: TestTelegramPerson, message: SentMessage, button: string) => pressIn(api, user, message, button);

describeOnEachBackend(
  'an approval in the bot',
  (latchkey) => {
    async function enrolled() {
      const account = await latchkey().createAccount();
      const user = newTelegramPerson();
      await enrol(latchkey(), account, user);
      return { account, user };
    }

    describe('as second factor', () => {
      it('is asked in the linked chat without a link, and makes the sign-in one of two factors', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const { page, finish } = await halfWay(latchkey(), browser, account);
        const { wait, message } = await question(browser, page, user);
        assert.match(message.text, /^Confirm your sign-in to /);
        assert.equal(wait.html.querySelector('a[href*="?start="]'), null, 'nobody else can be sent there');
        assert.equal((await browser.submit(wait)).id, 'telegram-wait', 'nothing before the answer');
        await press(user, message, numberOf(wait));
        assertClaims(await finish(await browser.submit(wait)), AAL2, ['pwd', 'tg', 'mfa']);
        assert.deepEqual(await reasonsOf(latchkey(), account.id), ['password+telegram']);
        const { telegram } = await latchkey().app.factors.overview(account.id);
        assert.ok(telegram?.lastUsedAt);
      });

      it('ends with a wrong number or a no, and can be asked again, but not without end', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        let { page } = await halfWay(latchkey(), browser, account);
        for (let count = 0; count < 5; count += 1) {
          const { wait, message } = await question(browser, page, user);
          const wrong = message.buttons.find((one) => one.text !== numberOf(wait))?.text ?? '';
          await press(user, message, count % 2 === 0 ? wrong : 'No, this is not me');
          const over = await browser.submit(wait);
          assert.equal(over.id, 'telegram-wait');
          assert.equal(over.html.querySelector('[data-number]'), null);
          page = await browser.get(page.url);
        }
        const refused = await browser.submit(page);
        assert.equal(refused.status, 429, refused.describe());
        const other = latchkey().browser();
        const again = await halfWay(latchkey(), other, account);
        assert.equal((await other.submit(again.page)).status, 429, 'a new sign-in buys no new questions');
      });

      it('does not use up tries when it is right', async () => {
        const { account, user } = await enrolled();
        for (let count = 0; count < 6; count += 1) {
          const browser = latchkey().browser();
          const { page } = await halfWay(latchkey(), browser, account);
          const { wait, message } = await question(browser, page, user);
          await press(user, message, numberOf(wait));
          assert.equal((await browser.submit(wait)).id, 'consent');
        }
      });

      it('is answered by the linked person only', async () => {
        const { account, user } = await enrolled();
        const stranger = newTelegramPerson();
        const browser = latchkey().browser();
        const { page } = await halfWay(latchkey(), browser, account);
        const { wait, message } = await question(browser, page, user);
        api.press(stranger, message, numberOf(wait));
        await eventually(() => assert.match(message.text, /^This question is over/));
        assert.equal((await browser.submit(wait)).id, 'telegram-wait');
        assert.deepEqual(JSON.parse((await browser.get(`${wait.url.pathname}/state`)).text), { state: 'claimed' });
      });

      it('is used once, however many requests come together, and by the browser that asked', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const { page } = await halfWay(latchkey(), browser, account);
        const { wait, message } = await question(browser, page, user);
        await press(user, message, numberOf(wait));
        const thief = latchkey().browser();
        const theirs = await halfWay(latchkey(), thief, account);
        const elsewhere = `${theirs.page.url.pathname}/telegram/${wait.url.pathname.split('/').at(-1) ?? ''}`;
        const stolen = await thief.post(elsewhere, `csrf=${csrfOf(theirs.page)}`);
        assert.equal(stolen.location?.pathname, elsewhere);
        assert.equal((await thief.get(elsewhere)).id, 'second-factor');
        const answers = await together(10, () => browser.submitOnce(wait));
        const good = answers.filter((one) => one.location?.pathname.startsWith('/auth/') === true);
        assert.equal(good.length, 1, answers.map((one) => one.describe()).join('\n'));
      });

      it('counts for the half of the sign-in it was asked for, not for another of the same browser', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const first = await halfWay(latchkey(), browser, account);
        const { wait, message } = await question(browser, first.page, user);
        await press(user, message, numberOf(wait));
        const second = await halfWay(latchkey(), browser, account);
        const elsewhere = `${second.page.url.pathname}/telegram/${wait.url.pathname.split('/').at(-1) ?? ''}`;
        const posted = await browser.post(elsewhere, `csrf=${csrfOf(second.page)}`);
        assert.equal(posted.location?.pathname, elsewhere);
        assert.equal((await browser.get(elsewhere)).id, 'second-factor');
        assert.equal((await browser.submit(wait)).id, 'consent', 'nothing was spent');
      });

      it('is no approval of a sign-in, and the other way round', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const app = await openWithBot(latchkey(), browser, await latchkey().createClient());
        // By the link: whoever answers would be signed in by it.
        const signInWait = await askBot(browser, app);
        await answerInBot(api, user, signInWait);
        const [, , uid = '', , signInId = ''] = signInWait.url.pathname.split('/');
        const page = await browser.submit(await browser.get(`/interaction/${uid}?choose=1`), {
          login: account.email ?? '',
          password: TEST_PASSWORD,
        });
        assert.equal(page.id, 'second-factor', page.describe());
        const half = page.url.pathname;
        const asFactor = await browser.post(`${half}/telegram/${signInId}`, `csrf=${csrfOf(page)}`);
        assert.equal(asFactor.location?.pathname, `${half}/telegram/${signInId}`, 'refused');
        const { wait, message } = await question(browser, page, user);
        await press(user, message, numberOf(wait));
        const id = wait.url.pathname.split('/').at(-1) ?? '';
        const asSignIn = await browser.post(`/interaction/${uid}/telegram/${id}`, `csrf=${csrfOf(page)}`);
        assert.equal(asSignIn.location?.pathname, `/interaction/${uid}/telegram/${id}`, 'refused');
        assert.equal((await browser.submit(wait)).id, 'consent');
      });

      it('is offered beside others, and not after Telegram itself', async () => {
        const { account, user } = await enrolled();
        const secret = await addTotp(latchkey(), account);
        const browser = latchkey().browser();
        const { page } = await halfWay(latchkey(), browser, account);
        assert.match(page.element('.links').text, /Confirm in Telegram|authenticator/);
        const app = latchkey().browser();
        const client = await latchkey().createClient();
        await openWithBot(latchkey(), app, client);
        const { page: start, verifier } = await ask(latchkey(), app, client);
        const wait = await askBot(app, start);
        await answerInBot(api, user, wait);
        const second = await app.submit(wait);
        assert.equal(second.id, 'second-factor', second.describe());
        assert.doesNotMatch(second.text, /method=telegram/);
        const forced = await app.post(`${second.url.pathname}/telegram`, `csrf=${csrfOf(second)}`);
        assert.equal(forced.id, 'second-factor');
        assert.doesNotMatch(forced.text, /method=telegram/);
        const end = await app.submit(second, { code: codeOf(secret, 1) });
        assertClaims(await landed(latchkey(), app, client, end, verifier), AAL2, ['tg', 'otp', 'mfa']);
      });

      it('leaves Telegram alone not enough: a recovery code or another way has to come in', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const wait = await askBot(browser, await openWithBot(latchkey(), browser, await latchkey().createClient()));
        await answerInBot(api, user, wait);
        const refused = await browser.submit(wait);
        assert.equal(refused.status, 403, refused.describe());
        assert.match(refused.element('h1').text, /Telegram alone is not enough/);
        assert.equal(await isSignedIn(latchkey(), browser), false);
        assert.deepEqual(await reasonsOf(latchkey(), account.id), ['no-independent-factor']);
        const codes = new RecoveryCodes({ database: latchkey().app.database, shortCodes, perSet: 10 });
        const [code = ''] = await codes.regenerate(account.id);
        const again = latchkey().browser();
        const next = await askBot(again, await openWithBot(latchkey(), again, await latchkey().createClient()));
        await answerInBot(api, user, next);
        const second = await again.submit(next);
        assert.equal(second.id, 'second-factor', second.describe());
        assert.equal((await again.submit(second, { code })).id, 'consent');
      });

      it('does not follow a code by phone, which came through Telegram itself', async () => {
        const { account, user } = await enrolled();
        const number = newPhone();
        await shareContact(api, user, number);
        const browser = latchkey().browser();
        const form = await openPhone(latchkey(), browser, await latchkey().createClient());
        const seen = messagesTo(api, user);
        const wait = await browser.submit(form, { phone: number });
        const refused = await browser.submit(wait, { code: await nextCode(api, user, seen) });
        assert.equal(refused.status, 403, refused.describe());
        assert.equal(await isSignedIn(latchkey(), browser), false);
        assert.deepEqual(await reasonsOf(latchkey(), account.id), ['no-independent-factor']);
      });

      it('that cannot be delivered says so, counts as no try, and leaves the other ways', async () => {
        const { account, user } = await enrolled();
        api.blockedBy.add(user.id);
        const browser = latchkey().browser();
        const { page } = await halfWay(latchkey(), browser, account);
        const ready = await eventually(async () => {
          const found = await browser.get(page.url);
          assert.ok(found.html.querySelector('#submit'));
          return found;
        });
        for (let count = 0; count < 7; count += 1) {
          const answer = await browser.submit(ready);
          assert.equal(answer.status, 503, answer.describe());
          assert.match(answer.text, /could not reach you in Telegram/);
        }
      });

      it('ends with its identity and with a change of credentials meanwhile', async () => {
        const { account, user } = await enrolled();
        const browser = latchkey().browser();
        const { page } = await halfWay(latchkey(), browser, account);
        const { wait, message } = await question(browser, page, user);
        await press(user, message, numberOf(wait));
        assert.equal(await latchkey().app.factors.remove(account.id, { kind: 'telegram' }), 'removed');
        assert.equal((await browser.submit(wait)).id, 'login');
      });
    });

    describe('for step-up', () => {
      it('counts on top of the password, and never as phishing-resistant', async () => {
        const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
        const user = newTelegramPerson();
        const browser = latchkey().browser();
        await signIn(latchkey(), browser, client, { account });
        await enrol(latchkey(), account, user);
        const { page, verifier } = await ask(latchkey(), browser, client, essential(AAL2));
        assert.equal(page.id, 'second-factor', page.describe());
        const { wait, message } = await question(browser, page, user);
        assert.match(message.text, /that it is you\?/);
        await press(user, message, numberOf(wait));
        const claims = await landed(latchkey(), browser, client, await browser.submit(wait), verifier);
        assertClaims(claims, AAL2, ['pwd', 'tg', 'mfa']);
        const firm = await ask(latchkey(), browser, client, essential(PHR));
        const more = await question(browser, firm.page, user);
        await press(user, more.message, numberOf(more.wait));
        const { params } = await browser.submit(more.wait);
        assert.deepEqual([params['code'], params['error']], [undefined, 'unmet_authentication_requirements']);
      });

      it('does not lift a session that Telegram began', async () => {
        const account = await latchkey().createAccount();
        const user = newTelegramPerson();
        await linkTelegram(latchkey(), account, user);
        const browser = latchkey().browser();
        const client = await latchkey().createClient();
        await openWithBot(latchkey(), browser, client);
        const { page, verifier } = await ask(latchkey(), browser, client);
        const wait = await askBot(browser, page);
        await answerInBot(api, user, wait);
        assertClaims(await landed(latchkey(), browser, client, await browser.submit(wait), verifier), AAL1, ['tg']);
        await enrol(latchkey(), account, user).catch(() => undefined);
        const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
        await latchkey().app.factors.enrolTelegram(account.id, String(user.id), (em) =>
          latchkey().app.identities.findId(em, account.id, key),
        );
        const lifted = await ask(latchkey(), browser, client, essential(AAL2));
        assert.notEqual(lifted.page.id, 'second-factor', lifted.page.describe());
        assert.equal(lifted.page.params['code'], undefined);
      });
    });

    describe('in the portal', () => {
      /** Signed in there, with the bot's card. */
      async function openPortal(account: AccountRow): Promise<{ browser: Browser; page: Page }> {
        const browser = latchkey().browser();
        const page = await answerPrompts(browser, await browser.get(SECURITY), { account });
        assert.equal(page.id, 'account-security', page.describe());
        return { browser, page };
      }

      it('is set up with the linked Telegram account, shows recovery codes, and is asked from then on', async () => {
        const account = await latchkey().createAccount();
        const user = newTelegramPerson();
        const { browser, page } = await openPortal(account);
        assert.match(page.element('#telegram-heading ~ p a').getAttribute('href') ?? '', /identities/);
        await linkTelegram(latchkey(), account, user);
        const start = await browser.get(`${SECURITY}/telegram`);
        const wait = await eventually(async () => {
          const found = await browser.submit(start);
          assert.ok(found.html.querySelector('a[href*="?start="]'), found.describe());
          return found;
        });
        await answerInBot(api, user, wait);
        const codes = await browser.submit(wait);
        assert.match(codes.element('h1').text, /[Rr]ecovery codes/, codes.describe());
        const { telegram, recoveryCodes } = await latchkey().app.factors.overview(account.id);
        assert.deepEqual([telegram?.telegramId, recoveryCodes > 0], [String(user.id), true]);
        const [mail] = await latchkey()
          .app.database.em()
          .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
            account.id,
          ]);
        assert.equal(mail?.count, 1);
        // The session of one factor is not enough for a change any more: password, and the bot.
        const proof = await browser.get(`${SECURITY}/telegram/remove`);
        assert.equal(proof.id, 'reauthenticate', proof.describe());
        const second = await browser.submit(proof, { password: TEST_PASSWORD });
        assert.equal(second.id, 'second-factor', second.describe());
        const byBot = await browser.get(`${second.url.pathname}?method=telegram`);
        const asked = await question(browser, byBot, user);
        await press(user, asked.message, numberOf(asked.wait));
        const confirm = await browser.submit(asked.wait);
        assert.equal(confirm.id, 'account-security', confirm.describe());
        const removed = await browser.submit(confirm);
        assert.match(removed.text, /telegram-heading/);
        assert.equal((await latchkey().app.factors.overview(account.id)).telegram, null);
      });

      it('takes no answer of a Telegram account that is not linked, nor an approval of another purpose', async () => {
        const account = await latchkey().createAccount();
        const [user, stranger] = [newTelegramPerson(), newTelegramPerson()];
        await linkTelegram(latchkey(), account, user);
        const { browser } = await openPortal(account);
        const start = await browser.get(`${SECURITY}/telegram`);
        const wait = await eventually(async () => {
          const found = await browser.submit(start);
          assert.ok(found.html.querySelector('a[href*="?start="]'), found.describe());
          return found;
        });
        await answerInBot(api, stranger, wait);
        const refused = await browser.submit(wait);
        assert.equal(refused.status, 409, refused.describe());
        assert.equal((await latchkey().app.factors.overview(account.id)).telegram, null);
        // One for linking.
        const linkWait = await browser.submit(
          await browser.get('/account/identities'),
          {},
          { button: ['upstream', 'telegram-bot'] },
        );
        await answerInBot(api, user, linkWait);
        const id = linkWait.url.pathname.split('/').at(-1) ?? '';
        await browser.post(`${SECURITY}/telegram/${id}`, `csrf=${csrfOf(linkWait)}`);
        assert.equal((await latchkey().app.factors.overview(account.id)).telegram, null);
      });

      it('is refused to an account that has Telegram alone, and /unlink to one that has it', async () => {
        const user = newTelegramPerson();
        const account = await latchkey().createAccount();
        await enrol(latchkey(), account, user);
        const seen = api.messages.filter((one) => one.chatId === user.id).length;
        api.write(user, '/unlink');
        const message = await api.nextMessage(user, seen);
        api.press(user, message, 'Yes, take it away');
        await eventually(() => assert.match(message.text, /confirm your sign-ins .* with Telegram/));
        assert.ok((await latchkey().app.factors.overview(account.id)).telegram);
      });

      it('goes with its identity, unless the policy asks for a second factor', async () => {
        const { account, user } = await enrolled();
        const before = await latchkey().app.accounts.get(account.id);
        const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
        const take = (isSecondFactorRequired: boolean) =>
          latchkey().app.factors.removeOther(
            account.id,
            (em) => latchkey().app.identities.unlinkKey(em, account.id, key),
            { isSecondFactorRequired },
          );
        assert.equal(await take(true), 'last-second-factor');
        assert.equal(await take(false), 'removed');
        const overview = await latchkey().app.factors.overview(account.id);
        assert.deepEqual([overview.telegram, overview.owesSecondFactor], [null, false]);
        latchkey().app.accounts.forgetRecent();
        const after = await latchkey().app.accounts.get(account.id);
        assert.ok(after.credentialVersion > before.credentialVersion);
      });
    });
  },
  FREE,
);
