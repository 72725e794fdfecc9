// Another e-mail address in the portal: proven before it counts, told to the old one, which can take it back also when it is done.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import {
  assertKeptNowhere,
  countQueued,
  FREE_ENV,
  isSignedIn,
  mailsTo,
  newAddress,
  readMail,
  select,
} from './stories.ts';

const NEW_PASSWORD = 'seven green bottles on a wall';

async function signIn(browser: Browser, login: string, path = '/account/profile', password = TEST_PASSWORD) {
  return browser.submit(await browser.get(path), { login, password });
}

async function undoLink(address: string, count: number): Promise<URL> {
  const { text = '' } = (await mailsTo(address, count))[count - 1]?.email ?? {};
  return new URL(/^https?:\/\/\S+\/email-undo\/\S+$/m.exec(text)?.[0] ?? '');
}

async function emailOf(latchkey: Latchkey, id: string) {
  const [row] = await select<{ email: string | null; proven: boolean }>(
    latchkey,
    'select email, email_verified_at is not null as proven from account where id = $1',
    [id],
  );
  return row;
}

/** Up to the page that waits for the code. */
async function asked(latchkey: Latchkey, next = newAddress()) {
  const email = newAddress();
  const account = await latchkey.createAccount({ email });
  const browser = latchkey.browser();
  const form = await signIn(browser, email, '/account/profile/email');
  assert.equal(form.id, 'account-profile', form.describe());
  const page = await browser.submit(form, { email: next });
  assert.ok(page.html.querySelector('#code'), page.describe());
  return { account, email, next, browser, page };
}

async function undo(browser: Browser, link: URL): Promise<Page> {
  const page = await browser.get(link);
  assert.equal(page.id, 'link-confirm', page.describe());
  return browser.submit(page);
}

