// Terms that everybody has to agree to: at registration, and when there is a new version, before an app or the portal gets anything.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { answerPrompts, authorizationRequest, redeem } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../support/server.ts';
import { FREE_ENV, finishAtClient, newAddress, readMail, select, visit } from './mailed/stories.ts';

const PASSWORD = 'seven green bottles on a wall';
const VERSION = '2026-11';

async function accepted(latchkey: Latchkey, email: string): Promise<string | null> {
  const [row] = await select<{ version: string | null; at: string | null }>(
    latchkey,
    'select terms_version as version, terms_accepted_at as at from account where lower(email) = lower($1)',
    [email],
  );
  assert.equal(row?.version === null, row?.at === null);
  return row?.version ?? null;
}

/** Signed in, up to the page with the terms. */
async function asked(latchkey: Latchkey) {
  const account = await latchkey.createAccount();
  const email = account.email ?? '';
  const one = await visit(latchkey);
  const page = await one.browser.submit(one.login, { login: email, password: TEST_PASSWORD });
  assert.equal(page.id, 'terms', page.describe());
  return { account, email, one, page };
}

describeOnEachBackend(
  'terms of use',
  (latchkey) => {
    it('have to be agreed to for a new account, and are written down with it', async () => {
      const one = await visit(latchkey());
      const form = await one.browser.get(`${one.path}/register`);
      const box = form.element('#terms');
      assert.equal(box.getAttribute('type'), 'checkbox');
      assert.ok(!box.hasAttribute('checked'));
      assert.ok(form.html.querySelector('a[href="https://example.com/terms"]'));
      const email = newAddress();
      const refused = await one.browser.submitOnce(form, { email, new_password: PASSWORD });
      assert.equal(refused.status, 422, refused.describe());
      assert.ok(refused.html.querySelector('#terms-problem'));
      const page = await one.browser.submit(form, { email, new_password: PASSWORD, terms: true });
      const { code } = await readMail(latchkey(), email);
      await finishAtClient(latchkey(), one, await one.browser.submit(page, { code }));
      assert.equal(await accepted(latchkey(), email), VERSION);
    });

    it('are asked for at the next sign-in, before consent, and once', async () => {
      const { email, one, page } = await asked(latchkey());
      assert.ok(page.html.querySelector('a[href="https://example.com/terms"]'));
      const next = await one.browser.submit(page, {}, { button: ['decision', 'allow'] });
      assert.equal(next.id, 'consent', next.describe());
      await finishAtClient(latchkey(), one, next);
      assert.equal(await accepted(latchkey(), email), VERSION);
      const again = await visit(latchkey());
      const after = await again.browser.submit(again.login, { login: email, password: TEST_PASSWORD });
      assert.equal(after.id, 'consent', after.describe());
    });

    it('lead back to the app with nothing when they are declined', async () => {
      const { email, one, page } = await asked(latchkey());
      const back = await one.browser.submit(page, {}, { button: ['decision', 'deny'] });
      assert.equal(back.params['error'], 'access_denied', back.describe());
      assert.equal(back.params['code'], undefined);
      assert.equal(await accepted(latchkey(), email), null);
      const rows = await select<{ result: string }>(
        latchkey(),
        `select result from audit_event where action = 'terms.accept' order by id desc limit 1`,
      );
      assert.deepEqual(rows, [{ result: 'failure' }]);
    });

    it('are asked for in a session from before them, and silently nothing is given', async () => {
      const { account, email, one, page } = await asked(latchkey());
      await finishAtClient(latchkey(), one, await one.browser.submit(page, {}, { button: ['decision', 'allow'] }));
      await select(latchkey(), `update account set terms_version = 'older' where id = $1`, [account.id]);
      latchkey().app.accounts.forgetRecent();
      const silent = authorizationRequest(latchkey().issuer, one.client, { prompt: 'none' });
      assert.equal((await one.browser.get(silent.url)).params['error'], 'interaction_required');
      const request = authorizationRequest(latchkey().issuer, one.client, {});
      const shown = await one.browser.get(request.url);
      assert.equal(shown.id, 'terms', shown.describe());
      assert.match(shown.text, /have changed/);
      const next = await one.browser.submit(shown, {}, { button: ['decision', 'allow'] });
      const { code } = (await answerPrompts(one.browser, next, {})).params;
      assert.equal(
        (await redeem(latchkey(), one.client, { code: code ?? '', verifier: request.verifier })).status,
        200,
      );
      assert.equal(await accepted(latchkey(), email), VERSION);
    });

    it('are asked for at the portal too, in a session from before them as well', async () => {
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const login = await browser.get('/account/security');
      const terms = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(terms.id, 'terms', terms.describe());
      const inside = await browser.submit(terms, {}, { button: ['decision', 'allow'] });
      assert.equal(inside.id, 'account-security', inside.describe());
      await select(latchkey(), `update account set terms_version = 'older' where id = $1`, [account.id]);
      latchkey().app.accounts.forgetRecent();
      const again = await browser.get('/account/security');
      assert.equal(again.id, 'terms', again.describe());
      assert.equal((await browser.submit(again, {}, { button: ['decision', 'allow'] })).id, 'account-security');
    });

    it('are agreed to in the version that was shown', async () => {
      const { email, one, page } = await asked(latchkey());
      const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
      const body = new URLSearchParams({ csrf, version: 'another', decision: 'allow' }).toString();
      await one.browser.post(`${page.url.pathname}/terms`, body);
      const still = await one.browser.get(page.url.pathname);
      assert.equal(await accepted(latchkey(), email), null);
      assert.notEqual(still.id, 'consent');
    });

    it('cannot be skipped by opening another step', async () => {
      const { one, page } = await asked(latchkey());
      const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
      const jump = await one.browser.post(
        `${page.url.pathname}/consent`,
        new URLSearchParams({ csrf, decision: 'allow' }).toString(),
      );
      assert.equal(jump.params['code'], undefined);
      assert.equal((await one.browser.get(page.url.pathname)).id, 'terms');
    });
  },
  {
    env: {
      ...FREE_ENV,
      LATCHKEY_REGISTRATION: 'open',
      LATCHKEY_TERMS_URL: 'https://example.com/terms',
      LATCHKEY_TERMS_VERSION: VERSION,
    },
  },
);
