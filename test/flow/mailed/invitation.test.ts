// From an invitation in the mail to an account: for its address and nobody else's, once, and only while whoever invited still may.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { invitationState } from '../../../src/access/invitations.ts';
import { AppError } from '../../../src/errors.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import {
  assertKeptNowhere,
  checkMail,
  FREE_ENV,
  finishAtClient,
  mailsTo,
  newAddress,
  readMail,
  select,
  visit,
} from './stories.ts';

const PASSWORD = 'seven green bottles on a wall';
const CLI = { actor: { kind: 'cli' } } as const;
const BY_CLI = { kind: 'cli' } as const;

/** The link of the newest of so many mails. */
async function linkOf(address: string, count = 1): Promise<URL> {
  const { text = '' } = (await mailsTo(address, count))[count - 1]?.email ?? {};
  const [url = ''] = /^https?:\/\/\S+\/invitation\/\S+$/m.exec(text) ?? [];
  return new URL(url);
}

async function invite(latchkey: Latchkey, roles: readonly string[] = []) {
  const address = newAddress();
  const invitation = await latchkey.app.invitations.create({ email: address, roles, locale: 'en' }, BY_CLI, CLI);
  return { address, invitation, link: await linkOf(address) };
}

/** @returns the form for the new account */
async function accept(browser: Browser, link: URL): Promise<Page> {
  const page = await browser.get(link);
  assert.equal(page.id, 'link-confirm', page.describe());
  const form = await browser.submit(page);
  assert.equal(form.id, 'register', form.describe());
  return form;
}

/** From the link to the page that waits for the code. @param mails the invitation and what followed */
async function register(latchkey: Latchkey, { address, link }: { address: string; link: URL }, mails = 2) {
  const browser = latchkey.browser();
  const page = await browser.submit(await accept(browser, link), { new_password: PASSWORD });
  assert.equal(page.id, 'verify-email', page.describe());
  return { browser, page, mail: await readMail(latchkey, address, mails) };
}

function accountsOf(latchkey: Latchkey, address: string) {
  return select<{ id: string }>(latchkey, 'select id from account where lower(email) = lower($1)', [address]);
}

async function stateOf(latchkey: Latchkey, id: string): Promise<string> {
  return invitationState(await latchkey.app.invitations.get(id));
}

