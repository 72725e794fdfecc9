// The claim preview of administrators: the same as the tokens of a real sign-in, nothing left behind, and nobody shown who stands higher.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeJwt } from 'jose';
import type { Page } from '../support/browser-client.ts';
import { eventually } from '../support/eventually.ts';
import { answerPrompts, type Parameters, redeem, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { settingsFile } from '../support/settings-file.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/claims';
const API = 'https://api.example.com/v1';
const OPAQUE = 'https://opaque.example.com/';
const CLOSED = 'https://closed.example.com/';
const env = settingsFile(`
resources:
  - { id: ${API}, name: Photo API, scopes: { 'photos:read': see your photos, 'photos:write': change your photos }, accessTokenTtl: 300 }
  - { id: ${OPAQUE}, scopes: [films], format: opaque }
  - { id: ${CLOSED}, scopes: [closed], clients: [nobody] }
roles:
  - { id: shop-manager, name: Shop manager, audience: ${API}, permissions: [orders:read] }
`);
type Payload = Record<string, unknown>;

async function assign(latchkey: Latchkey, accountId: string, role: string) {
  const { database, roles } = latchkey.app;
  await database.transaction(async (em) => roles.assign(em, accountId, role, CLI));
}

async function open(latchkey: Latchkey, role: string | null) {
  const account = await latchkey.createAccount();
  if (role !== null) await assign(latchkey, account.id, role);
  const browser = latchkey.browser();
  const page = await answerPrompts(browser, await browser.get(HOME), { account });
  const look = (fields: Record<string, string>) => browser.get(`${HOME}?${new URLSearchParams(fields)}`);
  return { account, page, look };
}

/** What a block of the page shows. */
const json = (page: Page, id: string): Payload =>
  JSON.parse(
    page
      .element(id)
      .text.replace(/^<code>/, '')
      .replace(/<\/code>$/, ''),
  ) as Payload;
const has = (page: Page, selector: string): boolean => page.html.querySelector(selector) !== null;
const stops = (page: Page): readonly (string | undefined)[] =>
  page.html.querySelectorAll('[data-stop]').map((one) => one.getAttribute('data-stop'));

/** Without what is made for each token. */
function lasting(payload: Payload): Payload {
  const { iat: _i, exp: _e, auth_time: _a, nonce: _n, sid, jti, at_hash: _h, ...rest } = payload;
  return { ...rest, hasSid: sid !== undefined, hasJti: jti !== undefined };
}
const life = (payload: Payload): number => Number(payload['exp']) - Number(payload['iat']);

const CASES: readonly (readonly [name: string, metadata: Payload, scope: string, params?: Parameters])[] = [
  ['an ordinary client', {}, 'openid profile email address phone'],
  ['a pairwise client', { subject_type: 'pairwise' }, 'openid profile'],
  [
    'a client that is told of sessions',
    { backchannel_logout_uri: 'https://app.example.com/out', backchannel_logout_session_required: true },
    'openid',
  ],
  [
    'a client with a refresh token and RS256',
    { id_token_signed_response_alg: 'RS256', latchkey_access_token_ttl: 90 },
    'openid offline_access',
    { prompt: 'consent' },
  ],
  ['a client that sees roles', {}, 'openid roles'],
  ['a client that sees organizations', {}, 'openid organizations'],
  ['a client of an API with roles', { latchkey_role_audience: API }, 'openid roles'],
  ['a client with signed userinfo', { userinfo_signed_response_alg: 'ES256' }, 'openid email'],
  ['a token for an API', {}, 'openid email photos:read', { resource: API }],
  [
    'a pairwise token for an API',
    { subject_type: 'pairwise' },
    'openid profile photos:read photos:write',
    { resource: API },
  ],
  ['a token for an API that asks', {}, 'openid films', { resource: OPAQUE }],
];

describeOnEachBackend(
  'the claim preview',
  (latchkey) => {
    for (const [name, metadata, scope, params = {}] of CASES) {
      it(`shows what a real sign-in gives: ${name}`, async () => {
        const client = await latchkey().createClient(metadata);
        const account = await latchkey().createAccount({ name: 'Ada <Lovelace>' });
        await assign(latchkey(), account.id, 'shop-manager');
        const { organizations } = latchkey().app;
        const input = {
          slug: `of-${account.id.slice(0, 8)}`,
          name: 'Observatory',
          domains: [],
          secondFactorRequired: false,
        };
        const organization = await organizations.create(input, { kind: 'cli' }, CLI);
        await organizations.add(organization.id, account.id, 'member', { kind: 'cli' }, CLI);
        const { look } = await open(latchkey(), 'admin');
        const resource = params['resource'] ?? '';
        const page = await look({ account: account.email ?? '', client: client.clientId, scope, resource });
        assert.equal(page.id, 'admin-claims', page.describe());

        const there = await signIn(latchkey(), latchkey().browser(), client, { account, params: { scope, ...params } });
        const { body } = await redeem(latchkey(), client, there);
        const real = decodeJwt(String(body['id_token'])) as Payload;
        const shown = json(page, '#id-token');
        assert.deepEqual(lasting(shown), lasting(real));
        assert.equal(life(shown), life(real));
        assert.deepEqual(has(page, '#access-token'), String(body['access_token']).split('.').length === 3);
        if (has(page, '#access-token')) {
          const token = json(page, '#access-token');
          const realToken = decodeJwt(String(body['access_token'])) as Payload;
          assert.deepEqual(lasting(token), lasting(realToken));
          assert.equal(life(token), life(realToken));
        }
        const facts = page.element('dl.facts').text;
        assert.ok(facts.includes(String(body['expires_in'])), facts);
        assert.ok(facts.includes(String(body['scope'])), facts);
        const answer = await userinfoText(latchkey(), body['access_token']);
        assert.equal(has(page, '#userinfo'), answer !== null);
        if (answer !== null) assert.deepEqual(lasting(json(page, '#userinfo')), lasting(answer));
        assert.equal(body['refresh_token'] !== undefined, /Refresh token\s*yes/.test(facts), facts);
      });
    }

    it('is only for who may see accounts and apps', async () => {
      assert.equal((await open(latchkey(), null)).page.status, 404);
      const { page } = await open(latchkey(), 'viewer');
      assert.equal(page.id, 'admin-claims', page.describe());
      assert.equal(page.html.querySelector('[data-preview]'), null);
    });

    it('shows nobody who stands higher, and writes every look down', async () => {
      const client = await latchkey().createClient();
      const owner = await latchkey().createAccount();
      await assign(latchkey(), owner.id, 'super-admin');
      const { account, look } = await open(latchkey(), 'operator');
      const refused = await look({ account: owner.id, client: client.clientId });
      assert.equal(refused.status, 403, refused.describe());
      assert.ok(!refused.html.toString().includes(owner.subject));
      assert.equal((await look({ account: account.id, client: client.clientId })).status, 200);
      const rows = await latchkey()
        .app.database.em()
        .execute<object[]>(
          `select target_id as "targetId", client_id as "clientId", result, reason from audit_event
           where action = 'claims.preview' and actor_id = ? order by id`,
          [account.id],
        );
      assert.deepEqual(rows, [
        { targetId: owner.id, clientId: client.clientId, result: 'failure', reason: 'rank' },
        { targetId: account.id, clientId: client.clientId, result: 'success', reason: null },
      ]);
    });

    it('leaves nothing behind but the line in the audit trail', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const { look, account: viewer } = await open(latchkey(), 'viewer');
      // The administrator's own sign-in is noted a moment later, with those before it.
      const text = 'select count(*)::integer as count from app_use where account_id = $1';
      await eventually(async () => {
        const { rows: uses } = await latchkey().app.database.sql.query({ name: '', text }, [viewer.id]);
        assert.deepEqual(uses, [{ count: 1 }]);
      });
      const rows = () => countRows(latchkey());
      const before = await rows();
      const page = await look({
        account: account.id,
        client: client.clientId,
        scope: 'openid photos:read',
        resource: API,
      });
      assert.ok(has(page, '#access-token'), page.describe());
      const after = await rows();
      const changed = Object.keys(after).filter((table) => after[table] !== before[table]);
      const meant = ['audit_event', 'audit_chain', 'guess_counter', 'browser_session'];
      assert.deepEqual(
        changed.filter((table) => !meant.includes(table)),
        [],
      );
    });

    it('says what stops a sign-in, and what would be asked on the way', async () => {
      const { app } = latchkey();
      const account = await latchkey().createAccount();
      const { look } = await open(latchkey(), 'admin');
      const at = async (metadata: Payload, fields: Record<string, string> = {}) => {
        const client = await latchkey().createClient(metadata);
        return look({ account: account.id, client: client.clientId, ...fields });
      };
      assert.deepEqual(
        stops(await at({ redirect_uris: [], response_types: [], grant_types: ['client_credentials'] })),
        ['no_code'],
      );
      assert.deepEqual(stops(await at({ scope: 'openid email' })), ['scope']);
      assert.deepEqual(stops(await at({ latchkey_quarantined: true })), ['unapproved']);
      assert.deepEqual(stops(await at({}, { resource: CLOSED, scope: 'closed' })), ['resource']);
      const strict = await at({ latchkey_required_acr: 'urn:latchkey:aal2' });
      assert.ok(has(strict, '[data-step=second_factor_setup]') && has(strict, '[data-step=consent]'));
      assert.equal(json(strict, '#id-token')['acr'], 'urn:latchkey:aal2');
      assert.ok(has(await at({ latchkey_required_acr: 'urn:latchkey:phr' }), '[data-step=passkey_setup]'));
      assert.equal(has(await at({ latchkey_first_party: true }), '[data-step]'), false);
      const left = await at({ grant_types: ['authorization_code'] }, { scope: 'openid photos:read offline_access' });
      assert.deepEqual(
        left.html.querySelectorAll('[data-left-out]').map((one) => one.getAttribute('data-left-out')),
        ['photos:read', 'offline_access'],
      );
      const change = { from: ['active'], to: 'disabled', action: 'account.disable' } as const;
      await app.accounts.setStatus(account.id, change, CLI);
      const disabled = await at({});
      assert.deepEqual(stops(disabled), ['account']);
      assert.equal(has(disabled, '#id-token'), false);
    });

    it('shows the consent page with what is new to this account', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      await signIn(latchkey(), latchkey().browser(), client, { account, params: { scope: 'openid email' } });
      const { look } = await open(latchkey(), 'viewer');
      const known = await look({ account: account.id, client: client.clientId, scope: 'email' });
      assert.equal(has(known, '[data-step=consent]'), false);
      const more = await look({ account: account.id, client: client.clientId, scope: 'email profile' });
      assert.equal(has(more, '[data-step=consent]'), true);
      assert.equal(more.html.querySelectorAll('.scopes .badge').length, 1);
    });

    it('is led to from an app, with its field filled in', async () => {
      const { clientId } = await latchkey().createClient();
      const { page, look } = await open(latchkey(), 'viewer');
      assert.equal(has(page, '#problems'), false);
      const filled = await look({ client: clientId });
      assert.equal(filled.element('#client').getAttribute('value'), clientId);
      assert.equal(has(filled, '#problems'), false);
    });

    it('says what is not there', async () => {
      const { look } = await open(latchkey(), 'viewer');
      const page = await look({
        account: 'nobody@example.com',
        client: '',
        scope: 'openid',
        resource: 'https://other.example.com/',
      });
      assert.ok(has(page, '#account-problem') && has(page, '#client-problem'), page.describe());
      assert.equal(page.html.querySelector('[data-preview]'), null);
      const { clientId } = await latchkey().createClient();
      assert.equal((await look({ account: "x' or 1=1", client: clientId })).status, 200);
    });
  },
  { env },
);

/** Of every table. */
async function countRows({ app }: Latchkey): Promise<Readonly<Record<string, number>>> {
  const em = app.database.em();
  const tables = await em.execute<{ name: string }[]>(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await em.execute<{ count: number }[]>(`select count(*)::int as count from "${name}"`);
    counts[name] = row?.count ?? 0;
  }
  return counts;
}

/** As a JSON object or the payload of a JWT; null where it is refused. */
async function userinfoText(latchkey: Latchkey, accessToken: unknown): Promise<Payload | null> {
  const answer = await fetch(new URL('/me', latchkey.issuer), {
    headers: { authorization: `Bearer ${String(accessToken)}` },
  });
  if (!answer.ok) return null;
  const text = await answer.text();
  return text.startsWith('{') ? (JSON.parse(text) as Payload) : (decodeJwt(text) as Payload);
}