describeOnEachBackend(
  'a change of address',
  (latchkey) => {
    for (const way of ['code', 'link'] as const) {
      it(`counts only once the new one is proven, by ${way}, and both addresses are told`, async () => {
        const { account, email, next, browser, page } = await asked(latchkey());
        assert.deepEqual(await emailOf(latchkey(), account.id), { email, proven: true });
        const mail = await readMail(latchkey(), next);
        const [notice] = await mailsTo(email, 1);
        assert.ok(!notice?.email.text?.includes(next), 'the new address is masked');
        const done =
          way === 'code'
            ? await browser.submit(page, { code: mail.code })
            : await browser.submit(await browser.get(mail.link));
        assert.equal(done.id, 'account-profile', done.describe());
        assert.match(done.text, /confirmed/);
        assert.deepEqual(await emailOf(latchkey(), account.id), { email: next, proven: true });
        await mailsTo(email, 2);
        assert.equal((await signIn(latchkey().browser(), next)).id, 'account-profile');
      });
    }

    it('is not proven by a link in another browser, nor by the code of another account', async () => {
      const first = await asked(latchkey());
      const mail = await readMail(latchkey(), first.next);
      const elsewhere = latchkey().browser();
      const shown = await elsewhere.get(mail.link);
      assert.equal(shown.html.querySelector('#submit'), null);
      const other = await asked(latchkey());
      const foreign = await other.browser.post(
        first.page.url,
        new URLSearchParams({
          csrf: other.page.element('input[name=csrf]').getAttribute('value') ?? '',
          code: mail.code,
        }).toString(),
      );
      assert.equal(foreign.error, 'link-used', foreign.describe());
      assert.equal((await emailOf(latchkey(), first.account.id))?.email, first.email);
    });

    it('is done by one of twenty that come at once, by code and by link', async () => {
      const { account, next, browser, page } = await asked(latchkey());
      const mail = await readMail(latchkey(), next);
      const confirm = await browser.get(mail.link);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, step) =>
          step % 2 === 0 ? browser.submitOnce(page, { code: mail.code }) : browser.submitOnce(confirm),
        ),
      );
      const good = answers.filter(({ location }) => location?.search === '?changed=email');
      assert.equal(good.length, 1, answers.map((answer) => answer.describe()).join('\n'));
      assert.equal((await emailOf(latchkey(), account.id))?.email, next);
    });

    it('gives an address to one of two accounts that prove it at once', async () => {
      const next = newAddress();
      const both = [await asked(latchkey(), next)];
      const first = await readMail(latchkey(), next);
      // A code for the second account must not end the one of the first: the rows are kept apart by hand.
      await select(latchkey(), `update mailed_secret set subject = 'kept-' || id where purpose = 'email-change'`);
      both.push(await asked(latchkey(), next));
      const second = await readMail(latchkey(), next, 2);
      const codes = [first.code, second.code];
      const answers = await Promise.all(
        both.map(({ browser, page }, index) => browser.submitOnce(page, { code: codes[index] ?? '' })),
      );
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      const rows = await select(latchkey(), 'select 1 from account where lower(email) = lower($1)', [next]);
      assert.equal(rows.length, 1);
    });

    it('ends when the address got an owner meanwhile', async () => {
      const { account, email, next, browser, page } = await asked(latchkey());
      const mail = await readMail(latchkey(), next);
      await latchkey().createAccount({ email: next.toUpperCase() });
      assert.equal((await browser.submit(page, { code: mail.code })).status, 422);
      assert.equal((await emailOf(latchkey(), account.id))?.email, email);
    });

    it('looks the same for an address that has an owner, who is told, and gets no code', async () => {
      const owner = await latchkey().createAccount({ email: newAddress() });
      await asked(latchkey(), owner.email ?? '');
      const [mail] = await mailsTo(owner.email ?? '', 1);
      assert.match(mail?.email.subject ?? '', /already have an account/);
    });

    it('sends mails for a new password to the old address while it waits', async () => {
      const { email, next } = await asked(latchkey());
      await readMail(latchkey(), next);
      const browser = latchkey().browser();
      for (const login of [email, next]) await browser.submit(await browser.get('/reset'), { login });
      assert.equal((await mailsTo(email, 2)).length, 2);
      assert.equal(await countQueued(latchkey(), next), 1);
    });

    it('is taken back by the old address before it is done', async () => {
      const { account, email, next, browser, page } = await asked(latchkey());
      const mail = await readMail(latchkey(), next);
      const link = await undoLink(email, 1);
      const scanner = latchkey().browser();
      for (let count = 0; count < 3; count += 1) assert.equal((await scanner.get(link)).id, 'link-confirm');
      assert.equal((await undo(scanner, link)).status, 200);
      assert.notEqual((await browser.submit(page, { code: mail.code })).status, 303);
      assert.equal((await emailOf(latchkey(), account.id))?.email, email);
      assert.equal(await isSignedIn(latchkey(), browser), false);
    });

    it('is taken back by the old address after it is done, however often it was changed since', async () => {
      const { account, email, next, browser, page } = await asked(latchkey());
      await browser.submit(page, { code: (await readMail(latchkey(), next)).code });
      const third = newAddress();
      const again = await browser.submit(await browser.get('/account/profile/email'), { email: third });
      await browser.submit(again, { code: (await readMail(latchkey(), third)).code });
      assert.equal((await emailOf(latchkey(), account.id))?.email, third);
      const link = await undoLink(email, 2);
      const owner = latchkey().browser();
      const confirm = await owner.get(link);
      const answers = await Promise.all(Array.from({ length: 20 }, () => owner.submitOnce(confirm)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.deepEqual(await emailOf(latchkey(), account.id), { email, proven: true });
      assert.equal(await isSignedIn(latchkey(), browser), false);
      assert.equal((await owner.get(link)).error, 'link-used');
      const reset = await readMail(latchkey(), email, 3);
      const done = await owner.submit(await owner.get(reset.link), { new_password: NEW_PASSWORD });
      assert.equal(done.status, 200, done.describe());
      const home = await signIn(latchkey().browser(), email, '/account/profile', NEW_PASSWORD);
      assert.equal(home.id, 'account-profile');
      // The address in between has lost its way back with that.
      assert.equal((await owner.get(await undoLink(next, 2))).status, 200);
      assert.equal((await undo(owner, await undoLink(next, 2))).error, 'link-used');
      assert.equal((await emailOf(latchkey(), account.id))?.email, email);
    });

    it('cannot be taken back after two days, or when the old address has another owner', async () => {
      const { account, email, next, browser, page } = await asked(latchkey());
      await browser.submit(page, { code: (await readMail(latchkey(), next)).code });
      const link = await undoLink(email, 2);
      const other = await latchkey().createAccount({ email });
      assert.equal((await undo(latchkey().browser(), link)).error, 'link-used');
      assert.equal((await emailOf(latchkey(), account.id))?.email, next);
      assert.equal((await emailOf(latchkey(), other.id))?.email, email);
      await select(latchkey(), `update email_change set expires_at = now() - interval '1 second'`);
      assert.equal((await undo(latchkey().browser(), await undoLink(email, 1))).error, 'link-used');
    });

    it('is given up by the person', async () => {
      const { account, email, next, browser, page } = await asked(latchkey());
      const mail = await readMail(latchkey(), next);
      const profile = await browser.get('/account/profile');
      await browser.submit(profile, {}, { form: 'form[action$="/cancel"]' });
      assert.equal((await browser.submit(page, { code: mail.code })).status, 422);
      assert.equal((await emailOf(latchkey(), account.id))?.email, email);
    });

    it('gives a first address to an account that has none', async () => {
      const account = await latchkey().createAccount({ username: `ada_${Date.now().toString(36)}` });
      const browser = latchkey().browser();
      const form = await signIn(browser, account.username ?? '', '/account/profile/email');
      const next = newAddress();
      const page = await browser.submit(form, { email: next });
      await browser.submit(page, { code: (await readMail(latchkey(), next)).code });
      assert.deepEqual(await emailOf(latchkey(), account.id), { email: next, proven: true });
    });

    it('needs a fresh proof, a form of ours, and another address', async () => {
      const email = newAddress();
      const account = await latchkey().createAccount({ email });
      const browser = latchkey().browser();
      const form = await signIn(browser, email, '/account/profile/email');
      for (const typed of ['ada@', email.toUpperCase()]) {
        assert.equal((await browser.submitOnce(form, { email: typed })).status, 422, typed);
      }
      const foreign = await browser.post('/account/profile/email', 'email=a', { origin: 'https://evil.example' });
      assert.equal(foreign.error, 'foreign-form');
      const later = await latchkey().browser().get('/account/profile/email');
      assert.equal(later.id, 'login');
      assert.equal((await emailOf(latchkey(), account.id))?.email, email);
    });

    it('leaves no code and no link in the database or the log', async () => {
      const { email, next } = await asked(latchkey());
      const mail = await readMail(latchkey(), next);
      const link = await undoLink(email, 1);
      await assertKeptNowhere(latchkey(), [mail.code, mail.token, link.pathname.split('/').at(-1) ?? '']);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'the profile',
  (latchkey) => {
    it('takes name and language, and nothing else', async () => {
      const named = { email: newAddress(), username: `ada_${Date.now() % 1_000_000}` };
      const account = await latchkey().createAccount(named);
      const browser = latchkey().browser();
      const page = await signIn(browser, account.email ?? '');
      assert.ok(page.element('#username-heading + .hint').text.includes(named.username), 'shown, with why it stays');
      const saved = await browser.submit(page, { name: '  Grace ', locale: 'ru', zone: 'Asia/Almaty' });
      assert.equal(saved.element('html').getAttribute('lang'), 'ru', saved.describe());
      const csrf = saved.element('input[name=csrf]').getAttribute('value') ?? '';
      const more = new URLSearchParams({ csrf, name: 'x', locale: '', zone: '', theme: '', email_verified: 'true' });
      assert.equal((await browser.post('/account/profile', more.toString())).error, 'unexpected-field');
      const found = await latchkey().app.accounts.get(account.id);
      assert.equal(found.name, 'Grace');
      assert.equal(found.locale, 'ru');
      assert.equal(found.zoneinfo, 'Asia/Almaty');
      const none = await browser.submit(saved, { zone: 'Mars/Olympus' });
      assert.equal(none.id, 'account-profile', none.describe());
      assert.equal((await latchkey().app.accounts.get(account.id)).zoneinfo, null);
      const tooLong = await browser.submitOnce(saved, { name: 'x'.repeat(256) });
      assert.equal(tooLong.status, 422);
    });
  },
  { env: FREE_ENV },
);
