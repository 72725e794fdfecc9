// Where notices go, by kind and channel: chosen with a fresh proof, told on every channel, never down to nothing, and worth nothing when what was
// chosen does not reach its owner any more.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { eventually } from '../../support/eventually.ts';
import { linkTelegram, say } from '../../support/phone-stage.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';
import { countQueued, FREE_ENV, mailsTo, newAddress, plainText, select } from '../mailed/stories.ts';

const { api, env } = await setTelegramStage();
const CHOICE = '/account/profile/notices';
const BOXES = ['sign_in_mail', 'sign_in_telegram', 'change_mail', 'change_telegram'] as const;
type Box = (typeof BOXES)[number];

async function member(latchkey: Latchkey) {
  const email = newAddress();
  const account = await latchkey.createAccount({ email });
  const user = newTelegramPerson();
  await linkTelegram(latchkey, account, user);
  await say(api, user, '/start');
  return { account, email, user, browser: await signIn(latchkey, account) };
}

async function signIn(latchkey: Latchkey, account: AccountRow): Promise<Browser> {
  const browser = latchkey.browser();
  await answerPrompts(browser, await browser.get('/account/profile'), { account });
  return browser;
}

/** Posts the form with these boxes ticked and no others. */
async function choose(browser: Browser, ticked: readonly Box[], page?: Page): Promise<Page> {
  const form = page ?? (await browser.get(CHOICE));
  const csrf = form.element('input[name="csrf"]').getAttribute('value') ?? '';
  const boxes = ticked.map((name) => [name, 'on']);
  return browser.post(CHOICE, new URLSearchParams([['csrf', csrf], ...boxes]).toString());
}

async function silenced(latchkey: Latchkey, account: AccountRow): Promise<readonly string[]> {
  const rows = await select<{ text: string }>(
    latchkey,
    "select kind || ' ' || channel as text from silenced_notice where account_id = $1 order by 1",
    [account.id],
  );
  return rows.map(({ text }) => text);
}

