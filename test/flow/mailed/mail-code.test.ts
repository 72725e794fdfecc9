// Signing in by a mailed code or link: from an app's request back to the app, and everything that must not sign anybody in.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import {
  askForCode,
  assertHolds,
  assertKeptNowhere,
  checkMail,
  countQueued,
  dump,
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
  pressMailCode,
  rankShare,
  readMail,
  select,
  timeInTurns,
  type Visit,
  visit,
} from './stories.ts';

/** Six digits that are not these. */
function wrong(code: string, step = 1): string {
  return String((Number(code) + step) % 1_000_000).padStart(6, '0');
}

async function asked(latchkey: Latchkey, name?: string) {
  const account = await latchkey.createAccount({ email: name ?? newAddress() });
  const one = await visit(latchkey);
  const codePage = await askForCode(one, account.email ?? '');
  return { account, one, codePage, mail: await readMail(latchkey, account.email ?? '') };
}

/** What the button behind a mailed link would post, with a token of one's own. */
function postToken(one: Visit, token: string): Promise<Page> {
  const csrf = one.login.element('input[name=csrf]').getAttribute('value') ?? '';
  return one.browser.post(`${one.path}/mail-link`, new URLSearchParams({ csrf, token }).toString());
}

function isContinued(page: Page): boolean {
  return page.status === 303 && (page.location?.pathname.startsWith('/auth/') ?? false);
}

