// What the table of all adapters cannot say of GitHub: which address counts, what it may hide, and how it tells of errors.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { createGuardedFetch } from '../../../src/http/guarded-fetch.ts';
import { UpstreamFailure } from '../../../src/upstream/adapter.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { made } from '../../contract/upstream-rows/row.ts';
import { startOauth2Upstream } from '../../support/oauth2-upstream.ts';

const github = await startOauth2Upstream('github');
after(() => github.upstream.close());
const PROFILE = { id: 583_231, login: 'octo-ann', name: null, email: 'public@example.com', avatar_url: null };

beforeEach(() => {
  github.upstream.reset();
  github.says('/user', PROFILE);
  github.says('/user/emails', [{ email: 'ann@example.com', primary: true, verified: true, visibility: null }]);
});

async function failureOf(trying: Promise<unknown>): Promise<UpstreamFailure> {
  const error = await trying.then(
    (identity) => assert.fail(`taken for good: ${JSON.stringify(identity)}`),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof UpstreamFailure, String(error));
  return error;
}

test('answers name an issuer with a path, and identities are kept under the origin that people know', () => {
  const fetch = createGuardedFetch({ privateNetworkHosts: [] });
  const of = (endpoints?: { authorization: string; token: string; api: string }) =>
    made(createAdapter({ id: 'g', kind: 'github', clientId: 'c', endpoints }, { fetch, secret: 's' })).expectedIssuer;
  assert.equal(of(), 'https://github.com/login/oauth');
  const own = 'https://github.example.com';
  assert.equal(
    of({
      authorization: `${own}/login/oauth/authorize`,
      token: `${own}/login/oauth/access_token`,
      api: `${own}/api/v3`,
    }),
    `${own}/login/oauth`,
  );
});

test('a server that does not name an issuer yet is taken, too', async () => {
  const identity = await github.signIn((callback) => assert.equal(callback.get('iss'), null));
  assert.deepEqual([identity.issuer, identity.subject], [github.upstream.issuer, '583231']);
});

for (const endpoint of ['token', 'api'] as const) {
  test(`whose ${endpoint} endpoint is on another server is somebody else than the one of the same number there`, async () => {
    const { issuer, paths } = github.upstream;
    const elsewhere = issuer.replace('localhost', '127.0.0.1');
    const address = endpoint === 'token' ? `${elsewhere}${paths.token}` : elsewhere;
    const identity = await github.signIn(undefined, { [endpoint]: address });
    assert.deepEqual([identity.issuer, identity.subject], [`${issuer} ${elsewhere}`, '583231']);
  });
}

test('who has no name is called by the login', async () => {
  const { name, username } = await github.signIn();
  assert.deepEqual([name, username], ['octo-ann', 'octo-ann']);
});

for (const [what, emails] of [
  ['nothing', []],
  ['a primary address that was never verified', [{ email: 'a@example.com', primary: true, verified: false }]],
  ['a verified address that is not the primary one', [{ email: 'a@example.com', primary: false, verified: true }]],
  [
    'both, but of two addresses',
    [
      { email: 'a@example.com', primary: true, verified: false },
      { email: 'b@example.com', primary: false, verified: true },
    ],
  ],
  ['text instead of booleans', [{ email: 'a@example.com', primary: 'true', verified: 'true' }]],
  ['rows that are none', [null, 'a@example.com', 7, []]],
  ['an object', { email: 'a@example.com', primary: true, verified: true }],
  ['what is no address', [{ email: 'ann', primary: true, verified: true }]],
] as const) {
  test(`a list of addresses with ${what} gives none, nor does the public profile`, async () => {
    github.says('/user/emails', emails);
    const { email, emailVerified, subject } = await github.signIn();
    assert.deepEqual([email, emailVerified, subject], [null, false, '583231']);
  });
}

for (const [status, message] of [
  [404, 'Not Found'],
  [403, 'Resource not accessible by integration'],
] as const) {
  test(`who may not see the addresses (${status}) signs in without one`, async () => {
    github.says('/user/emails', { message }, status);
    const { email, emailVerified, subject } = await github.signIn();
    assert.deepEqual([email, emailVerified, subject], [null, false, '583231']);
  });
}

for (const [name, value] of [
  ['x-ratelimit-remaining', '0'],
  ['retry-after', '60'],
] as const) {
  test(`a limit that was reached (${name}) hides nothing: it is a failure`, async () => {
    github.says('/user/emails', { message: 'API rate limit exceeded' }, 403, { [name]: value });
    assert.equal((await failureOf(github.signIn())).step, 'profile');
  });
}

test('the profile itself may not be hidden', async () => {
  for (const status of [401, 403, 404]) {
    github.says('/user', { message: 'Bad credentials' }, status);
    assert.equal((await failureOf(github.signIn())).step, 'profile');
  }
});

for (const [error, step, look] of [
  ['bad_verification_code', 'exchange', undefined],
  ['incorrect_client_credentials', 'setting', 'clientId and clientSecret'],
  ['redirect_uri_mismatch', 'setting', 'the callback URL'],
  ['application_suspended', 'setting', 'clientId'],
] as const) {
  test(`the error ${error} comes with status 200, and the log says it`, async () => {
    github.says('/token', { error, error_description: 'Why\u0000 not\n.', access_token: 'not-a-token' });
    const failure = await failureOf(github.signIn());
    assert.equal(failure.step, step);
    assert.ok(String(failure.cause).includes(`it said ${error} (Why  not .)`), String(failure.cause));
    if (look !== undefined) assert.ok(String(failure.cause).includes(`look at ${look}`), String(failure.cause));
    assert.deepEqual(github.upstream.asked, ['/token']);
  });
}

test('an error that the browser brings does not put a code into the log', async () => {
  const failure = await failureOf(
    github.signIn((callback) => {
      callback.set('error', 'application_suspended');
      callback.set('code', 'never-redeemed');
    }),
  );
  assert.equal(failure.step, 'setting');
  const told: unknown[] = [];
  for (let one: unknown = failure; one instanceof Error; one = one.cause) told.push(one.message, one.cause);
  assert.ok(!told.map(String).join().includes('never-redeemed'), told.map(String).join());
});
