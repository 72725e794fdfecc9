// Clients in the admin portal: who may see and change them, what is refused, and what ends with one that is deleted.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/clients';
const CREATE = `form[method=post][action="${HOME}"]`;

async function open(latchkey: Latchkey, role: string | null, path = HOME) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const create = (browser: Browser, page: Page, fields: Record<string, string>): Promise<Page> =>
  browser.submit(
    page,
    { template: 'web', name: 'Made here', address: 'https://made.example.com/callback', ...fields },
    { form: CREATE },
  );
const idOf = (page: Page): string => page.element('#client-id').text;
const at = (id: string, rest = ''): string => `form[action="${HOME}/${id}${rest}"]`;

describeOnEachBackend('clients in the admin portal', (latchkey) => {
  it('are not there for who administers nothing', async () => {
    const { browser, page } = await open(latchkey(), null);
    assert.equal(page.status, 404, page.describe());
    assert.equal((await browser.get(`${HOME}/latchkey-portal`)).status, 404);
  });

  it('are only looked at by who may only look', async () => {
    const { clientId } = await latchkey().createClient();
    const { browser, page } = await open(latchkey(), 'viewer');
    assert.equal(page.id, 'admin-clients', page.describe());
    assert.equal(page.html.querySelector(CREATE), null);
    const one = await browser.get(`${HOME}/${clientId}`);
    assert.equal(one.id, 'admin-client');
    assert.equal(one.html.querySelector(at(clientId, '/secret')), null);
    assert.equal((await browser.get(`${HOME}/${clientId}/delete`)).status, 403);
    const posted = await browser.submit(one, {}, { form: at(clientId) });
    assert.equal(posted.status, 403, posted.describe());
  });

  it('are made from a template, with a secret that is shown once, and changed', async () => {
    const { browser, page } = await open(latchkey(), 'operator');
    const made = await create(browser, page, { template: 'grafana', address: 'https://grafana.example.com/' });
    assert.equal(made.id, 'admin-client', made.describe());
    const id = idOf(made);
    const secret = made.element('#client-secret').text;
    assert.ok(made.element('#snippet').text.includes(secret));
    const again = await browser.get(`${HOME}/${id}`);
    assert.ok(!again.html.toString().includes(secret));
    const logout = {
      post_logout_uris: 'https://grafana.example.com/',
      backchannel_logout_uri: 'https://grafana.example.com/out',
    };
    const change = {
      ...logout,
      required_acr: 'urn:latchkey:aal2',
      access_token_ttl: '90',
      session_ttl: '7200',
      first_party: 'on',
    };
    const changed = await browser.submit(again, change, { form: at(id) });
    assert.equal(changed.status, 200, changed.describe());
    const { metadata } = await latchkey().app.clients.get(id);
    assert.deepEqual(metadata.redirect_uris, ['https://grafana.example.com/login/generic_oauth']);
    assert.deepEqual(metadata.post_logout_redirect_uris, ['https://grafana.example.com/']);
    assert.equal(metadata.backchannel_logout_uri, 'https://grafana.example.com/out');
    assert.equal(metadata.latchkey_required_acr, 'urn:latchkey:aal2');
    assert.equal(metadata.latchkey_access_token_ttl, 90);
    assert.equal(metadata.latchkey_session_ttl, 7200);
    assert.equal(metadata.latchkey_id_token_ttl, undefined);
    for (const [name, value] of [
      ['id_token_ttl', '29'],
      ['refresh_token_ttl', '59'],
      ['session_ttl', '1e3'],
      ['access_token_ttl', '86401'],
    ] as const) {
      const refused = await browser.submit(changed, { [name]: value }, { form: at(id) });
      assert.ok(refused.html.querySelector(`#${name}-problem`), refused.describe());
    }
    assert.deepEqual((await latchkey().app.clients.get(id)).metadata, metadata);
    assert.equal(metadata.latchkey_first_party, true);
    const history = changed.element('main a[href^="/admin/audit?target="]').getAttribute('href') ?? '';
    const events = (await browser.get(history)).html.querySelectorAll('[data-event]');
    assert.ok(events.length >= 2, 'made and changed');
    assert.ok(changed.html.querySelector(`main a[href="/admin/audit?client=${id}"]`));
    const rotated = await browser.submit(changed, { overlap: '86400' }, { form: at(id, '/secret') });
    assert.notEqual(rotated.element('#client-secret').text, secret);
    assert.equal((await latchkey().app.clients.get(id)).secretHashes.length, 2);
    assert.equal((await browser.get(`${HOME}/${id}/delete`)).status, 403, 'an operator deletes none');
  });

  for (const template of ['web', 'spa', 'native', 'machine', 'grafana', 'nextcloud', 'gitea', 'immich']) {
    it(`takes the template ${template} as it is`, async () => {
      const { browser, page } = await open(latchkey(), 'operator');
      const address = template === 'machine' ? '' : 'https://any.example.com/callback';
      const made = await create(browser, page, { template, address });
      assert.equal(made.id, 'admin-client', made.describe());
    });
  }

  it('are tried by a request as the app would send it, which adds nothing to the app', async () => {
    const client = await latchkey().createClient();
    const { account, browser } = await open(latchkey(), 'viewer');
    const page = await browser.get(`${HOME}/${client.clientId}`);
    const url = new URL(page.element('#try-url').text.replaceAll('&amp;', '&'));
    assert.equal(url.searchParams.get('redirect_uri'), client.redirectUri);
    const end = await answerPrompts(browser, await browser.get(url), { account });
    assert.ok(end.params['code'], end.describe());
    const redeemed = await redeem(latchkey(), client, { code: end.params['code'] ?? '', verifier: 'x'.repeat(43) });
    assert.equal(redeemed.status, 400, 'nobody has its verifier');
    assert.deepEqual((await latchkey().app.clients.get(client.clientId)).metadata, client.metadata);
    const machine = await latchkey().createClient({
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
    });
    const other = await browser.get(`${HOME}/${machine.clientId}`);
    assert.equal(other.html.querySelector('#try-url'), null);
    assert.ok(other.element('#snippet').text.includes('grant_type=client_credentials'));
  });

  it('say what is wrong with an address', async () => {
    const { browser, page } = await open(latchkey(), 'operator');
    for (const address of [
      '',
      'app',
      'http://app.example.com/',
      'https://*.example.com/',
      'https://a.example.com/#x',
    ]) {
      const refused = await create(browser, page, { address });
      assert.equal(refused.id, 'admin-clients', address);
      assert.ok(refused.html.querySelector('#address-problem'), address);
    }
    const strange = await create(browser, page, { template: 'other' });
    assert.equal(strange.status, 400);
  });

  it('are changed by no form from elsewhere', async () => {
    const { browser, page } = await open(latchkey(), 'super-admin');
    const refused = await create(browser, page, { csrf: 'x' });
    assert.equal(refused.status, 403, refused.describe());
  });

  it('of the settings are read-only', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const page = await browser.get(`${HOME}/latchkey-portal`);
    assert.equal(page.html.querySelector('#submit'), null);
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    const fields = { csrf, name: 'x', redirect_uris: 'https://evil.example/', required_acr: '' };
    const body = new URLSearchParams({
      ...fields,
      upstreams: '',
      role_audience: '',
      access_token_ttl: '',
      ...{ id_token_ttl: '', refresh_token_ttl: '', session_ttl: '' },
      post_logout_uris: '',
      backchannel_logout_uri: '',
    });
    const refused = await browser.post(`${HOME}/latchkey-portal`, body.toString());
    assert.equal(refused.status, 409, refused.describe());
  });

  it('take everything along that they held, for ever', async () => {
    const client = await latchkey().createClient();
    const { account, browser } = await open(latchkey(), 'admin');
    const params = { scope: 'openid offline_access', prompt: 'consent' };
    const { body } = await redeem(
      latchkey(),
      client,
      await signIn(latchkey(), latchkey().browser(), client, { account, params }),
    );
    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 200);
    const page = await browser.get(`${HOME}/${client.clientId}/delete`);
    const after = await browser.submit(page, {}, { form: at(client.clientId, '/delete') });
    assert.equal(after.id, 'admin-clients', after.describe());
    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 401);
    assert.ok((await refresh(latchkey(), client, body['refresh_token'])).status >= 400);
    await assert.rejects(
      latchkey().app.clients.create({ client_id: client.clientId, redirect_uris: [client.redirectUri] }, CLI),
      { code: 'client-id-taken' },
    );
  });

  it('are found by a part of their name, page by page', async () => {
    for (let count = 0; count < 51; count += 1) await latchkey().createClient({ client_name: `Paged_${count}` });
    const { browser } = await open(latchkey(), 'viewer');
    const first = await browser.get(`${HOME}?q=paged_`);
    assert.equal(first.html.querySelectorAll('[data-client]').length, 50);
    const second = await browser.get(first.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '');
    assert.equal(second.html.querySelectorAll('[data-client]').length, 1);
    assert.equal((await browser.get(`${HOME}?q=%25`)).html.querySelectorAll('[data-client]').length, 0);
  });
});
