// Whether signing in, also by phone, or registering tells that an account exists: by its words, status, headers, size or time. The time is judged by ranks, not by a number of
// milliseconds, with the floor of answers switched off; that the judge sees a real leak is shown by one.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { newPhone, newPhoneOwner, openPhone } from '../support/phone-stage.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../support/server.ts';
import { setTelegramStage } from '../support/telegram-stage.ts';
import { plainHeaders, plainText, rankShare, select, timeInTurns, visit } from './mailed/stories.ts';

const { api, env } = await setTelegramStage();

const ENOUGH = 24;
const ROUNDS = 4;
/** Standard deviations of Mann–Whitney's U: beyond the first nobody comes by chance, within the second there is nothing to see. */
const LEAK = 5;
const NOISE = 3;

/** Doubles the sample until it is clear whether two ways differ in time. */
async function differ(ways: readonly [() => Promise<unknown>, () => Promise<unknown>]): Promise<boolean> {
  const times: [number[], number[]] = [[], []];
  let deviation = 0;
  for (let round = 0, count = ENOUGH; round < ROUNDS; round += 1, count *= 2) {
    const more = await timeInTurns(round === 0 ? count : count / 2, ways);
    times[0].push(...more[0]);
    times[1].push(...more[1]);
    const [left, right] = times.map((one) => one.length) as [number, number];
    deviation = Math.abs(rankShare(times[0], times[1]) - 0.5) / Math.sqrt((left + right + 1) / (12 * left * right));
    if (deviation < NOISE) return false;
    if (deviation > LEAK && round > 0) return true;
  }
  return deviation > LEAK;
}

describeOnEachBackend(
  'a failed sign-in',
  (latchkey) => {
    it('says the same for a wrong password, an unknown name, a disabled account and one without a password', async () => {
      const known = await latchkey().createAccount({ email: 'known-1@example.com' });
      const disabled = await latchkey().createAccount({ email: 'known-2@example.com' });
      await latchkey().app.sessionsAndGrants.disable(disabled, { actor: { kind: 'cli' } });
      await latchkey().createAccount({ email: 'known-3@example.com', password: null });
      const answers: Page[] = [];
      for (const [login, password] of [
        [known.email ?? '', 'wrong horse battery staple'],
        ['known-0@example.com', 'wrong horse battery staple'],
        ['known-2@example.com', TEST_PASSWORD],
        ['known-3@example.com', TEST_PASSWORD],
      ] as const) {
        const { browser, login: page } = await visit(latchkey());
        answers.push(await browser.submitOnce(page, { login, password }));
      }
      const [first, ...others] = answers as [Page, ...Page[]];
      assert.equal(first.status, 422);
      for (const other of others) {
        assert.equal(other.status, first.status);
        assert.equal(plainText(other), plainText(first));
        assert.deepEqual(plainHeaders(other), plainHeaders(first));
        assert.equal(other.text.length, first.text.length);
      }
    });

    it('takes the same time for a known and an unknown name', async () => {
      await latchkey().createAccount({ email: 'known-4@example.com' });
      const { browser, login: page } = await visit(latchkey());
      const tryWith = (login: string) => async () => {
        const answer = await browser.submitOnce(page, { login, password: 'wrong horse battery staple' });
        assert.equal(answer.status, 422);
      };
      assert.equal(await differ([tryWith('known-4@example.com'), tryWith('known-9@example.com')]), false);
    });

    it('would be found out if it took another: what needs no hash is seen', async () => {
      const { browser, login: page } = await visit(latchkey());
      const tryWith = (password: string) => async () => {
        assert.equal((await browser.submitOnce(page, { login: 'known-8@example.com', password })).status, 422);
      };
      // Longer than any password may be: refused without a hash.
      assert.equal(await differ([tryWith('wrong horse battery staple'), tryWith('x'.repeat(1500))]), true);
    });
  },
  { env: { LATCHKEY_LIMITS_OFF: 'true' } },
);

describeOnEachBackend(
  'a phone number on its page',
  (latchkey) => {
    it('says the same of one that is proven, one that is nobody’s, and one whose account is disabled', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const disabled = await newPhoneOwner(latchkey(), api);
      const account = await latchkey().app.accounts.get(disabled.accountId);
      await latchkey().app.sessionsAndGrants.disable(account, { actor: { kind: 'cli' } });
      const answers: { readonly posted: Page; readonly shown: Page; readonly wrong: Page }[] = [];
      for (const number of [owner.number, newPhone(), disabled.number]) {
        const browser = latchkey().browser();
        const form = await openPhone(latchkey(), browser, await latchkey().createClient());
        const posted = await browser.submitOnce(form, { phone: number });
        const shown = await browser.get(String(posted.headers['location']));
        answers.push({ posted, shown, wrong: await browser.submitOnce(shown, { code: '000000' }) });
      }
      const [first, ...others] = answers as [(typeof answers)[number], ...typeof answers];
      assert.deepEqual([first.posted.status, first.shown.status, first.wrong.status], [303, 200, 422]);
      // The page shows the end of the number that was typed.
      const masked = (one: Page): string => plainText(one).replaceAll(/•••( \d\d){2}/g, '•••');
      for (const other of others) {
        for (const step of ['posted', 'shown', 'wrong'] as const) {
          assert.equal(other[step].status, first[step].status, step);
          assert.equal(masked(other[step]), masked(first[step]), step);
          assert.deepEqual(plainHeaders(other[step]), plainHeaders(first[step]), step);
          assert.equal(other[step].text.length, first[step].text.length, step);
        }
      }
    });

    it('takes the same time for one that is proven and one that is nobody’s', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const browser = latchkey().browser();
      const form = await openPhone(latchkey(), browser, await latchkey().createClient());
      const tryWith = (phone: string) => async () => {
        const answer = await browser.submitOnce(form, { phone });
        assert.equal(answer.status, 303, answer.describe());
      };
      assert.equal(await differ([tryWith(owner.number), tryWith(newPhone())]), false);
    });

    it('takes the same time for a wrong code to either', async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const ask = async (phone: string) => {
        const browser = latchkey().browser();
        const form = await openPhone(latchkey(), browser, await latchkey().createClient());
        const page = await browser.submit(form, { phone });
        return async () => {
          // Each code allows few tries: the next one is as good as the first.
          await select(latchkey(), 'update phone_code set tries = 0');
          const answer = await browser.submitOnce(page, { code: '000000' });
          assert.equal(answer.status, 422, answer.describe());
        };
      };
      assert.equal(await differ([await ask(owner.number), await ask(newPhone())]), false);
    });
  },
  { env: { ...env, LATCHKEY_LIMITS_OFF: 'true', LATCHKEY_REGISTRATION: 'open', LATCHKEY_NEW_DEVICE_NOTICES: 'false' } },
);

describeOnEachBackend(
  'a registration',
  (latchkey) => {
    it('takes the same time for an address that has an account and for one that has none', async () => {
      await latchkey().createAccount({ email: 'known-5@mail.example.com' });
      const { browser, path } = await visit(latchkey());
      const form = await browser.get(`${path}/register`);
      assert.equal(form.id, 'register', form.describe());
      const tryWith = (email: string) => async () => {
        const answer = await browser.submitOnce(form, { email, new_password: 'a staple that nobody knows' });
        assert.equal(answer.status, 303, answer.describe());
      };
      const ways = [tryWith('known-5@mail.example.com'), tryWith('known-7@mail.example.com')] as const;
      assert.equal(await differ(ways), false);
    });
  },
  { env: { LATCHKEY_LIMITS_OFF: 'true', LATCHKEY_REGISTRATION: 'open' } },
);
