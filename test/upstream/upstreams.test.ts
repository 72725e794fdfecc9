// One upstream that is down: it fails fast, alone, and is left in peace for a while.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { createLog } from '../../src/log.ts';
import { UpstreamFailure, type UpstreamRequest } from '../../src/upstream/adapter.ts';
import { Upstreams } from '../../src/upstream/upstreams.ts';
import { startJsonHost } from '../support/json-host.ts';
import { html, json, ScriptedUpstream, silence, UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';

const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost'] });
const lines: string[] = [];
const log = createLog('debug', { write: (line: string) => void lines.push(line) });
const DISCOVERY = '/.well-known/openid-configuration';
let upstream: ScriptedUpstream;
let other: ScriptedUpstream;
let upstreams: Upstreams;

const request: UpstreamRequest = {
  ...{ redirectUri: 'https://id.example.com/upstream/one/callback', state: 's'.repeat(43), nonce: 'n'.repeat(43) },
  codeVerifier: 'v'.repeat(43),
};

function declare(id: string, { issuer }: ScriptedUpstream, more: object = {}) {
  return { id, kind: 'oidc', clientId: UPSTREAM_CLIENT.id, endpoints: { issuer }, ...more };
}

beforeEach(async () => {
  [upstream, other] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
  const declarations = [
    declare('one', upstream, { domains: ['Example.com'] }),
    declare('two', other, { label: 'Two' }),
    declare('three', other, { kind: 'unknown' }),
  ];
  const secrets = { one: UPSTREAM_CLIENT.secret, two: UPSTREAM_CLIENT.secret };
  upstreams = new Upstreams({ declarations, secrets, fetch, log });
  lines.length = 0;
});

afterEach(() => Promise.all([upstream.close(), other.close()]));

async function stepOf(trying: Promise<unknown> | undefined): Promise<string> {
  const error = await trying?.then(
    () => 'success',
    (caught: unknown) => caught,
  );
  return error instanceof UpstreamFailure ? error.step : String(error);
}

test('are listed in the order of the settings, without kinds that nobody can do', () => {
  assert.deepEqual(
    upstreams.list().map((one) => [one.id, one.label]),
    [
      ['one', new URL(upstream.issuer).host],
      ['two', 'Two'],
    ],
  );
  assert.equal(upstreams.find('three'), null);
  assert.equal(upstreams.find('constructor'), null);
});

test('an address leads to the upstream of its domain and of no look-alike', () => {
  assert.equal(upstreams.findByEmail('ann@EXAMPLE.com')?.id, 'one');
  for (const email of ['ann@sub.example.com', 'ann@example.com.evil.test', 'example.com', 'ann@', '']) {
    assert.equal(upstreams.findByEmail(email), null, email);
  }
});

test('after five failures in a row an upstream is not called for a while, and the others are', async () => {
  upstream.script.answers.set(DISCOVERY, html(502));
  for (let count = 0; count < 8; count += 1) {
    assert.equal(await stepOf(upstreams.find('one')?.authorizationUrl(request)), 'unreachable');
  }
  assert.equal(upstream.asked.length, 5);
  assert.ok(await upstreams.find('two')?.authorizationUrl(request));
});

test('wrong codes, which a stranger can bring, keep nobody out', async () => {
  const one = upstreams.find('one');
  upstream.script.answers.set('/token', (_req, res) => json(res, { error: 'invalid_grant' }, 400));
  for (let count = 0; count < 8; count += 1) {
    const callback = new URLSearchParams({ code: 'wrong', state: request.state });
    assert.equal(await stepOf(one?.identify(callback, request)), 'exchange');
  }
  upstream.reset();
  const url = await one?.authorizationUrl(request);
  assert.ok(url);
  assert.equal((await one?.identify(upstream.authorize(url), request))?.subject, 'person-1');
});

test('an upstream that takes the request and says nothing fails within ten seconds', async () => {
  upstream.script.answers.set(DISCOVERY, silence);
  const began = Date.now();
  assert.equal(await stepOf(upstreams.find('one')?.authorizationUrl(request)), 'unreachable');
  assert.ok(Date.now() - began < 10_000);
});

test('a changed issuer is refused, and the log names the setting', async () => {
  upstream.toldIssuer = 'https://evil.example.com';
  assert.equal(await stepOf(upstreams.find('one')?.authorizationUrl(request)), 'setting');
  assert.match(lines.join('\n'), /upstream one: endpoints\.issuer is http/);
});

test('keys are fetched once, and a token of an unknown key does not make us fetch them again and again', async () => {
  const one = upstreams.find('one');
  const signIn = async () => {
    const url = await one?.authorizationUrl(request);
    assert.ok(url);
    return stepOf(one?.identify(upstream.authorize(url), request));
  };
  assert.equal(await signIn(), 'success');
  upstream.script.signature = 'unknown-key';
  for (let count = 0; count < 3; count += 1) assert.equal(await signIn(), 'id-token');
  upstream.script.signature = 'good';
  assert.equal(await signIn(), 'success');
  assert.equal(upstream.asked.filter((path) => path === '/jwks').length, 1);
  assert.equal(upstream.asked.filter((path) => path === DISCOVERY).length, 1);
});

test('rotated keys are found once the interval is over', async (context) => {
  const one = upstreams.find('one');
  const signIn = async () => {
    const url = await one?.authorizationUrl(request);
    assert.ok(url);
    return stepOf(one?.identify(upstream.authorize(url), request));
  };
  assert.equal(await signIn(), 'success');
  await upstream.rotate();
  assert.equal(await signIn(), 'id-token');
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  assert.equal(await signIn(), 'success');
});

test('an expired certificate is a failure like any other silence', async (context) => {
  const host = await startJsonHost({ isSecure: true, isExpired: true });
  context.after(() => host.close());
  const declarations = [{ ...declare('one', upstream), endpoints: { issuer: host.url } }];
  const one = new Upstreams({ declarations, secrets: {}, fetch, log }).find('one');
  assert.equal(await stepOf(one?.authorizationUrl(request)), 'unreachable');
  assert.match(lines.join('\n'), /CERT_HAS_EXPIRED/);
  assert.deepEqual(host.asked, []);
});
