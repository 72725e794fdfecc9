// Domains of organizations: whose they are, who becomes a member by a proven address, when, and who does not.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Organization } from '../../src/access/organizations.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
let count = 0;

async function make(latchkey: Latchkey, change: Partial<Organization> = {}) {
  const slug = `domain-${(count += 1)}`;
  const domain = `${slug}.example`;
  const base = { slug, name: slug, domains: [domain], secondFactorRequired: false, domainJoin: true };
  const organization = await latchkey.app.organizations.create({ ...base, ...change, slug }, BY, CLI);
  return { organization, domain };
}

async function signIn(latchkey: Latchkey, account: AccountRow) {
  const browser = latchkey.browser();
  return answerPrompts(browser, await browser.get('/account/organizations'), { account });
}

const roleOf = (latchkey: Latchkey, { id }: Organization, account: AccountRow) =>
  latchkey.app.organizations.roleIn(id, account.id);

describeOnEachBackend('domains of organizations', (latchkey) => {
  it('make a member of who proves an address of one, at the first sign-in and at no other', async () => {
    const { organization, domain } = await make(latchkey());
    const account = await latchkey().createAccount({ email: `Ada@${domain.toUpperCase()}` });
    assert.equal(await roleOf(latchkey(), organization, account), null, 'not before');
    const page = await signIn(latchkey(), account);
    assert.ok(page.html.querySelector(`[data-organization="${organization.id}"]`), page.describe());
    assert.equal(await roleOf(latchkey(), organization, account), 'member');
    const { rows } = await latchkey().app.database.sql.query<{ actor: string }>(
      {
        name: 'test_domain_audit',
        text: `select actor_id as actor from audit_event where action = 'membership.create' and target_id = $1`,
      },
      [account.id],
    );
    assert.deepEqual(rows, [{ actor: account.id }]);
    await latchkey().app.organizations.remove(organization.id, account.id, BY, CLI);
    await signIn(latchkey(), account);
    assert.equal(await roleOf(latchkey(), organization, account), null, 'who was removed stays out');
  });

  it('take in nobody else', async () => {
    const { organization, domain } = await make(latchkey());
    const unproven = await latchkey().createAccount({ email: `unproven@${domain}` });
    await latchkey()
      .app.database.em()
      .execute('update account set email_verified_at = null where id = ?', [unproven.id]);
    latchkey().app.accounts.forgetRecent();
    const others = [`x@sub.${domain}`, `x@not-${domain}`, `${domain}@example.org`];
    const accounts = [unproven];
    for (const email of others) accounts.push(await latchkey().createAccount({ email }));
    const closed = await make(latchkey(), { domainJoin: false });
    const early = await latchkey().createAccount({ email: `early@${closed.domain}` });
    await signIn(latchkey(), early);
    const { name, domains } = closed.organization;
    const input = { name, domains, secondFactorRequired: false, domainJoin: true };
    await latchkey().app.organizations.update(closed.organization.id, input, BY, CLI);
    await signIn(latchkey(), early);
    assert.equal(await roleOf(latchkey(), closed.organization, early), null, 'it was closed at the first sign-in');
    for (const account of accounts) {
      await signIn(latchkey(), account);
      assert.equal(await roleOf(latchkey(), organization, account), null, account.email ?? '');
    }
  });

  it('ask for the second factor of the organization at the sign-in that makes a member', async () => {
    const { organization, domain } = await make(latchkey(), { secondFactorRequired: true });
    const account = await latchkey().createAccount({ email: `strong@${domain}` });
    const page = await signIn(latchkey(), account);
    assert.equal(page.id, 'second-factor-setup', page.describe());
    assert.equal(await roleOf(latchkey(), organization, account), null, 'half signed in is no sign-in');
  });

  it('belong to one organization, also when two want one at once, and only the deployment gives them', async () => {
    const { organizations } = latchkey().app;
    const one = await make(latchkey());
    const taken = { code: 'domain-taken' };
    await assert.rejects(make(latchkey(), { domains: [one.domain] }), taken);
    const wanted = 'contested.example';
    const update = ({ organization }: { organization: Organization }) =>
      organizations.update(organization.id, { name: 'x', secondFactorRequired: false, domains: [wanted] }, BY, CLI);
    const two = await make(latchkey());
    const results = await Promise.allSettled([update(one), update(two)]);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const owner = await latchkey().createAccount();
    const third = await make(latchkey(), { domainJoin: false });
    await organizations.add(third.organization.id, owner.id, 'owner', BY, CLI);
    const path = `/admin/organizations/${third.organization.id}`;
    const browser = latchkey().browser();
    const page = await answerPrompts(browser, await browser.get(path), { account: owner });
    assert.equal(page.html.querySelector('[name=domains]'), null);
    const saved = await browser.submit(page, { domain_join: true }, { form: `form[action="${path}"]` });
    assert.equal(saved.status, 200, saved.describe());
    const now = await organizations.get(third.organization.id);
    assert.deepEqual([now.domains, now.domainJoin], [[third.domain], true]);
    const admin = await latchkey().createAccount();
    await latchkey().app.database.transaction((em) => latchkey().app.roles.assign(em, admin.id, 'admin', CLI));
    const theirs = latchkey().browser();
    const form = await answerPrompts(theirs, await theirs.get(path), { account: admin });
    const refused = await theirs.submit(form, { domains: wanted }, { form: `form[action="${path}"]` });
    assert.ok(refused.html.querySelector('#domains-problem'), refused.describe());
    const rules = { limit_ways: true, session_minutes: '60' };
    const none = await theirs.submit(form, rules, { form: `form[action="${path}"]` });
    assert.ok(none.html.querySelector('#limit_ways-problem'), none.describe());
    const kept = await theirs.submit(form, { session_minutes: '60' }, { form: `form[action="${path}"]` });
    assert.equal(kept.status, 200, kept.describe());
    assert.equal((await organizations.get(third.organization.id)).sessionTtl, 3600);
    await organizations.delete(third.organization.id, BY, CLI);
    await make(latchkey(), { domains: [third.domain] });
  });
});
