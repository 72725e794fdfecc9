// "It was not me": what the link in a notice and in every mail with a code shows, and what its button ends.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { refresh, userinfo } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import {
  askForCode,
  assertKeptNowhere,
  checkMail,
  countQueued,
  FREE_ENV,
  finishAtClient,
  isSignedIn,
  MAIL_ENV,
  mailsTo,
  newAddress,
  partsOf,
  plainText,
  readMail,
  select,
  visit,
} from './stories.ts';

/** Somebody asks for a sign-in mail to an account that is signed in elsewhere. */
async function asked(latchkey: Latchkey) {
  const email = newAddress();
  const account = await latchkey.createAccount({ email });
  const owner = await visit(latchkey);
  const next = await owner.browser.submit(owner.login, { login: email, password: TEST_PASSWORD });
  const tokens = await finishAtClient(latchkey, owner, next);
  const thief = await visit(latchkey);
  const codePage = await askForCode(thief, email);
  const mail = await readMail(latchkey, email);
  assert.ok(mail.notMe);
  return { account, email, owner, tokens, thief, codePage, mail, notMe: mail.notMe };
}

describeOnEachBackend(
  '"it was not me"',
  (latchkey) => {
    it('changes nothing when the link is opened, by whoever and however often', async () => {
      const { email, owner, tokens, notMe } = await asked(latchkey());
      const state = async () =>
        JSON.stringify(
          await select(
            latchkey(),
            'select m::text as row from mailed_secret m union all select o::text from one_time_value o order by 1',
          ),
        );
      const before = await state();
      const scanner = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await scanner.get(notMe)).id, 'not-me');
        assert.equal((await scanner.request(notMe, { method: 'HEAD' })).status, 200);
      }
      assert.equal(await state(), before);
      assert.equal(await isSignedIn(latchkey(), owner.browser), true);
      assert.equal((await userinfo(latchkey(), tokens.accessToken)).status, 200);
      assert.equal(await countQueued(latchkey(), email), 1);
    });

    it('ends every session, every token and every mail on its way, and sends a mail for a new password', async () => {
      const { email, owner, tokens, thief, codePage, mail, notMe } = await asked(latchkey());
      const reader = latchkey().browser();
      const done = await reader.submit(await reader.get(notMe));
      assert.equal(done.id, 'not-me', done.describe());
      assert.equal(done.status, 200);
      assert.ok(!done.html.querySelector('#submit'), 'nothing is left to press');
      assert.equal(await isSignedIn(latchkey(), owner.browser), false);
      assert.equal(await isSignedIn(latchkey(), reader), false);
      assert.equal((await refresh(latchkey(), owner.client, tokens.refreshToken)).status, 400);
      assert.equal((await userinfo(latchkey(), tokens.accessToken)).status, 401);
      const late = await thief.browser.submit(codePage, { code: mail.code });
      assert.equal(late.error, 'link-used', late.describe());
      assert.equal(await isSignedIn(latchkey(), thief.browser), false);

      const [, received] = await mailsTo(email, 2);
      assert.ok(received);
      checkMail(latchkey(), received, email);
      const reset = partsOf(latchkey(), received);
      const form = await reader.get(reset.link);
      assert.equal(form.id, 'reset-confirm', form.describe());
      const changed = await reader.submit(form, { new_password: 'seven green bottles on a wall' });
      assert.equal(changed.status, 200, changed.describe());
      const again = await visit(latchkey());
      const next = await again.browser.submit(again.login, {
        login: email,
        password: 'seven green bottles on a wall',
      });
      await finishAtClient(latchkey(), again, next);
    });

    it('works from the notice of a new password, so that a thief’s password does not stay', async () => {
      const email = newAddress();
      await latchkey().createAccount({ email });
      const thief = latchkey().browser();
      await thief.submit(await thief.get('/reset'), { login: email });
      const { link } = await readMail(latchkey(), email);
      await thief.submit(await thief.get(link), { new_password: 'what the thief would like' });
      const one = await visit(latchkey(), thief);
      const next = await thief.submit(one.login, { login: email, password: 'what the thief would like' });
      await finishAtClient(latchkey(), one, next);
      const notice = partsOf(latchkey(), (await mailsTo(email, 2))[1] as never);
      const owner = latchkey().browser();
      await owner.submit(await owner.get(notice.notMe ?? ''));
      assert.equal(await isSignedIn(latchkey(), thief), false);
      const reset = await readMail(latchkey(), email, 3);
      await owner.submit(await owner.get(reset.link), { new_password: 'seven green bottles on a wall' });
      const late = await visit(latchkey());
      const refused = await late.browser.submit(late.login, { login: email, password: 'what the thief would like' });
      assert.equal(refused.status, 422, refused.describe());
    });

    it('is done by one of twenty that come at once', async () => {
      const { email, notMe } = await asked(latchkey());
      const reader = latchkey().browser();
      const page = await reader.get(notMe);
      const answers = await Promise.all(Array.from({ length: 20 }, () => reader.submitOnce(page)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.equal(await countQueued(latchkey(), email), 2);
    });

    it('shows one page for links that are wrong, used or too old', async () => {
      const used = await asked(latchkey());
      const reader = latchkey().browser();
      const page = await reader.get(used.notMe);
      await reader.submit(page);
      const old = await asked(latchkey());
      await select(
        latchkey(),
        `update one_time_value set expires_at = now() - interval '1 second' where subject = $1`,
        [old.account.id],
      );
      const pages = [
        await reader.get(used.notMe),
        await reader.get(old.notMe),
        await reader.get(`/not-me/${'A'.repeat(43)}`),
        await reader.get(`/not-me/${old.mail.token}`),
      ];
      for (const one of pages) {
        assert.equal(one.error, 'link-used', one.describe());
        assert.equal(plainText(one), plainText(pages[0] as never));
      }
      const again = await reader.submit(page);
      assert.equal(again.error, 'link-used', again.describe());
      assert.equal(await isSignedIn(latchkey(), old.owner.browser), true);
    });

    it('cannot be pressed by another site', async () => {
      const { owner, notMe } = await asked(latchkey());
      const reader = latchkey().browser();
      const page = await reader.get(notMe);
      const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example.com' };
      const forged = await reader.submitOnce(page, {}, { headers: crossSite });
      assert.equal(forged.status, 403, forged.describe());
      const bare = await reader.post(notMe, '');
      assert.equal(bare.status, 403, bare.describe());
      assert.equal(await isSignedIn(latchkey(), owner.browser), true);
    });

    it('writes to nobody whose account is disabled', async () => {
      const { account, email, notMe } = await asked(latchkey());
      await latchkey().app.sessionsAndGrants.disable(account, { actor: { kind: 'cli' } });
      const reader = latchkey().browser();
      const done = await reader.submit(await reader.get(notMe));
      assert.equal(done.id, 'not-me', done.describe());
      assert.equal(await countQueued(latchkey(), email), 1);
    });

    it('leaves no link in the database or the log', async () => {
      const { email, notMe } = await asked(latchkey());
      const token = notMe.pathname.split('/').at(-1) ?? '';
      await assertKeptNowhere(latchkey(), [token]);
      const reader = latchkey().browser();
      await reader.submit(await reader.get(notMe));
      const reset = await readMail(latchkey(), email, 2);
      await assertKeptNowhere(latchkey(), [token, reset.token, reset.code]);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  '"it was not me", with limits',
  (latchkey) => {
    it('is written to also when somebody has just used up the mails for new passwords', async () => {
      const email = newAddress();
      await latchkey().createAccount({ email });
      const thief = latchkey().browser();
      await thief.submit(await thief.get('/reset'), { login: email });
      const { notMe, token } = await readMail(latchkey(), email);
      const reader = latchkey().browser();
      await reader.submit(await reader.get(notMe ?? ''));
      const reset = await readMail(latchkey(), email, 2);
      assert.notEqual(reset.token, token);
      assert.equal((await reader.get(reset.link)).id, 'reset-confirm');
    });
  },
  { env: MAIL_ENV },
);
