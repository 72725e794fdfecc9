// The settings in the admin portal: what is shown of them and to whom, and messages to oneself that show whether they arrive.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import type { Browser } from '../support/browser-client.ts';
import { startMailbox } from '../support/mailbox.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_SECRET } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/settings';
const MAIL = `form[action="${HOME}/test-mail"]`;
const mailbox = await startMailbox();
after(() => mailbox.stop());

async function open(latchkey: Latchkey, role: string | null, path = HOME, browser: Browser = latchkey.browser()) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

describeOnEachBackend(
  'the settings in the admin portal',
  (latchkey) => {
    it('are not there for who administers nothing, and closed to who may not see them', async () => {
      assert.equal((await open(latchkey(), null)).page.status, 404);
      assert.equal((await open(latchkey(), 'operator')).page.status, 403);
    });

    it('are shown with where they come from, and secrets are not', async () => {
      const { browser, page } = await open(latchkey(), 'admin');
      assert.equal(page.id, 'admin-settings', page.describe());
      const row = (name: string) =>
        page
          .element(`[data-setting=LATCHKEY_${name}]`)
          .querySelectorAll('td')
          .map(({ text }) => text);
      assert.deepEqual(row('ISSUER'), [latchkey().issuer, 'environment']);
      assert.deepEqual(row('AUDIT_RETENTION_DAYS'), ['400', 'default']);
      assert.deepEqual(row('SECRET'), ['••••••••', 'environment']);
      assert.ok(!page.text.includes(TEST_SECRET));
      assert.ok(!page.text.includes('postgres://'));
      assert.equal(page.html.querySelector(MAIL), null);
      const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
      const posted = await browser.post(`${HOME}/test-mail`, new URLSearchParams({ csrf }).toString());
      assert.equal(posted.status, 403, posted.describe());
    });

    it('send a test mail to oneself and to nobody else, a few times', async () => {
      const { account, browser, page } = await open(latchkey(), 'super-admin');
      const before = mailbox.mails.length;
      const sent = await browser.submit(page, {}, { form: MAIL });
      assert.equal(sent.url.search, '?done=mail', sent.describe());
      assert.ok(sent.html.querySelector('[role=status]'));
      const mails = await mailbox.arrived(before + 1);
      assert.deepEqual(mails.at(-1)?.envelope.to, [account.email]);
      const { entries } = await latchkey().app.history.list({ actorId: account.id, action: 'settings.test' }, 9);
      assert.deepEqual(
        entries.map(({ reason }) => reason),
        ['mail'],
      );
      const csrf = page.element(`${MAIL} [name=csrf]`).getAttribute('value') ?? '';
      const post = (fields: Record<string, string>) =>
        browser.post(`${HOME}/test-mail`, new URLSearchParams(fields).toString());
      assert.equal((await post({ csrf, to: 'eve@example.com' })).status, 400, 'no other address');
      assert.equal((await post({ csrf: 'x' })).status, 403);
      for (let count = 0; count < 4; count += 1) assert.equal((await post({ csrf })).status, 303, String(count));
      assert.equal((await post({ csrf })).status, 429);
    });

    it('offer no message where there is no bot', async () => {
      const { browser, page } = await open(latchkey(), 'super-admin');
      assert.equal(page.html.querySelector(`form[action="${HOME}/test-telegram"]`), null);
      const csrf = page.element(`${MAIL} [name=csrf]`).getAttribute('value') ?? '';
      const posted = await browser.post(`${HOME}/test-telegram`, new URLSearchParams({ csrf }).toString());
      assert.equal(posted.status, 422);
    });
  },
  { env: { LATCHKEY_SMTP_URL: mailbox.url, LATCHKEY_MAIL_FROM: 'no-reply@id.example.com' } },
);
