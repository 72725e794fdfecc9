// The upstreams in the admin portal: who may see them, what is said of each, and what the test of a connection finds.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { openSignIn, passThrough, press, setStage } from '../support/upstream-stage.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/upstreams';
const stage = await setStage({
  company: { label: 'Company', trustEmail: true, domains: ['company.example'] },
  strange: { label: 'Strange', clientSecret: 'not the secret that was agreed on' },
  away: { label: 'Away', refreshProfile: true, trustSecondFactor: true },
});
const { company, away } = stage.upstreams;
if (!company || !away) throw new Error('the stage is not set');

async function open(latchkey: Latchkey, role: string | null) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(HOME), { account }) };
}
const at = (id: string): string => `form[action="${HOME}/${id}/test"]`;
const tested = (page: Page): string | undefined => page.element('[data-tested]').getAttribute('data-tested');
const test = (browser: Browser, page: Page, id: string): Promise<Page> => browser.submit(page, {}, { form: at(id) });

describeOnEachBackend(
  'upstreams in the admin portal',
  (latchkey) => {
    it('are not there for who administers nothing, and forbidden to who may not see them', async () => {
      assert.equal((await open(latchkey(), null)).page.status, 404);
      assert.equal((await open(latchkey(), 'viewer')).page.status, 403);
    });

    it('stand in their order, with the callback URL and what is believed of them', async () => {
      const { page } = await open(latchkey(), 'operator');
      assert.equal(page.id, 'admin-upstreams', page.describe());
      const ids = page.html.querySelectorAll('[data-upstream]').map((one) => one.getAttribute('data-upstream'));
      assert.deepEqual(ids, ['company', 'strange', 'away']);
      assert.equal(page.element('#callback-company').text, `${latchkey().issuer}/upstream/company/callback`);
      assert.ok(page.element('[data-upstream=company]').text.includes(company.issuer));
      assert.ok(!page.html.toString().includes('not the secret'));
    });

    it('say when somebody came through last, and how it failed last', async () => {
      const client = await latchkey().createClient();
      const person = latchkey().browser();
      const before = (await open(latchkey(), 'operator')).page.element('[data-upstream=company] dl').text;
      const email = 'through@company.example';
      await latchkey().createAccount({ email });
      const there = { sub: 'through', email, email_verified: true, name: 'Through' };
      await passThrough(person, await openSignIn(latchkey(), person, client), 'company', company, there);
      const other = latchkey().browser();
      const failed = await passThrough(
        other,
        await openSignIn(latchkey(), other, client),
        'strange',
        stage.upstreams['strange'] ?? company,
      );
      assert.equal(failed.status, 502, failed.describe());
      const { page } = await open(latchkey(), 'operator');
      assert.notEqual(page.element('[data-upstream=company] dl').text, before);
      assert.equal(
        page.element('[data-upstream=strange] [data-failure]').getAttribute('data-failure'),
        'upstream-setting',
      );
      assert.equal(page.html.querySelector('[data-upstream=company] [data-failure]'), null);
    });

    it('are tested up to the token endpoint, which has to know us', async () => {
      const { account, browser, page } = await open(latchkey(), 'operator');
      const good = await test(browser, page, 'company');
      assert.equal(tested(good), 'good', good.element('main').text);
      const strange = await test(browser, page, 'strange');
      assert.equal(tested(strange), 'faulty');
      assert.equal(strange.element('[data-step=credentials]').getAttribute('data-problem'), 'setting');
      const rows = await latchkey()
        .app.database.em()
        .execute<object[]>(
          `select target_id as "targetId", result, reason from audit_event where action = 'upstream.test' and actor_id = ? order by id`,
          [account.id],
        );
      assert.deepEqual(rows, [
        { targetId: 'company', result: 'success', reason: null },
        { targetId: 'strange', result: 'failure', reason: 'credentials-setting' },
      ]);
      const again = await browser.get(HOME);
      assert.equal(again.html.querySelector('[data-failure=credentials-setting]'), null, 'a test is no sign-in');
    });

    it('are tested by no form from elsewhere, and only those that there are', async () => {
      const { browser, page } = await open(latchkey(), 'operator');
      const foreign = await browser.submit(page, { csrf: 'x' }, { form: at('company') });
      assert.equal(foreign.status, 403, foreign.describe());
      const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
      const body = (fields: Record<string, string>) => new URLSearchParams({ csrf, ...fields }).toString();
      assert.equal((await browser.post(`${HOME}/nowhere/test`, body({}))).status, 404);
      assert.equal((await browser.post(`${HOME}/company/test`, body({ url: 'https://evil.example/' }))).status, 400);
    });

    it('that do not answer are said to be away, and paused after five times', async () => {
      const { browser, page } = await open(latchkey(), 'operator');
      await away.close();
      let last = page;
      for (let count = 0; count < 6; count += 1) last = await test(browser, page, 'away');
      assert.equal(tested(last), 'faulty');
      assert.equal(last.element('[data-step=address]').getAttribute('data-problem'), 'unreachable');
      assert.equal(last.element('[data-upstream=away] [data-paused]').getAttribute('data-paused'), 'true');
      const person = latchkey().browser();
      const client = await latchkey().createClient();
      const refused = await press(person, await openSignIn(latchkey(), person, client), 'away');
      assert.equal(refused.status, 502, refused.describe());
      const after = await browser.get(HOME);
      assert.equal(
        after.element('[data-upstream=away] [data-failure]').getAttribute('data-failure'),
        'upstream-unreachable',
      );
    });
  },
  { env: stage.env },
);
