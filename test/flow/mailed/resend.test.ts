// The button for another mail on the pages that wait for a code: for signing in, for a new account and for a new password.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import {
  askForCode,
  countQueued,
  FREE_ENV,
  letTimePass,
  MAIL_ENV,
  mailsTo,
  newAddress,
  plainText,
  readMail,
  select,
  visit,
} from './stories.ts';

const PASSWORD = 'seven green bottles on a wall';
const RESEND = { form: '#resend' };

interface Waiting {
  readonly address: string;
  readonly browser: Browser;
  /** Waits for the code. */
  readonly page: Page;
}

type Way = 'sign-in' | 'registration' | 'reset';
const PAGES: Readonly<Record<Way, string>> = { 'sign-in': 'magic-link', registration: 'verify-email', reset: 'reset' };

/** @param isKnown whether the address has an account */
async function ask(latchkey: Latchkey, way: Way, isKnown = way !== 'registration'): Promise<Waiting> {
  const address = newAddress();
  if (isKnown) await latchkey.createAccount({ email: address });
  if (way === 'reset') {
    const browser = latchkey.browser();
    return { address, browser, page: await browser.submit(await browser.get('/reset'), { login: address }) };
  }
  const one = await visit(latchkey);
  if (way === 'sign-in') return { address, browser: one.browser, page: await askForCode(one, address) };
  const form = await one.browser.get(`${one.path}/register`);
  const page = await one.browser.submit(form, { email: address, new_password: PASSWORD });
  return { address, browser: one.browser, page };
}

function waitOf(page: Page): number {
  return Number(page.html.querySelector('#resend [data-countdown]')?.getAttribute('data-countdown') ?? 0);
}

describeOnEachBackend(
  'another mail',
  (latchkey) => {
    for (const way of ['sign-in', 'registration', 'reset'] as const) {
      it(`takes the place of the last one: ${way}`, async () => {
        const { address, browser, page } = await ask(latchkey(), way);
        const first = await readMail(latchkey(), address);
        const next = await browser.submit(page, {}, RESEND);
        assert.equal(next.id, PAGES[way], next.describe());
        assert.notEqual(next.url.pathname, page.url.pathname);
        const second = await readMail(latchkey(), address, 2);
        assert.notEqual(second.token, first.token);
        for (const here of [page, next]) {
          const answer = await browser.submitOnce(here, { code: first.code === second.code ? '000000' : first.code });
          assert.notEqual(answer.status, 303, answer.describe());
        }
        assert.equal((await browser.get(first.link)).error, 'link-used');
        const done = await browser.submitOnce(next, { code: second.code });
        assert.equal(done.status, 303, done.describe());
        const [, mail] = await mailsTo(address, 2);
        assert.deepEqual(mail?.envelope.to, [address]);
        const events = await select<{ action: string }>(
          latchkey(),
          `select action from audit_event where action like 'mail-code.%' order by id desc limit 3`,
        );
        assert.deepEqual(
          events.map(({ action }) => action),
          ['mail-code.try', 'mail-code.resend', 'mail-code.issue'],
        );
      });

      it(`is for the browser that waits, and for a form of ours: ${way}`, async () => {
        const { address, browser, page } = await ask(latchkey(), way);
        const other = latchkey().browser();
        const csrf = (await other.get('/reset')).element('input[name=csrf]').getAttribute('value') ?? '';
        const answer = await other.post(`${page.url.pathname}/resend`, `csrf=${csrf}`);
        assert.ok([404, 410].includes(answer.status), answer.describe());
        const foreign = await browser.post(`${page.url.pathname}/resend`, '', { origin: 'https://evil.example' });
        assert.equal(foreign.error, 'foreign-form');
        assert.equal(await countQueued(latchkey(), address), 1);
        const reloaded = await browser.get(`${page.url.pathname}/resend`);
        assert.equal(reloaded.url.pathname, page.url.pathname);
      });
    }
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'open' } },
);

describeOnEachBackend(
  'the wait for another mail',
  (latchkey) => {
    for (const way of ['sign-in', 'registration', 'reset'] as const) {
      it(`stands on the page, survives a reload and is kept: ${way}`, async () => {
        const { address, browser, page } = await ask(latchkey(), way);
        const longest = way === 'sign-in' ? 60 : 30;
        assert.ok(waitOf(page) > 0 && waitOf(page) <= longest, String(waitOf(page)));
        assert.match(page.element('#resend p').structuredText, / UTC/);
        await letTimePass(latchkey(), '5 seconds');
        const reloaded = await browser.get(page.url);
        assert.ok(waitOf(reloaded) > 0 && waitOf(reloaded) <= longest - 5, 'a reload begins with what is left');
        const early = await browser.submitOnce(reloaded, {}, RESEND);
        assert.equal(early.status, 429, early.describe());
        assert.equal(early.id, PAGES[way]);
        assert.ok(Number(early.headers['retry-after']) <= longest);
        assert.equal(await countQueued(latchkey(), address), 1);
        // The code of the mail that is there still works from that page.
        assert.equal(early.element('#code').getAttribute('aria-invalid'), undefined);
        await letTimePass(latchkey(), `${longest} seconds`);
        const ready = await browser.get(page.url);
        assert.equal(waitOf(ready), 0);
        const next = await browser.submit(ready, {}, RESEND);
        assert.equal(next.id, PAGES[way], next.describe());
        assert.equal(await countQueued(latchkey(), address), 2);
      });
    }

    for (const way of ['sign-in', 'reset'] as const) {
      it(`is the same for an address without an account: ${way}`, async () => {
        const known = await ask(latchkey(), way, true);
        const unknown = await ask(latchkey(), way, false);
        for (const { browser, page } of [known, unknown]) {
          const early = await browser.submitOnce(page, {}, RESEND);
          assert.equal(early.status, 429);
        }
        await letTimePass(latchkey(), '60 seconds');
        const [one, other] = await Promise.all(
          [known, unknown].map(({ browser, page }) => browser.submit(page, {}, RESEND)),
        );
        assert.ok(one && other);
        const bare = (page: Page) => plainText(page).replace(/<time.*?<\/time>|\d\d:\d\d/g, '');
        assert.equal(bare(one), bare(other));
        assert.equal(await countQueued(latchkey(), known.address), 2);
        // Where registration is open, an address without an account gets one by signing in.
        assert.equal(await countQueued(latchkey(), unknown.address), way === 'sign-in' ? 2 : 0);
      });
    }
  },
  {
    env: {
      ...MAIL_ENV,
      LATCHKEY_REGISTRATION: 'open',
      LATCHKEY_MAIL_NETWORK_LIMIT: '1000',
      LATCHKEY_REGISTRATION_LIMIT: '1000',
    },
  },
);

describeOnEachBackend(
  'a code of eight digits',
  (latchkey) => {
    it('is what the page, its problem and the mail say', async () => {
      const { address, browser, page } = await ask(latchkey(), 'sign-in');
      assert.match(page.element('#code-hint').structuredText, /8 digits/);
      const malformed = await browser.submitOnce(page, { code: '123456' });
      assert.match(malformed.element('#problems').structuredText, /8 digits/);
      const [mail] = await mailsTo(address, 1);
      assert.match(mail?.email.text ?? '', /^ {4}\d{8}$/m);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_MAIL_CODE_DIGITS: '8' } },
);