describeOnEachBackend(
  'a sign-in by mail',
  (latchkey) => {
    it('goes from the app through the code back to the app', async () => {
      const { account, one, codePage, mail } = await asked(latchkey());
      const { claims } = await finishAtClient(
        latchkey(),
        one,
        await one.browser.submit(codePage, { code: ` ${mail.code.slice(0, 3)} ${mail.code.slice(3)} ` }),
      );
      assert.equal(claims['sub'], account.subject);
      assert.equal(claims['acr'], 'urn:latchkey:aal1');
      assert.ok(!(claims['amr'] as string[] | undefined)?.includes('mfa'));
      assert.equal(await isSignedIn(latchkey(), one.browser), true);
    });

    it('goes from the app through the link back to the app', async () => {
      const { account, one, mail } = await asked(latchkey());
      const confirm = await one.browser.get(mail.link);
      assert.equal(confirm.id, 'link-confirm', confirm.describe());
      const { claims } = await finishAtClient(latchkey(), one, await one.browser.submit(confirm));
      assert.equal(claims['sub'], account.subject);
    });

    it('works with the username, and writes to the stored address', async () => {
      const email = newAddress();
      const username = `u${email.slice(4, 12)}`;
      const account = await latchkey().createAccount({ email, username });
      const one = await visit(latchkey());
      const page = await askForCode(one, username);
      assert.ok(!page.text.includes('mail.example.com'), 'the page does not tell the address');
      const { code } = await readMail(latchkey(), email);
      const { claims } = await finishAtClient(latchkey(), one, await one.browser.submit(page, { code }));
      assert.equal(claims['sub'], account.subject);
    });

    it('sends one mail to one recipient, text first, with links to us only', async () => {
      const { account, mail } = await asked(latchkey());
      const [received, ...more] = await mailsTo(account.email ?? '', 1);
      assert.ok(received);
      assert.equal(more.length, 0);
      checkMail(latchkey(), received, account.email ?? '');
      assert.match(mail.code, /^\d{6}$/);
      assert.match(mail.token, /^[\w-]{43}$/);
      assert.ok(mail.notMe);
    });

    it('signs nobody in where the link is opened in another browser, and points back', async () => {
      const { account, one, codePage, mail } = await asked(latchkey());
      const victim = await visit(latchkey());
      const page = await victim.browser.get(mail.link);
      assert.equal(page.id, 'link-confirm');
      assert.ok(!page.html.querySelector('#submit'), 'there is nothing to press');
      assert.match(page.text, /other browser/);
      const refused = await postToken(victim, mail.token);
      assert.equal(refused.error, 'link-used', refused.describe());
      assert.equal(await isSignedIn(latchkey(), victim.browser), false);
      // What was refused there is still good where it was asked for.
      const { claims } = await finishAtClient(latchkey(), one, await one.browser.submit(codePage, { code: mail.code }));
      assert.equal(claims['sub'], account.subject);
    });

    it('changes nothing when the link is opened, by whoever and however often', async () => {
      const { one, mail } = await asked(latchkey());
      const state = async () =>
        JSON.stringify(
          await select(
            latchkey(),
            'select m::text as row from mailed_secret m union all select o::text from one_time_value o',
          ),
        );
      const before = await state();
      const scanner = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        for (const browser of [one.browser, scanner]) {
          for (const url of [mail.link, mail.notMe].filter((link) => link !== null)) {
            assert.equal((await browser.get(url)).status, 200);
            assert.equal((await browser.request(url, { method: 'HEAD' })).status, 200);
          }
        }
      }
      assert.equal(await state(), before);
      assert.equal(await isSignedIn(latchkey(), scanner), false);
      await finishAtClient(latchkey(), one, await one.browser.submit(await one.browser.get(mail.link)));
    });

    it('shows one page for links that are wrong, expired, used, replaced or of another kind', async () => {
      const used = await asked(latchkey());
      await one303(used.one, await used.one.browser.get(used.mail.link));
      const replaced = await asked(latchkey());
      await askForCode(replaced.one, replaced.account.email ?? '');
      const expired = await asked(latchkey());
      await expireMails(latchkey());
      const foreign = await asked(latchkey());
      const reset = await mailedReset(latchkey(), latchkey().browser());
      const tokens = {
        wrong: 'A'.repeat(43),
        used: used.mail.token,
        replaced: replaced.mail.token,
        expired: expired.mail.token,
      };
      const posts = { ...tokens, foreign: foreign.mail.token, reset: reset.token };
      const stranger = await visit(latchkey());
      const opened = await Promise.all(Object.values(tokens).map((token) => stranger.browser.get(`/link/${token}`)));
      const posted = await Promise.all(Object.values(posts).map((token) => postToken(stranger, token)));
      for (const pages of [opened, posted]) {
        for (const page of pages) {
          assert.equal(page.error, 'link-used', page.describe());
          assert.equal(page.status, pages[0]?.status);
          assert.equal(plainText(page), plainText(pages[0] as Page));
          assert.deepEqual(plainHeaders(page), plainHeaders(pages[0] as Page));
          assert.ok(page.html.querySelector('a[href]'), 'there is a way on');
        }
      }
      assert.equal(await isSignedIn(latchkey(), stranger.browser), false);
    });

    it('says the same of a code that is wrong, expired, or tried too often', async () => {
      const first = await asked(latchkey());
      const guess = wrong(first.mail.code);
      const wrongPage = await first.one.browser.submit(first.codePage, { code: guess });
      assert.equal(wrongPage.status, 422);
      for (let count = 0; count < 4; count += 1) await first.one.browser.submit(first.codePage, { code: guess });
      const spent = await first.one.browser.submit(first.codePage, { code: first.mail.code });
      const second = await asked(latchkey());
      await expireMails(latchkey(), 'code');
      const expired = await second.one.browser.submit(second.codePage, { code: second.mail.code });
      for (const page of [spent, expired]) {
        assert.equal(page.status, 422, page.describe());
        assert.equal(page.id, 'magic-link');
        assert.equal(
          page.element('#error-summary, [role=alert]').text,
          wrongPage.element('#error-summary, [role=alert]').text,
        );
      }
      assert.equal(await isSignedIn(latchkey(), first.one.browser), false);
      assert.equal(await isSignedIn(latchkey(), second.one.browser), false);
    });

    it('says the same of a code that is used, replaced, or another browser’s, and shows the way back', async () => {
      const used = await asked(latchkey());
      assert.ok(isContinued(await used.one.browser.submitOnce(used.codePage, { code: used.mail.code })));
      const again = await used.one.browser.submit(used.codePage, { code: used.mail.code });
      const replaced = await asked(latchkey());
      await askForCode(replaced.one, replaced.account.email ?? '');
      const old = await replaced.one.browser.submit(replaced.codePage, { code: replaced.mail.code });
      const foreign = await asked(latchkey());
      const thief = await visit(latchkey());
      const stolen = await postCode(
        thief,
        `${thief.path}/${foreign.codePage.url.pathname.split('/').slice(3).join('/')}`,
        foreign.mail.code,
      );
      for (const page of [again, old, stolen]) {
        assert.equal(page.error, 'link-used', page.describe());
        assert.equal(page.status, 410);
        assert.equal(plainText(page), plainText(old));
      }
      assert.ok(old.html.querySelector(`a[href="${replaced.one.path}"]`), 'back to sign-in');
      assert.equal(await isSignedIn(latchkey(), thief.browser), false);
    });

    it('does not count as a try what is no code', async () => {
      const { one, codePage, mail } = await asked(latchkey());
      for (const code of ['', '12345', '1234567', 'abcdef', '１２３４５６７', `${mail.code}0`]) {
        const page = await one.browser.submit(codePage, { code });
        assert.equal(page.status, 422, page.describe());
      }
      const rows = await select<{ tries: number }>(latchkey(), 'select tries from mailed_secret where id = $1', [
        codePage.url.pathname.split('/').at(-1),
      ]);
      assert.deepEqual(rows, [{ tries: 0 }]);
      await finishAtClient(latchkey(), one, await one.browser.submit(codePage, { code: mail.code }));
    });

    it('keeps codes and links of different kinds apart', async () => {
      const { account, one, codePage, mail } = await asked(latchkey());
      const reset = await mailedReset(latchkey(), one.browser, account.email ?? '', 2);
      const signInId = codePage.url.pathname.split('/').at(-1) ?? '';
      const resetId = reset.page.url.pathname.split('/').at(-1) ?? '';
      const csrf = csrfOf(one.login);
      const posts: [string, Record<string, string>][] = [
        [`${one.path}/mail-code/${resetId}`, { code: reset.code }],
        [`${one.path}/verify/${resetId}`, { code: reset.code }],
        [`${one.path}/verify/${signInId}`, { code: mail.code }],
        [`/reset/${signInId}`, { code: mail.code }],
        [`${one.path}/mail-link`, { token: reset.token }],
        [`${one.path}/mail-link`, { token: mail.notMe?.pathname.split('/').at(-1) ?? '' }],
        [`/link/${mail.token}`, {}],
        [`/link/${mail.token}`, { new_password: 'a new password of theirs' }],
        [`/link/${mail.notMe?.pathname.split('/').at(-1) ?? ''}`, {}],
        [`/not-me/${mail.token}`, {}],
        [`/reset/new/${mail.token}`, { new_password: 'a new password of theirs' }],
        [`/reset/new/${reset.token}`, { new_password: 'a new password of theirs' }],
      ];
      for (const [path, fields] of posts) {
        const page = await one.browser.post(path, new URLSearchParams({ csrf, ...fields }).toString());
        assert.ok(!isContinued(page), `${path} ${page.describe()}`);
        assert.equal(page.error, 'link-used', `${path} ${page.describe()}`);
      }
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
      // None of that used up anything.
      assert.equal((await one.browser.get(reset.link)).id, 'reset-confirm');
      await finishAtClient(latchkey(), one, await one.browser.submit(codePage, { code: mail.code }));
    });

    it('lets one of twenty take the code', async () => {
      const { one, codePage, mail } = await asked(latchkey());
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => one.browser.submitOnce(codePage, { code: mail.code })),
      );
      assert.equal(answers.filter(isContinued).length, 1, answers.map((page) => page.describe()).join('\n'));
    });

    it('lets one of twenty take the link, and spends the code with it', async () => {
      const { one, codePage, mail } = await asked(latchkey());
      const confirm = await one.browser.get(mail.link);
      const answers = await Promise.all([
        ...Array.from({ length: 20 }, () => one.browser.submitOnce(confirm)),
        one.browser.submitOnce(codePage, { code: mail.code }),
      ]);
      assert.equal(answers.filter(isContinued).length, 1, answers.map((page) => page.describe()).join('\n'));
    });

    it('ends a code after five wrong tries, also when they come at once', async () => {
      const { one, codePage, mail } = await asked(latchkey());
      await Promise.all(
        Array.from({ length: 12 }, (_, step) => one.browser.submitOnce(codePage, { code: wrong(mail.code, step + 1) })),
      );
      const [row] = await select<{ tries: number }>(latchkey(), 'select tries from mailed_secret where id = $1', [
        codePage.url.pathname.split('/').at(-1),
      ]);
      assert.equal(row?.tries, 5);
      const page = await one.browser.submitOnce(codePage, { code: mail.code });
      assert.equal(page.status, 422, page.describe());
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
      // The link was not guessed at.
      await finishAtClient(latchkey(), one, await one.browser.submit(await one.browser.get(mail.link)));
    });

    it('ends the old mail with a new one', async () => {
      const { account, one, codePage, mail } = await asked(latchkey());
      const newer = await askForCode(one, account.email ?? '');
      const second = await readMail(latchkey(), account.email ?? '', 2);
      assert.ok(!isContinued(await one.browser.submitOnce(codePage, { code: mail.code })));
      assert.ok(!isContinued(await one.browser.submitOnce(newer, { code: mail.code })) || mail.code === second.code);
      assert.ok(!isContinued(await postToken(one, mail.token)));
      await finishAtClient(latchkey(), one, await one.browser.submit(newer, { code: second.code }));
    });

    it('belongs to the request that it was asked for', async () => {
      const { account, one, mail } = await asked(latchkey());
      const other = await visit(latchkey(), one.browser);
      const page = await postToken(other, mail.token);
      assert.equal(page.error, 'link-used', page.describe());
      // It still works where it was asked for.
      const { claims } = await finishAtClient(
        latchkey(),
        one,
        await one.browser.submit(await one.browser.get(mail.link)),
      );
      assert.equal(claims['sub'], account.subject);
    });

    it('is over for an account that was disabled meanwhile, and stays over', async () => {
      const { account, one, codePage, mail } = await asked(latchkey());
      const cause = { actor: { kind: 'cli' } } as const;
      await latchkey().app.sessionsAndGrants.disable(account, cause);
      const page = await one.browser.submitOnce(codePage, { code: mail.code });
      assert.equal(page.error, 'link-used', page.describe());
      const again = { from: ['disabled'], to: 'active', action: 'account.enable' } as const;
      await latchkey().app.accounts.setStatus(account.id, again, cause);
      const late = await postToken(one, mail.token);
      assert.equal(late.error, 'link-used', late.describe());
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
    });

    it('answers alike for addresses with an account, without one, and with one that is disabled', async () => {
      const [known, unknown, disabled] = [newAddress(), newAddress(), newAddress()];
      await latchkey().createAccount({ email: known });
      const account = await latchkey().createAccount({ email: disabled });
      await latchkey().app.sessionsAndGrants.disable(account, { actor: { kind: 'cli' } });
      const seen = [];
      for (const address of [known, unknown, disabled]) {
        const one = await visit(latchkey());
        const answer = await pressMailCode(one, address);
        const page = await one.browser.get(answer.location ?? '');
        const guess = await one.browser.submitOnce(page, { code: '123456' });
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
      const one = await visit(latchkey());
      const [there, nowhere] = await timeInTurns(30, [
        () => pressMailCode(one, known),
        () => pressMailCode(one, newAddress()),
      ]);
      // Whoever leaves out the slow hash needs less than half of the time: then even doubled times rank below.
      const share = rankShare(
        nowhere.map((ms) => ms * 2),
        there,
      );
      assert.ok(share > 0.5, `doubled, an unknown address is slower in ${share} of all pairs`);
    });

    it('leaves no code and no link in the database or the log', async () => {
      const { one, codePage, mail } = await asked(latchkey());
      const secrets = [mail.code, mail.token, mail.notMe?.pathname.split('/').at(-1) ?? ''];
      await assertKeptNowhere(latchkey(), secrets);
      await finishAtClient(latchkey(), one, await one.browser.submit(codePage, { code: mail.code }));
      await one.browser.get(mail.link);
      await assertKeptNowhere(latchkey(), secrets);
      // The search finds what is there.
      const [row] = await select<{ id: string }>(latchkey(), 'select id from account limit 1');
      assertHolds(await dump(latchkey()), [row?.id ?? ''], true);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'a sign-in by mail where anybody may register',
  (latchkey) => {
    for (const way of ['code', 'link'] as const) {
      it(`makes a proven account for a new address, by the ${way}`, async () => {
        const address = newAddress();
        const one = await visit(latchkey());
        const codePage = await askForCode(one, address);
        const mail = await readMail(latchkey(), address);
        assert.deepEqual(await select(latchkey(), 'select 1 as one from account where email = $1', [address]), []);
        const next =
          way === 'code'
            ? await one.browser.submit(codePage, { code: mail.code })
            : await one.browser.submit(await one.browser.get(mail.link));
        const { claims } = await finishAtClient(latchkey(), one, next);
        const rows = await select<{ subject: string; proven: boolean }>(
          latchkey(),
          'select subject, email_verified_at is not null as proven from account where email = $1',
          [address],
        );
        assert.deepEqual(rows, [{ subject: claims['sub'], proven: true }]);
      });
    }

    it('makes one account, also when twenty come at once', async () => {
      const address = newAddress();
      const one = await visit(latchkey());
      const codePage = await askForCode(one, address);
      const { code } = await readMail(latchkey(), address);
      const answers = await Promise.all(Array.from({ length: 20 }, () => one.browser.submitOnce(codePage, { code })));
      assert.equal(answers.filter(isContinued).length, 1, answers.map((page) => page.describe()).join('\n'));
      assert.equal((await select(latchkey(), 'select 1 as one from account where email = $1', [address])).length, 1);
    });

    it('makes none for an address that got an owner meanwhile', async () => {
      const address = newAddress();
      const one = await visit(latchkey());
      const codePage = await askForCode(one, address);
      const { code, token } = await readMail(latchkey(), address);
      await latchkey().createAccount({ email: address });
      const byCode = await one.browser.submit(codePage, { code });
      assert.equal(byCode.status, 422, byCode.describe());
      const byLink = await postToken(one, token);
      assert.equal(byLink.error, 'link-used', byLink.describe());
      assert.equal((await select(latchkey(), 'select 1 as one from account where email = $1', [address])).length, 1);
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
    });

    it('makes none for an account that is disabled', async () => {
      const account = await latchkey().createAccount({ email: newAddress() });
      await latchkey().app.sessionsAndGrants.disable(account, { actor: { kind: 'cli' } });
      await askForCode(await visit(latchkey()), account.email ?? '');
      assert.equal(await countQueued(latchkey(), account.email ?? ''), 0);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'open' } },
);

describeOnEachBackend(
  'the limits of a sign-in by mail',
  (latchkey) => {
    it('let an address be written to once a minute and five times an hour, whether it has an account or not', async () => {
      for (const address of [newAddress(), newAddress()]) {
        if ((await countQueued(latchkey(), address)) === 0) await latchkey().createAccount();
        const one = await visit(latchkey());
        await askForCode(one, address);
        const soon = await pressMailCode(one, ` ${address.toUpperCase()} `);
        assert.equal(soon.status, 429, soon.describe());
        const wait = Number(soon.headers['retry-after']);
        assert.ok(wait >= 1 && wait <= 60, `Retry-After ${wait}`);
        for (let count = 0; count < 4; count += 1) {
          await letTimePass(latchkey(), '61 seconds');
          await askForCode(one, address);
        }
        await letTimePass(latchkey(), '61 seconds');
        const full = await pressMailCode(one, address);
        assert.equal(full.status, 429, full.describe());
        assert.ok(Number(full.headers['retry-after']) > 600);
      }
    });

    it('let twenty parallel requests for one address send one mail', async () => {
      const account = await latchkey().createAccount({ email: newAddress() });
      const one = await visit(latchkey());
      const answers = await Promise.all(Array.from({ length: 20 }, () => pressMailCode(one, account.email ?? '')));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal(answers.filter(({ status }) => status === 429).length, 19);
      assert.equal(await countQueued(latchkey(), account.email ?? ''), 1);
    });
  },
  { env: MAIL_ENV },
);

describeOnEachBackend(
  'the limit of wrong mailed codes',
  (latchkey) => {
    it('holds over all codes of an account: after twenty even the right one has to wait', async () => {
      const account = await latchkey().createAccount({ email: newAddress() });
      const one = await visit(latchkey());
      for (let round = 1; round <= 4; round += 1) {
        const codePage = await askForCode(one, account.email ?? '');
        const { code } = await readMail(latchkey(), account.email ?? '', round);
        for (let step = 1; step <= 5; step += 1) {
          assert.equal((await one.browser.submitOnce(codePage, { code: wrong(code, step) })).status, 422);
        }
        await letTimePass(latchkey(), '61 seconds');
      }
      const codePage = await askForCode(one, account.email ?? '');
      const { code } = await readMail(latchkey(), account.email ?? '', 5);
      const page = await one.browser.submitOnce(codePage, { code });
      assert.equal(page.status, 429, page.describe());
      assert.ok(Number(page.headers['retry-after']) >= 1);
      assert.equal(page.id, 'magic-link');
      assert.equal(await isSignedIn(latchkey(), one.browser), false);
    });
  },
  { env: MAIL_ENV },
);

describeOnEachBackend(
  'the limit of mails from one network',
  (latchkey) => {
    it('ends after thirty in an hour, to whichever addresses', async () => {
      const one = await visit(latchkey());
      for (let count = 0; count < 30; count += 1) {
        const answer = await pressMailCode(one, newAddress());
        assert.equal(answer.status, 303, answer.describe());
      }
      const answer = await pressMailCode(one, newAddress());
      assert.equal(answer.status, 429, answer.describe());
      assert.ok(Number(answer.headers['retry-after']) >= 1);
    });
  },
  { env: MAIL_ENV },
);

describeOnEachBackend(
  'the time of an answer to a request for a mail',
  (latchkey) => {
    it('does not tell whether there is an account', async () => {
      const known = newAddress();
      await latchkey().createAccount({ email: known });
      const one = await visit(latchkey());
      const [there, nowhere] = await timeInTurns(40, [
        () => pressMailCode(one, known),
        () => pressMailCode(one, newAddress()),
      ]);
      // Chance alone stays within four standard deviations (0.065 each) of one half.
      const share = rankShare(there, nowhere);
      assert.ok(share > 0.24 && share < 0.76, `known is slower in ${share} of all pairs`);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_ANSWER_FLOOR_MS: undefined, LATCHKEY_ANSWER_JITTER_MS: undefined } },
);

function csrfOf(page: Page): string {
  return page.element('input[name=csrf]').getAttribute('value') ?? '';
}

function postCode(one: Visit, path: string, code: string): Promise<Page> {
  return one.browser.post(path, new URLSearchParams({ csrf: csrfOf(one.login), code }).toString());
}

/** Follows a confirmation page to where the sign-in goes on. */
async function one303(one: Visit, confirm: Page): Promise<void> {
  assert.ok(isContinued(await one.browser.submitOnce(confirm)));
}

/** A mail for a new password, asked for with this browser. */
async function mailedReset(latchkey: Latchkey, browser: Browser, name?: string, count = 1) {
  const email = name ?? newAddress();
  if (name === undefined) await latchkey.createAccount({ email });
  const page = await browser.submit(await browser.get('/reset'), { login: email });
  assert.equal(page.id, 'reset', page.describe());
  return { page, ...(await readMail(latchkey, email, count)) };
}
