// The audit in the admin portal: who may look at it and take it away, how events are found, and that nothing changes them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { AuditRecord } from '../../src/audit/audit.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/audit';
const EXPORT = `form[action="${HOME}/export"]`;

async function open(latchkey: Latchkey, role: string | null, path = HOME) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

async function record(latchkey: Latchkey, ...events: readonly Partial<AuditRecord>[]): Promise<void> {
  for (const event of events)
    await latchkey.app.audit.record({ actor: { kind: 'system' }, action: 'key.rotate', ...event });
}

const reasonsOf = (page: Page): readonly string[] =>
  page.html.querySelectorAll('[data-event]').map((row) => row.querySelector('.facts dd')?.text ?? '');

async function search(browser: Browser, filter: Record<string, string>): Promise<Page> {
  return browser.get(`${HOME}?${new URLSearchParams(filter)}`);
}

describeOnEachBackend('the audit in the admin portal', (latchkey) => {
  it('is not there for who administers nothing', async () => {
    const { browser, page } = await open(latchkey(), null);
    assert.equal(page.status, 404, page.describe());
    assert.equal((await browser.post(`${HOME}/export`, 'format=csv')).status, 403, 'no token');
  });

  it('is looked at by a viewer, who cannot take it away', async () => {
    const { browser, page } = await open(latchkey(), 'viewer');
    assert.equal(page.id, 'admin-audit', page.describe());
    assert.equal(page.html.querySelector(EXPORT), null);
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    const body = { csrf, who: '', action: '', target: '', result: '', network: '', client: '', from: '', to: '' };
    const posted = await browser.post(`${HOME}/export`, new URLSearchParams({ ...body, format: 'csv' }).toString());
    assert.equal(posted.status, 403, posted.describe());
  });

  it('is filtered by who, what, whom, result, address, app and time, and leads to them', async () => {
    const { account, browser } = await open(latchkey(), 'viewer');
    const tag = `t${randomUUID().slice(0, 8)}`;
    const other = await latchkey().createAccount();
    const { clientId } = await latchkey().createClient();
    const me = { kind: 'account', id: account.id } as const;
    const origin = {
      network: '2001:db8:7:1::/64',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    };
    await record(
      latchkey(),
      { actor: me, action: `${tag}.one`, target: { kind: 'account', id: other.id }, reason: 'a', origin },
      { actor: me, action: `${tag}.two`, target: { kind: 'client', id: clientId }, reason: 'b', result: 'failure' },
      { actor: { kind: 'client', id: clientId }, action: `${tag}.two`, reason: 'c', clientId },
      { actor: { kind: 'cli' }, action: `${tag}.two`, reason: 'd' },
    );
    const found = async (filter: Record<string, string>) =>
      reasonsOf(await search(browser, { action: `${tag}.`, ...filter }));
    assert.deepEqual(await found({}), ['d', 'c', 'b', 'a']);
    assert.deepEqual(await found({ action: `${tag}.two` }), ['d', 'c', 'b']);
    for (const who of [account.id, account.email ?? '']) assert.deepEqual(await found({ who }), ['b', 'a'], who);
    assert.deepEqual(await found({ who: clientId }), ['c']);
    assert.deepEqual(await found({ who: 'cli' }), ['d']);
    assert.deepEqual(await found({ target: other.email ?? '' }), ['a']);
    assert.deepEqual(await found({ target: clientId }), ['b']);
    assert.deepEqual(await found({ result: 'failure' }), ['b']);
    assert.deepEqual(await found({ network: '2001:db8:7:1::9' }), ['a']);
    assert.deepEqual(await found({ client: clientId }), ['c']);
    assert.deepEqual(await found({ from: '2020-01-01T00:00', to: '2100-01-01T00:00' }), ['d', 'c', 'b', 'a']);
    assert.deepEqual(await found({ from: '2100-01-01T00:00' }), []);
    assert.deepEqual(await found({ to: '2020-01-01T00:00' }), []);
    const page = await search(browser, { action: `${tag}.one` });
    const links = page.html.querySelectorAll('[data-event] a').map((link) => link.getAttribute('href'));
    assert.deepEqual(links, [`/admin/accounts/${account.id}`, `/admin/accounts/${other.id}`]);
    assert.match(page.element('[data-event] .facts').text, /Firefox · Linux/);
  });

  it('says what it does not understand', async () => {
    const { browser } = await open(latchkey(), 'viewer');
    for (const [name, value] of [
      ['who', 'nobody-at-all@example.com'],
      ['target', 'nobody-at-all@example.com'],
      ['network', 'x'],
      ['from', 'yesterday'],
      ['to', '2026-02-30x'],
    ] as const) {
      const page = await search(browser, { [name]: value });
      assert.ok(page.html.querySelector(`#${name}-problem`), name);
      assert.deepEqual(reasonsOf(page), [], name);
    }
    for (const before of ['x', '1 or 1=1', '-1', '9'.repeat(19), "'"]) {
      assert.equal((await search(browser, { before })).status, 400, before);
    }
  });

  it('is turned page by page, without missing or repeating an event while new ones arrive', async () => {
    const { browser } = await open(latchkey(), 'viewer');
    const client = `paged-${randomUUID()}`;
    const events = Array.from({ length: 51 }, (_, index) => ({ clientId: client, reason: `n${index}` }));
    await record(latchkey(), ...events);
    const first = await search(browser, { client });
    await record(latchkey(), { clientId: client, reason: 'late' });
    const next = first.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '';
    const second = await browser.get(next);
    assert.deepEqual([...reasonsOf(first), ...reasonsOf(second)], events.map(({ reason }) => reason).toReversed());
    assert.equal(second.html.querySelector('a[rel=next]'), null);
  });

  it('is taken away as CSV and as JSON lines, without formulas, and that is written down', async () => {
    const { account, browser } = await open(latchkey(), 'super-admin');
    const client = `=cmd|'/c calc'!A0${randomUUID()}`;
    await record(
      latchkey(),
      ...Array.from({ length: 1001 }, (_, index) => ({ clientId: client, reason: `n${index}` })),
    );
    const shown = await search(browser, { client });
    const csv = await browser.submit(shown, { format: 'csv' }, { form: EXPORT });
    assert.equal(csv.status, 200, csv.describe());
    assert.match(csv.headers['content-type'] ?? '', /^text\/csv/);
    assert.match(csv.headers['content-disposition'] ?? '', /^attachment; filename="audit-[\d-]+\.csv"$/);
    const lines = csv.text.split('\r\n');
    assert.equal(lines.length, 1003);
    assert.match(lines[1] ?? '', /"'=cmd\|/);
    assert.doesNotMatch(csv.text, /(?:^|,|")=/m);
    const jsonl = await browser.submit(shown, { format: 'jsonl' }, { form: EXPORT });
    const rows = jsonl.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    assert.deepEqual([rows.length, rows[0]?.['reason'], rows.at(-1)?.['clientId']], [1001, 'n1000', client]);
    const { entries } = await latchkey().app.history.list({ actorId: account.id, action: 'audit.export' }, 10);
    assert.deepEqual(
      entries.map(({ reason }) => reason),
      ['jsonl', 'csv'],
    );
    const strange = await browser.submit(shown, { format: 'xml' }, { form: EXPORT });
    assert.equal(strange.status, 400);
    const foreign = await browser.submit(shown, { csrf: 'x' }, { form: EXPORT });
    assert.equal(foreign.status, 403);
  });
});
