// Signing in by a code to a proven phone number: what it is worth, that a code works once, in its browser and for nothing else, and that nobody
// learns whose number it is.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { dump, readings, together } from '../../support/credentials.ts';
import { eventually } from '../../support/eventually.ts';
import {
  messagesTo,
  newPhone,
  newPhoneOwner,
  nextCode,
  openPhone,
  say,
  shareContact,
  signInByBot,
} from '../../support/phone-stage.ts';
import { answerPrompts, authorizationRequest, redeem, userinfo } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';
import { plainHeaders, plainText } from '../mailed/stories.ts';

const { api, env } = await setTelegramStage();

interface Asked {
  readonly browser: Browser;
  /** The page that waits for the code. */
  readonly page: Page;
  readonly code: string;
}

async function askFor(latchkey: Latchkey, number: string): Promise<{ readonly browser: Browser; readonly page: Page }> {
  const browser = latchkey.browser();
  const form = await openPhone(latchkey, browser, await latchkey.createClient());
  return { browser, page: await browser.submit(form, { phone: number }) };
}

async function ask(latchkey: Latchkey, owner: { user: TestTelegramPerson; number: string }): Promise<Asked> {
  const seen = messagesTo(api, owner.user);
  const { browser, page } = await askFor(latchkey, owner.number);
  return { browser, page, code: await nextCode(api, owner.user, seen) };
}

/** Another code. */
function wrong(code: string): string {
  return code.startsWith('1') ? `2${code.slice(1)}` : `1${code.slice(1)}`;
}

async function events(latchkey: Latchkey, accountId: string): Promise<readonly string[]> {
  const rows = await latchkey.app.database
    .em()
    .execute<{ text: string }[]>(
      "select action || ':' || result || ':' || coalesce(reason, '') as text from audit_event where target_id = ? order by id",
      [accountId],
    );
  return rows.map(({ text }) => text);
}

