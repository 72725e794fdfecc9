// Two servers behind a proxy, as real processes, and the keys of both are replaced by one command: whichever of them answers, every token verifies
// with the keys of either, and nobody is signed out.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { Browser } from '../../support/browser-client.ts';
import { freePort } from '../../support/free-port.ts';
import { createTestDatabase, postgresMissing, type TestDatabase } from '../../support/postgres.ts';
import { type RunningProcess, runForJson, runLatchkey, startLatchkey, until } from '../../support/process.ts';
import { authorizationRequest, redeem, signIn } from '../../support/relying-party.ts';
import { kidOf } from '../../support/rotate-keys.ts';
import { type RoundRobin, startRoundRobin } from '../../support/round-robin.ts';
import { TEST_PASSWORD, TEST_SECRET, type TestClient } from '../../support/server.ts';

const skip = (await postgresMissing()) ?? false;
/** Seconds, as LATCHKEY_KEY_PUBLISH_AHEAD has it. */
const AHEAD = 600;

interface Keys {
  readonly keys: readonly { readonly kid: string; readonly state: string; readonly algorithm: string }[];
}

async function jwksOf(server: RunningProcess): Promise<JSONWebKeySet> {
  return (await (await fetch(`http://127.0.0.1:${server.port}/jwks`)).json()) as JSONWebKeySet;
}

describe('a rotation with two processes', { skip }, () => {
  let database: TestDatabase;
  let proxy: RoundRobin | undefined;
  const servers: RunningProcess[] = [];
  before(async () => {
    database = await createTestDatabase();
  });
  after(async () => {
    proxy?.close();
    await Promise.all(servers.map((server) => server.kill()));
    await database.drop();
  });

  it('reaches both without a restart, and neither apps nor people notice', async () => {
    const publicPort = await freePort();
    const latchkey = { issuer: `http://localhost:${publicPort}` };
    const env = {
      LATCHKEY_ISSUER: latchkey.issuer,
      LATCHKEY_DATABASE_URL: database.url,
      LATCHKEY_SECRET: TEST_SECRET,
      LATCHKEY_TRUSTED_PROXIES: '1',
      LATCHKEY_INTERNAL_PORT: '0',
      LATCHKEY_KEY_PUBLISH_AHEAD: String(AHEAD),
    };
    const ports = [await freePort(), await freePort()];
    servers.push(...(await Promise.all(ports.map((port) => startLatchkey({ ...env, LATCHKEY_PORT: String(port) })))));
    const front = await startRoundRobin(publicPort, ports);
    proxy = front;
    await until(() => front.readyCount() === 2, 'both servers to be ready');
    const made = await runForJson<{ client_id: string; client_secret: string }>(['client', 'create', '--file', '-'], {
      env,
      input: JSON.stringify({
        redirect_uris: ['https://app.example.com/callback'],
        id_token_signed_response_alg: 'RS256',
      }),
    });
    const client: TestClient = {
      ...{ clientId: made.client_id, clientSecret: made.client_secret, metadata: {} },
      redirectUri: 'https://app.example.com/callback',
    };
    await runForJson(['account', 'create', '--email', 'ann@example.com', '--password-stdin', '--verified'], {
      env,
      input: TEST_PASSWORD,
    });
    const account = { email: 'ann@example.com', username: null };

    /** A token of now; either server's keys must be enough for it. */
    const look = async (browser: Browser): Promise<string> => {
      const { url, verifier } = authorizationRequest(latchkey.issuer, client, { prompt: 'none' });
      const page = await browser.get(url);
      assert.ok(page.params['code'], `signed out: ${page.describe()}`);
      const { body } = await redeem(latchkey, client, { code: page.params['code'], verifier });
      const token = String(body['id_token']);
      for (const server of servers) await jwtVerify(token, createLocalJWKSet(await jwksOf(server)));
      return kidOf(token);
    };
    const resident = new Browser(latchkey.issuer);
    await signIn(latchkey, resident, client, { account });
    const oldKid = await look(resident);
    /** Again and again until it is true, with the resident and somebody new at each round. */
    const workUntil = async (isDone: () => Promise<boolean>, expected?: string): Promise<void> => {
      await until(async () => {
        const kid = await look(resident);
        if (expected !== undefined) assert.equal(kid, expected);
        const newcomer = new Browser(latchkey.issuer);
        await signIn(latchkey, newcomer, client, { account });
        await look(newcomer);
        return isDone();
      }, 'both servers to notice');
    };

    const rotated = await runForJson<Keys>(['keys', 'rotate'], { env });
    const next = rotated.keys.find((key) => key.state === 'next' && key.algorithm === 'RS256')?.kid;
    const publishes = async (server: RunningProcess) => (await jwksOf(server)).keys.some((key) => key.kid === next);
    await workUntil(async () => (await Promise.all(servers.map(publishes))).every(Boolean), oldKid);

    // Instead of waiting for ten minutes.
    const earlier = (column: string) => `${column} = ${column} - interval '${AHEAD + 1} seconds'`;
    const moments = ['created_at', 'active_at', 'replaced_at', 'retire_at'].map(earlier).join(', ');
    await database.run(`update signing_key set ${moments}`);
    await database.run(`update sealed_secret set ${earlier('created_at')}, ${earlier('active_at')}`);
    const signsWith = async (server: RunningProcess) => (await jwksOf(server)).keys[0]?.kid === next;
    await workUntil(async () => (await Promise.all(servers.map(signsWith))).every(Boolean));
    assert.equal(await look(resident), next);
    assert.equal(await look(resident), next);

    const { keys } = await runForJson<Keys>(['keys', 'list'], { env });
    assert.equal(keys.find((key) => key.kid === oldKid)?.state, 'published');
    assert.deepEqual(await jwksOf(servers[0] as RunningProcess), await jwksOf(servers[1] as RunningProcess));
    const retired = await runLatchkey(['keys', 'retire', '--force', '--', oldKid], { env });
    assert.equal(retired.code, 0, retired.stderr);
    const isGone = async (server: RunningProcess) => !(await jwksOf(server)).keys.some((key) => key.kid === oldKid);
    await workUntil(async () => (await Promise.all(servers.map(isGone))).every(Boolean), next);
    for (const server of servers) assert.doesNotMatch(server.stderr(), /"level":"(error|fatal)"/);
  });
});
