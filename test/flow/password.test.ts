// Wrong passwords: one answer whatever was wrong, counted before they are looked at, with limits that lock nobody else out.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const WRONG = 'not the right password';
/** Networks of documentation (RFC 5737, RFC 3849); the header counts because of one trusted proxy. */
let network = 0;
function elsewhere(): { headers: Record<string, string> } {
  network += 1;
  return { headers: { 'x-forwarded-for': `198.51.100.${network % 250}`, 'x-network': String(network) } };
}

/** What tells answers apart, without what is random in every answer. */
function visible(page: Page, login: string): object {
  const text = page.text
    .replaceAll(login, 'LOGIN')
    .replaceAll(/\/interaction\/[\w-]+/g, '/interaction/UID')
    .replaceAll(/interaction=[\w-]+/g, 'interaction=UID')
    .replaceAll(/value="[\w-]{20,}"/g, 'value="TOKEN"')
    .replaceAll(/[\w-]{12}(?=<\/code>)/g, 'REQUEST');
  const { 'x-request-id': _, date: __, 'content-length': ___, ...headers } = page.headers;
  return { status: page.status, headers, cookies: page.cookies.map((one) => one.split('=')[0]).toSorted(), text };
}

describeOnEachBackend(
  'a password',
  (latchkey) => {
    async function openLogin(client: TestClient, browser: Browser): Promise<Page> {
      const page = await browser.get(authorizationRequest(latchkey().issuer, client).url);
      assert.equal(page.id, 'login', page.describe());
      return page;
    }

    async function guess(login: string, password: string, browser = latchkey().browser(elsewhere())): Promise<Page> {
      const page = await openLogin(await theClient(), browser);
      return browser.submit(page, { login, password });
    }

    let client: Promise<TestClient> | undefined;
    const theClient = () => (client ??= latchkey().createClient());
    const audit = async (accountId: string) =>
      (
        await latchkey()
          .app.database.em()
          .execute<{ reason: string }[]>(
            "select reason from audit_event where actor_id = ? and action = 'session.start' order by id",
            [accountId],
          )
      ).map((row) => row.reason);
    /** Instead of waiting. */
    const endLocks = (subject: string) =>
      latchkey()
        .app.database.em()
        .execute(
          "update guess_counter set locked_until = now() - interval '1 second' where key like ? and locked_until < 'infinity'",
          [`account-network:${subject}:%`],
        );

    describe('that does not lead in', () => {
      it('gets one and the same answer for unknown, wrong, disabled, without password and too long', async () => {
        const [known, disabled, bare] = [
          await latchkey().createAccount({ email: 'known.one@example.com' }),
          await latchkey().createAccount({ email: 'disabled1@example.com' }),
          await latchkey().createAccount({ email: 'without.p@example.com', password: null }),
        ];
        await latchkey().app.sessionsAndGrants.disable(disabled, { actor: { kind: 'cli' } });
        const answers: [string, Page][] = [];
        for (const [what, login, password] of [
          ['wrong password', 'known.one@example.com', WRONG],
          ['unknown address', 'unknown.1@example.com', WRONG],
          ['unknown username', 'unknown_username_9999', WRONG],
          ['no name at all', 'not/a/name/at/all/no!', WRONG],
          ['disabled account, right password', 'disabled1@example.com', TEST_PASSWORD],
          ['account without password', 'without.p@example.com', WRONG],
          ['password too long', 'known.one@example.com', 'x'.repeat(1025)],
          ['empty password', 'known.one@example.com', ''],
        ] as const) {
          answers.push([what, await guess(login, password)]);
          assert.equal(answers.at(-1)?.[1].element('input[name=login]').getAttribute('value'), login);
        }
        const [[, first] = ['', undefined]] = answers;
        assert.ok(first);
        assert.equal(first.status, 422);
        assert.equal(first.id, 'login');
        for (const [what, page] of answers) {
          const login = page.element('input[name=login]').getAttribute('value') ?? '';
          assert.deepEqual(visible(page, login), visible(first, 'known.one@example.com'), what);
          assert.equal(
            page.element('input[name=password]').getAttribute('value') ?? '',
            '',
            'a password never comes back',
          );
        }
        assert.deepEqual(await audit(known.id), ['wrong-password', 'wrong-password', 'wrong-password']);
        assert.deepEqual(await audit(disabled.id), ['account-disabled']);
        assert.deepEqual(await audit(bare.id), ['wrong-password']);
      });

      it('leaves the way open for the right one, at the same page', async () => {
        const account = await latchkey().createAccount();
        const browser = latchkey().browser(elsewhere());
        const wrong = await guess(account.email ?? '', WRONG, browser);
        const page = await answerPrompts(
          browser,
          await browser.submit(wrong, { login: account.email ?? '', password: TEST_PASSWORD }),
          {},
        );
        assert.notEqual(page.params['code'], undefined, page.describe());
      });

      it('is never in the log, and neither is the name of who is not known', async () => {
        await guess('secret.stranger@example.com', 'a very secret guess');
        const log = latchkey().logLines.join('\n');
        assert.ok(log.length > 0);
        for (const secret of ['a very secret guess', 'secret.stranger', WRONG, TEST_PASSWORD]) {
          assert.equal(log.includes(secret), false, secret);
        }
      });
    });

    describe('guessed again and again', () => {
      it('is refused after five failures from one network, the right one too, until the lock ends', async () => {
        const account = await latchkey().createAccount();
        const browser = latchkey().browser(elsewhere());
        for (let count = 0; count < 5; count += 1)
          assert.equal((await guess(account.email ?? '', WRONG, browser)).status, 422);
        for (const password of [WRONG, TEST_PASSWORD]) {
          const page = await guess(account.email ?? '', password, browser);
          assert.equal(page.status, 429);
          assert.equal(page.id, 'login');
          const wait = Number(page.headers['retry-after']);
          assert.ok(wait > 890 && wait <= 900, String(wait));
        }
        await endLocks(account.id);
        assert.equal((await guess(account.email ?? '', TEST_PASSWORD, browser)).id, 'consent');
      });

      it('is looked at five times at most when fifty come at once', async () => {
        const account = await latchkey().createAccount();
        const browser = latchkey().browser(elsewhere());
        const page = await openLogin(await theClient(), browser);
        const answers = await Promise.all(
          Array.from({ length: 50 }, () => browser.submitOnce(page, { login: account.email ?? '', password: WRONG })),
        );
        const statuses = answers.map((answer) => answer.status);
        assert.deepEqual([...new Set(statuses)].toSorted(), [422, 429]);
        assert.equal(statuses.filter((status) => status === 422).length, 5);
        const reasons = await audit(account.id);
        assert.equal(reasons.filter((reason) => reason === 'wrong-password').length, 5);
        // By one limit or the other: refused tries stand in the window of the network for a moment, too.
        assert.equal(reasons.filter((reason) => reason.startsWith('locked-')).length, 45);
        assert.equal((await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD })).status, 429);
      });

      it('locks names that nobody has in the same way', async () => {
        const browser = latchkey().browser(elsewhere());
        const statuses: number[] = [];
        for (let count = 0; count < 6; count += 1)
          statuses.push((await guess('nobody.here@example.com', WRONG, browser)).status);
        assert.deepEqual(statuses, [422, 422, 422, 422, 422, 429]);
        // However it is spelt.
        assert.equal((await guess(' NOBODY.here@EXAMPLE.com', WRONG, browser)).status, 429);
      });

      it('locks nobody out who comes from somewhere else', async () => {
        const account = await latchkey().createAccount();
        const attacker = latchkey().browser(elsewhere());
        for (let count = 0; count < 6; count += 1) await guess(account.email ?? '', WRONG, attacker);
        assert.equal((await guess(account.email ?? '', TEST_PASSWORD)).id, 'consent');
      });

      it('from everywhere turns the password off, but not for a browser that is known', async () => {
        const account = await latchkey().createAccount();
        const known = latchkey().browser(elsewhere());
        await signIn(latchkey(), known, await theClient(), { account });
        // Ninety-nine failures happened before.
        await latchkey()
          .app.database.em()
          .execute('insert into guess_counter (key, failures, updated_at) values (?, 99, now())', [
            `account:${account.id}`,
          ]);
        assert.equal((await guess(account.email ?? '', WRONG)).status, 422);
        const locked = await guess(account.email ?? '', TEST_PASSWORD);
        assert.equal(locked.status, 429);
        assert.equal(locked.headers['retry-after'], undefined);
        const again = await known.get(
          authorizationRequest(latchkey().issuer, await theClient(), { prompt: 'login' }).url,
        );
        const page = await answerPrompts(known, again, { account });
        assert.notEqual(page.params['code'], undefined, page.describe());
      });

      it('at many accounts from one network is refused after twenty failures, for everybody there', async () => {
        const browser = latchkey().browser(elsewhere());
        const account = await latchkey().createAccount();
        const page = await openLogin(await theClient(), browser);
        for (let count = 0; count < 20; count += 1) {
          assert.equal((await browser.submit(page, { login: `stranger_${count}`, password: WRONG })).status, 422);
        }
        const refused = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
        assert.equal(refused.status, 429);
        const wait = Number(refused.headers['retry-after']);
        assert.ok(wait > 0 && wait <= 900, String(wait));
        assert.equal((await guess(account.email ?? '', TEST_PASSWORD)).id, 'consent');
      });
    });

    describe('that is right', () => {
      it('signs in by address and by username in any case and with spaces around', async () => {
        const account = await latchkey().createAccount({ email: 'Mixed.Case@example.com', username: 'Mixed_Case' });
        for (const login of ['mixed.case@EXAMPLE.com', ' Mixed.Case@example.com ', 'mixed_case', ' MIXED_CASE']) {
          assert.equal((await guess(login, TEST_PASSWORD)).id, 'consent', login);
        }
        assert.equal(account.email, 'Mixed.Case@example.com');
      });

      it('is remembered for long only where the person asks for it', async () => {
        const account = await latchkey().createAccount();
        for (const remember of [false, true]) {
          const browser = latchkey().browser(elsewhere());
          await signIn(latchkey(), browser, await theClient(), { account, remember });
          const lines = browser.visited
            .flatMap((page) => page.cookies)
            .filter((line) => line.startsWith('latchkey_session='));
          const last = lines.at(-1) ?? '';
          const expires = /expires=([^;]+)/.exec(last)?.[1];
          if (remember) {
            const days = (Date.parse(expires ?? '') - Date.now()) / 86_400_000;
            assert.ok(days > 29.9 && days < 30.1, last);
          } else {
            assert.equal(expires, undefined, last);
          }
        }
      });

      it('gives the browser a new session, and the old id is dead', async () => {
        const account = await latchkey().createAccount();
        const browser = latchkey().browser(elsewhere());
        await signIn(latchkey(), browser, await theClient(), { account });
        const before = await browser.cookie('latchkey_session');
        assert.notEqual(before, undefined);
        const thief = latchkey().browser(elsewhere());
        for (const line of browser.visited.flatMap((page) => page.cookies)) {
          if (line.startsWith('latchkey_session')) await thief.jar.setCookie(line, latchkey().issuer);
        }
        const asked = await browser.get(
          authorizationRequest(latchkey().issuer, await theClient(), { prompt: 'login' }).url,
        );
        await answerPrompts(browser, asked, { account });
        assert.notEqual(await browser.cookie('latchkey_session'), before);
        const page = await thief.get(
          authorizationRequest(latchkey().issuer, await theClient(), { prompt: 'none' }).url,
        );
        assert.equal(page.params['error'], 'login_required');
      });
    });
  },
  { env: { LATCHKEY_TRUSTED_PROXIES: '1' } },
);
