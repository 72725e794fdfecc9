// The table that every upstream adapter passes: an honest sign-in, and everything that a hostile, broken or dead upstream can do. Whatever it
// is, the adapter answers with an identity that was proven or with a failure that names the step, in time.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, beforeEach, describe, test } from 'node:test';
import { declarations } from '../../config/declarations.ts';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { type UpstreamAdapter, UpstreamFailure, type UpstreamRequest } from '../../src/upstream/adapter.ts';
import { claimSources } from '../../src/upstream/claim-sources.ts';
import { appleRow } from './upstream-rows/apple.ts';
import { discordRow } from './upstream-rows/discord.ts';
import { githubRow } from './upstream-rows/github.ts';
import { googleRow } from './upstream-rows/google.ts';
import { microsoftRow } from './upstream-rows/microsoft.ts';
import { oidcRow } from './upstream-rows/oidc.ts';
import type { UpstreamRow } from './upstream-rows/row.ts';
import { telegramRow } from './upstream-rows/telegram.ts';
import { xRow } from './upstream-rows/x.ts';

const ROWS: readonly UpstreamRow[] = [
  oidcRow,
  googleRow,
  appleRow,
  microsoftRow,
  githubRow,
  discordRow,
  xRow,
  telegramRow,
];

const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost', '127.0.0.1'], timeout: 2000 });
const closedFetch = createGuardedFetch({ privateNetworkHosts: [], timeout: 2000 });

function newRequest(id: string): UpstreamRequest {
  return {
    redirectUri: `https://id.example.com/upstream/${id}/callback`,
    state: randomBytes(32).toString('base64url'),
    nonce: randomBytes(32).toString('base64url'),
    codeVerifier: randomBytes(32).toString('base64url'),
  };
}

test('every kind that can be declared has a row', () => {
  const kinds = declarations.upstreams.items.map(({ shape }) => shape.kind.value);
  assert.deepEqual(ROWS.map((row) => row.kind).toSorted(), kinds.toSorted());
});

