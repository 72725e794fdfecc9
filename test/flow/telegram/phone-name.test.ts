// A phone number in the field for the sign-in name: with the password, for a code, and for a new password. However it is written it is one
// number, and nobody learns whether it is anybody's.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { dump } from '../../support/credentials.ts';
import { givePhone, messagesTo, newPhone, nextCode, say, shareContact } from '../../support/phone-stage.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, openWithBot, setTelegramStage } from '../../support/telegram-stage.ts';
import { AAL1, ask, assertClaims, landed } from '../factors/stories.ts';
import { MAIL_ENV, mailsTo, newAddress, plainHeaders, plainText, readMail } from '../mailed/stories.ts';

const { api, env } = await setTelegramStage();
const { env: withoutPhones } = await setTelegramStage({ phone: false });
const ENV = { ...MAIL_ENV, LATCHKEY_NETWORK_FAILURES: '10000', LATCHKEY_MAIL_NETWORK_LIMIT: '10000' };
const CODE_BUTTON = { button: ['method', 'mail-code'] } as const;
const CLI = { actor: { kind: 'cli' } } as const;

interface Owner {
  readonly account: AccountRow;
  readonly user: TestTelegramPerson;
  readonly number: string;
}

/** As people write a number of North America. */
function spellings(number: string): readonly string[] {
  const [, area = '', exchange = '', line = ''] = /^\+1(...)(...)(....)$/.exec(number) ?? assert.fail(number);
  return [
    number,
    `+1 (${area}) ${exchange}-${line}`,
    ` 00 1 ${area} ${exchange} ${line} `,
    `001${area}${exchange}${line}`,
    `+1.${area}.${exchange}.${line}`,
  ];
}

