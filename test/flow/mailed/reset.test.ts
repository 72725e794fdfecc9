// A new password for somebody who forgot the old one, by link and by code: what ends with it, what it never tells, and what it never gives.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { refresh, userinfo } from '../../support/relying-party.ts';
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
  partsOf,
  plainHeaders,
  plainText,
  rankShare,
  readMail,
  select,
  timeInTurns,
  visit,
} from './stories.ts';

const NEW_PASSWORD = 'seven green bottles on a wall';
const CLI = { actor: { kind: 'cli' } } as const;

async function ask(browser: Browser, login: string): Promise<Page> {
  const page = await browser.submit(await browser.get('/reset'), { login });
  assert.equal(page.id, 'reset', page.describe());
  assert.ok(page.html.querySelector('#code'), 'asks for the code');
  return page;
}

/** An account with an address, and a mail for a new password on its way to it. */
async function asked(latchkey: Latchkey) {
  const email = newAddress();
  const account = await latchkey.createAccount({ email });
  const browser = latchkey.browser();
  const page = await ask(browser, email);
  return { account, email, browser, page, mail: await readMail(latchkey, email) };
}

async function signsIn(latchkey: Latchkey, login: string, password: string): Promise<boolean> {
  const one = await visit(latchkey);
  return (await one.browser.submit(one.login, { login, password })).id === 'consent';
}

/** Signed in at an app, with tokens. */
async function signedIn(latchkey: Latchkey, account: AccountRow) {
  const one = await visit(latchkey);
  const next = await one.browser.submit(one.login, { login: account.email ?? '', password: TEST_PASSWORD });
  return { ...one, ...(await finishAtClient(latchkey, one, next)) };
}

