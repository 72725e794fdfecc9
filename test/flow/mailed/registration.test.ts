// Creating an account with an address: open to everybody, by code and by link, and what somebody who does not own the address can make of it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import {
  assertKeptNowhere,
  checkMail,
  countQueued,
  expireMails,
  FREE_ENV,
  finishAtClient,
  isSignedIn,
  letTimePass,
  MAIL_ENV,
  mailsTo,
  newAddress,
  plainHeaders,
  plainText,
  rankShare,
  readMail,
  select,
  timeInTurns,
  type Visit,
  visit,
} from './stories.ts';

const PASSWORD = 'seven green bottles on a wall';

async function openRegister(latchkey: Latchkey, one?: Visit): Promise<{ readonly one: Visit; readonly form: Page }> {
  const here = one ?? (await visit(latchkey));
  const form = await here.browser.get(`${here.path}/register`);
  assert.equal(form.id, 'register', form.describe());
  return { one: here, form };
}

/** Fills in the form. @returns the page that takes the code, and the mail */
async function register(latchkey: Latchkey, address = newAddress(), password = PASSWORD) {
  const { one, form } = await openRegister(latchkey);
  const page = await one.browser.submit(form, { email: address, name: 'Ada', new_password: password });
  assert.equal(page.id, 'verify-email', page.describe());
  return { address, one, page, mail: await readMail(latchkey, address) };
}

function accountsOf(latchkey: Latchkey, address: string) {
  return select<{ subject: string; name: string | null; proven: boolean }>(
    latchkey,
    'select subject, name, email_verified_at is not null as proven from account where lower(email) = lower($1)',
    [address],
  );
}

async function signsIn(latchkey: Latchkey, login: string, password: string): Promise<boolean> {
  const one = await visit(latchkey);
  return (await one.browser.submit(one.login, { login, password })).id === 'consent';
}

function isContinued(page: Page): boolean {
  return page.status === 303 && (page.location?.pathname.startsWith('/auth/') ?? false);
}

