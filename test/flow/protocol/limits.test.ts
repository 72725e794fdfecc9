// What apps may get wrong, and begin, before they have to wait: 429 in the words of OAuth, with the time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { type TokenAnswer, tokenRequest } from '../../support/relying-party.ts';
import {
  backends,
  describeOnEachBackend,
  type Latchkey,
  startLatchkey,
  type TestClient,
} from '../../support/server.ts';

const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const GRANT = { grant_type: 'client_credentials' };

function ask(latchkey: Pick<Latchkey, 'issuer'>, client: TestClient, from = '192.0.2.1'): Promise<TokenAnswer> {
  return tokenRequest(latchkey, '/token', client, GRANT, { 'x-forwarded-for': from });
}

function assertRefused(answer: TokenAnswer, most: number): void {
  assert.equal(answer.status, 429, JSON.stringify(answer.body));
  assert.equal(answer.body['error'], 'too_many_requests');
  const wait = Number(answer.headers['retry-after']);
  assert.ok(wait >= 1 && wait <= most, String(wait));
}

describeOnEachBackend(
  'the secret of a client',
  (latchkey) => {
    const wrong = (client: TestClient): TestClient => ({ ...client, clientSecret: `${client.clientSecret}x` });

    it('can be guessed at so often from one network, then even the right one waits; other networks and clients work on', async () => {
      const client = await latchkey().createClient(MACHINE);
      const other = await latchkey().createClient(MACHINE);
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(latchkey(), wrong(client))));
      assert.ok(answers.every(({ status }) => status === 401 || status === 429));
      assertRefused(await ask(latchkey(), client), 900);
      assertRefused(await ask(latchkey(), wrong(client)), 900);
      assert.equal((await ask(latchkey(), client, '192.0.2.2')).status, 200);
      assert.equal((await ask(latchkey(), other)).status, 200);
      // Refused at once, from memory; the rows follow a moment later.
      await eventually(async () => {
        const { rows } = await latchkey().app.database.sql.query<{ failures: number }>(
          {
            name: 'test_client_guesses',
            text: `select failures from guess_counter where key = 'client-secret:' || $1 || ':192.0.2.1'`,
          },
          [client.clientId],
        );
        assert.equal(rows[0]?.failures, 5);
      });
    });

    it('is no different for a client that sends its secret in the body, and at every endpoint', async () => {
      const client = await latchkey().createClient({ ...MACHINE, token_endpoint_auth_method: 'client_secret_post' });
      for (const path of ['/token', '/token/introspection', '/token/revocation', '/token', '/token']) {
        const answer = await tokenRequest(latchkey(), path, wrong(client), { ...GRANT, token: 'x' });
        assert.equal(answer.status, 401);
      }
      for (const path of ['/token', '/token/introspection', '/token/revocation', '/request']) {
        assertRefused(await tokenRequest(latchkey(), path, client, { ...GRANT, token: 'x' }), 900);
      }
    });

    it('is not counted when it is right, however often and however many at once', async () => {
      const client = await latchkey().createClient(MACHINE);
      for (let round = 0; round < 3; round += 1) {
        const answers = await Promise.all(Array.from({ length: 20 }, () => ask(latchkey(), client)));
        assert.ok(answers.every(({ status }) => status === 200));
      }
    });

    it('leaves a word in the audit when it is locked', async () => {
      const client = await latchkey().createClient(MACHINE);
      for (let count = 0; count < 8; count += 1) await ask(latchkey(), wrong(client));
      await eventually(async () => {
        const { rows } = await latchkey().app.database.sql.query<{ count: number }>(
          {
            name: 'test_client_lock',
            text: `select count(*)::int as count from audit_event where action = 'client.lock' and client_id = $1`,
          },
          [client.clientId],
        );
        assert.equal(rows[0]?.count, 1);
      });
    });
  },
  { env: { LATCHKEY_CLIENT_FAILURES: '5', LATCHKEY_TRUSTED_PROXIES: '1' } },
);

