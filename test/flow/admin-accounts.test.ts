// Accounts in the admin portal: who may look at them, and how they are found.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/accounts';

async function open(latchkey: Latchkey, role: string | null, path = HOME) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const idsOf = (page: Page): readonly string[] =>
  page.html.querySelectorAll('[data-account]').map((row) => row.getAttribute('data-account') ?? '');

describeOnEachBackend('accounts in the admin portal', (latchkey) => {
  it('are not there for who administers nothing', async () => {
    const { account, browser, page } = await open(latchkey(), null);
    assert.equal(page.status, 404, page.describe());
    assert.equal((await browser.get(`${HOME}/${account.id}`)).status, 404);
  });

  it('are found by beginnings of names, addresses and usernames, and by their id', async () => {
    const tag = `z${randomUUID().slice(0, 8)}`;
    const { accounts } = latchkey().app;
    const ann = await accounts.create({ email: `ann.${tag}@sea-side.example.com`, name: 'Ann O’Hara-Lee' }, CLI);
    const bob = await accounts.create({ username: `bob_${tag}`, name: `Борис ${tag}` }, CLI);
    const { browser } = await open(latchkey(), 'viewer');
    const found = async (query: string) => idsOf(await browser.get(`${HOME}?${new URLSearchParams({ q: query })}`));
    assert.deepEqual(await found(tag.slice(0, 7)), [bob.id, ann.id], 'the newest first');
    assert.deepEqual(await found(`${tag} lee`), [ann.id]);
    assert.deepEqual(await found(`ANN.${tag}@Sea-side.example.com`), [ann.id]);
    assert.deepEqual(await found(`side ${tag} hara`), [ann.id]);
    assert.deepEqual(await found(`BOB_${tag}`), [bob.id]);
    assert.deepEqual(await found(`Борис ${tag}`), [bob.id]);
    assert.deepEqual(await found(ann.id), [ann.id]);
    assert.deepEqual(await found(`${tag} & !ann | :*`), [ann.id], 'what is typed is words and nothing else');
    for (const query of ['%', `' or ${tag}x --`, randomUUID(), '<{}>', '\\', '(((']) {
      assert.deepEqual(await found(query), [], query);
    }
  });

  it('are filtered by state and role', async () => {
    const { account, browser } = await open(latchkey(), 'support');
    const { accounts, sessionsAndGrants } = latchkey().app;
    const gone = await accounts.create({ username: `u${randomUUID().slice(0, 8)}` }, CLI);
    await sessionsAndGrants.disable(gone, CLI);
    const ids = async (query: string) => idsOf(await browser.get(`${HOME}?${query}`));
    assert.ok((await ids('status=disabled')).includes(gone.id));
    assert.ok(!(await ids('status=active')).includes(gone.id));
    assert.ok((await ids('role=support')).includes(account.id));
    assert.ok(!(await ids('role=support')).includes(gone.id));
    assert.deepEqual(await ids(`role=support&status=disabled&q=${gone.username}`), []);
    assert.ok((await ids('status=other&role=other')).includes(gone.id), 'what is no filter filters nothing');
  });

  it('come page by page, each once, also when the last one of a page is gone meanwhile', async () => {
    const tag = `p${randomUUID().slice(0, 8)}`;
    const { accounts, database } = latchkey().app;
    const made: string[] = [];
    for (let count = 0; count < 102; count += 1)
      made.push((await accounts.create({ username: `${tag}_${count}` }, CLI)).id);
    // Many of one moment, as an import makes them.
    await database.em().execute(`update account set created_at = now() where username like ?`, [`${tag}%`]);
    const { browser } = await open(latchkey(), 'viewer');
    const next = (page: Page): string =>
      page.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '';
    const first = await browser.get(`${HOME}?q=${tag}`);
    const [lastOfFirst = ''] = idsOf(first).slice(-1);
    await accounts.delete(lastOfFirst, CLI);
    const second = await browser.get(next(first));
    const third = await browser.get(next(second));
    const seen = [first, second, third].flatMap(idsOf);
    assert.deepEqual(
      [first, second, third].map((page) => idsOf(page).length),
      [50, 50, 2],
    );
    assert.deepEqual(seen.toSorted(), made.toSorted());
    assert.equal(third.html.querySelector('a[rel=next]'), null);
    assert.equal((await browser.get(`${HOME}?after=x`)).status, 200);
    assert.equal((await browser.get(`${HOME}?after=1.${randomUUID()}`)).status, 200);
  });

  it('are shown one by one, and what is no account is not found', async () => {
    const other = await latchkey().createAccount({ name: 'Ada <Lovelace>' });
    const { browser } = await open(latchkey(), 'viewer');
    const page = await browser.get(`${HOME}/${other.id}`);
    assert.equal(page.id, 'admin-account', page.describe());
    assert.ok(page.text.includes('Ada &lt;Lovelace'));
    for (const id of [randomUUID(), 'x', other.email ?? '', '%00', `${other.id}'`]) {
      assert.equal((await browser.get(`${HOME}/${encodeURIComponent(id)}`)).status, 404, id);
    }
  });
});
