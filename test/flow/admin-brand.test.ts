// Name, colour and logo in the admin portal: who may choose them, where they are seen, and what is refused.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/settings/brand';
const FORM = `form[action="${HOME}"]`;

function chunk(kind: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from(kind, 'latin1'), data, Buffer.alloc(4)]);
}
const PNG = Buffer.concat([
  Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
  chunk('IHDR', Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0])),
  chunk('IDAT', deflateSync(Buffer.alloc(6))),
  chunk('IEND', Buffer.alloc(0)),
]);

async function open(latchkey: Latchkey, role: string | null) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(HOME), { account }) };
}

async function upload(browser: Browser, csrf: string, content: Buffer | string): Promise<Page> {
  const form = new FormData();
  form.set('csrf', csrf);
  form.set('logo', new Blob([new Uint8Array(Buffer.from(content))]), 'logo.png');
  const request = new Request('http://localhost/', { method: 'POST', body: form });
  const body = Buffer.from(await request.arrayBuffer());
  return browser.request(`${HOME}/logo`, {
    method: 'POST',
    headers: { 'content-type': request.headers.get('content-type') ?? '', 'sec-fetch-site': 'same-origin' },
    body,
  });
}

describeOnEachBackend('the looks of the product', (latchkey) => {
  it('are seen by who may see settings and chosen by who may write them', async () => {
    assert.equal((await open(latchkey(), null)).page.status, 404);
    assert.equal((await open(latchkey(), 'operator')).page.status, 403);
    const { browser, page } = await open(latchkey(), 'admin');
    assert.equal(page.id, 'admin-settings', page.describe());
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    assert.equal((await browser.post(HOME, new URLSearchParams({ csrf, decision: 'save' }).toString())).status, 403);
    assert.equal((await upload(browser, csrf, PNG)).status, 403);
  });

  it('are tried before they are saved, corrected where they cannot be read, and then on every page', async () => {
    const { account, browser, page } = await open(latchkey(), 'super-admin');
    const chosen = { name: 'Keys <& Co>', accent: '#FFFF00' };
    const tried = await browser.submit(page, chosen, { form: FORM, button: ['decision', 'preview'] });
    assert.equal(tried.status, 200, tried.describe());
    assert.ok(tried.html.querySelector('link[href="/assets/accent-preview.1-ffff00.css"]'));
    assert.ok(tried.text.includes('Keys &lt;&amp; Co&gt;'));
    const panes = tried.html.querySelectorAll('.brand-preview');
    const kinds = panes.map((pane) => `${pane.getAttribute('class')} ${pane.getAttribute('dir') ?? ''}`.trim());
    assert.deepEqual(kinds, [
      ...['brand-preview scheme-light ltr', 'brand-preview scheme-dark ltr', 'brand-preview scheme-light rtl'],
      'brand-preview brand-preview-mail scheme-light',
    ]);
    for (const pane of panes) assert.ok(pane.innerHTML.includes('Keys &lt;&amp; Co&gt;'), pane.innerHTML);
    assert.match(tried.element('[data-pane=mail]').text, /Here is the code to sign in to/);
    assert.ok(!(await latchkey().browser().get('/')).text.includes('Keys &lt;'), 'nothing is saved');
    const saved = await browser.submit(tried, chosen, { form: FORM, button: ['decision', 'save'] });
    assert.equal(saved.url.search, '?saved', saved.describe());
    const start = await latchkey().browser().get('/');
    assert.match(start.element('title').text, /Keys <?&?/);
    const sheet = start.element('link[href^="/assets/accent."]').getAttribute('href') ?? '';
    const style = await browser.get(sheet);
    assert.match(style.headers['content-type'] ?? '', /^text\/css/);
    assert.match(style.text, /^:root\{--accent:light-dark\(#[\da-f]{6},#ffff00\)/);
    const { entries } = await latchkey().app.history.list({ actorId: account.id, action: 'settings.brand' }, 9);
    assert.equal(entries.length, 1);
    const back = await browser.submit(saved, { name: '', accent: '' }, { form: FORM, button: ['decision', 'save'] });
    assert.equal(back.html.querySelector('link[href^="/assets/accent"]'), null);
    assert.match(back.element('title').text, /Latchkey/);
  });

  it('are refused where they are none', async () => {
    const { browser, page } = await open(latchkey(), 'super-admin');
    for (const [field, value] of [
      ['accent', 'green'],
      ['accent', '#fff;}*{display:none'],
      ['name', 'x'.repeat(61)],
      ['name', 'a\u202eb'],
    ] as const) {
      const refused = await browser.submit(page, { [field]: value }, { form: FORM, button: ['decision', 'save'] });
      assert.equal(refused.status, 422, value);
      assert.ok(refused.html.querySelector(`#${field}-problem`), value);
    }
    const foreign = await browser.submit(page, { csrf: 'x' }, { form: FORM, button: ['decision', 'save'] });
    assert.equal(foreign.status, 403);
    for (const path of [
      '/assets/accent.1-zzzzzz.css',
      '/assets/logo.abcdefghijklmnop.png',
      '/assets/accent.2-ffff00.css',
    ]) {
      assert.equal((await browser.get(path)).status, 404, path);
    }
  });

  it('have a logo that is an image and nothing else, served by us as what it is', async () => {
    const { browser, page } = await open(latchkey(), 'super-admin');
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    for (const other of ['<svg xmlns="http://www.w3.org/2000/svg"/>', '', `${PNG.toString('latin1')}<script>`]) {
      const refused = await upload(browser, csrf, other);
      assert.equal(refused.status, 422, other.slice(0, 20));
      assert.ok(refused.html.querySelector('#logo-problem'));
    }
    assert.equal((await upload(browser, csrf, Buffer.alloc(200_000))).status, 413);
    assert.equal((await upload(browser, 'x', PNG)).status, 403);
    assert.equal((await browser.post(`${HOME}/logo`, `csrf=${csrf}`)).status, 400);
    assert.equal((await upload(browser, csrf, PNG)).status, 303);
    const start = await latchkey().browser().get('/');
    const url = start.element('header img').getAttribute('src') ?? '';
    const logo = await browser.get(url);
    assert.equal(logo.headers['content-type'], 'image/png');
    assert.match(logo.headers['content-security-policy'] ?? '', /sandbox/);
    assert.match(logo.headers['cache-control'] ?? '', /immutable/);
    const after = await browser.get(HOME);
    await browser.submit(after, {}, { form: `form[action="${HOME}/logo/delete"]` });
    assert.equal((await latchkey().browser().get('/')).html.querySelector('header img'), null);
    assert.equal((await browser.get(url)).status, 404);
  });

  it('are what the settings say where they say it', async () => {
    await latchkey().restart({ LATCHKEY_PRODUCT_NAME: 'Fixed', LATCHKEY_ACCENT_COLOR: '#0B6857' });
    const { browser, page } = await open(latchkey(), 'super-admin');
    for (const field of ['name', 'accent']) assert.ok(page.element(`#${field}`).hasAttribute('disabled'), field);
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    const fields = { csrf, name: 'Other', accent: '#ff0000', decision: 'save' };
    await browser.post(HOME, new URLSearchParams(fields).toString());
    const start = await latchkey().browser().get('/');
    assert.match(start.element('title').text, /Fixed/);
    assert.ok(start.html.querySelector('link[href="/assets/accent.1-0b6857.css"]'));
    await latchkey().restart({});
  });
});
