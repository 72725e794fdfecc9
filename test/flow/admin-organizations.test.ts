// Organizations in the admin portal: who reaches which page, what owners and administrators of one may do, the last owner, and what takes effect at once.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { MemberRole, Organization } from '../../src/access/organizations.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
const HOME = '/admin/organizations';
let count = 0;
const newSlug = (): string => `org-${(count += 1)}`;

function make(latchkey: Latchkey): Promise<Organization> {
  const slug = newSlug();
  const input = { slug, name: `The ${slug}`, domains: [], secondFactorRequired: false };
  return latchkey.app.organizations.create(input, BY, CLI);
}

async function put(latchkey: Latchkey, organization: Organization, role: MemberRole) {
  const account = await latchkey.createAccount();
  await latchkey.app.organizations.add(organization.id, account.id, role, BY, CLI);
  return account;
}

async function open(
  latchkey: Latchkey,
  path: string,
  person: { readonly role?: string; readonly account?: Awaited<ReturnType<Latchkey['createAccount']>> } = {},
) {
  const account = person.account ?? (await latchkey.createAccount());
  const { database, roles } = latchkey.app;
  const { role } = person;
  if (role !== undefined) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const pathOf = ({ id }: Organization): string => `${HOME}/${id}`;

async function post(browser: Browser, page: Page, path: string, fields: Record<string, string> = {}): Promise<Page> {
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  const answer = await browser.post(path, new URLSearchParams({ csrf, ...fields }).toString());
  return answer.status === 303 && answer.location ? browser.get(answer.location) : answer;
}

const SETTINGS = { name: 'Changed' };

describeOnEachBackend('organizations in the admin portal', (latchkey) => {
  it('are made, changed, filled and deleted by who administers Latchkey', async () => {
    const { browser, page } = await open(latchkey(), HOME, { role: 'admin' });
    const slug = newSlug();
    const form = { form: `form[method=post][action="${HOME}"]` };
    const made = await browser.submit(page, { slug, name: 'Made here' }, form);
    assert.equal(made.id, 'admin-organization', made.describe());
    const path = made.url.pathname;
    const other = await latchkey().createAccount();
    const login = other.email ?? '';
    const added = await browser.submit(made, { login, role: 'owner' }, { form: `form[action="${path}/members"]` });
    assert.ok(added.html.querySelector(`[data-member="${other.id}"]`), added.describe());
    const twice = await browser.submit(added, { login, role: 'admin' }, { form: `form[action="${path}/members"]` });
    assert.ok(twice.html.querySelector('#login-problem'));
    const settings = { ...SETTINGS, domains: 'Acme.example' };
    const changed = await browser.submit(added, settings, { form: `form[action="${path}"]` });
    assert.equal(changed.element('h1').text, 'Changed', changed.describe());
    const [found] = await latchkey().app.organizations.page({ query: slug, after: '', limit: 2, managedBy: null });
    assert.deepEqual(found?.domains, ['acme.example']);
    const history = changed.element('main a[href^="/admin/audit?target="]').getAttribute('href') ?? '';
    assert.match((await browser.get(history)).element('[data-event]').text, /organization\.update/);
    const question = await browser.get(`${path}/delete`);
    const after = await browser.submit(question, {}, { form: `form[action="${path}/delete"]` });
    assert.equal(after.id, 'admin-organizations', after.describe());
    assert.equal((await browser.get(path)).status, 404);
    assert.deepEqual(await latchkey().app.organizations.listOf(other.id), []);
  });

  it('have walls: each route, for everybody who has no business there', async () => {
    const [mine, other] = [await make(latchkey()), await make(latchkey())];
    const stranger = await latchkey().createAccount();
    const [owner, admin, member] = [
      await put(latchkey(), mine, 'owner'),
      await put(latchkey(), mine, 'admin'),
      await put(latchkey(), mine, 'member'),
    ];
    const victim = await put(latchkey(), other, 'member');
    await put(latchkey(), other, 'owner');
    const role = { role: 'admin' };
    const looks = (one: Organization) => [pathOf(one), `${pathOf(one)}/delete`];
    const changes = (one: Organization, account: string) =>
      [
        [pathOf(one), SETTINGS],
        [`${pathOf(one)}/delete`, {}],
        [`${pathOf(one)}/members`, { login: 'x', role: 'owner' }],
        [`${pathOf(one)}/members/${account}`, role],
        [`${pathOf(one)}/members/${account}/remove`, {}],
      ] as const;
    const before = await latchkey().app.organizations.members(other.id, { after: '', limit: 9 });
    for (const account of [owner, admin, member, stranger]) {
      const { browser } = await open(latchkey(), '/account', { account });
      const form = await browser.get('/account');
      for (const path of looks(other)) assert.equal((await browser.get(path)).status, 404, path);
      for (const [path, fields] of changes(other, victim.id)) {
        const refused = await post(browser, form, path, fields);
        assert.equal(refused.status, 404, `${path}: ${refused.describe()}`);
      }
      const made = await post(browser, form, HOME, { slug: newSlug(), name: 'x' });
      assert.equal(made.status, 404, made.describe());
      for (const path of ['/admin/clients', '/admin/roles', '/admin/invitations']) {
        assert.equal((await browser.get(path)).status, 404, path);
      }
      const isManager = account === owner || account === admin;
      const list = await browser.get(HOME);
      assert.equal(list.status, isManager ? 200 : 404, list.describe());
      if (isManager) {
        assert.equal(list.html.querySelectorAll('[data-organization]').length, 1);
        // A member of another organization is nobody in this one.
        const crossed = await post(browser, form, `${pathOf(mine)}/members/${victim.id}/remove`);
        assert.equal(crossed.status, 404, crossed.describe());
      } else {
        for (const path of looks(mine)) assert.equal((await browser.get(path)).status, 404, path);
        for (const [path, fields] of changes(mine, owner.id)) {
          assert.equal((await post(browser, form, path, fields)).status, 404, path);
        }
      }
    }
    assert.deepEqual(await latchkey().app.organizations.members(other.id, { after: '', limit: 9 }), before);
    const viewer = await open(latchkey(), pathOf(mine), { role: 'viewer' });
    assert.equal(viewer.page.id, 'admin-organization', viewer.page.describe());
    for (const [path, fields] of changes(mine, owner.id)) {
      assert.equal((await post(viewer.browser, viewer.page, path, fields)).status, 403, path);
    }
    const operator = await open(latchkey(), '/account');
    for (const id of ['x', '11111111-1111-4111-8111-111111111111']) {
      assert.equal((await operator.browser.get(`${HOME}/${id}`)).status, 404);
    }
  });

  it('are managed from within, up to the own rank', async () => {
    const mine = await make(latchkey());
    const [owner, admin, member] = [
      await put(latchkey(), mine, 'owner'),
      await put(latchkey(), mine, 'admin'),
      await put(latchkey(), mine, 'member'),
    ];
    const asAdmin = await open(latchkey(), pathOf(mine), { account: admin });
    assert.equal(asAdmin.page.id, 'admin-organization', asAdmin.page.describe());
    const at = (account: { readonly id: string }): string => `${pathOf(mine)}/members/${account.id}`;
    assert.equal((await post(asAdmin.browser, asAdmin.page, at(member), { role: 'owner' })).status, 403);
    assert.equal((await post(asAdmin.browser, asAdmin.page, at(owner), { role: 'member' })).status, 403);
    assert.equal((await post(asAdmin.browser, asAdmin.page, `${at(owner)}/remove`)).status, 403);
    assert.equal((await post(asAdmin.browser, asAdmin.page, pathOf(mine), SETTINGS)).status, 403);
    const promoted = await post(asAdmin.browser, asAdmin.page, at(member), { role: 'admin' });
    assert.equal(promoted.status, 200, promoted.describe());
    const asOwner = await open(latchkey(), pathOf(mine), { account: owner });
    const saved = await post(asOwner.browser, asOwner.page, pathOf(mine), { ...SETTINGS, domains: 'evil.example' });
    assert.equal(saved.status, 200, saved.describe());
    assert.deepEqual((await latchkey().app.organizations.get(mine.id)).domains, [], 'domains are not theirs');
    const removed = await post(asOwner.browser, asOwner.page, `${at(admin)}/remove`);
    assert.equal(removed.id, 'admin-organization', removed.describe());
    assert.equal((await asAdmin.browser.get(pathOf(mine))).status, 404, 'at once');
  });

  it('keep their last owner, also when two leave at once or one is disabled', async () => {
    const { organizations, sessionsAndGrants } = latchkey().app;
    for (let round = 0; round < 5; round += 1) {
      const mine = await make(latchkey());
      const [first, second] = [await put(latchkey(), mine, 'owner'), await put(latchkey(), mine, 'owner')];
      const results = await Promise.allSettled([
        organizations.remove(mine.id, first.id, { kind: 'account', id: first.id }, CLI),
        round % 2 === 0
          ? organizations.setRole(mine.id, second.id, 'member', { kind: 'account', id: second.id }, CLI)
          : sessionsAndGrants.disable(second, CLI),
      ]);
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      const owners = (await organizations.members(mine.id, { after: '', limit: 9 })).filter(
        ({ role }) => role === 'owner',
      );
      assert.ok(owners.length >= 1);
      const last = (await Promise.all(owners.map(({ accountId }) => organizations.roleIn(mine.id, accountId)))).filter(
        (one) => one === 'owner',
      );
      assert.equal(last.length, 1);
    }
    const mine = await make(latchkey());
    const owner = await put(latchkey(), mine, 'owner');
    await assert.rejects(sessionsAndGrants.delete(owner, CLI), { code: 'last-organization-owner' });
    const { browser, page } = await open(latchkey(), pathOf(mine), { account: owner });
    const refused = await post(browser, page, `${pathOf(mine)}/members/${owner.id}/remove`);
    assert.ok(refused.html.querySelector('#problems'), refused.describe());
  });

  it('keep their last owner whichever two ways out meet, and say so to who deletes the own account', async () => {
    const { organizations, sessionsAndGrants, deletions } = latchkey().app;
    type Owner = Awaited<ReturnType<typeof put>>;
    const ways = [
      (mine: Organization, { id }: Owner) => organizations.remove(mine.id, id, BY, CLI),
      (mine: Organization, { id }: Owner) => organizations.setRole(mine.id, id, 'admin', BY, CLI),
      (mine: Organization, { id }: Owner) => organizations.leave(mine.id, id, CLI),
      (_: Organization, owner: Owner) => sessionsAndGrants.disable(owner, CLI),
      (_: Organization, owner: Owner) => sessionsAndGrants.delete(owner, CLI),
      (_: Organization, owner: Owner) => deletions.request(owner, CLI, async () => {}),
    ];
    for (const [index, one] of ways.entries()) {
      for (const other of ways.slice(index)) {
        const mine = await make(latchkey());
        const [first, second] = [await put(latchkey(), mine, 'owner'), await put(latchkey(), mine, 'owner')];
        const results = await Promise.allSettled([one(mine, first), other(mine, second)]);
        const refused = results.filter((result) => result.status === 'rejected');
        const codes = refused.map(({ reason }) => (reason as { readonly code?: unknown }).code);
        assert.deepEqual(codes, ['last-organization-owner'], `${one.toString()} and ${other.toString()}`);
        const left = [first, second].map(({ id }) => organizations.roleIn(mine.id, id));
        assert.equal((await Promise.all(left)).filter((role) => role === 'owner').length, 1);
      }
    }
    const mine = await make(latchkey());
    const { browser, page } = await open(latchkey(), '/account/delete', {
      account: await put(latchkey(), mine, 'owner'),
    });
    const told = await browser.submit(page);
    assert.equal(told.status, 409, told.describe());
    assert.match(told.text, /last owner of an organization/);
  });

  it('demand a second factor of everybody who belongs to them', async () => {
    const mine = await make(latchkey());
    const member = await put(latchkey(), mine, 'member');
    const { browser } = await open(latchkey(), '/account', { account: member });
    const input = { name: mine.name, domains: [], secondFactorRequired: true };
    await latchkey().app.organizations.update(mine.id, input, BY, CLI);
    const fresh = await open(latchkey(), '/account', { account: member });
    assert.equal(fresh.page.id, 'second-factor-setup', fresh.page.describe());
    const again = await browser.get('/account/security');
    assert.notEqual(again.id, 'account-security', 'also in a session from before');
    await latchkey().app.organizations.remove(mine.id, member.id, BY, CLI);
    const free = await open(latchkey(), '/account', { account: member });
    assert.notEqual(free.page.id, 'second-factor-setup', free.page.describe());
  });

  it('say what is wrong', async () => {
    const { browser, page } = await open(latchkey(), HOME, { role: 'admin' });
    const taken = await make(latchkey());
    const form = { form: `form[method=post][action="${HOME}"]` };
    for (const slug of ['', 'Not good', taken.slug]) {
      const refused = await browser.submit(page, { slug, name: 'x' }, form);
      assert.ok(refused.html.querySelector('#slug-problem'), refused.describe());
    }
    assert.equal((await browser.submit(page, { slug: newSlug(), name: 'x', csrf: 'x' }, form)).status, 403);
    assert.equal((await post(browser, page, HOME, { slug: newSlug(), name: 'x', extra: 'x' })).status, 400);
    assert.equal((await post(browser, page, `${pathOf(taken)}/members`, { login: 'x', role: 'king' })).status, 400);
    const domains = await post(browser, page, pathOf(taken), { name: 'x', domains: 'no domain' });
    assert.ok(domains.html.querySelector('#domains-problem'), domains.describe());
  });
});
