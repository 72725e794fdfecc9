// What somebody tries with a code to a phone number that it is not for: as a second factor, in place of a mailed one, after the number has gone, many
// times at once. And guessing passwords by number, in as many spellings as there are.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { givePhone, messagesTo, newPhone, nextCode, shareContact } from '../../support/phone-stage.ts';
import { isSignedIn, type Parameters, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { setTelegramStage } from '../../support/telegram-stage.ts';
import { AAL1, AAL2, addTotp, ask, assertClaims, codeOf, essential, landed, reasonsOf } from '../factors/stories.ts';
import { MAIL_ENV, mailsTo, newAddress, partsOf } from '../mailed/stories.ts';
import { csrfOf } from './stories.ts';

const { api, env } = await setTelegramStage();
const CODE_BUTTON = { button: ['method', 'mail-code'] } as const;

interface Owner {
  readonly account: AccountRow;
  readonly user: TestTelegramPerson;
  readonly number: string;
}

interface Asked {
  readonly browser: Browser;
  /** The page that waits for the code. */
  readonly page: Page;
  readonly code: string;
  readonly finish: (page: Page) => ReturnType<typeof landed>;
}

describeOnEachBackend(
  'a code to a phone number',
  (latchkey) => {
    beforeEach(async () => {
      await latchkey().app.database.em().execute("delete from guess_counter where key like 'phone-network:%'");
    });

    async function newOwner(): Promise<Owner> {
      const account = await latchkey().createAccount({ email: newAddress() });
      return { account, ...(await givePhone(latchkey(), api, account)) };
    }
    async function askFor(
      { user, number }: Owner,
      browser = latchkey().browser(),
      params: Parameters = {},
      client?: TestClient,
    ): Promise<Asked> {
      const app = client ?? (await latchkey().createClient());
      const { page: prompt, verifier } = await ask(latchkey(), browser, app, params);
      const [, , uid = ''] = prompt.url.pathname.split('/');
      const form = await browser.get(`/interaction/${uid}/phone`);
      assert.equal(form.id, 'phone', form.describe());
      const seen = messagesTo(api, user);
      const page = await browser.submit(form, { phone: number });
      const finish = (end: Page) => landed(latchkey(), browser, app, end, verifier);
      return { browser, page, code: await nextCode(api, user, seen), finish };
    }
    const post = (browser: Browser, page: Page, path: string, code: string): Promise<Page> =>
      browser.post(path, new URLSearchParams({ csrf: csrfOf(page), code }).toString());
    const idOf = ({ url }: Page): string => url.pathname.split('/').at(-1) ?? '';
    const uidOf = ({ url }: Page): string => url.pathname.split('/')[2] ?? '';

    describe('is never a second factor', () => {
      it('after the password: it begins anew, and what is owed is still owed', async () => {
        const owner = await newOwner();
        const secret = await addTotp(latchkey(), owner.account);
        const browser = latchkey().browser();
        const client = await latchkey().createClient();
        const { page: login, verifier } = await ask(latchkey(), browser, client);
        const half = await browser.submit(login, { login: owner.number, password: TEST_PASSWORD });
        assert.equal(half.id, 'second-factor', half.describe());
        const seen = messagesTo(api, owner.user);
        const form = await browser.get(`/interaction/${uidOf(half)}/phone`);
        const wait = await browser.submit(form, { phone: owner.number });
        const code = await nextCode(api, owner.user, seen);
        for (const path of [half.url.pathname, `${half.url.pathname}?method=recovery-code`]) {
          assert.equal((await post(browser, half, path, code)).status, 422, path);
        }
        // The one's address with the other's proof.
        for (const path of [
          half.url.pathname.replace(idOf(half), idOf(wait)),
          wait.url.pathname.replace(idOf(wait), idOf(half)),
        ]) {
          const answer = await post(browser, half, path, code);
          assert.ok(!(answer.location?.pathname ?? '').startsWith('/auth/'), answer.describe());
        }
        assert.equal(await isSignedIn(latchkey(), browser), false);
        const second = await browser.submit(wait, { code });
        assert.equal(second.id, 'second-factor', 'two first factors are one');
        assert.equal(await isSignedIn(latchkey(), browser), false);
        const claims = await landed(
          latchkey(),
          browser,
          client,
          await browser.submit(second, { code: codeOf(secret, 1) }),
          verifier,
        );
        assertClaims(claims, AAL2, ['otp', 'tg', 'mfa']);
        assert.deepEqual((await reasonsOf(latchkey(), owner.account.id)).slice(-1), ['phone+totp']);
      });

      it('on top of a session of a password, where an app insists on two', async () => {
        const owner = await newOwner();
        const browser = latchkey().browser();
        await signIn(latchkey(), browser, await latchkey().createClient(), { account: owner.account });
        const { page, code } = await askFor(owner, browser, essential(AAL2));
        const end = await browser.submit(page, { code });
        const { params } =
          end.id === 'consent' ? await browser.submit(end, {}, { button: ['decision', 'allow'] }) : end;
        assert.deepEqual([params['code'], params['error']], [undefined, 'unmet_authentication_requirements']);
      });

      it('where an app would like two and takes less', async () => {
        const { browser, page, code, finish } = await askFor(await newOwner(), undefined, { acr_values: AAL2 });
        assertClaims(await finish(await browser.submit(page, { code })), AAL1, ['otp', 'tg']);
      });
    });

    it('is none for what is mailed, nor the other way round', async () => {
      const owner = await newOwner();
      const { account } = owner;
      const { browser, page, code } = await askFor(owner);
      const uid = uidOf(page);
      const login = await browser.get(`/interaction/${uid}?choose=1`);
      const mailed = await browser.submit(login, { login: account.email ?? '' }, CODE_BUTTON);
      const [mail] = await mailsTo(account.email ?? '', 1);
      const { code: mailCode } = partsOf(latchkey(), mail ?? assert.fail());
      const reset = await browser.submit(await browser.get('/reset'), { login: owner.number });
      for (const [path, typed] of [
        [mailed.url.pathname, code],
        [page.url.pathname, mailCode],
        [`/interaction/${uid}/mail-code/${idOf(page)}`, code],
        [`/interaction/${uid}/verify/${idOf(page)}`, code],
        [`/interaction/${uid}/phone/${idOf(mailed)}`, mailCode],
        [`/reset/${idOf(page)}`, code],
        [reset.url.pathname, code],
      ] as const) {
        const answer = await post(browser, login, path, typed);
        assert.ok(answer.status >= 400 || answer.location?.search === '?choose=1', `${path} ${answer.describe()}`);
      }
      assert.equal(await isSignedIn(latchkey(), browser), false);
      assert.equal((await browser.submit(page, { code })).id, 'consent', 'and it is still what it was');
    });

    it('of one browser is worth nothing in another, also with its own wait for the same number', async () => {
      const owner = await newOwner();
      const thief = await askFor(owner);
      const mine = await askFor(owner);
      assert.equal(
        (await thief.browser.submitOnce(thief.page, { code: mine.code })).status,
        410,
        'ended by the newer one',
      );
      const fresh = await thief.browser.get(`/interaction/${uidOf(thief.page)}/phone`);
      const stolen = await post(thief.browser, fresh, mine.page.url.pathname, mine.code);
      assert.ok(stolen.status >= 400 || stolen.location?.search === '?choose=1', stolen.describe());
      const graft = `/interaction/${uidOf(thief.page)}/phone/${idOf(mine.page)}`;
      assert.equal((await post(thief.browser, fresh, graft, mine.code)).status, 410);
      assert.equal(await isSignedIn(latchkey(), thief.browser), false);
      assert.equal((await mine.browser.submit(mine.page, { code: mine.code })).id, 'consent');
    });

    it('begins one session, however many send it together, and every other try is told', async () => {
      const owner = await newOwner();
      const client = await latchkey().createClient({ latchkey_first_party: true });
      const { browser, page, code } = await askFor(owner, undefined, {}, client);
      const answers = await together(20, () => browser.submitOnce(page, { code }));
      const isOn = ({ status, location }: Page): boolean => status === 303 && location?.search !== '?choose=1';
      assert.equal(answers.filter(isOn).length, 1);
      for (const { status } of answers) assert.ok(status < 500, String(status));
      assert.deepEqual(await reasonsOf(latchkey(), owner.account.id), ['phone']);
      assert.deepEqual(
        await latchkey()
          .app.database.em()
          .execute('select id from phone_code where id = ?', [idOf(page)]),
        [],
      );
    });

    describe('dies with the number', () => {
      for (const [how, lose] of [
        [
          'that its owner takes away',
          ({ account }: Owner) =>
            latchkey().app.database.em().execute('delete from telegram_phone where account_id = ?', [account.id]),
        ],
        [
          'whose Telegram account is unlinked',
          ({ account }: Owner) =>
            latchkey().app.database.em().execute('delete from linked_identity where account_id = ?', [account.id]),
        ],
        [
          'that somebody else has proven',
          async ({ number }: Owner) => {
            const taker = await newOwner();
            await shareContact(api, taker.user, number);
          },
        ],
      ] as const) {
        it(how, async () => {
          const owner = await newOwner();
          const { browser, page, code } = await askFor(owner);
          await lose(owner);
          assert.equal((await browser.submitOnce(page, { code })).status, 422);
          assert.equal(await isSignedIn(latchkey(), browser), false);
          const lost = latchkey().browser();
          const { page: login } = await ask(latchkey(), lost, await latchkey().createClient());
          assert.equal(
            (await lost.submit(login, { login: owner.number, password: 'a pass phrase of nobody' })).status,
            422,
          );
        });
      }

      it('that moves at the same moment: it signs in who asked, or nobody', async () => {
        const client = await latchkey().createClient({ latchkey_first_party: true });
        for (let round = 0; round < 5; round += 1) {
          const [owner, taker] = [await newOwner(), await newOwner()];
          const { browser, page, code, finish } = await askFor(owner, undefined, {}, client);
          const [answer] = await Promise.all([
            browser.submit(page, { code }),
            shareContact(api, taker.user, owner.number),
          ]);
          assert.equal((await latchkey().app.accounts.findByPhone(owner.number))?.id, taker.account.id);
          assert.deepEqual(await reasonsOf(latchkey(), taker.account.id), []);
          if (answer.params['code'] === undefined) assert.equal(answer.status, 422, answer.describe());
          else assert.equal((await finish(answer)).sub, owner.account.subject);
        }
      });
    });
  },
  { env: { ...env, ...MAIL_ENV, LATCHKEY_NETWORK_FAILURES: '10000' } },
);

describeOnEachBackend(
  'guessing a password by phone number',
  (latchkey) => {
    it('has one budget, however the number is written and however many try together, known or not', async () => {
      const account = await latchkey().createAccount();
      const { number } = await givePhone(latchkey(), api, account);
      for (const some of [number, newPhone()]) {
        const browser = latchkey().browser();
        const { page } = await ask(latchkey(), browser, await latchkey().createClient());
        const answers = await together(20, (index) => {
          const digits = some.slice(1).split('');
          digits.splice((index % 9) + 1, 0, ' ');
          return browser.submitOnce(page, { login: `+${digits.join('')}`, password: `guess number ${index}` });
        });
        const count = (wanted: number): number => answers.filter(({ status }) => status === wanted).length;
        assert.deepEqual([count(422), count(429)], [5, 15]);
      }
      assert.ok(!latchkey().logLines.some((line) => line.includes(number.slice(1))), 'no number in the log');
    });
  },
  { env: { ...env, LATCHKEY_NETWORK_FAILURES: '10000' } },
);
