// An upstream that an administrator changes in one process, as another one has it: within a second, without a restart, and against who is on the way.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { postgresMissing } from '../support/postgres.ts';
import { type RunningProcess, startLatchkey as startProcess, until } from '../support/process.ts';
import { redisMissing } from '../support/redis.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { type Latchkey, startLatchkey } from '../support/server.ts';
import { openSignIn, press, signInThere } from '../support/upstream-stage.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const missing = (await postgresMissing()) ?? (await redisMissing());
/** Milliseconds. */
const SECOND = 1000;
const ROUNDS = 5;

describe('an upstream of two processes', { skip: missing ?? false }, () => {
  let first: Latchkey;
  let second: RunningProcess;
  let upstream: ScriptedUpstream;
  before(async () => {
    upstream = await ScriptedUpstream.start();
    first = await startLatchkey({ backend: 'postgres+redis', env: { LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } });
    const ports = { LATCHKEY_PORT: String(await freePort()), LATCHKEY_INTERNAL_PORT: String(await freePort()) };
    second = await startProcess({ ...first.env, ...ports });
    const { keptUpstreams } = first.app;
    const saving = await keptUpstreams.create(
      {
        ...{ id: 'kept', kind: 'oidc', clientId: UPSTREAM_CLIENT.id, clientSecret: UPSTREAM_CLIENT.secret },
        endpoints: { issuer: upstream.issuer },
      },
      CLI,
    );
    assert.equal(saving.kind, 'saved');
  });
  after(async () => {
    await second.kill();
    await first.stop();
    await upstream.close();
  });

  /** A callback that nobody began is over where the upstream is on, and not there where it is not. */
  const isOnInSecond = async (): Promise<boolean> =>
    (await fetch(`http://localhost:${second.port}/upstream/kept/callback?code=x&state=x`)).status === 410;

  it('is followed within a second', async () => {
    const took: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const isOn = round % 2 === 0;
      await first.app.keptUpstreams.turn('kept', isOn, CLI);
      const since = performance.now();
      await until(async () => (await isOnInSecond()) === isOn, 'the other process to follow');
      took.push(performance.now() - since);
    }
    // A pause of the machine may make one of them late, not most.
    const median = took.toSorted((one, other) => one - other)[Math.floor(ROUNDS / 2)] ?? SECOND;
    assert.ok(median < SECOND, took.join(', '));
  });

  it('lets nobody in over the other process who was sent there before it was turned off', async () => {
    const { keptUpstreams } = first.app;
    await keptUpstreams.turn('kept', true, CLI);
    const browser = first.browser();
    const page = await openSignIn(first, browser, await first.createClient());
    const callback = signInThere(upstream, await press(browser, page, 'kept'));
    await keptUpstreams.turn('kept', false, CLI);
    await until(async () => !(await isOnInSecond()), 'the other process to follow');
    upstream.asked.length = 0;
    callback.port = String(second.port);
    const refused = await browser.get(callback);
    assert.equal(refused.error, 'upstream-off', refused.describe());
    assert.deepEqual(upstream.asked, []);
  });

  it('has one place for each under parallel changes, and none is lost', async () => {
    const { keptUpstreams } = first.app;
    const add = (id: string) =>
      keptUpstreams.create({ id, kind: 'oidc', clientId: 'c', endpoints: { issuer: upstream.issuer } }, CLI);
    const ids = ['a', 'b', 'c', 'd'];
    await Promise.all(ids.map(add));
    const twice = await Promise.all(['e', 'e', 'e'].map(add));
    assert.equal(twice.filter(({ kind }) => kind === 'saved').length, 1);
    const places = () => new Map(keptUpstreams.list().map(({ id, place }) => [id, place]));
    const before = places();
    assert.equal(new Set(before.values()).size, before.size);
    await Promise.all(
      [...before].map(([id, place], index) => keptUpstreams.move(id, index % 2 === 0 ? 'up' : 'down', place, CLI)),
    );
    assert.deepEqual([...places().values()].toSorted(), [...before.values()].toSorted());
    assert.deepEqual([...places().keys()].toSorted(), [...before.keys()].toSorted());
  });
});