describeOnEachBackend(
  'registration where it is open',
  (latchkey) => {
    for (const way of ['code', 'link'] as const) {
      it(`goes from the app through the form and the ${way} back to the app`, async () => {
        const one = await visit(latchkey());
        const link = one.login.html.querySelector(`a[href="${one.path}/register"]`);
        assert.ok(link, 'the sign-in page leads to it');
        const { form } = await openRegister(latchkey(), one);
        const address = newAddress();
        const page = await one.browser.submit(form, { email: address, name: ' Ada ', new_password: PASSWORD });
        assert.equal(page.id, 'verify-email', page.describe());
        const mail = await readMail(latchkey(), address);
        assert.deepEqual(await accountsOf(latchkey(), address), [], 'nothing is there before the address is proven');
        const next =
          way === 'code'
            ? await one.browser.submit(page, { code: mail.code })
            : await one.browser.submit(await one.browser.get(mail.link));
        const { claims } = await finishAtClient(latchkey(), one, next);
        assert.equal(claims['acr'], 'urn:latchkey:aal1');
        assert.deepEqual(await accountsOf(latchkey(), address), [
          { subject: claims['sub'], name: 'Ada', proven: true },
        ]);
        assert.equal(await signsIn(latchkey(), address, PASSWORD), true);
        const [received] = await mailsTo(address, 1);
        assert.ok(received);
        checkMail(latchkey(), received, address);
        const again = await one.browser.get(mail.link);
        assert.equal(again.error, 'link-used', again.describe());
      });
    }

    it('can be finished by the link when what it came from is over', async () => {
      const { address, one, mail } = await register(latchkey());
      await latchkey()
        .app.engine.provider.Interaction.find(one.path.split('/')[2] ?? '')
        .then((found) => found?.destroy());
      const confirm = await one.browser.get(mail.link);
      assert.equal(confirm.id, 'link-confirm');
      const done = await one.browser.submit(confirm);
      assert.equal(done.status, 200, done.describe());
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
      assert.equal(await signsIn(latchkey(), address, PASSWORD), true);
    });

    it('changes nothing when the link is opened, by whoever and however often', async () => {
      const { address, one, page, mail } = await register(latchkey());
      const scanner = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        for (const browser of [one.browser, scanner]) {
          assert.equal((await browser.get(mail.link)).id, 'link-confirm');
          assert.equal((await browser.request(mail.link, { method: 'HEAD' })).status, 200);
        }
      }
      assert.deepEqual(await accountsOf(latchkey(), address), []);
      await finishAtClient(latchkey(), one, await one.browser.submit(page, { code: mail.code }));
    });

    it('makes one account of twenty that come at once, by code and by link', async () => {
      const { address, one, page, mail } = await register(latchkey());
      const confirm = await one.browser.get(mail.link);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, step) =>
          step % 2 === 0 ? one.browser.submitOnce(page, { code: mail.code }) : one.browser.submitOnce(confirm),
        ),
      );
      assert.equal(answers.filter(isContinued).length, 1, answers.map((answer) => answer.describe()).join('\n'));
      assert.equal((await accountsOf(latchkey(), address)).length, 1);
    });

    it('refuses wrong, expired, replaced and foreign codes and links, and ends a code after five tries', async () => {
      const guessed = await register(latchkey());
      const wrong = guessed.mail.code === '000000' ? '000001' : '000000';
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await guessed.one.browser.submitOnce(guessed.page, { code: wrong })).status, 422);
      }
      const late = await guessed.one.browser.submitOnce(guessed.page, { code: guessed.mail.code });
      assert.equal(late.status, 422, late.describe());

      const replaced = await register(latchkey());
      const { form } = await openRegister(latchkey(), replaced.one);
      await replaced.one.browser.submit(form, { email: replaced.address, name: '', new_password: PASSWORD });
      await mailsTo(replaced.address, 2);
      const old = await replaced.one.browser.submit(replaced.page, { code: replaced.mail.code });
      assert.equal(old.error, 'link-used', old.describe());

      const expired = await register(latchkey());
      await expireMails(latchkey());
      for (const token of ['A'.repeat(43), replaced.mail.token, expired.mail.token]) {
        const opened = await expired.one.browser.get(`/link/${token}`);
        assert.equal(opened.error, 'link-used', opened.describe());
      }
      const tooLate = await expired.one.browser.submit(expired.page, { code: expired.mail.code });
      assert.equal(tooLate.error, 'link-used', tooLate.describe());
      for (const address of [guessed, replaced, expired].map((one) => one.address)) {
        assert.deepEqual(await accountsOf(latchkey(), address), []);
      }
    });

    it('makes no account by the hand of who reads the mail with the password of who typed the address', async () => {
      const attacker = await register(latchkey(), newAddress(), 'a password that the attacker chose');
      const owner = latchkey().browser();
      const opened = await owner.get(attacker.mail.link);
      assert.equal(opened.id, 'link-confirm');
      assert.ok(!opened.html.querySelector('#submit'), 'there is nothing to press');
      const own = await visit(latchkey(), owner);
      const csrf = own.login.element('input[name=csrf]').getAttribute('value') ?? '';
      for (const path of [attacker.mail.link.pathname, `${own.path}/verify-link`]) {
        const fields = new URLSearchParams({ csrf });
        if (path.endsWith('verify-link')) fields.set('token', attacker.mail.token);
        const refused = await owner.post(path, fields.toString());
        assert.equal(refused.error, 'link-used', refused.describe());
      }
      assert.deepEqual(await accountsOf(latchkey(), attacker.address), []);

      // The true owner registers: what the attacker began is over, and nothing of it is in the account.
      const { form } = await openRegister(latchkey(), own);
      const page = await owner.submit(form, { email: attacker.address, name: 'Owner', new_password: PASSWORD });
      const { code } = await readMail(latchkey(), attacker.address, 2);
      await finishAtClient(latchkey(), own, await owner.submit(page, { code }));
      const [account] = await accountsOf(latchkey(), attacker.address);
      assert.equal(account?.name, 'Owner');
      assert.equal(await signsIn(latchkey(), attacker.address, 'a password that the attacker chose'), false);
      assert.equal(await signsIn(latchkey(), attacker.address, PASSWORD), true);
      const late = await attacker.one.browser.submit(attacker.page, { code: attacker.mail.code });
      assert.equal(late.error, 'link-used', late.describe());
      assert.equal(await isSignedIn(latchkey(), attacker.one.browser), false);
    });

    it('ends when the address got an owner by another way, and leaves that account alone', async () => {
      const { address, one, page, mail } = await register(latchkey(), newAddress(), 'a password that came too late');
      await latchkey().createAccount({ email: address });
      const confirm = await one.browser.get(mail.link);
      const byLink = await one.browser.submit(confirm);
      assert.equal(byLink.error, 'link-used', byLink.describe());
      await one.browser.submit(page, { code: mail.code });
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
      assert.equal(await signsIn(latchkey(), address, 'a password that came too late'), false);
      assert.equal(await signsIn(latchkey(), address, TEST_PASSWORD), true);
    });

    it('answers alike for an address that has an account, and tells only its owner', async () => {
      const [taken, free] = [newAddress(), newAddress()];
      await latchkey().createAccount({ email: taken });
      const seen = [];
      for (const typed of [taken.toUpperCase(), free.toUpperCase()]) {
        const { one, form } = await openRegister(latchkey());
        const answer = await one.browser.submitOnce(form, { email: typed, name: 'Ada', new_password: PASSWORD });
        const page = await one.browser.get(answer.location ?? '');
        const guess = await one.browser.submitOnce(page, { code: '123456' });
        seen.push([answer, page, guess].map((step) => [step.status, plainHeaders(step), plainText(step)]));
      }
      assert.deepEqual(seen[0], seen[1]);
      const [mail] = await mailsTo(taken, 1);
      assert.ok(mail);
      checkMail(latchkey(), mail, taken);
      assert.ok(!/^ {4}\d{6}$/m.test(mail.email.text ?? ''), 'no code');
      assert.ok(!mail.email.text?.includes('/link/'), 'no link that would make an account');
      assert.equal(await countQueued(latchkey(), free), 1);
      assert.equal((await accountsOf(latchkey(), taken)).length, 1);
      assert.equal(await signsIn(latchkey(), taken, TEST_PASSWORD), true);
    });

    it('does the same work for addresses with and without an account', async () => {
      const taken = newAddress();
      await latchkey().createAccount({ email: taken });
      const { one, form } = await openRegister(latchkey());
      const send = (email: string) => one.browser.submitOnce(form, { email, name: '', new_password: PASSWORD });
      const [there, nowhere] = await timeInTurns(20, [() => send(taken), () => send(newAddress())]);
      for (const [left, right] of [
        [there, nowhere],
        [nowhere, there],
      ] as const) {
        const doubled = left.map((ms) => ms * 2);
        const share = rankShare(doubled, right);
        assert.ok(share > 0.5, `doubled, one is slower than the other in ${share} of all pairs`);
      }
    });

    it('checks what the page says about passwords, and nothing else', async () => {
      const { one, form } = await openRegister(latchkey());
      const rules = form.html.querySelectorAll('#new_password-hint li').map((rule) => rule.text.trim());
      assert.equal(rules.length, 2);
      assert.match(rules[0] ?? '', /\b12\b.*\b256\b/);
      assert.match(rules[1] ?? '', /common.*your address/);
      assert.equal(form.element('#new_password').getAttribute('minlength'), '12');
      const address = newAddress();
      const refused = {
        'eleven chars': '11 letters!',
        'too long': 'long words '.repeat(24),
        common: 'passwordpassword',
        personal: `${address.split('@')[0]} and more`,
        'our name': 'my Latchkey is here',
      };
      for (const [what, password] of Object.entries(refused)) {
        const page = await one.browser.submitOnce(form, { email: address, name: 'Ada', new_password: password });
        assert.equal(page.status, 422, `${what}: ${page.describe()}`);
        assert.equal(page.id, 'register');
        assert.equal(page.element('#new_password').getAttribute('aria-invalid'), 'true', what);
        assert.ok(!page.text.includes(password), 'the page does not repeat it');
        assert.equal(page.element('#email').getAttribute('value'), address);
      }
      assert.equal(await countQueued(latchkey(), address), 0);
      for (const password of ['twelve chars', ' пароль с пробелами ', '🦊🦊🦊 forest friends']) {
        const email = newAddress();
        const page = await one.browser.submit(form, { email, name: '', new_password: password });
        assert.equal(page.id, 'verify-email', page.describe());
        const { code } = await readMail(latchkey(), email);
        assert.ok(code);
      }
    });

    it('refuses what is no address or too long a name, in words', async () => {
      const { one, form } = await openRegister(latchkey());
      for (const values of [
        { email: 'ada', name: '' },
        { email: 'ada@example.com, eve@example.com', name: '' },
        { email: 'ada@example.com\r\nBcc: eve@example.com', name: '' },
        { email: newAddress(), name: 'x'.repeat(256) },
      ]) {
        const page = await one.browser.submitOnce(form, { ...values, new_password: PASSWORD });
        assert.equal(page.status, 422, page.describe());
        assert.equal(page.id, 'register');
      }
    });

    it('leaves no code, link or password in the database or the log', async () => {
      const password = 'the quick brown fox jumps';
      const { one, page, mail } = await register(latchkey(), newAddress(), password);
      await assertKeptNowhere(latchkey(), [mail.code, mail.token, password]);
      await finishAtClient(latchkey(), one, await one.browser.submit(page, { code: mail.code }));
      await assertKeptNowhere(latchkey(), [mail.code, mail.token, password]);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'open' } },
);