describeOnEachBackend(
  'the choice where notices go',
  (latchkey) => {
    it('is everything at first; what is left out goes the other way only, and the choice is told everywhere', async () => {
      const { account, email, user, browser } = await member(latchkey());
      const page = await browser.get(CHOICE);
      assert.equal(page.id, 'account-profile', page.describe());
      for (const box of BOXES) assert.ok(page.element(`#${box}`).hasAttribute('checked'), box);
      const done = await choose(browser, ['sign_in_telegram', 'change_mail', 'change_telegram'], page);
      assert.equal(done.status, 303, done.describe());
      assert.deepEqual(await silenced(latchkey(), account), ['sign-in mail']);
      const [told] = await api.noticesTo(user, 1);
      assert.match(told?.text ?? '', /^You changed where Latchkey tells you/);
      const [mail] = await mailsTo(email, 1);
      assert.match(mail?.email.subject ?? '', /^You changed where/);
      await signIn(latchkey(), account);
      await api.noticesTo(user, 2);
      assert.equal(await countQueued(latchkey(), email), 1, 'no mail for the sign-in');
      const [event] = await select<{ count: number }>(
        latchkey(),
        "select count(*)::int as count from audit_event where action = 'account.notices' and actor_id = $1 and target_id = $1",
        [account.id],
      );
      assert.equal(event?.count, 1);
      const again = await browser.get(CHOICE);
      assert.equal(again.element('#sign_in_mail').hasAttribute('checked'), false);
      assert.equal((await choose(browser, ['sign_in_telegram', 'change_mail', 'change_telegram'], again)).status, 303);
      await choose(browser, BOXES, again);
      assert.deepEqual(await silenced(latchkey(), account), []);
      assert.equal(await countQueued(latchkey(), email), 2, 'the same choice once more is no news');
    });

    it('never leaves a kind without a way', async () => {
      const { account, browser } = await member(latchkey());
      for (const ticked of [[], ['sign_in_mail'], ['change_mail', 'change_telegram']] as const) {
        const answer = await choose(browser, ticked);
        assert.equal(answer.status, 422, answer.describe());
        assert.match(plainText(answer), /Leave at least one way for each kind/);
        assert.equal(answer.element('#sign_in_mail').hasAttribute('checked'), ticked.includes('sign_in_mail' as never));
      }
      assert.deepEqual(await silenced(latchkey(), account), []);
    });

    it('is one of them when two are posted at once, and none of both together', async () => {
      const { account, browser } = await member(latchkey());
      const page = await browser.get(CHOICE);
      const ways = [
        ['sign_in_mail', 'change_mail'],
        ['sign_in_telegram', 'change_telegram'],
      ] as const;
      const answers = await together(20, (index) => choose(browser, ways[index % 2] ?? [], page));
      assert.ok(answers.every(({ status }) => status === 303));
      const left = await silenced(latchkey(), account);
      assert.ok(
        [
          ['change mail', 'sign-in mail'],
          ['change telegram', 'sign-in telegram'],
        ].some((one) => one.join() === left.join()),
        left.join(),
      );
    });

    it('takes no other fields, no foreign form, and nobody without a fresh proof', async () => {
      const { account, browser } = await member(latchkey());
      const page = await browser.get(CHOICE);
      const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
      const odd = new URLSearchParams({ csrf, sign_in_mail: 'on', change_mail: 'on', account: 'x' });
      assert.equal((await browser.post(CHOICE, odd.toString())).status, 400);
      assert.equal((await browser.post(CHOICE, 'sign_in_mail=on&change_mail=on')).status, 403);
      const other = await signIn(latchkey(), await latchkey().createAccount({ email: newAddress() }));
      assert.equal((await other.submitOnce(page)).status, 403, "another browser's form");
      assert.equal((await latchkey().browser().get(CHOICE)).id, 'login');
      // From now on the account can prove more than this session did.
      await select(
        latchkey(),
        "insert into totp (id, account_id, sealed, last_step, created_at) values (gen_random_uuid(), $1, '', 0, now())",
        [account.id],
      );
      const weak = await choose(browser, ['sign_in_telegram', 'change_telegram'], page);
      assert.equal(weak.status, 303);
      assert.match(String(weak.headers['location']), /\/auth\?.*prompt=login/);
      assert.deepEqual(await silenced(latchkey(), account), []);
    });

    it('counts for nothing when the bot is blocked: the notice comes by mail', async () => {
      const { account, email, user, browser } = await member(latchkey());
      await choose(browser, ['sign_in_telegram', 'change_telegram']);
      await mailsTo(email, 1);
      api.blockedBy.add(user.id);
      await signIn(latchkey(), account);
      const [, mail] = await mailsTo(email, 2);
      assert.match(mail?.email.subject ?? '', /^New sign-in/);
      assert.match(mail?.email.text ?? '', /\/not-me\/[\w-]{43}/);
      await eventually(async () => {
        const [row] = await select<{ reachable: boolean }>(
          latchkey(),
          'select is_reachable as reachable from telegram_chat where telegram_id = $1::bigint',
          [user.id],
        );
        assert.equal(row?.reachable, false);
      });
      await signIn(latchkey(), account);
      await mailsTo(email, 3);
    });

    it('counts for nothing when Telegram is not linked any more, or mails are refused', async () => {
      const first = await member(latchkey());
      await choose(first.browser, ['sign_in_telegram', 'change_telegram']);
      await latchkey().app.database.transaction((em) => latchkey().app.identities.unlinkAll(em, first.account.id));
      await signIn(latchkey(), first.account);
      await mailsTo(first.email, 2);

      const second = await member(latchkey());
      await choose(second.browser, ['sign_in_mail', 'change_mail']);
      await mailsTo(second.email, 1);
      await api.noticesTo(second.user, 1);
      await signIn(latchkey(), second.account);
      await mailsTo(second.email, 2);
      await eventually(async () => {
        const { rowCount } = await refuse(latchkey(), second.email);
        assert.equal(rowCount, 2);
      });
      await signIn(latchkey(), second.account);
      const [, notice] = await api.noticesTo(second.user, 2);
      assert.match(notice?.text ?? '', /^New sign-in/);
    });

    it('is offered only where there is something to choose, and is part of the own data', async () => {
      const email = newAddress();
      const account = await latchkey().createAccount({ email });
      const browser = await signIn(latchkey(), account);
      const page = await browser.get('/account/profile');
      assert.equal(page.html.querySelector(`a[href="${CHOICE}"]`), null);
      assert.match(plainText(page), /We tell you by mail/);
      assert.equal(new URL(String((await browser.get(CHOICE)).url)).pathname, '/account/profile');
      assert.equal((await choose(browser, [], await browser.get('/account/profile'))).status, 422, 'mails stay');

      const chosen = await member(latchkey());
      await choose(chosen.browser, ['sign_in_telegram', 'change_mail', 'change_telegram']);
      await api.noticesTo(chosen.user, 1);
      const asked = await chosen.browser.submit(
        await chosen.browser.get('/account/data/export'),
        {},
        { form: 'form[action="/account/data/export"]' },
      );
      const data = JSON.parse(asked.text) as Record<string, readonly Record<string, unknown>[]>;
      assert.deepEqual(
        data['silenced_notice']?.map(({ kind, channel }) => [kind, channel]),
        [['sign-in', 'mail']],
      );
      assert.equal(data['outbox_chat']?.[0]?.['kind'], 'notices-changed');
      assert.ok(!asked.text.includes('/not-me/'));
      await latchkey().app.sessionsAndGrants.delete(chosen.account, { actor: { kind: 'cli' } });
      assert.deepEqual(await silenced(latchkey(), chosen.account), []);
    });
  },
  { env: { ...FREE_ENV, ...env, LATCHKEY_NEW_DEVICE_NOTICES: 'true' } },
);

/** The last mails to an address come back. */
async function refuse(latchkey: Latchkey, email: string): Promise<{ readonly rowCount: number }> {
  const rows = await select(
    latchkey,
    "update outbox_mail set state = 'failed', last_error_code = 'smtp-550' where recipient = $1 and state in ('sent', 'failed') returning id",
    [email],
  );
  return { rowCount: rows.length };
}
