// Roles in the admin portal: who may see and change them, what rank and rights forbid, and that a change counts at once.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/roles';
const at = (id: string, rest = ''): string => `form[action="${HOME}/${id}${rest}"]`;
let count = 0;
const newId = (): string => `role-${(count += 1)}-${process.pid}`;

async function give(latchkey: Latchkey, accountId: string, role: string): Promise<void> {
  const { database, roles } = latchkey.app;
  await database.transaction(async (em) => roles.assign(em, accountId, role, CLI));
}

async function open(latchkey: Latchkey, role: string | null, path = HOME) {
  const account = await latchkey.createAccount();
  if (role !== null) await give(latchkey, account.id, role);
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

async function make(browser: Browser, fields: Record<string, string>): Promise<Page> {
  const page = await browser.get(`${HOME}/new`);
  return browser.submit(page, { name: 'Made here', rank: '0', ...fields }, { form: at('new') });
}

/** A form that the page does not offer. */
async function post(browser: Browser, page: Page, path: string, fields: Record<string, string>): Promise<Page> {
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  const all = { csrf, name: 'Made here', rank: '0', audience: '', api_permissions: '', ...fields };
  const answer = await browser.post(`${HOME}/${path}`, new URLSearchParams(all).toString());
  return answer.status === 303 ? browser.get(new URL(answer.location ?? '')) : answer;
}

/** A role of the database with exactly these rights. */
async function custom(latchkey: Latchkey, permissions: readonly string[], rank: number): Promise<string> {
  const id = newId();
  const { database, roles } = latchkey.app;
  const role = { id, name: id, rank, inherits: [], permissions, audience: null };
  await database.transaction(async (em) => roles.save(em, role, CLI));
  return id;
}

describeOnEachBackend('roles in the admin portal', (latchkey) => {
  it('are not there for who administers nothing, and closed to who may not see them', async () => {
    const { browser, page } = await open(latchkey(), null);
    assert.equal(page.status, 404, page.describe());
    assert.equal((await browser.get(`${HOME}/viewer`)).status, 404);
    const operator = await open(latchkey(), 'operator');
    assert.equal(operator.page.status, 403, operator.page.describe());
  });

  it('are only looked at by who may only look', async () => {
    const { browser, page } = await open(latchkey(), 'admin');
    assert.equal(page.id, 'admin-roles', page.describe());
    assert.ok(page.html.querySelector('[data-role=super-admin]'));
    assert.equal((await browser.get(`${HOME}/new`)).status, 403);
    const id = await custom(latchkey(), [], 0);
    const one = await browser.get(`${HOME}/${id}`);
    assert.equal(one.html.querySelector('#submit'), null);
    const posted = await post(browser, one, id, {});
    assert.equal(posted.status, 403, posted.describe());
    assert.equal((await browser.get(`${HOME}/none-such`)).status, 404);
  });

  it('are made, changed and deleted, and count at once', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const id = newId();
    const made = await make(browser, { id, rank: '1', 'may_clients:read': 'on' });
    assert.equal(made.id, 'admin-role', made.describe());
    const holder = await open(latchkey(), id, '/admin/clients');
    assert.equal(holder.page.id, 'admin-clients', holder.page.describe());
    const held = await browser.get(HOME);
    assert.equal(held.element(`[data-role=${id}] [data-holders]`).getAttribute('data-holders'), '1');
    const page = await browser.get(`${HOME}/${id}`);
    const changed = await post(browser, page, id, { rank: '1', 'may_audit:read': 'on' });
    assert.equal(changed.id, 'admin-role', changed.describe());
    assert.equal((await holder.browser.get('/admin/clients')).status, 403);
    const history = changed.element('main a[href^="/admin/audit?target="]').getAttribute('href') ?? '';
    assert.ok((await browser.get(history)).html.querySelectorAll('[data-event]').length >= 2, 'made and changed');
    const question = await browser.get(`${HOME}/${id}/delete`);
    const refused = await browser.submit(question, {}, { form: at(id, '/delete') });
    assert.ok(refused.html.querySelector('#problems'), refused.describe());
    const { database, roles } = latchkey().app;
    await database.transaction(async (em) => roles.revoke(em, holder.account.id, id, CLI));
    const after = await browser.submit(question, {}, { form: at(id, '/delete') });
    assert.equal(after.id, 'admin-roles', after.describe());
    assert.equal((await browser.get(`${HOME}/${id}`)).status, 404);
  });

  it('of an API have permissions of its own', async () => {
    const { browser, account } = await open(latchkey(), 'super-admin');
    const id = newId();
    const audience = 'https://api.example.com/';
    const made = await make(browser, { id, audience, api_permissions: 'photos:read\nphotos:write' });
    assert.equal(made.id, 'admin-role', made.describe());
    await give(latchkey(), account.id, id);
    const claims = await latchkey().app.roles.claimsFor(account.id, [audience]);
    assert.deepEqual(claims, { roles: [id], permissions: ['photos:read', 'photos:write'] });
  });

  it('of Latchkey and of the settings are read-only', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const page = await browser.get(`${HOME}/viewer`);
    assert.equal(page.html.querySelector('#submit'), null);
    const refused = await post(browser, page, 'viewer', {});
    assert.equal(refused.status, 409, refused.describe());
    const gone = new URLSearchParams({ csrf: page.element('[name=csrf]').getAttribute('value') ?? '' });
    assert.equal((await browser.post(`${HOME}/viewer/delete`, gone.toString())).status, 409);
  });

  it('never rise above the rank or the rights of who makes them', async () => {
    const writer = await custom(latchkey(), ['roles:read', 'roles:write', 'admins:write'], 5);
    const { browser } = await open(latchkey(), writer);
    const unheld = await make(browser, { id: newId(), rank: '5', 'may_settings:write': 'on' });
    assert.equal(unheld.status, 403, unheld.describe());
    const inherited = await make(browser, { id: newId(), rank: '5', 'inherits_super-admin': 'on' });
    assert.equal(inherited.status, 403, inherited.describe());
    const other = await custom(latchkey(), ['audit:export'], 5);
    const page = await browser.get(`${HOME}/${other}`);
    assert.equal(page.html.querySelector('#submit'), null);
    const changed = await post(browser, page, other, { rank: '5' });
    assert.equal(changed.status, 403, changed.describe());
    const fine = await make(browser, { id: newId(), rank: '5', 'may_roles:read': 'on' });
    assert.equal(fine.status, 200, fine.describe());
  });

  it('say what is wrong', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const problem = async (field: string, fields: Record<string, string>): Promise<void> => {
      const page = await make(browser, fields);
      assert.ok(page.html.querySelector(`#${field}-problem`), page.describe());
    };
    await problem('id', { id: 'Not good' });
    await problem('id', { id: 'viewer' });
    await problem('id', { id: 'new' });
    await problem('name', { id: newId(), name: ' ' });
    await problem('rank', { id: newId(), rank: '1', 'may_settings:write': 'on' });
    assert.equal(
      (await post(browser, await browser.get(`${HOME}/new`), 'new', { id: newId(), may_everything: 'on' })).status,
      400,
    );
    assert.equal((await make(browser, { id: newId(), csrf: 'x' })).status, 403);
  });

  it('are not left with anybody when they are given and deleted at once', async () => {
    const { database, roles } = latchkey().app;
    for (let round = 0; round < 5; round += 1) {
      const id = await custom(latchkey(), [], 0);
      const account = await latchkey().createAccount();
      await Promise.allSettled([
        give(latchkey(), account.id, id),
        database.transaction(async (em) => roles.remove(em, id, CLI)),
      ]);
      const isThere = (await roles.definitions()).has(id);
      assert.equal((await roles.list(account.id)).includes(id), isThere);
    }
  });
});