for (const registration of ['invite', 'closed']) {
  describeOnEachBackend(
    `registration where it is ${registration}`,
    (latchkey) => {
      it('is offered nowhere and does not exist', async () => {
        const one = await visit(latchkey());
        assert.ok(!one.login.text.includes('/register'));
        const csrf = one.login.element('input[name=csrf]').getAttribute('value') ?? '';
        const email = newAddress();
        const fields = new URLSearchParams({ csrf, email, name: '', new_password: PASSWORD }).toString();
        const opened = await one.browser.get(`${one.path}/register`);
        const posted = await one.browser.post(`${one.path}/register`, fields);
        for (const page of [opened, posted]) assert.equal(page.status, 404, page.describe());
        assert.equal(await countQueued(latchkey(), email), 0);
      });
    },
    { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: registration } },
  );
}

describeOnEachBackend(
  'the limits of registration',
  (latchkey) => {
    it('let an address be written to every thirty seconds, and a network try five times an hour', async () => {
      const { one, form } = await openRegister(latchkey());
      const address = newAddress();
      const send = (email: string) => one.browser.submitOnce(form, { email, name: '', new_password: PASSWORD });
      assert.equal((await send(address)).status, 303);
      const soon = await send(address);
      assert.equal(soon.status, 429, soon.describe());
      assert.ok(Number(soon.headers['retry-after']) >= 1 && Number(soon.headers['retry-after']) <= 30);
      assert.equal(soon.id, 'register');
      await letTimePass(latchkey(), '31 seconds');
      for (let count = 0; count < 3; count += 1) assert.equal((await send(newAddress())).status, 303);
      const full = await send(newAddress());
      assert.equal(full.status, 429, full.describe());
      assert.ok(Number(full.headers['retry-after']) > 600);
    });
  },
  { env: { ...MAIL_ENV, LATCHKEY_REGISTRATION: 'open' } },
);

describeOnEachBackend(
  'the rules of a strict password policy',
  (latchkey) => {
    it('stand on the page and are checked', async () => {
      const { one, form } = await openRegister(latchkey());
      assert.match(form.text, /An upper-case letter, a lower-case letter, a digit and another character/);
      const send = (password: string) =>
        one.browser.submitOnce(form, { email: newAddress(), name: '', new_password: password });
      assert.equal((await send('no upper case 1!')).status, 422);
      assert.equal((await send('Upper case and 1!')).status, 303);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'open', LATCHKEY_PASSWORD_POLICY: 'strict' } },
);
