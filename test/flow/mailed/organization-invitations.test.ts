// Invitations into an organization by its own administrators, and accepting one with an account that is there: for the invited address and nobody
// else's, once, and without telling anybody who has an account.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { invitationState } from '../../../src/access/invitations.ts';
import type { MemberRole, Organization } from '../../../src/access/organizations.ts';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { FREE_ENV, MAIL_ENV, mailsTo, newAddress, readMail, select } from './stories.ts';

const PASSWORD = 'seven green bottles on a wall';
const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
let count = 0;

function make(latchkey: Latchkey): Promise<Organization> {
  const slug = `inviting-${(count += 1)}`;
  const input = { slug, name: `The ${slug}`, domains: [], secondFactorRequired: false };
  return latchkey.app.organizations.create(input, BY, CLI);
}

async function put(latchkey: Latchkey, organization: Organization, role: MemberRole): Promise<AccountRow> {
  const account = await latchkey.createAccount();
  await latchkey.app.organizations.add(organization.id, account.id, role, BY, CLI);
  return account;
}

async function open(latchkey: Latchkey, path: string, account: AccountRow): Promise<{ browser: Browser; page: Page }> {
  const browser = latchkey.browser();
  return { browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const pathOf = ({ id }: Organization): string => `/admin/organizations/${id}/invitations`;
const formOf = (one: Organization) => ({ form: `form[action="${pathOf(one)}"]` });
const idOf = (page: Page, email: string): string =>
  page.html
    .querySelectorAll('[data-invitation]')
    .find((row) => row.text.includes(email))
    ?.getAttribute('data-invitation') ?? '';

async function post(browser: Browser, page: Page, path: string, fields: Record<string, string> = {}): Promise<Page> {
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  return browser.post(path, new URLSearchParams({ csrf, ...fields }).toString());
}

/** The link of the newest of so many mails. */
async function linkOf(address: string, mails = 1): Promise<URL> {
  const { text = '' } = (await mailsTo(address, mails))[mails - 1]?.email ?? {};
  return new URL(/^https?:\/\/\S+\/invitation\/\S+$/m.exec(text)?.[0] ?? '');
}

/** An invitation by the owner, through the page. */
async function invite(latchkey: Latchkey, email: string, role: MemberRole = 'member') {
  const organization = await make(latchkey);
  const owner = await put(latchkey, organization, 'owner');
  const { browser, page } = await open(latchkey, pathOf(organization), owner);
  const sent = await browser.submit(page, { email, role }, formOf(organization));
  assert.equal(sent.status, 200, sent.describe());
  const id = idOf(sent, email);
  assert.ok(id, sent.describe());
  return { organization, owner, browser, page: sent, id, link: await linkOf(email) };
}

const roleOf = (latchkey: Latchkey, { id }: Organization, account: { readonly id: string } | undefined) =>
  latchkey.app.organizations.roleIn(id, account?.id ?? '');

async function stateOf(latchkey: Latchkey, id: string): Promise<string> {
  return invitationState(await latchkey.app.invitations.get(id));
}

/** From the link to the question whether to join. */
async function arrive(latchkey: Latchkey, link: URL, account: AccountRow, browser = latchkey.browser()): Promise<Page> {
  const page = await browser.get(link);
  assert.equal(page.id, 'link-confirm', page.describe());
  const question = await answerPrompts(browser, await browser.submit(page, {}, { button: ['way', 'sign-in'] }), {
    account,
  });
  assert.equal(question.id, 'account-invitation', question.describe());
  return question;
}

describeOnEachBackend(
  'an invitation into an organization',
  (latchkey) => {
    it('is sent by its own administrator and accepted with an account that is there', async () => {
      const guest = await latchkey().createAccount({ email: newAddress() });
      const email = guest.email ?? '';
      const organization = await make(latchkey());
      const admin = await put(latchkey(), organization, 'admin');
      const { browser, page } = await open(latchkey(), pathOf(organization), admin);
      assert.equal(page.html.querySelector('option[value=owner]'), null, 'not above the own role');
      const sent = await browser.submit(page, { email, role: 'admin' }, formOf(organization));
      const row = sent.element(`[data-invitation="${idOf(sent, email)}"]`);
      assert.match(row.text, /Waiting/);
      assert.match(row.text, new RegExp(admin.name ?? 'x'));
      const theirs = latchkey().browser();
      const question = await arrive(latchkey(), await linkOf(email), guest, theirs);
      assert.match(question.text, new RegExp(organization.name));
      const done = await theirs.submit(question);
      assert.equal(done.id, 'account-organizations', done.describe());
      assert.ok(done.html.querySelector(`[data-organization="${organization.id}"]`));
      assert.equal(await roleOf(latchkey(), organization, guest), 'admin');
      const used = await latchkey().app.invitations.get(idOf(sent, email));
      assert.equal(used.accountId, guest.id);
      const [accounts] = await select<{ count: number }>(
        latchkey(),
        'select count(*)::int as count from account where lower(email) = lower($1)',
        [email],
      );
      assert.equal(accounts?.count, 1, 'no second account');
      assert.equal((await theirs.get(await linkOf(email))).error, 'link-used');
      assert.equal((await browser.get(`/admin/organizations/${organization.id}`)).text.includes(email), true);
    });

    it('makes an account for who has none, with the role in it', async () => {
      const email = newAddress();
      const { organization, link } = await invite(latchkey(), email, 'owner');
      const browser = latchkey().browser();
      const form = await browser.submit(await browser.get(link), {}, { button: ['way', 'register'] });
      assert.equal(form.id, 'register', form.describe());
      const page = await browser.submit(form, { new_password: PASSWORD });
      const { code } = await readMail(latchkey(), email, 2);
      const done = await browser.submit(page, { code });
      assert.equal(done.id, 'account-organizations', done.describe());
      const [account] = await select<{ id: string }>(latchkey(), 'select id from account where email = $1', [email]);
      assert.equal(await roleOf(latchkey(), organization, account), 'owner');
    });

    it('asks for a code to the invited address from an account that has not proven it', async () => {
      const email = newAddress();
      const { organization, link, id } = await invite(latchkey(), email);
      const other = await latchkey().createAccount();
      const browser = latchkey().browser();
      const question = await arrive(latchkey(), link, other, browser);
      assert.ok(!question.text.includes(email), 'only its beginning is shown');
      const waiting = await browser.submit(question);
      assert.match(waiting.url.pathname, /join\/./, waiting.describe());
      assert.equal(await roleOf(latchkey(), organization, other), null);
      const { code } = await readMail(latchkey(), email, 2);
      const wrong = await browser.submit(waiting, { code: code === '000000' ? '000001' : '000000' });
      assert.equal(wrong.status, 422, wrong.describe());
      assert.equal(await stateOf(latchkey(), id), 'open');
      // Somebody else's session does nothing with it.
      const thief = await open(latchkey(), '/account/organizations', await latchkey().createAccount());
      const stolen = await post(thief.browser, thief.page, waiting.url.pathname, { code });
      assert.equal(stolen.status, 404, stolen.describe());
      const done = await browser.submit(waiting, { code });
      assert.equal(done.id, 'account-organizations', done.describe());
      assert.equal(await roleOf(latchkey(), organization, other), 'member');
      assert.equal((await latchkey().app.accounts.get(other.id)).email, other.email, 'its own address stays');
    });

    it('is accepted by the link of that mail too, in the browser that asked and in no other', async () => {
      const email = newAddress();
      const { organization, link } = await invite(latchkey(), email);
      const other = await latchkey().createAccount();
      const browser = latchkey().browser();
      await browser.submit(await arrive(latchkey(), link, other, browser));
      const mail = await readMail(latchkey(), email, 2);
      const elsewhere = await latchkey().browser().get(mail.link);
      assert.equal(elsewhere.html.querySelector('#submit'), null, elsewhere.describe());
      const done = await browser.submit(await browser.get(mail.link));
      assert.equal(done.id, 'account-organizations', done.describe());
      assert.equal(await roleOf(latchkey(), organization, other), 'member');
      // The registration page takes no proof of another purpose.
      assert.equal((await browser.get(mail.link)).error, 'link-used');
    });

    it('does not count an address of the account that nobody has proven', async () => {
      const email = newAddress();
      const guest = await latchkey().createAccount({ email });
      await select(latchkey(), 'update account set email_verified_at = null where id = $1', [guest.id]);
      latchkey().app.accounts.forgetRecent();
      const { organization, link } = await invite(latchkey(), email);
      const browser = latchkey().browser();
      const waiting = await browser.submit(await arrive(latchkey(), link, guest, browser));
      assert.match(waiting.url.pathname, /join\/./, waiting.describe());
      assert.equal(await roleOf(latchkey(), organization, guest), null);
    });

    it('is taken once by twenty that come at once, and the late ones are where they wanted to be', async () => {
      const guest = await latchkey().createAccount({ email: newAddress() });
      const { organization, link, id } = await invite(latchkey(), guest.email ?? '');
      const browser = latchkey().browser();
      const question = await arrive(latchkey(), link, guest, browser);
      const answers = await Promise.all(Array.from({ length: 20 }, () => browser.submitOnce(question)));
      for (const answer of answers) {
        assert.equal(answer.location?.pathname, '/account/organizations', answer.describe());
      }
      const [uses] = await select<{ count: number }>(
        latchkey(),
        `select count(*)::int as count from audit_event where action = 'invitation.use' and target_id = $1`,
        [id],
      );
      assert.equal(uses?.count, 1);
      assert.equal(await roleOf(latchkey(), organization, guest), 'member');
    });

    it('is worth nothing to a second account, once it was taken back, or when the inviter lost the role', async () => {
      const email = newAddress();
      const { organization, owner, link, id, browser, page } = await invite(latchkey(), email);
      const [one, two] = [await latchkey().createAccount(), await latchkey().createAccount()];
      const browsers = [latchkey().browser(), latchkey().browser()];
      const waiting: Page[] = [];
      for (const [index, account] of [one, two].entries()) {
        const own = browsers[index] ?? latchkey().browser();
        waiting.push(await own.submit(await arrive(latchkey(), link, account, own)));
      }
      const last = await readMail(latchkey(), email, 3);
      const [first, second] = waiting;
      assert.ok(first && second);
      const replaced = await browsers[0]?.submit(first, { code: last.code });
      assert.notEqual(replaced?.id, 'account-organizations', 'the code of the other one');
      const revoked = await browser.submit(page, {}, { form: `form[action="${pathOf(organization)}/${id}/revoke"]` });
      assert.equal(revoked.status, 200, revoked.describe());
      const late = await browsers[1]?.submit(second, { code: last.code });
      assert.equal(late?.status, 404, late?.describe());
      assert.equal(await roleOf(latchkey(), organization, two), null);

      const other = newAddress();
      await put(latchkey(), organization, 'owner');
      await browser.submit(page, { email: other, role: 'member' }, formOf(organization));
      const otherLink = await linkOf(other);
      assert.equal((await latchkey().browser().get(otherLink)).status, 200);
      await latchkey().app.organizations.setRole(organization.id, owner.id, 'member', BY, CLI);
      assert.equal((await latchkey().browser().get(otherLink)).error, 'link-used');
    });

    it('is friendly to who belongs to it already, and changes nothing for them', async () => {
      const organization = await make(latchkey());
      const owner = await put(latchkey(), organization, 'owner');
      const { browser, page } = await open(latchkey(), pathOf(organization), owner);
      const member = await put(latchkey(), organization, 'member');
      const refused = await browser.submit(page, { email: member.email ?? '', role: 'member' }, formOf(organization));
      assert.ok(refused.html.querySelector('#email-problem'), refused.describe());
      const guest = await latchkey().createAccount({ email: newAddress() });
      await browser.submit(page, { email: guest.email ?? '', role: 'admin' }, formOf(organization));
      const theirs = latchkey().browser();
      const question = await arrive(latchkey(), await linkOf(guest.email ?? ''), guest, theirs);
      await latchkey().app.organizations.add(organization.id, guest.id, 'member', BY, CLI);
      const done = await theirs.submit(question);
      assert.equal(done.id, 'account-organizations', done.describe());
      assert.equal(await roleOf(latchkey(), organization, guest), 'member', 'the role stays as it is');
    });

    it('tells the inviter the same of an address with an account and of one without', async () => {
      const organization = await make(latchkey());
      const owner = await put(latchkey(), organization, 'owner');
      const known = newAddress();
      await latchkey().createAccount({ email: known });
      const unknown = newAddress();
      const seen: string[] = [];
      const mails: string[] = [];
      for (const email of [known, unknown]) {
        const { browser, page } = await open(latchkey(), pathOf(organization), owner);
        const sent = await browser.submit(page, { email, role: 'member' }, formOf(organization));
        const row = sent.element(`[data-invitation="${idOf(sent, email)}"]`);
        seen.push(`${sent.status} ${sent.url.pathname}${sent.url.search} ${row.text.replace(email, '')}`);
        const [mail] = await mailsTo(email, 1);
        mails.push((mail?.email.text ?? '').replaceAll(/https?:\S+/g, '').replaceAll(/\d/g, ''));
        assert.match(mail?.email.text ?? '', /The inviting/);
      }
      assert.equal(seen[0]?.replaceAll(/\d/g, ''), seen[1]?.replaceAll(/\d/g, ''));
      assert.equal(mails[0], mails[1]);
    });

    it('is for the administrators of this organization and up to their own role', async () => {
      const email = newAddress();
      const { organization, owner, id } = await invite(latchkey(), email);
      const admin = await put(latchkey(), organization, 'admin');
      const member = await put(latchkey(), organization, 'member');
      const stranger = await put(latchkey(), await make(latchkey()), 'owner');
      const base = pathOf(organization);
      const asAdmin = await open(latchkey(), base, admin);
      const above = await post(asAdmin.browser, asAdmin.page, base, {
        email: newAddress(),
        role: 'owner',
        locale: 'en',
      });
      assert.equal(above.status, 403, above.describe());
      for (const account of [member, stranger]) {
        const { browser, page } = await open(latchkey(), '/account/organizations', account);
        assert.equal((await browser.get(base)).status, 404);
        const tries = [
          [base, { email: newAddress(), role: 'member', locale: 'en' }],
          [`${base}/${id}/resend`, {}],
          [`${base}/${id}/revoke`, {}],
        ] as const;
        for (const [path, fields] of tries) assert.equal((await post(browser, page, path, fields)).status, 404, path);
      }
      // Through the address of one's own organization another's invitation is not there either.
      const other = (await latchkey().app.organizations.listOf(stranger.id))[0]?.id ?? '';
      const crossing = await open(latchkey(), `/admin/organizations/${other}/invitations`, stranger);
      for (const what of ['resend', 'revoke']) {
        const path = `/admin/organizations/${other}/invitations/${id}/${what}`;
        assert.equal((await post(crossing.browser, crossing.page, path)).status, 404, path);
      }
      assert.equal(await stateOf(latchkey(), id), 'open');
      // Nor do invitations of the deployment open to who looks after an organization.
      const deployment = await latchkey().app.invitations.create(
        { email: newAddress(), roles: [], locale: 'en' },
        BY,
        CLI,
      );
      const outside = await post(asAdmin.browser, asAdmin.page, `${base}/${deployment.id}/revoke`);
      assert.equal(outside.status, 404, outside.describe());
      const input = { name: organization.name, domains: [], secondFactorRequired: false };
      const off = { ...input, invitationsAllowed: false };
      await latchkey().app.organizations.update(organization.id, off, { kind: 'account', id: owner.id }, CLI);
      assert.equal((await latchkey().app.organizations.get(organization.id)).invitationsAllowed, true, 'not theirs');
      await latchkey().app.organizations.update(organization.id, off, BY, CLI);
      const refused = await post(asAdmin.browser, asAdmin.page, base, {
        ...{ email: newAddress(), role: 'member', locale: 'en' },
      });
      assert.equal(refused.status, 403, refused.describe());
      assert.equal((await asAdmin.browser.get(base)).html.querySelector(formOf(organization).form), null);
    });

    it('can be left again, but not by the last owner, also when two leave at once', async () => {
      const { organizations } = latchkey().app;
      for (let round = 0; round < 5; round += 1) {
        const organization = await make(latchkey());
        const owners = [await put(latchkey(), organization, 'owner'), await put(latchkey(), organization, 'owner')];
        const results = await Promise.allSettled(owners.map(({ id }) => organizations.leave(organization.id, id, CLI)));
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        const left = await organizations.members(organization.id, { after: '', limit: 9 });
        assert.deepEqual(
          left.map(({ role }) => role),
          ['owner'],
        );
      }
      const organization = await make(latchkey());
      const owner = await put(latchkey(), organization, 'owner');
      const member = await put(latchkey(), organization, 'member');
      const path = `/account/organizations/${organization.id}/leave`;
      const asOwner = await open(latchkey(), path, owner);
      const refused = await asOwner.browser.submit(asOwner.page);
      assert.equal(refused.status, 409, refused.describe());
      assert.ok(refused.html.querySelector('#problems'), refused.describe());
      const asMember = await open(latchkey(), path, member);
      const left = await asMember.browser.submit(asMember.page);
      assert.equal(left.id, 'account-organizations', left.describe());
      assert.equal(await roleOf(latchkey(), organization, member), null);
      assert.equal((await asMember.browser.get(path)).status, 404);
      assert.equal((await post(asMember.browser, asMember.page, path)).status, 404);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'how often an organization invites',
  (latchkey) => {
    it('is limited for one address, whoever invites it', async () => {
      const email = newAddress();
      let refusals = 0;
      for (let round = 0; round < 4; round += 1) {
        const organization = await make(latchkey());
        const owner = await put(latchkey(), organization, 'owner');
        const { browser, page } = await open(latchkey(), pathOf(organization), owner);
        const sent = await browser.submit(page, { email, role: 'member' }, formOf(organization));
        if (sent.status === 429) refusals += 1;
        else assert.equal(sent.status, 200, sent.describe());
      }
      assert.equal(refusals, 1);
      assert.equal((await mailsTo(email, 3)).length, 3);
    });
  },
  { env: MAIL_ENV },
);

describeOnEachBackend(
  'an invitation into an organization where nobody registers',
  (latchkey) => {
    it('is for accounts that are there', async () => {
      const guest = await latchkey().createAccount({ email: newAddress() });
      const { organization, link } = await invite(latchkey(), guest.email ?? '');
      const browser = latchkey().browser();
      const page = await browser.get(link);
      assert.equal(page.html.querySelector('[value=register]'), null, page.describe());
      const done = await browser.submit(await arrive(latchkey(), link, guest, browser));
      assert.equal(done.id, 'account-organizations', done.describe());
      assert.equal(await roleOf(latchkey(), organization, guest), 'member');
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'closed' } },
);
