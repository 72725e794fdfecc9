// What is Telegram's own among OpenID providers; everything else is in test/contract/upstream-adapter.test.ts.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { createGuardedFetch } from '../../../src/http/guarded-fetch.ts';
import { type UpstreamAdapter, UpstreamFailure, type UpstreamRequest } from '../../../src/upstream/adapter.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { startTelegramIssuer, telegramDeclaration } from '../../support/telegram-issuer.ts';

const upstream = await startTelegramIssuer();
after(() => upstream.close());
const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost'], timeout: 2000 });
let adapter: UpstreamAdapter;

function make(scopes?: readonly string[]): UpstreamAdapter {
  const declaration = { ...telegramDeclaration(upstream), ...(scopes === undefined ? {} : { scopes }) };
  const made = createAdapter(declaration, { fetch, secret: UPSTREAM_CLIENT.secret });
  assert.ok(made);
  return made;
}

function newRequest(change: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const random = (): string => randomBytes(32).toString('base64url');
  return {
    redirectUri: 'https://id.example.com/upstream/telegram/callback',
    ...{ state: random(), nonce: random(), codeVerifier: random(), ...change },
  };
}

async function attempt(): Promise<Awaited<ReturnType<UpstreamAdapter['identify']>>> {
  const request = newRequest();
  return adapter.identify(upstream.authorize(await adapter.authorizationUrl(request)), request);
}

beforeEach(() => {
  upstream.reset();
  adapter = make();
});

test('openid and profile are always asked for, whatever the settings say', async () => {
  const scopeOf = async (one: UpstreamAdapter) =>
    (await one.authorizationUrl(newRequest())).searchParams.get('scope')?.split(' ');
  assert.deepEqual(await scopeOf(adapter), ['openid', 'profile']);
  assert.deepEqual(await scopeOf(make(['phone'])), ['openid', 'profile', 'phone']);
});

test('the address carries a state of 43 characters, a nonce, no origin and no address of the person', async () => {
  const url = await adapter.authorizationUrl(newRequest({ loginHint: 'ann@example.com' }));
  assert.equal(url.searchParams.get('state')?.length, 43);
  assert.ok(url.searchParams.get('nonce'));
  assert.equal(url.searchParams.get('origin'), null);
  assert.ok(!url.href.includes('ann'));
});

for (const [what, id] of [
  ['as text', '6123456789012'],
  ['of 52 bits', 2 ** 52 - 1],
] as const) {
  test(`an id ${what} is the subject, digit by digit`, async () => {
    upstream.script.claims = { id };
    assert.equal((await attempt()).subject, String(id));
  });
}

for (const id of [
  undefined,
  null,
  0,
  -5,
  1.5,
  2 ** 60,
  '',
  '0123',
  '12345678901234567',
  'zoe_n',
  [7],
  { id: 7 },
  true,
]) {
  test(`an id that is ${JSON.stringify(id)} is refused, and the log says what to look at`, async () => {
    upstream.script.claims = { id };
    const error = await attempt().then(
      (identity) => assert.fail(`taken: ${identity.subject}`),
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof UpstreamFailure);
    assert.equal(error.step, 'profile');
    assert.match(String(error.cause), /numeric id.*BotFather/);
  });
}

test('an address is never taken, whoever says that it is verified', async () => {
  upstream.script.claims = { email: 'ann@example.com', email_verified: true };
  const { email, emailVerified } = await attempt();
  assert.deepEqual([email, emailVerified], [null, false]);
});

test('a nonce that comes back has to be ours; none is fine', async () => {
  const request = newRequest();
  const url = await adapter.authorizationUrl(request);
  upstream.script.claims = { nonce: request.nonce };
  assert.equal((await adapter.identify(upstream.authorize(url), request)).subject, '6123456789012');
  upstream.script.claims = { nonce: 'somebody-elses' };
  await assert.rejects(adapter.identify(upstream.authorize(url), request), { step: 'id-token' });
});
