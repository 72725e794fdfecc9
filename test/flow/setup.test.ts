// The first administrator: a link that works once, for whoever has it and nobody else, and a page that is gone for ever afterwards.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import * as oidc from 'openid-client';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest } from '../support/relying-party.ts';
import { type Backend, backends, type Latchkey, startLatchkey, type TestClient } from '../support/server.ts';

const PASSWORD = 'a first good password';

for (const { backend, missing } of backends) {
  describe(`the set-up, on ${backend}`, { skip: missing ?? false }, () => stories(backend));
}

function stories(backend: Backend): void {
  async function start(context: TestContext, env: Record<string, string> = {}): Promise<Latchkey> {
    const latchkey = await startLatchkey({ backend, env });
    context.after(() => latchkey.stop());
    return latchkey;
  }

  const administrators = async (latchkey: Latchkey) =>
    latchkey.app.database
      .em()
      .execute<{ email: string }[]>(
        "select a.email from account a join role_assignment r on r.account_id = a.id where r.role_id = 'super-admin'",
      );

  /** Without those that every deployment has. */
  const ownClients = async (latchkey: Latchkey) =>
    (await latchkey.app.clients.list()).filter((client) => client.source === 'database');

  async function openForm(latchkey: Latchkey, browser: Browser): Promise<Page> {
    const page = await browser.get(await latchkey.app.setupLink());
    assert.equal(page.id, 'setup', page.describe());
    assert.equal(page.status, 200);
    return page;
  }

  it('makes the first administrator, offers the first client, and that client signs the administrator in', async (context) => {
    const latchkey = await start(context);
    const browser = latchkey.browser();
    assert.match((await browser.get('/')).text, /setup/i);
    const link = await latchkey.app.setupLink();
    const form = await browser.get(link);
    const offer = await browser.submit(form, { email: 'Root@Example.com', name: 'Root', new_password: PASSWORD });
    assert.equal(offer.id, 'setup', offer.describe());
    assert.equal(offer.status, 200);
    assert.deepEqual(await administrators(latchkey), [{ email: 'Root@example.com' }]);

    for (const path of [new URL(link).pathname, '/setup', '/setup/anything']) {
      const gone = await browser.get(path);
      assert.equal(gone.status, 404, gone.describe());
      assert.equal(gone.error, 'setup-closed');
    }
    await assert.rejects(latchkey.app.setupLink(), { code: 'already-set-up' });

    const redirectUri = 'https://app.example.com/callback';
    const done = await browser.submit(offer, {
      name: 'My first app',
      redirect_uri: redirectUri,
      application_type: 'web',
    });
    assert.equal(done.status, 200, done.describe());
    const shown = done.html
      .querySelectorAll('code, pre, input[readonly]')
      .map((one) => one.getAttribute('value') ?? one.textContent);
    const clientId = (await ownClients(latchkey))[0]?.clientId ?? '';
    const clientSecret = shown.find((text) => /^[\w-]{43}$/.test(text.trim()))?.trim();
    assert.ok(
      shown.some((text) => text.trim() === clientId),
      'the client_id is shown',
    );
    assert.ok(clientSecret, 'the secret is shown, this once');
    const snippet = shown.find((text) => text.includes('openid-client')) ?? '';
    for (const value of [latchkey.issuer, clientId, clientSecret, redirectUri])
      assert.ok(snippet.includes(value), value);
    const again = await browser.get(done.url);
    assert.equal(again.status, 404, 'the offer is made once');
    assert.doesNotMatch(again.text, new RegExp(clientSecret));

    const registered = await latchkey.app.clients.get(clientId);
    const client: TestClient = { clientId, clientSecret, redirectUri, metadata: registered.metadata };
    const request = authorizationRequest(latchkey.issuer, client);
    const account = await latchkey.app.accounts.get('root@example.com');
    const person = latchkey.browser();
    const page = await answerPrompts(person, await person.get(request.url), { account, password: PASSWORD });
    const config = await oidc.discovery(
      new URL(latchkey.issuer),
      clientId,
      { id_token_signed_response_alg: 'ES256' },
      oidc.ClientSecretBasic(clientSecret),
      { execute: [oidc.allowInsecureRequests] },
    );
    assert.ok(page.location, page.describe());
    const tokens = await oidc.authorizationCodeGrant(config, page.location, {
      pkceCodeVerifier: request.verifier,
      expectedState: request.state,
    });
    assert.equal(tokens.claims()?.sub, account.subject);
  });

  it('has one winner when twenty people race for it, with one link or with twenty', async (context) => {
    for (const withOneLink of [true, false]) {
      const latchkey = await start(context);
      const link = await latchkey.app.setupLink();
      const racers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const browser = latchkey.browser();
          const page = await browser.get(withOneLink ? link : await latchkey.app.setupLink());
          return { browser, page, email: `racer${index}@example.com` };
        }),
      );
      const answers = await Promise.all(
        racers.map(({ browser, page, email }) => browser.submitOnce(page, { email, new_password: PASSWORD })),
      );
      const winners = answers.filter((answer) => answer.status === 303);
      assert.equal(winners.length, 1);
      for (const answer of answers) assert.ok([303, 404, 410].includes(answer.status), answer.describe());
      assert.equal((await administrators(latchkey)).length, 1);
      const rows = await latchkey.app.database.em().execute<{ n: number }[]>('select count(*)::int as n from account');
      assert.equal(rows[0]?.n, 1, 'nothing of the losers stays');
    }
  });

  it('takes no link that was made up, used, or made too long ago', async (context) => {
    const latchkey = await start(context);
    const browser = latchkey.browser();
    for (const path of ['/setup', `/setup/${'x'.repeat(43)}`, '/setup/%00', `/setup/${'y'.repeat(3000)}`]) {
      const page = await browser.get(path);
      assert.ok([200, 400, 410].includes(page.status), page.describe());
      assert.equal(page.html.querySelector('input[name=new_password]'), null);
    }
    const form = await openForm(latchkey, browser);
    await latchkey.app.database.em().execute("update one_time_value set expires_at = now() - interval '1 second'");
    const late = await browser.submit(form, { email: 'late@example.com', new_password: PASSWORD });
    assert.equal(late.status, 410, late.describe());
    assert.deepEqual(await administrators(latchkey), []);
  });

  it('gives the form back with what was typed when something is wrong, and the link still works', async (context) => {
    const latchkey = await start(context);
    const browser = latchkey.browser();
    const form = await openForm(latchkey, browser);
    const wrong = await browser.submit(form, {
      email: 'not an address',
      username: 'a b',
      name: '<b>Root</b>',
      new_password: 'short',
    });
    assert.equal(wrong.status, 422, wrong.describe());
    const value = (name: string) => wrong.element(`input[name=${name}]`).getAttribute('value') ?? '';
    assert.deepEqual([value('email'), value('username'), value('name')], ['not an address', 'a b', '<b>Root</b>']);
    assert.equal(value('new_password'), '');
    for (const name of ['email', 'username', 'new_password']) {
      assert.equal(wrong.element(`input[name=${name}]`).getAttribute('aria-invalid'), 'true', name);
    }
    const reserved = await browser.submit(wrong, {
      email: 'root@example.com',
      username: 'admin',
      new_password: PASSWORD,
    });
    assert.equal(reserved.status, 422, reserved.describe());
    const good = await browser.submit(reserved, {
      email: 'root@example.com',
      username: 'root_1',
      new_password: PASSWORD,
    });
    assert.equal(good.status, 200, good.describe());
    assert.equal((await administrators(latchkey)).length, 1);
  });

  it('changes nothing by being looked at, however often', async (context) => {
    const latchkey = await start(context);
    const link = await latchkey.app.setupLink();
    for (let count = 0; count < 5; count += 1) {
      await latchkey.browser().get(link);
      await latchkey.browser().request(link, { method: 'HEAD' });
    }
    const page = await latchkey.browser().get(link);
    assert.notEqual(page.html.querySelector('input[name=new_password]'), null);
  });

  it('offers the first client to the browser of the administrator alone, and again after a mistake', async (context) => {
    const latchkey = await start(context);
    const browser = latchkey.browser();
    const offer = await browser.submit(await openForm(latchkey, browser), {
      email: 'root@example.com',
      new_password: PASSWORD,
    });
    const stranger = await latchkey.browser().get(offer.url);
    assert.equal(stranger.status, 404, stranger.describe());
    const wrong = await browser.submit(offer, {
      name: 'My app',
      redirect_uri: 'http://app.example.com/*#x',
      application_type: 'web',
    });
    assert.equal(wrong.status, 422, wrong.describe());
    assert.deepEqual(await ownClients(latchkey), []);
    const done = await browser.submit(wrong, {
      name: 'My app',
      redirect_uri: 'https://app.example.com/callback',
      application_type: 'spa',
    });
    assert.equal(done.status, 200, done.describe());
    const [client] = await ownClients(latchkey);
    assert.equal(client?.metadata.token_endpoint_auth_method, 'none');
  });

  it('is not needed where the command line has made an administrator', async (context) => {
    const latchkey = await start(context);
    const link = await latchkey.app.setupLink();
    const account = await latchkey.createAccount();
    const cause = { actor: { kind: 'cli' } } as const;
    await latchkey.app.database.transaction((em) => latchkey.app.roles.assign(em, account.id, 'super-admin', cause));
    assert.equal((await latchkey.browser().get(link)).status, 404);
  });

  it('says when the address in the browser is not the issuer', async (context) => {
    const latchkey = await start(context);
    const good = await openForm(latchkey, latchkey.browser());
    assert.equal(good.html.querySelectorAll('.notice-problem').length, 0);
    const other = await latchkey.browser().get((await latchkey.app.setupLink()).replace('localhost', '127.0.0.1'), {
      host: new URL(latchkey.issuer).host.replace('localhost', '127.0.0.1'),
    });
    assert.match(other.text, /127\.0\.0\.1/);
    assert.equal(other.html.querySelectorAll('.notice-problem').length, 1);
  });
}
