// Roles that an organization makes for its apps: who makes and gives them, what apps are told, and that they stay within their organization.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { MemberRole, Organization } from '../../src/access/organizations.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
let count = 0;

function make(latchkey: Latchkey): Promise<Organization> {
  const slug = `roles-${(count += 1)}`;
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

async function post(browser: Browser, page: Page, path: string, fields: readonly (readonly [string, string])[]) {
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  return browser.post(path, new URLSearchParams([['csrf', csrf], ...fields.map((one) => [...one])]).toString());
}

async function told(latchkey: Latchkey, { id }: AccountRow, organization: Organization): Promise<unknown> {
  const claims = await latchkey.app.organizations.claimsFor(id, undefined);
  const all = claims['organizations'] as readonly { readonly id: string; readonly roles: unknown }[];
  return all.find((one) => one.id === organization.id)?.roles;
}

describeOnEachBackend('roles of an organization', (latchkey) => {
  it('are made by an owner, given on the page of a member, told to apps, and gone at once', async () => {
    const organization = await make(latchkey());
    const [owner, member] = [
      await put(latchkey(), organization, 'owner'),
      await put(latchkey(), organization, 'member'),
    ];
    const home = `/admin/organizations/${organization.id}/roles`;
    const { browser, page } = await open(latchkey(), home, owner);
    const form = { form: `form[action="${home}"]` };
    await browser.submit(page, { name: 'Billing', role: 'billing', given_by: 'owner' }, form);
    const made = await browser.submit(page, { name: 'Auditor', role: 'auditor', given_by: 'admin' }, form);
    assert.equal(made.html.querySelectorAll('[data-role]').length, 2, made.describe());
    for (const role of ['owner', 'Not good', '', 'billing']) {
      const refused = await browser.submit(page, { name: 'x', role, given_by: 'owner' }, form);
      assert.ok(refused.html.querySelector('#role-problem'), `${role}: ${refused.describe()}`);
    }
    const path = `/admin/organizations/${organization.id}/members/${member.id}`;
    const one = await browser.get(path);
    assert.equal(one.id, 'admin-organization-member', one.describe());
    const given = await post(browser, one, `${path}/roles`, [
      ['role', 'billing'],
      ['role', 'auditor'],
    ]);
    assert.equal(given.status, 303, given.describe());
    assert.deepEqual(await told(latchkey(), member, organization), ['member', 'auditor', 'billing']);
    const list = await browser.get(`/admin/organizations/${organization.id}`);
    assert.match(list.element(`[data-member="${member.id}"]`).text, /auditor\s+billing/);
    const question = await browser.get(`${home}/billing/delete`);
    const left = await browser.submit(question);
    assert.equal(left.html.querySelectorAll('[data-role]').length, 1, left.describe());
    assert.deepEqual(await told(latchkey(), member, organization), ['member', 'auditor']);
    const taken = await browser.submit(await browser.get(path), { role: false });
    assert.equal(taken.status, 200, taken.describe());
    assert.deepEqual(await told(latchkey(), member, organization), ['member']);
  });

  it('are given by an administrator as far as the owner says, and taken no further either', async () => {
    const organization = await make(latchkey());
    const admin = await put(latchkey(), organization, 'admin');
    const [member, owner] = [
      await put(latchkey(), organization, 'member'),
      await put(latchkey(), organization, 'owner'),
    ];
    const { organizationRoles } = latchkey().app;
    await organizationRoles.create(organization.id, { id: 'high', name: 'High', givenBy: 'owner' }, BY, CLI);
    await organizationRoles.create(organization.id, { id: 'low', name: 'Low', givenBy: 'admin' }, BY, CLI);
    await organizationRoles.assign(organization.id, member.id, ['high'], BY, CLI);
    const at = (account: AccountRow): string => `/admin/organizations/${organization.id}/members/${account.id}`;
    const { browser, page } = await open(latchkey(), at(member), admin);
    assert.ok(page.element('#role-high').hasAttribute('disabled'));
    assert.equal((await post(browser, page, `${at(member)}/roles`, [['role', 'low']])).status, 303);
    assert.deepEqual(await told(latchkey(), member, organization), ['member', 'high', 'low']);
    // Neither to oneself nor to anybody, nor anything to who stands above.
    assert.equal((await post(browser, page, `${at(admin)}/roles`, [['role', 'high']])).status, 403);
    assert.equal((await post(browser, page, `${at(owner)}/roles`, [['role', 'low']])).status, 403);
    assert.equal((await post(browser, page, `${at(member)}/roles`, [['role', 'none-such']])).status, 400);
    const home = `/admin/organizations/${organization.id}/roles`;
    const making = [
      ['name', 'x'],
      ['role', 'own'],
      ['given_by', 'admin'],
    ] as const;
    assert.equal((await post(browser, page, home, making)).status, 403);
    assert.equal((await post(browser, page, `${home}/low/delete`, [])).status, 403);
  });

  it('stay within their organization', async () => {
    const [mine, other] = [await make(latchkey()), await make(latchkey())];
    const owner = await put(latchkey(), mine, 'owner');
    const stranger = await put(latchkey(), other, 'member');
    const { organizationRoles, organizations } = latchkey().app;
    await organizationRoles.create(other.id, { id: 'theirs', name: 'Theirs', givenBy: 'admin' }, BY, CLI);
    await organizationRoles.create(mine.id, { id: 'mine', name: 'Mine', givenBy: 'admin' }, BY, CLI);
    const { browser, page } = await open(latchkey(), `/admin/organizations/${mine.id}/roles`, owner);
    const base = `/admin/organizations/${other.id}`;
    for (const path of [`${base}/roles`, `${base}/roles/theirs/delete`, `${base}/members/${stranger.id}`]) {
      assert.equal((await browser.get(path)).status, 404, path);
    }
    assert.equal((await post(browser, page, `${base}/roles/theirs/delete`, [])).status, 404);
    assert.equal((await post(browser, page, `${base}/members/${stranger.id}/roles`, [['role', 'theirs']])).status, 404);
    const crossed = `/admin/organizations/${mine.id}`;
    assert.equal((await browser.get(`${crossed}/members/${stranger.id}`)).status, 404);
    assert.equal(
      (await post(browser, page, `${crossed}/members/${stranger.id}/roles`, [['role', 'mine']])).status,
      404,
    );
    assert.equal((await post(browser, page, `${crossed}/members/${owner.id}/roles`, [['role', 'theirs']])).status, 400);
    // Whoever leaves has none of them when they come back.
    await organizationRoles.assign(other.id, stranger.id, ['theirs'], BY, CLI);
    await organizations.remove(other.id, stranger.id, BY, CLI);
    await organizations.add(other.id, stranger.id, 'member', BY, CLI);
    assert.deepEqual(await told(latchkey(), stranger, other), ['member']);
  });
});