describeOnEachBackend(
  'one network',
  (latchkey) => {
    it('waits after so many refused requests in a minute, good ones included', async () => {
      const client = await latchkey().createClient({
        ...MACHINE,
        grant_types: ['client_credentials', 'refresh_token'],
      });
      const from = { 'x-forwarded-for': '198.51.100.1' };
      for (let count = 0; count < 10; count += 1) {
        assert.equal((await tokenRequest(latchkey(), '/token', client, GRANT, from)).status, 200);
      }
      const refused = { grant_type: 'refresh_token', refresh_token: 'x'.repeat(43) };
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await tokenRequest(latchkey(), '/token', client, refused, from)).status, 400);
      }
      assertRefused(await tokenRequest(latchkey(), '/token', client, GRANT, from), 60);
      assertRefused(await tokenRequest(latchkey(), '/device/auth', client, {}, from), 60);
      assert.equal((await ask(latchkey(), client, '198.51.100.2')).status, 200);
    });

    it('waits after it has begun so many sign-ins in a minute, with a page that says how long', async () => {
      const browser = latchkey().browser({ headers: { 'x-forwarded-for': '198.51.100.3' } });
      for (let count = 0; count < 8; count += 1) assert.notEqual((await browser.get('/auth')).status, 429);
      const page = await browser.get('/auth');
      assert.equal(page.status, 429);
      assert.equal(page.error, 'too-many-requests');
      assert.ok(Number(page.headers['retry-after']) >= 1);
      assert.ok(page.html.querySelector('[data-countdown]'), 'the time to wait');
      assert.equal((await browser.get('/')).status, 200);
      const other = latchkey().browser({ headers: { 'x-forwarded-for': '198.51.100.4' } });
      assert.notEqual((await other.get('/auth')).status, 429);
    });

    it('waits after it has begun so many pushed requests, in the words of OAuth', async () => {
      const client = await latchkey().createClient();
      const from = { 'x-forwarded-for': '198.51.100.5' };
      const answers: TokenAnswer[] = [];
      for (let count = 0; count < 9; count += 1) {
        answers.push(
          await tokenRequest(
            latchkey(),
            '/request',
            client,
            {
              client_id: client.clientId,
              response_type: 'code',
              redirect_uri: client.redirectUri,
              code_challenge: 'x'.repeat(43),
              code_challenge_method: 'S256',
            },
            from,
          ),
        );
      }
      assert.ok(
        answers.slice(0, 8).every(({ status }) => status === 201),
        JSON.stringify(answers[0]?.body),
      );
      assertRefused(answers[8] as TokenAnswer, 60);
    });
  },
  {
    env: {
      LATCHKEY_REFUSED_REQUEST_LIMIT: '5',
      LATCHKEY_STARTED_REQUEST_LIMIT: '8',
      LATCHKEY_TRUSTED_PROXIES: '1',
    },
  },
);

const missing = backends.find(({ backend }) => backend === 'postgres+redis')?.missing;

describe('a secret that was guessed at too often', { skip: missing ?? false }, () => {
  it('stays locked for another process, and for one that starts afterwards', async () => {
    const env = { LATCHKEY_CLIENT_FAILURES: '5', LATCHKEY_TRUSTED_PROXIES: '1' };
    const first = await startLatchkey({ backend: 'postgres+redis', env });
    let second: Latchkey | undefined;
    try {
      const client = await first.createClient(MACHINE);
      for (let count = 0; count < 5; count += 1) await ask(first, { ...client, clientSecret: 'wrong' });
      assertRefused(await ask(first, client), 900);
      const { LATCHKEY_DATABASE_URL } = first.env;
      second = await startLatchkey({ backend: 'postgres+redis', env: { ...env, LATCHKEY_DATABASE_URL } });
      assertRefused(await ask(second, client), 900);
      assert.equal((await ask(second, client, '192.0.2.9')).status, 200);
    } finally {
      await second?.stop();
      await first.stop();
    }
  });
});
