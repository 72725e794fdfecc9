// The logo of an organization: whose it is, which files are taken, and that it is served as nothing but a picture.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { Organization } from '../../src/access/organizations.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
let count = 0;

function make(latchkey: Latchkey): Promise<Organization> {
  const slug = `logo-${(count += 1)}`;
  return latchkey.app.organizations.create({ slug, name: slug, domains: [], secondFactorRequired: false }, BY, CLI);
}

async function put(latchkey: Latchkey, organization: Organization, role: 'owner' | 'admin') {
  const account = await latchkey.createAccount();
  await latchkey.app.organizations.add(organization.id, account.id, role, BY, CLI);
  return account;
}

async function open(latchkey: Latchkey, { id }: Organization, account: AccountRow) {
  const browser = latchkey.browser();
  const page = await answerPrompts(browser, await browser.get(`/admin/organizations/${id}`), { account });
  assert.equal(page.id, 'admin-organization', page.describe());
  return { browser, page };
}

/** A PNG of one pixel, with a comment that draws nothing. */
function png(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length);
    head.write(type, 4, 'latin1');
    return Buffer.concat([head, data, Buffer.alloc(4)]);
  };
  const size = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    ...[chunk('IHDR', size), chunk('tEXt', Buffer.from('Comment\0where it was taken'))],
    ...[chunk('IDAT', deflateSync(Buffer.from([0, 0]))), chunk('IEND', Buffer.alloc(0))],
  ]);
}

function upload(browser: Browser, page: Page, { id }: Organization, file: Buffer): Promise<Page> {
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  const boundary = 'a-logo';
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n${csrf}\r\n--${boundary}\r\ncontent-disposition: form-data; name="logo"; filename="x.png"\r\ncontent-type: image/png\r\n\r\n`;
  const body = `${head}${file.toString('latin1')}\r\n--${boundary}--\r\n`;
  return browser.request(`/admin/organizations/${id}/logo`, {
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      ...{ origin: page.url.origin, 'sec-fetch-site': 'same-origin' },
    },
    body: Buffer.from(body, 'latin1'),
  });
}

describeOnEachBackend('the logo of an organization', (latchkey) => {
  it('is uploaded by an owner, shown to who belongs to it, and taken away', async () => {
    const organization = await make(latchkey());
    const owner = await put(latchkey(), organization, 'owner');
    const { browser, page } = await open(latchkey(), organization, owner);
    const saved = await upload(browser, page, organization, png());
    assert.equal(saved.location?.search, '?changed', saved.describe());
    const url = (await latchkey().app.organizations.get(organization.id)).logoUrl ?? '';
    const mine = await browser.get('/account/organizations');
    assert.equal(mine.element(`[data-organization="${organization.id}"] img`).getAttribute('src'), url);
    const served = await latchkey().browser().request(url);
    assert.equal(served.status, 200);
    assert.equal(served.headers['content-type'], 'image/png');
    assert.match(String(served.headers['content-security-policy']), /sandbox/);
    assert.ok(!served.text.includes('where it was taken'), 'nothing but the picture');
    const detail = await browser.get(`/admin/organizations/${organization.id}`);
    await browser.submit(detail, {}, { form: `form[action$="/logo/delete"]` });
    assert.equal((await latchkey().app.organizations.get(organization.id)).logoUrl, null);
    assert.equal((await latchkey().browser().request(url)).status, 404);
  });

  it('is an image of ours to look at and nothing else', async () => {
    const organization = await make(latchkey());
    const { browser, page } = await open(latchkey(), organization, await put(latchkey(), organization, 'owner'));
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
    for (const [file, problem] of [
      [svg, 'kind'],
      [Buffer.concat([png(), Buffer.from('<script>')]), 'broken'],
    ] as const) {
      const refused = await upload(browser, page, organization, file);
      const shown = await browser.get(refused.location ?? '');
      assert.equal(refused.location?.search, `?logo=${problem}`, refused.describe());
      assert.ok(shown.html.querySelector('#logo-problem'), shown.describe());
    }
    const large = await upload(browser, page, organization, Buffer.alloc(200_000));
    assert.equal(large.status, 413, large.describe());
    assert.equal((await latchkey().app.organizations.get(organization.id)).logoUrl, null);
  });

  it('is not for administrators, and not for those of another organization', async () => {
    const [mine, other] = [await make(latchkey()), await make(latchkey())];
    const asAdmin = await open(latchkey(), mine, await put(latchkey(), mine, 'admin'));
    assert.equal((await upload(asAdmin.browser, asAdmin.page, mine, png())).status, 403);
    const asOwner = await open(latchkey(), other, await put(latchkey(), other, 'owner'));
    assert.equal((await upload(asOwner.browser, asOwner.page, mine, png())).status, 404);
    assert.equal((await latchkey().app.organizations.get(mine.id)).logoUrl, null);
  });
});