describeOnEachBackend(
  'signing in by phone',
  (latchkey) => {
    // All of these browsers are in one network.
    beforeEach(async () => {
      await latchkey().app.database.em().execute("delete from guess_counter where key like 'phone-network:%'");
    });

    test('leads to the account with the number; it is one factor, by Telegram', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      await openPhone(latchkey(), browser, client);
      const request = authorizationRequest(latchkey().issuer, client, { scope: 'openid phone' });
      const login = await browser.get(request.url);
      const form = await browser.get(login.element('a[href$="/phone"]').getAttribute('href') ?? '');
      const field = form.element('#phone');
      for (const [name, value] of [
        ['type', 'tel'],
        ['autocomplete', 'tel'],
        ['inputmode', 'tel'],
        ['dir', 'ltr'],
      ] as const) {
        assert.equal(field.getAttribute(name), value);
      }
      const seen = messagesTo(api, owner.user);
      // As people type it.
      const typed = owner.number.replace(/^(\+1)(...)(...)/, '00 1 ($2) $3-');
      const page = await browser.submit(form, { phone: typed });
      assert.equal(page.id, 'phone', page.describe());
      assert.ok(!page.text.includes(owner.number), 'masked');
      const message = await api.nextMessage(owner.user, seen);
      assert.match(message.text, /^\d{6} is your code for .*\n\nBrowser: Firefox on Linux\nFrom: 127/);
      const code = message.text.slice(0, 6);
      const end = await answerPrompts(
        browser,
        await browser.submit(page, { code: ` ${code.slice(0, 3)}-${code.slice(3)} ` }),
        {},
      );
      const tokens = await redeem(latchkey(), client, { ...request, code: end.params['code'] ?? '' });
      const [, payload = ''] = String(tokens.body['id_token']).split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      const account = await latchkey().app.accounts.findById(owner.accountId);
      assert.equal(claims['sub'], account?.subject);
      assert.deepEqual(claims['amr'], ['otp', 'tg']);
      assert.equal(claims['acr'], 'urn:latchkey:aal1');
      const { body } = await userinfo(latchkey(), tokens.body['access_token']);
      assert.deepEqual([body['phone_number'], body['phone_number_verified']], [owner.number, true]);
    });

    test('a code works once: of twenty that are entered together one signs in', async () => {
      const { browser, page, code } = await ask(latchkey(), await newPhoneOwner(latchkey(), api));
      const answers = await together(20, () => browser.submitOnce(page, { code }));
      const isOn = (one: Page): boolean => one.status === 303 && !String(one.headers['location']).endsWith('?choose=1');
      assert.equal(answers.filter(isOn).length, 1);
    });

    test('allows three tries, also of many together, and each is counted and noted', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const { browser, page, code } = await ask(latchkey(), owner);
      const answers = await together(8, () => browser.submitOnce(page, { code: wrong(code) }));
      assert.ok(answers.every(({ status }) => status === 422 || status === 410));
      assert.notEqual((await browser.submitOnce(page, { code })).status, 303);
      const failures = (await events(latchkey(), owner.accountId)).filter((one) =>
        one.startsWith('session.start:failure:phone-'),
      );
      assert.equal(failures.filter((one) => one.endsWith('phone-wrong')).length, 3);
      const [counter] = await latchkey()
        .app.database.em()
        .execute<{ failures: number }[]>('select failures from guess_counter where key = ?', [
          `code:${owner.accountId}`,
        ]);
      assert.equal(counter?.failures, 3, 'in the budget that all codes of the account share');
    });

    test('stops at twenty wrong codes of all kinds', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const { browser, page, code } = await ask(latchkey(), owner);
      await together(20, (index) => latchkey().app.lockout.attemptCode(owner.accountId, `192.0.2.${index}`));
      const answer = await browser.submitOnce(page, { code });
      assert.equal(answer.status, 429);
      assert.ok(Number(answer.headers['retry-after']) > 0);
    });

    test('is bound to the browser and the sign-in that asked', async () => {
      const { browser, page, code } = await ask(latchkey(), await newPhoneOwner(latchkey(), api));
      const [request = ''] = page.url.pathname.split('/').slice(-1);
      const thief = latchkey().browser();
      const theirs = await openPhone(latchkey(), thief, await latchkey().createClient());
      const waiting = await thief.submit(theirs, { phone: newPhone() });
      const field = new URLSearchParams({
        csrf: waiting.element('input[name="csrf"]').getAttribute('value') ?? '',
        code,
      });
      const path = waiting.url.pathname.replace(/[^/]+$/, request);
      assert.notEqual((await thief.post(path, field.toString())).status, 303, 'another browser');
      const second = await openPhone(latchkey(), browser, await latchkey().createClient());
      const other = `${second.url.pathname}/${request}`;
      const again = new URLSearchParams({
        csrf: second.element('input[name="csrf"]').getAttribute('value') ?? '',
        code,
      });
      assert.equal((await browser.post(other, again.toString())).status, 410, 'another sign-in of the same browser');
    });

    test('ends with a newer code, with a change of credentials, and when the number finds another owner', async () => {
      const first = await newPhoneOwner(latchkey(), api);
      const asked = await ask(latchkey(), first);
      const newer = await ask(latchkey(), first);
      assert.equal((await asked.browser.submitOnce(asked.page, { code: asked.code })).status, 410);
      await latchkey()
        .app.database.em()
        .execute('update account set credential_version = credential_version + 1 where id = ?', [first.accountId]);
      assert.equal((await newer.browser.submitOnce(newer.page, { code: newer.code })).status, 410);
      const second = await newPhoneOwner(latchkey(), api);
      const before = await ask(latchkey(), second);
      const taker = newTelegramPerson();
      await signInByBot(latchkey(), api, taker);
      await shareContact(api, taker, second.number);
      assert.notEqual((await before.browser.submitOnce(before.page, { code: before.code })).status, 303);
    });

    test('a disabled account gets no code', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      await latchkey().app.sessionsAndGrants.disable(
        (await latchkey().app.accounts.findById(owner.accountId)) ?? assert.fail(),
        { actor: { kind: 'cli' } },
      );
      const seen = messagesTo(api, owner.user);
      assert.equal((await askFor(latchkey(), owner.number)).page.id, 'phone');
      await say(api, owner.user, '/help');
      assert.equal(messagesTo(api, owner.user), seen + 1);
    });

    test("says the same for a number that is nobody's, and of a code to it", async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const pages = [await askFor(latchkey(), owner.number), await askFor(latchkey(), newPhone())] as const;
      const masked = (one: Page): string => plainText(one).replaceAll(/•••( \d\d){2}/g, '•••');
      const same = (one: Page, other: Page): void => {
        assert.equal(other.status, one.status);
        assert.equal(masked(other), masked(one));
        assert.deepEqual(plainHeaders(other), plainHeaders(one));
      };
      same(pages[0].page, pages[1].page);
      for (let count = 0; count < 4; count += 1) {
        const [known, unknown] = await Promise.all(
          pages.map(({ browser, page }) => browser.submitOnce(page, { code: '000000' })),
        );
        assert.ok(known && unknown);
        same(known, unknown);
      }
    });

    test('allows three codes to a number within ten minutes, also asked for together, known or not', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      for (const number of [owner.number, newPhone()]) {
        const browser = latchkey().browser();
        const form = await openPhone(latchkey(), browser, await latchkey().createClient());
        const answers = await together(6, () => browser.submitOnce(form, { phone: number }));
        assert.deepEqual(
          answers.map(({ status }) => status).toSorted((a, b) => a - b),
          [303, 303, 303, 429, 429, 429],
        );
        const refused = answers.find(({ status }) => status === 429);
        const wait = Number(refused?.headers['retry-after']);
        assert.ok(wait > 500 && wait <= 600, String(wait));
      }
      assert.equal(
        await eventually(async () => (messagesTo(api, owner.user) < 5 ? assert.fail() : messagesTo(api, owner.user))),
        5,
      );
    });

    test('allows ten a day', async () => {
      const number = newPhone();
      await askFor(latchkey(), number);
      const em = latchkey().app.database.em();
      await em.execute("update guess_counter set failures = 10 where key like 'phone-day:%'");
      const answer = await askFor(latchkey(), number);
      assert.equal(answer.page.status, 429);
      assert.ok(Number(answer.page.headers['retry-after']) > 80_000);
      await em.execute("delete from guess_counter where key like 'phone%'");
    });

    test('refuses what is no number, with what was typed, and no other fields', async () => {
      const browser = latchkey().browser();
      const form = await openPhone(latchkey(), browser, await latchkey().createClient());
      const answer = await browser.submitOnce(form, { phone: '0123', remember: 'on' });
      assert.equal(answer.status, 422);
      assert.equal(answer.element('#phone').getAttribute('value'), '0123');
      const csrf = form.element('input[name="csrf"]').getAttribute('value') ?? '';
      const body = new URLSearchParams({ csrf, phone: newPhone(), account: 'x' });
      assert.equal((await browser.post(form.url, body.toString())).status, 400);
      assert.equal((await browser.post(form.url, `phone=${encodeURIComponent(newPhone())}`)).status, 403);
    });

    test('leaves neither code nor browser in the database, and no code in the log', async () => {
      const { page, code } = await ask(latchkey(), await newPhoneOwner(latchkey(), api));
      const rows = await dump(latchkey().app.database);
      const codes = rows.split('\n').filter((row) => row.startsWith('phone_code '));
      assert.ok(codes.length > 0);
      for (const reading of readings(code)) assert.ok(!codes.some((row) => row.includes(reading)));
      assert.ok(!page.text.includes(code));
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open', LATCHKEY_STARTED_REQUEST_LIMIT: '100000' } },
);
