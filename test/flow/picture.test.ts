// The picture of a profile: uploaded without scripts, told to apps, served harmlessly, taken away.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, redeem, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend } from '../support/server.ts';

/** One pixel. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

async function upload(
  browser: Browser,
  page: Page,
  file: Buffer | string,
  change: Record<string, string> = {},
  site = 'same-origin',
): Promise<Page> {
  const form = new FormData();
  const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
  for (const [name, value] of Object.entries({ csrf, ...change })) form.set(name, value);
  const bytes = typeof file === 'string' ? new TextEncoder().encode(file) : new Uint8Array(file);
  form.set('picture', new File([bytes], '../../x.svg', { type: 'image/svg+xml' }));
  const encoded = new Response(form);
  return browser.request('/account/profile/picture', {
    method: 'POST',
    headers: { 'content-type': encoded.headers.get('content-type') ?? '', 'sec-fetch-site': site },
    body: Buffer.from(await encoded.arrayBuffer()),
  });
}

describeOnEachBackend('the picture of a profile', (latchkey) => {
  it('is uploaded, told to apps, served as nothing but a picture, and taken away', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const client = await latchkey().createClient();
    const params = { scope: 'openid profile' };
    const { body } = await redeem(latchkey(), client, await signIn(latchkey(), browser, client, { account, params }));
    const claim = async () => (await userinfo(latchkey(), body['access_token'])).body['picture'];
    const page = await answerPrompts(browser, await browser.get('/account/profile'), { account });
    assert.equal(page.id, 'account-profile', page.describe());
    for (const [file, change, site, status] of [
      ['<svg onload="alert(1)"/>', {}, 'same-origin', 422],
      [PNG, {}, 'cross-site', 403],
      [PNG, { csrf: 'x' }, 'same-origin', 403],
      [PNG, { account: 'other' }, 'same-origin', 400],
      ['x'.repeat(600_000), {}, 'same-origin', 413],
    ] as const) {
      assert.equal((await upload(browser, page, file, change, site)).status, status);
    }
    assert.equal(await claim(), undefined);
    assert.equal((await upload(browser, page, PNG)).status, 303);
    const url = String(await claim());
    assert.ok(url.startsWith(`${latchkey().issuer}/pictures/`), url);
    const served = await latchkey().browser().get(url);
    assert.equal(served.status, 200);
    assert.equal(served.headers['content-type'], 'image/png');
    assert.equal(served.headers['x-content-type-options'], 'nosniff');
    assert.equal(served.headers['content-security-policy'], "default-src 'none'; sandbox");
    const shown = await browser.get('/account/profile');
    const gone = await browser.submit(shown, {}, { form: 'form[action="/account/profile/picture/remove"]' });
    assert.equal(gone.id, 'account-profile', gone.describe());
    assert.equal(await claim(), undefined);
    for (const path of [url, '/pictures/x', `/pictures/${'x'.repeat(200)}`, "/pictures/'%20or%201=1"]) {
      assert.equal((await latchkey().browser().get(path)).status, 404, path);
    }
  });
});