describeOnEachBackend(
  'a new password',
  (latchkey) => {
    for (const way of ['link', 'code'] as const) {
      it(`by ${way} ends the old one, every session and every token, and signs nobody in`, async () => {
        const { account, email, browser, page, mail } = await asked(latchkey());
        const before = await signedIn(latchkey(), account);
        const form =
          way === 'link' ? await latchkey().browser().get(mail.link) : await browser.submit(page, { code: mail.code });
        assert.equal(form.id, 'reset-confirm', form.describe());
        assert.equal(await isSignedIn(latchkey(), before.browser), true, 'until the new password is there');
        const who = way === 'link' ? latchkey().browser() : browser;
        const done = await who.submit(way === 'link' ? await who.get(mail.link) : form, { new_password: NEW_PASSWORD });
        assert.equal(done.id, 'reset-confirm', done.describe());
        assert.equal(done.status, 200);
        assert.equal(await isSignedIn(latchkey(), who), false);
        assert.equal(await isSignedIn(latchkey(), before.browser), false);
        assert.equal((await refresh(latchkey(), before.client, before.refreshToken)).status, 400);
        assert.equal((await userinfo(latchkey(), before.accessToken)).status, 401);
        assert.equal(await signsIn(latchkey(), email, TEST_PASSWORD), false);
        assert.equal(await signsIn(latchkey(), email, NEW_PASSWORD), true);
        for (const opened of [await who.get(mail.link), await browser.get(page.url)]) {
          assert.equal(opened.error, 'link-used', opened.describe());
        }
        const [first, notice] = await mailsTo(email, 2);
        assert.ok(first && notice);
        for (const one of [first, notice]) checkMail(latchkey(), one, email);
        assert.match(notice.email.subject ?? '', /password/i);
        assert.ok(partsOf(latchkey(), notice).notMe, 'with a link for "it was not me"');
      });
    }

    it('ends every session and token also when the process dies before it could delete them', async (context) => {
      const { account, email, mail } = await asked(latchkey());
      const before = await signedIn(latchkey(), account);
      // The engine counts in seconds: what began in the second of the reset is left to the deletion.
      await setTimeout(1010 - (Date.now() % 1000));
      const { sessionsAndGrants } = latchkey().app;
      const dying = context.mock.method(sessionsAndGrants, 'endAll', () => Promise.reject(new Error('killed')));
      const browser = latchkey().browser();
      const answer = await browser.submit(await browser.get(mail.link), { new_password: NEW_PASSWORD });
      assert.equal(answer.status, 500);
      assert.equal(dying.mock.callCount(), 1);
      dying.mock.restore();
      latchkey().app.accounts.forgetRecent();
      assert.equal(await isSignedIn(latchkey(), before.browser), false);
      assert.equal((await refresh(latchkey(), before.client, before.refreshToken)).status, 400);
      assert.equal((await userinfo(latchkey(), before.accessToken)).status, 401);
      assert.notEqual((await before.browser.get('/account/security')).id, 'account-security');
      assert.equal(await signsIn(latchkey(), email, NEW_PASSWORD), true);
      const again = await visit(latchkey(), before.browser);
      const next = await again.browser.submit(again.login, { login: email, password: NEW_PASSWORD });
      assert.equal((await finishAtClient(latchkey(), again, next)).claims['sub'], account.subject);
      assert.equal(await isSignedIn(latchkey(), before.browser), true);
    });

    it('is found from the sign-in page and leads back to it', async () => {
      const account = await latchkey().createAccount({ email: newAddress() });
      const one = await visit(latchkey());
      const forgot = one.login.element('a[href^="/reset"]').getAttribute('href') ?? '';
      const page = await one.browser.submit(await one.browser.get(forgot), { login: account.email ?? '' });
      const { code } = await readMail(latchkey(), account.email ?? '');
      const form = await one.browser.submit(page, { code });
      const done = await one.browser.submit(form, { new_password: NEW_PASSWORD });
      const back = done.element(`a[href="${one.path}"]`).getAttribute('href') ?? '';
      const login = await one.browser.get(back);
      assert.equal(login.id, 'login', login.describe());
      const next = await one.browser.submit(login, { login: account.email ?? '', password: NEW_PASSWORD });
      const { claims } = await finishAtClient(latchkey(), one, next);
      assert.equal(claims['sub'], account.subject);
    });

    it('leads nowhere but to an interaction of ours', async () => {
      for (const interaction of ['https://evil.example.com', '//evil.example.com', '../../evil', 'x'.repeat(200)]) {
        const page = await latchkey()
          .browser()
          .get(`/reset?interaction=${encodeURIComponent(interaction)}`);
        assert.equal(page.status, 200);
        assert.ok(!page.text.includes('evil'));
      }
    });

    it('changes nothing when the link is opened, by whoever and however often', async () => {
      const { email, mail } = await asked(latchkey());
      const scanner = latchkey().browser();
      const state = async () => JSON.stringify(await select(latchkey(), 'select m::text as row from mailed_secret m'));
      const before = await state();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await scanner.get(mail.link)).id, 'reset-confirm');
        assert.equal((await scanner.request(mail.link, { method: 'HEAD' })).status, 200);
      }
      assert.equal(await state(), before);
      assert.equal(await signsIn(latchkey(), email, TEST_PASSWORD), true);
    });

    it('is set by one of twenty that come at once, by link and after a code', async () => {
      const byLink = await asked(latchkey());
      const form = await byLink.browser.get(byLink.mail.link);
      const byCode = await asked(latchkey());
      const codes = await Promise.all(
        Array.from({ length: 20 }, () => byCode.browser.submitOnce(byCode.page, { code: byCode.mail.code })),
      );
      const [ticket, ...others] = codes.filter(({ status }) => status === 303);
      assert.ok(ticket, codes.map((page) => page.describe()).join('\n'));
      assert.deepEqual(others, []);
      const second = await byCode.browser.get(ticket.location ?? '');
      for (const [browser, page, email] of [
        [byLink.browser, form, byLink.email],
        [byCode.browser, second, byCode.email],
      ] as const) {
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, step) =>
            browser.submitOnce(page, { new_password: `${NEW_PASSWORD} ${step}` }),
          ),
        );
        const won = answers.flatMap((answer, step) => (answer.status === 200 ? [step] : []));
        assert.equal(won.length, 1, answers.map((answer) => answer.describe()).join('\n'));
        assert.equal(await signsIn(latchkey(), email, `${NEW_PASSWORD} ${won[0]}`), true);
      }
    });

    it('shows one page for links that are wrong, used, expired or replaced, also after a code', async () => {
      const used = await asked(latchkey());
      await used.browser.submit(await used.browser.get(used.mail.link), { new_password: NEW_PASSWORD });
      const replaced = await asked(latchkey());
      await ask(replaced.browser, replaced.email);
      const expired = await asked(latchkey());
      await expireMails(latchkey());
      const tokens = ['A'.repeat(43), used.mail.token, replaced.mail.token, expired.mail.token];
      const pages: Page[] = [];
      for (const token of tokens) {
        pages.push(await latchkey().browser().get(`/link/${token}`));
      }
      for (const page of pages) {
        assert.equal(page.error, 'link-used', page.describe());
        assert.equal(plainText(page), plainText(pages[0] as Page));
        assert.deepEqual(plainHeaders(page), plainHeaders(pages[0] as Page));
      }
      for (const one of [used, replaced, expired]) {
        const page = await one.browser.submit(one.page, { code: one.mail.code });
        assert.equal(page.error, 'link-used', page.describe());
      }
    });

    it('ends a code after five wrong tries, and the page after the code belongs to that browser', async () => {
      const { browser, page, mail } = await asked(latchkey());
      const wrong = mail.code === '000000' ? '000001' : '000000';
      await Promise.all(Array.from({ length: 9 }, () => browser.submitOnce(page, { code: wrong })));
      assert.equal((await browser.submitOnce(page, { code: mail.code })).status, 422);
      const other = await asked(latchkey());
      const form = await other.browser.submit(other.page, { code: other.mail.code });
      assert.equal(form.id, 'reset-confirm');
      const stranger = latchkey().browser();
      assert.equal((await stranger.get(form.url)).error, 'link-used');
      const foreign = await browser.submit(await browser.get('/reset'), { login: newAddress() });
      const csrf = foreign.element('input[name=csrf]').getAttribute('value') ?? '';
      const stolen = await browser.post(form.url, new URLSearchParams({ csrf, new_password: NEW_PASSWORD }).toString());
      assert.equal(stolen.error, 'link-used', stolen.describe());
      assert.equal(await signsIn(latchkey(), other.email, TEST_PASSWORD), true);
    });

    it('cannot be set with a page from before another change of the password', async () => {
      const thief = await asked(latchkey());
      const form = await thief.browser.submit(thief.page, { code: thief.mail.code });
      const owner = latchkey().browser();
      await ask(owner, thief.email);
      const { link } = await readMail(latchkey(), thief.email, 2);
      await owner.submit(await owner.get(link), { new_password: NEW_PASSWORD });
      const late = await thief.browser.submit(form, { new_password: 'what the thief would like' });
      assert.equal(late.error, 'link-used', late.describe());
      assert.equal(await signsIn(latchkey(), thief.email, NEW_PASSWORD), true);
    });

    it('ends a sign-in mail that is on its way', async () => {
      const { email, browser, mail } = await asked(latchkey());
      const one = await visit(latchkey());
      const page = await one.browser.submit(one.login, { login: email }, { button: ['method', 'mail-code'] });
      const signIn = await readMail(latchkey(), email, 2);
      await browser.submit(await browser.get(mail.link), { new_password: NEW_PASSWORD });
      const late = await one.browser.submit(page, { code: signIn.code });
      assert.equal(late.error, 'link-used', late.describe());
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
    });

    it('is checked as the page says, without ending the link', async () => {
      const { browser, email, mail } = await asked(latchkey());
      const form = await browser.get(mail.link);
      assert.equal(form.html.querySelectorAll('#new_password-hint li').length, 2);
      for (const password of ['too short', 'passwordpassword', `${email.split('@')[0]} and more`, 'x'.repeat(257)]) {
        const page = await browser.submit(form, { new_password: password });
        assert.equal(page.status, 422, page.describe());
        assert.equal(page.id, 'reset-confirm');
      }
      assert.equal((await browser.submit(form, { new_password: NEW_PASSWORD })).status, 200);
    });

    it('is not for an account that was disabled meanwhile', async () => {
      const byLink = await asked(latchkey());
      const byCode = await asked(latchkey());
      const form = await byLink.browser.get(byLink.mail.link);
      const ticket = await asked(latchkey());
      const second = await ticket.browser.submit(ticket.page, { code: ticket.mail.code });
      for (const { account } of [byLink, byCode, ticket]) {
        await latchkey().app.sessionsAndGrants.disable(account, CLI);
      }
      const pages = [
        await byLink.browser.submit(form, { new_password: NEW_PASSWORD }),
        await byCode.browser.submit(byCode.page, { code: byCode.mail.code }),
        await ticket.browser.submit(second, { new_password: NEW_PASSWORD }),
      ];
      assert.deepEqual(
        pages.map(({ error, status }) => error ?? status),
        ['link-used', 'link-used', 'link-used'],
      );
      for (const { account } of [byLink, byCode, ticket]) {
        const rows = await select(
          latchkey(),
          'select 1 as one from password where account_id = $1 and changed_at > created_at',
          [account.id],
        );
        assert.deepEqual(rows, []);
      }
    });

    it('answers alike for addresses with an account, without one, and with one that is disabled', async () => {
      const [known, unknown, disabled] = [newAddress(), newAddress(), newAddress()];
      await latchkey().createAccount({ email: known });
      const account = await latchkey().createAccount({ email: disabled });
      await latchkey().app.sessionsAndGrants.disable(account, CLI);
      const seen = [];
      for (const login of [known, unknown, disabled]) {
        const browser = latchkey().browser();
        const answer = await browser.submitOnce(await browser.get('/reset'), { login });
        const page = await browser.get(answer.location ?? '');
        const guess = await browser.submitOnce(page, { code: '123456' });
        seen.push([answer, page, guess].map((step) => [step.status, plainHeaders(step), plainText(step)]));
      }
      assert.deepEqual(seen[1], seen[0]);
      assert.deepEqual(seen[2], seen[0]);
      assert.equal(await countQueued(latchkey(), known), 1);
      assert.equal(await countQueued(latchkey(), unknown), 0);
      assert.equal(await countQueued(latchkey(), disabled), 0);
    });

    it('does the same work for addresses with and without an account', async () => {
      const known = newAddress();
      await latchkey().createAccount({ email: known });
      const browser = latchkey().browser();
      const form = await browser.get('/reset');
      const [there, nowhere] = await timeInTurns(30, [
        () => browser.submitOnce(form, { login: known }),
        () => browser.submitOnce(form, { login: newAddress() }),
      ]);
      const share = rankShare(
        nowhere.map((ms) => ms * 2),
        there,
      );
      assert.ok(share > 0.5, `doubled, an unknown address is slower in ${share} of all pairs`);
    });

    it('leaves no code, link or password in the database or the log', async () => {
      const { email, browser, page, mail } = await asked(latchkey());
      const form = await browser.submit(page, { code: mail.code });
      const ticket = form.url.pathname.split('/').at(-1) ?? '';
      const secrets = [mail.code, mail.token, ticket, NEW_PASSWORD];
      await assertKeptNowhere(latchkey(), secrets);
      await browser.submit(form, { new_password: NEW_PASSWORD });
      const notice = partsOf(latchkey(), (await mailsTo(email, 2))[1] as never);
      await assertKeptNowhere(latchkey(), [...secrets, notice.notMe?.pathname.split('/').at(-1) ?? '']);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'a new password, with limits',
  (latchkey) => {
    it('ends the lock that wrong passwords made', async () => {
      const email = newAddress();
      await latchkey().createAccount({ email });
      const one = await visit(latchkey());
      for (let count = 0; count < 5; count += 1) {
        await one.browser.submitOnce(one.login, { login: email, password: 'wrong password' });
      }
      const locked = await one.browser.submitOnce(one.login, { login: email, password: TEST_PASSWORD });
      assert.equal(locked.status, 429, locked.describe());
      const browser = latchkey().browser();
      await ask(browser, email);
      const { link } = await readMail(latchkey(), email);
      await browser.submit(await browser.get(link), { new_password: NEW_PASSWORD });
      assert.equal(await signsIn(latchkey(), email, NEW_PASSWORD), true);
    });

    it('can be asked for every thirty seconds and three times an hour, with an account or without', async () => {
      const known = newAddress();
      await latchkey().createAccount({ email: known });
      for (const login of [known, newAddress()]) {
        const browser = latchkey().browser();
        const form = await browser.get('/reset');
        const send = () => browser.submitOnce(form, { login });
        assert.equal((await send()).status, 303);
        const soon = await send();
        assert.equal(soon.status, 429, soon.describe());
        assert.ok(Number(soon.headers['retry-after']) >= 1 && Number(soon.headers['retry-after']) <= 30);
        assert.equal(soon.id, 'reset');
        for (let count = 0; count < 2; count += 1) {
          await letTimePass(latchkey(), '31 seconds');
          assert.equal((await send()).status, 303);
        }
        await letTimePass(latchkey(), '31 seconds');
        const full = await send();
        assert.equal(full.status, 429, full.describe());
        assert.ok(Number(full.headers['retry-after']) > 600);
      }
    });
  },
  { env: MAIL_ENV },
);

describeOnEachBackend(
  'the time of an answer to a request for a new password',
  (latchkey) => {
    it('does not tell whether there is an account', async () => {
      const known = newAddress();
      await latchkey().createAccount({ email: known });
      const browser = latchkey().browser();
      const form = await browser.get('/reset');
      const [there, nowhere] = await timeInTurns(40, [
        () => browser.submitOnce(form, { login: known }),
        () => browser.submitOnce(form, { login: newAddress() }),
      ]);
      // Chance alone stays within four standard deviations (0.065 each) of one half.
      const share = rankShare(there, nowhere);
      assert.ok(share > 0.24 && share < 0.76, `known is slower in ${share} of all pairs`);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_ANSWER_FLOOR_MS: undefined, LATCHKEY_ANSWER_JITTER_MS: undefined } },
);