describeOnEachBackend(
  'a phone number as sign-in name',
  (latchkey) => {
    async function newOwner(input = {}): Promise<Owner> {
      const account = await latchkey().createAccount({ email: newAddress(), ...input });
      return { account, ...(await givePhone(latchkey(), api, account)) };
    }
    async function open(browser: Browser): Promise<Page> {
      const page = await openWithBot(latchkey(), browser, await latchkey().createClient());
      assert.equal(page.id, 'login', page.describe());
      return page;
    }
    async function tryWith(login: string, password: string): Promise<Page> {
      const browser = latchkey().browser();
      return browser.submit(await open(browser), { login, password });
    }
    /** In words, status and headers; what was typed comes back and is no difference, nor is a second that has passed in between. */
    function assertSame(one: Page, other: Page, typed: readonly string[]): void {
      const words = (page: Page): string => {
        const mask = (text: string, each: string): string => text.replaceAll(each, '•');
        return typed
          .reduce(mask, plainText(page))
          .replaceAll(/•••( \d\d){2}/g, '•••')
          .replaceAll(/(PT|countdown=")\d+|\d+ seconds|\d\d:\d\d/g, '•');
      };
      assert.equal(other.status, one.status);
      assert.equal(words(other), words(one));
      assert.deepEqual(plainHeaders(other), plainHeaders(one));
    }

    describe('with the password', () => {
      it('signs in, however it is written, and the page says that it may be one', async () => {
        const { account, number } = await newOwner();
        const client = await latchkey().createClient();
        for (const login of spellings(number)) {
          const browser = latchkey().browser();
          const { page, verifier } = await ask(latchkey(), browser, client);
          assert.match(page.element('label[for=login]').text, /phone/);
          assert.match(page.element('#login-hint').text, /country code/);
          const claims = await landed(
            latchkey(),
            browser,
            client,
            await browser.submit(page, { login, password: TEST_PASSWORD }),
            verifier,
          );
          assert.equal(claims.sub, account.subject, login);
          assertClaims(claims, AAL1, ['pwd']);
        }
      });

      it('says the same for a number of nobody, a wrong password, a disabled account and one without a password', async () => {
        const [known, disabled, bare] = [await newOwner(), await newOwner(), await newOwner({ password: null })];
        await latchkey().app.sessionsAndGrants.disable(disabled.account, CLI);
        const unknown = newPhone();
        const first = await tryWith(unknown, TEST_PASSWORD);
        assert.equal(first.status, 422);
        for (const [login, password] of [
          [known.number, 'not the password'],
          [disabled.number, TEST_PASSWORD],
          [bare.number, TEST_PASSWORD],
        ] as const) {
          assertSame(first, await tryWith(login, password), [login, unknown]);
        }
      });

      it('is counted with the account, and a number of nobody by the number, not by how it is written', async () => {
        const { account, number } = await newOwner();
        const unknown = newPhone();
        for (const some of [number, unknown]) {
          for (const login of spellings(some)) {
            assert.equal((await tryWith(login, 'not the password')).status, 422, login);
          }
          const refused = await tryWith(some, TEST_PASSWORD);
          assert.equal(refused.status, 429, refused.describe());
          assert.ok(Number(refused.headers['retry-after']) > 800);
        }
        assert.equal((await tryWith(account.email ?? '', TEST_PASSWORD)).status, 429, 'by the address as well');
        assert.equal((await tryWith(newPhone(), TEST_PASSWORD)).status, 422, 'and nobody else');
      });

      it('leads to whoever proved it last', async () => {
        const [before, after] = [await newOwner({ password: 'the first of two pass phrases' }), await newOwner()];
        await shareContact(api, after.user, before.number);
        assert.equal((await tryWith(before.number, 'the first of two pass phrases')).status, 422);
        assert.equal((await tryWith(before.number, TEST_PASSWORD)).id, 'consent');
        assert.equal((await tryWith(before.account.email ?? '', 'the first of two pass phrases')).id, 'consent');
      });

      it('comes before a username that reads the same, which works while the number is nobody’s', async () => {
        const number = newPhone();
        const username = `00${number.slice(1)}`;
        const named = await latchkey().createAccount({ username, password: 'a pass phrase of the username' });
        assert.equal((await tryWith(username, 'a pass phrase of the username')).id, 'consent');
        const owner = await newOwner();
        await shareContact(api, owner.user, number);
        assert.equal((await tryWith(username, TEST_PASSWORD)).id, 'consent');
        assert.equal((await tryWith(username, 'a pass phrase of the username')).status, 422);
        assert.notEqual(named.id, owner.account.id);
      });
    });

    describe('for a code', () => {
      it('has it sent to the chat of the number, and signs in by it', async () => {
        const { account, user, number } = await newOwner();
        const client = await latchkey().createClient();
        const browser = latchkey().browser();
        const { page, verifier } = await ask(latchkey(), browser, client);
        assert.match(page.element('button[value=mail-code]').text, /Send me a code/);
        const seen = messagesTo(api, user);
        const wait = await browser.submit(
          page,
          { login: spellings(number)[1] ?? '', password: 'of no account' },
          CODE_BUTTON,
        );
        assert.equal(wait.id, 'phone', wait.describe());
        assert.ok(!wait.text.includes(number), 'masked');
        const next = await browser.submit(wait, { code: await nextCode(api, user, seen) });
        const claims = await landed(latchkey(), browser, client, next, verifier);
        assert.equal(claims.sub, account.subject);
        assertClaims(claims, AAL1, ['otp', 'tg']);
      });

      it('says the same for a number of nobody, and sends nothing', async () => {
        const { user, number } = await newOwner();
        const unknown = newPhone();
        const answers: Page[] = [];
        for (const login of [number, unknown]) {
          const browser = latchkey().browser();
          answers.push(await browser.submit(await open(browser), { login }, CODE_BUTTON));
        }
        const [one, other] = answers as [Page, Page];
        assert.equal(one.id, 'phone');
        assertSame(one, other, []);
        const seen = messagesTo(api, user);
        await say(api, user, '/help');
        assert.equal(messagesTo(api, user), seen + 1);
      });

      it('is limited like the page for numbers, of which it is a door', async () => {
        const { number } = await newOwner();
        const browser = latchkey().browser();
        const page = await open(browser);
        for (const login of spellings(number).slice(0, 3)) {
          assert.equal((await browser.submitOnce(page, { login }, CODE_BUTTON)).status, 303, login);
        }
        const refused = await browser.submitOnce(page, { login: number }, CODE_BUTTON);
        assert.equal(refused.status, 429);
        assert.equal(refused.id, 'login');
        assert.equal(refused.element('#login').getAttribute('value'), number);
        assert.ok(Number(refused.headers['retry-after']) > 500);
      });

      it('asks for the country code where there is none, and mails to an address as before', async () => {
        const { account } = await newOwner();
        const browser = latchkey().browser();
        const page = await open(browser);
        const faulty = await browser.submitOnce(page, { login: '(202) 555-01 99' }, CODE_BUTTON);
        assert.equal(faulty.status, 422);
        assert.equal(faulty.element('#login').getAttribute('value'), '(202) 555-01 99');
        assert.match(faulty.element('#problems').text, /country code/);
        const mailed = await browser.submit(page, { login: account.email ?? '' }, CODE_BUTTON);
        assert.equal(mailed.id, 'magic-link', mailed.describe());
        const { code } = await readMail(latchkey(), account.email ?? '');
        assert.equal((await browser.submit(mailed, { code })).id, 'consent');
      });
    });

    describe('for a new password', () => {
      it('has a mail sent to the address of the account, and says the same for a number of nobody', async () => {
        const { account, number } = await newOwner();
        const unknown = newPhone();
        const [browser, stranger] = [latchkey().browser(), latchkey().browser()];
        const form = await browser.get('/reset');
        assert.match(form.element('label[for=login]').text, /phone/);
        const sent = await browser.submit(form, { login: spellings(number)[1] ?? '' });
        const nothing = await stranger.submit(await stranger.get('/reset'), { login: unknown });
        assertSame(sent, nothing, []);
        assert.ok(!sent.text.includes('@'), 'whose address it is stays unsaid');
        const { code } = await readMail(latchkey(), account.email ?? '');
        const next = await browser.submit(sent, { code });
        assert.equal(next.id, 'reset-confirm', next.describe());
        await browser.submit(next, { new_password: 'seven green bottles on a wall' });
        assert.equal((await tryWith(number, 'seven green bottles on a wall')).id, 'consent');
      });

      it('is limited by the number, not by how it is written, and leaves no number that could be read', async () => {
        const { account, number } = await newOwner();
        for (const [count, login] of spellings(number).slice(0, 2).entries()) {
          const browser = latchkey().browser();
          const page = await browser.submit(await browser.get('/reset'), { login });
          assert.equal(page.status, count === 0 ? 200 : 429, login);
        }
        assert.equal((await mailsTo(account.email ?? '', 1)).length, 1);
        const unknown = newPhone();
        const browser = latchkey().browser();
        assert.equal((await browser.submit(await browser.get('/reset'), { login: unknown })).status, 200);
        assert.ok(!(await dump(latchkey().app.database)).includes(unknown));
      });
    });
  },
  { env: { ...env, ...ENV } },
);

describeOnEachBackend(
  'where phone numbers are turned off',
  (latchkey) => {
    it('the field takes none and says nothing of them', async () => {
      const account = await latchkey().createAccount();
      const user = newTelegramPerson();
      const number = newPhone();
      const em = latchkey().app.database.em();
      await em.execute(
        `with made as (insert into linked_identity (id, account_id, upstream, issuer, subject, linked_at)
           values (gen_random_uuid(), ?, 'telegram', 'https://telegram.org', ?, now()) returning id)
         insert into telegram_phone (phone_number, telegram_id, proof, proven_at, account_id, identity_id)
         select ?, ?, 'contact', now(), ?, id from made`,
        [account.id, String(user.id), number, String(user.id), account.id],
      );
      const browser = latchkey().browser();
      const page = await openWithBot(latchkey(), browser, await latchkey().createClient());
      assert.doesNotMatch(page.element('label[for=login]').text, /phone/);
      assert.equal(page.html.querySelector('#login-hint'), null);
      assert.equal((await browser.submit(page, { login: number, password: TEST_PASSWORD })).status, 422);
      assert.equal((await browser.submit(page, { login: number }, CODE_BUTTON)).id, 'magic-link');
      assert.doesNotMatch((await browser.get('/reset')).element('label[for=login]').text, /phone/);
    });
  },
  { env: { ...withoutPhones, ...ENV } },
);