for (const row of ROWS) {
  describe(`upstream adapter ${row.kind}`, async () => {
    const open = await row.open();
    after(() => open.close());
    const { hostile } = open;
    let adapter: UpstreamAdapter;
    // Each case has an adapter that knows nothing yet.
    beforeEach(() => {
      open.reset();
      adapter = open.adapter(fetch);
    });

    const attempt = async (change: (callback: URLSearchParams, request: UpstreamRequest) => void = () => undefined) => {
      const request = newRequest(adapter.id);
      const callback = open.signIn(await adapter.authorizationUrl(request));
      change(callback, request);
      return adapter.identify(callback, request);
    };
    const fails = async (steps: readonly string[], trying: Promise<unknown>): Promise<UpstreamFailure> => {
      const error = await trying.then(
        (identity) => assert.fail(`it took ${JSON.stringify(identity)} for good`),
        (caught: unknown) => caught,
      );
      assert.ok(error instanceof UpstreamFailure, `${String(error)} is no failure of an upstream`);
      assert.ok(steps.includes(error.step), `${error.step} is not one of ${steps.join(', ')}: ${String(error.cause)}`);
      return error;
    };

    test('says who came back', async () => {
      const { tokens, ...identity } = await attempt();
      assert.deepEqual(identity, row.expected(open));
      assert.ok(tokens?.accessToken);
    });

    test('takes what administrators are told that it takes', () => {
      const { subject, email, username, name, givenName, familyName, picture, locale } = row.expected(open);
      const taken = { subject, email, username, name, given_name: givenName, family_name: familyName, picture, locale };
      const told = claimSources(row.kind).map(([claim]) => claim);
      const names = told.filter((claim) => taken[claim] !== null);
      // Any OpenID provider says what it likes of the standard claims.
      assert.deepEqual(row.kind === 'oidc' ? Object.keys(taken) : names, told);
      const more = Object.entries(taken).filter(
        ([claim, value]) => value !== null && !told.some((one) => one === claim),
      );
      assert.deepEqual(more, []);
    });

    test('asks with state and S256 challenge, and carries neither verifier nor secret in the address', async () => {
      const request = newRequest(adapter.id);
      const url = await adapter.authorizationUrl(request);
      assert.equal(url.searchParams.get('state'), request.state);
      assert.equal(url.searchParams.get('redirect_uri'), request.redirectUri);
      assert.equal(url.searchParams.get('response_type'), 'code');
      assert.equal(url.searchParams.get('code_challenge_method') ?? 'S256', 'S256');
      assert.ok(!url.href.includes(request.codeVerifier));
      assert.ok(!/secret/i.test(url.href));
    });

    test('a person who said no is a denial, and nothing is called', async () => {
      const request = newRequest(adapter.id);
      const url = await adapter.authorizationUrl(request);
      hostile.deny();
      const callback = open.signIn(url);
      const before = open.asked.length;
      await fails(['denied'], adapter.identify(callback, request));
      assert.equal(open.asked.length, before);
    });

    test('an answer without a code is refused', async () => {
      await fails(
        ['exchange'],
        attempt((callback) => callback.delete('code')),
      );
    });

    test('an answer to another state is refused before anything is called', async () => {
      const request = newRequest(adapter.id);
      const callback = open.signIn(await adapter.authorizationUrl(request));
      const before = open.asked.length;
      await fails(['exchange'], adapter.identify(callback, { ...request, state: newRequest(adapter.id).state }));
      assert.equal(open.asked.length, before);
    });

    test('a code that was got with another verifier is refused', async () => {
      const request = newRequest(adapter.id);
      const callback = open.signIn(await adapter.authorizationUrl(request));
      await fails(['exchange'], adapter.identify(callback, { ...request, codeVerifier: 'x'.repeat(43) }));
    });

    test('a code that the upstream refuses is a failed exchange', async () => {
      await fails(['exchange'], (hostile.refuseCode(), attempt()));
    });

    test('a client that the upstream refuses is a fault of the settings, and the log says of which', async () => {
      const error = await fails(['setting'], (hostile.refuseClient(), attempt()));
      assert.match(String(error.cause), /it said \w+( \(.*\))?; look at clientId/);
    });

    test('an answer may name its issuer, and one that names another is refused before anything is called', async () => {
      const { expectedIssuer } = adapter;
      if (expectedIssuer !== null) await attempt((callback) => callback.set('iss', expectedIssuer));
      const request = newRequest(adapter.id);
      const callback = open.signIn(await adapter.authorizationUrl(request));
      const before = open.asked.length;
      for (const told of ['https://evil.example.com', `${open.issuer}/evil`]) {
        callback.set('iss', told);
        await fails(['exchange'], adapter.identify(callback, request));
      }
      assert.equal(open.asked.length, before);
    });

    test('an answer without a subject is refused', async () => {
      hostile.withoutSubject();
      await fails(['id-token', 'profile', 'exchange'], attempt());
    });

    for (const path of hostile.calls) {
      test(`${path} that stalls, floods or talks nonsense is a failure in time`, async () => {
        for (const answer of ['silence', 'huge', 'packed', 'html', 'html-502'] as const) {
          open.reset();
          adapter = open.adapter(fetch);
          hostile.answerWith(path, answer);
          const failure = await fails(['unreachable', 'exchange', 'id-token', 'profile'], attempt());
          if (answer !== 'html') assert.equal(failure.step, 'unreachable', `${answer}: ${String(failure.cause)}`);
        }
      });
    }

    test('a private address that was not allowed is never called', async () => {
      open.reset();
      const closed = open.adapter(closedFetch);
      const request = newRequest(closed.id);
      await fails(
        ['setting'],
        closed
          .authorizationUrl(request)
          .then((url) => closed.identify(open.signIn(url), request))
          .finally(() => assert.deepEqual(open.asked, [])),
      );
    });

    const { claims, signature, otherProfile, emailVerified } = hostile;
    if (claims && signature) {
      const now = Math.floor(Date.now() / 1000);
      const changes: readonly (readonly [string, Record<string, unknown>])[] = [
        ['of another issuer', { iss: 'https://evil.example.com' }],
        ['without an issuer', { iss: undefined }],
        ['for another client', { aud: 'somebody-else' }],
        ['without an audience', { aud: undefined }],
        ['for several clients that does not say who asked', { aud: ['latchkey', 'somebody-else'] }],
        ['that another client asked for', { azp: 'somebody-else' }],
        ['with another nonce', { nonce: 'another' }],
        ...(row.mayOmitNonce ? [] : ([['without a nonce', { nonce: undefined }]] as const)),
        ['that has expired', { exp: now - 120 }],
        ['without an expiry', { exp: undefined }],
        ['without a time of issue', { iat: undefined }],
        ['that is not valid yet', { nbf: now + 600 }],
      ];
      for (const [what, change] of changes) {
        test(`an ID token ${what} is refused`, async () => {
          claims(change);
          await fails(['id-token'], attempt());
        });
      }
      for (const kind of ['none', 'hs256-public-key', 'unknown-key', 'broken'] as const) {
        test(`an ID token with signature ${kind} is refused`, async () => {
          signature(kind);
          await fails(['id-token'], attempt());
        });
      }
    }

    if (otherProfile) {
      test('a profile of somebody else is refused', async () => {
        otherProfile();
        await fails(['profile'], attempt());
      });
    }

    if (emailVerified) {
      test('an address is verified only by the boolean true', async () => {
        for (const value of [false, 'true', 'false', 1, 'yes', null, undefined]) {
          emailVerified(value);
          assert.equal((await attempt()).emailVerified, false, `email_verified: ${String(value)}`);
        }
      });
    }
  });
}