describeOnEachBackend(
  'an invitation',
  (latchkey) => {
    it('leads from the mail to an account with its role, and into the portal', async () => {
      const invited = await invite(latchkey(), ['support']);
      const [mail] = await mailsTo(invited.address, 1);
      assert.ok(mail);
      checkMail(latchkey(), mail, invited.address);
      const browser = latchkey().browser();
      const form = await accept(browser, invited.link);
      assert.match(form.text, /You are invited/);
      const email = form.element('#email');
      assert.equal(email.getAttribute('value'), invited.address);
      assert.ok(email.hasAttribute('readonly'));
      const page = await browser.submit(form, { new_password: PASSWORD });
      assert.deepEqual(await accountsOf(latchkey(), invited.address), [], 'the address has to be proven all the same');
      const { code } = await readMail(latchkey(), invited.address, 2);
      const done = await browser.submit(page, { code });
      assert.equal(done.id, 'account-security', done.describe());
      const [account] = await accountsOf(latchkey(), invited.address);
      assert.ok(account);
      assert.deepEqual(await latchkey().app.roles.list(account.id), ['support']);
      const used = await latchkey().app.invitations.get(invited.invitation.id);
      assert.equal(invitationState(used), 'used');
      assert.equal(used.accountId, account.id);
      assert.equal((await latchkey().browser().get(invited.link)).error, 'link-used');
    });

    it('leads into an organization, which the mail names, as long as there is one', async () => {
      const { organizations, invitations } = latchkey().app;
      const input = { slug: 'invited', name: 'The Invited', domains: [], secondFactorRequired: false };
      const { id: organizationId } = await organizations.create(input, BY_CLI, CLI);
      const email = newAddress();
      const wanted = { email, roles: [], locale: 'en', organizationId };
      await invitations.create(wanted, BY_CLI, CLI);
      const { text = '' } = (await mailsTo(email, 1))[0]?.email ?? {};
      assert.match(text, /The Invited/);
      const browser = latchkey().browser();
      const question = await browser.get(await linkOf(email));
      const form = await browser.submit(question, {}, { button: ['way', 'register'] });
      const page = await browser.submit(form, { new_password: PASSWORD });
      await browser.submit(page, { code: (await readMail(latchkey(), email, 2)).code });
      const [account] = await accountsOf(latchkey(), email);
      assert.equal(await organizations.roleIn(organizationId, account?.id ?? ''), 'member');
      const other = newAddress();
      const open = await invitations.create({ ...wanted, email: other }, BY_CLI, CLI);
      await organizations.delete(organizationId, BY_CLI, CLI);
      assert.equal(await stateOf(latchkey(), open.id), 'revoked');
      await assert.rejects(invitations.create({ ...wanted, email: newAddress() }, BY_CLI, CLI), {
        code: 'organization-not-found',
      });
    });

    it('is kept for a sign-in that an app began, by the link of the mail too', async () => {
      const invited = await invite(latchkey());
      const one = await visit(latchkey());
      assert.ok(!one.login.text.includes('/register'));
      await accept(one.browser, invited.link);
      const login = await one.browser.get(one.path);
      assert.ok(login.html.querySelector(`a[href="${one.path}/register"]`), 'the sign-in page leads to it');
      const form = await one.browser.get(`${one.path}/register`);
      await one.browser.submit(form, { new_password: PASSWORD });
      const mail = await readMail(latchkey(), invited.address, 2);
      const next = await one.browser.submit(await one.browser.get(mail.link));
      const { claims } = await finishAtClient(latchkey(), one, next);
      assert.equal(claims['email'], undefined);
      assert.equal((await accountsOf(latchkey(), invited.address)).length, 1);
      const again = await one.browser.get(`${one.path}/register`);
      assert.notEqual(again.id, 'register', 'the browser holds it no longer');
    });

    it('changes nothing when the link is opened, by whoever and however often', async () => {
      const invited = await invite(latchkey());
      const scanner = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await scanner.get(invited.link)).id, 'link-confirm');
        assert.equal((await scanner.request(invited.link, { method: 'HEAD' })).status, 200);
      }
      assert.equal(await stateOf(latchkey(), invited.invitation.id), 'open');
      const one = await visit(latchkey(), scanner);
      assert.equal((await scanner.get(`${one.path}/register`)).status, 404);
      const foreign = await scanner.post(invited.link, '', { origin: 'https://evil.example' });
      assert.equal(foreign.error, 'foreign-form');
    });

    it('is for its address and no other, whatever the form says', async () => {
      const invited = await invite(latchkey());
      const other = newAddress();
      const browser = latchkey().browser();
      const form = await accept(browser, invited.link);
      await browser.submit(form, { email: other, new_password: PASSWORD });
      await readMail(latchkey(), invited.address, 2);
      assert.deepEqual(await mailsTo(other, 0), []);
    });

    it('is used by one of twenty that come at once, from browsers of their own', async () => {
      const invited = await invite(latchkey(), ['viewer']);
      const first = await register(latchkey(), invited);
      const confirm = await first.browser.get(first.mail.link);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, step) =>
          step % 2 === 0
            ? first.browser.submitOnce(first.page, { code: first.mail.code })
            : first.browser.submitOnce(confirm),
        ),
      );
      const good = answers.filter((answer) => answer.location?.pathname.startsWith('/auth/'));
      assert.equal(good.length, 1, answers.map((answer) => answer.describe()).join('\n'));
      assert.equal((await accountsOf(latchkey(), invited.address)).length, 1);
    });

    it('is taken by one of twenty accounts that are made with it at once', async () => {
      const { app } = latchkey();
      const invited = await invite(latchkey());
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const account = await latchkey().createAccount({ password: null });
          const who = { id: account.id, email: invited.address };
          return app.database.transaction((em) => app.invitations.take(em, invited.invitation.id, who, CLI));
        }),
      );
      assert.equal(outcomes.filter(Boolean).length, 1);
    });

    it('is worth nothing for another address, even in the hands of our own code', async () => {
      const { app } = latchkey();
      const invited = await invite(latchkey(), ['admin']);
      const account = await latchkey().createAccount();
      const who = { id: account.id, email: account.email ?? '' };
      const attempt = app.database.transaction(async (em) => {
        if (!(await app.invitations.take(em, invited.invitation.id, who, CLI))) throw new Error('refused');
      });
      await assert.rejects(attempt, /refused/);
      assert.deepEqual(await app.roles.list(account.id), []);
      assert.equal(await stateOf(latchkey(), invited.invitation.id), 'open');
    });

    it('ends when it is taken back, also for who has filled in the form already', async () => {
      const invited = await invite(latchkey());
      const { browser, page, mail } = await register(latchkey(), invited);
      await latchkey().app.invitations.revoke(invited.invitation.id, BY_CLI, CLI);
      const answer = await browser.submit(page, { code: mail.code });
      assert.equal(answer.status, 422, answer.describe());
      assert.deepEqual(await accountsOf(latchkey(), invited.address), []);
      assert.equal((await browser.get(invited.link)).error, 'link-used');
      await assert.rejects(
        latchkey().app.invitations.revoke(invited.invitation.id, BY_CLI, CLI),
        (error) => error instanceof AppError && error.code === 'invitation-over',
      );
    });

    it('ends when its time is over', async () => {
      const invited = await invite(latchkey());
      await select(latchkey(), `update invitation set expires_at = now() - interval '1 second'`);
      assert.equal((await latchkey().browser().get(invited.link)).error, 'link-used');
      assert.equal(await stateOf(latchkey(), invited.invitation.id), 'expired');
    });

    it('can be sent again, with a new link that ends the old one, but not twice at once', async () => {
      const { app } = latchkey();
      const invited = await invite(latchkey());
      const { id } = invited.invitation;
      const early = app.invitations.resend(id, BY_CLI, CLI);
      await assert.rejects(early, (error) => error instanceof AppError && error.code === 'too-many-requests');
      await select(latchkey(), `update invitation set sent_at = sent_at - interval '31 seconds' where id = $1`, [id]);
      await app.invitations.resend(id, BY_CLI, CLI);
      const link = await linkOf(invited.address, 2);
      assert.equal((await latchkey().browser().get(invited.link)).error, 'link-used');
      const { browser, page, mail } = await register(latchkey(), { address: invited.address, link }, 3);
      assert.equal((await browser.submit(page, { code: mail.code })).id, 'account-security');
    });

    it('takes the place of the one before for the same address', async () => {
      const { app } = latchkey();
      const first = await invite(latchkey());
      const input = { email: first.address, roles: [], locale: 'en' };
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, () => app.invitations.create(input, BY_CLI, CLI)),
      );
      assert.ok(results.some(({ status }) => status === 'fulfilled'));
      const rows = await select(
        latchkey(),
        'select id from invitation where lower(email) = lower($1) and revoked_at is null',
        [first.address],
      );
      assert.equal(rows.length, 1);
    });

    it('is not made for an address that has an account, nor for a role that does not exist', async () => {
      const { app } = latchkey();
      const account = await latchkey().createAccount();
      const refused = (email: string, roles: readonly string[], code: string) =>
        assert.rejects(
          app.invitations.create({ email, roles, locale: 'en' }, BY_CLI, CLI),
          (error) => error instanceof AppError && error.code === code,
        );
      await refused((account.email ?? '').toUpperCase(), [], 'email-taken');
      await refused(newAddress(), ['emperor'], 'unknown-role');
    });

    it('needs the right to invite, and to no role that the inviter could not give', async () => {
      const { app } = latchkey();
      const make = async (role: string | null) => {
        const account = await latchkey().createAccount();
        if (role !== null) await app.database.transaction((em) => app.roles.assign(em, account.id, role, CLI));
        const by = { kind: 'account', id: account.id } as const;
        return {
          account,
          create: (roles: readonly string[]) =>
            app.invitations.create({ email: newAddress(), roles, locale: 'en' }, by, { actor: by }),
        };
      };
      const forbidden = (error: unknown) => error instanceof AppError && [403, 404].includes(error.status);
      for (const role of [null, 'viewer', 'support']) await assert.rejects((await make(role)).create([]), forbidden);
      const operator = await make('operator');
      assert.equal((await operator.create([])).byAccount, true);
      for (const role of ['admin', 'super-admin']) await assert.rejects(operator.create([role]), forbidden);
      assert.deepEqual((await (await make('super-admin')).create(['admin'])).roles, ['admin']);
    });

    it('ends with the rights of whoever invited', async () => {
      const { app } = latchkey();
      const operator = await latchkey().createAccount();
      await app.database.transaction((em) => app.roles.assign(em, operator.id, 'operator', CLI));
      const address = newAddress();
      const by = { kind: 'account', id: operator.id } as const;
      await app.invitations.create({ email: address, roles: [], locale: 'en' }, by, { actor: by });
      const link = await linkOf(address);
      const { browser, page, mail } = await register(latchkey(), { address, link });
      await app.database.transaction((em) => app.roles.revoke(em, operator.id, 'operator', CLI));
      assert.equal((await latchkey().browser().get(link)).error, 'link-used');
      assert.equal((await browser.submit(page, { code: mail.code })).status, 422);
      assert.deepEqual(await accountsOf(latchkey(), address), []);
    });

    it('leaves no link in the database or the log', async () => {
      const { link } = await invite(latchkey());
      await latchkey().browser().get(link);
      await assertKeptNowhere(latchkey(), [link.pathname.split('/').at(-1) ?? '']);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'an invitation where registration is closed',
  (latchkey) => {
    it('leads nowhere', async () => {
      const { link } = await invite(latchkey());
      assert.equal((await latchkey().browser().get(link)).error, 'link-used');
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'closed' } },
);
