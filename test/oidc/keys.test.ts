import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import { Audit } from '../../src/audit/audit.ts';
import { Seal, SealError } from '../../src/crypto/seal.ts';
import { AppError } from '../../src/errors.ts';
import { Keys } from '../../src/oidc/keys.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const SECRET = 'the master secret of this test, long enough';
const OTHER = 'another master secret of this test, as long';
const CLI = { actor: { kind: 'cli' } } as const;
/** Seconds. */
const TIMES = { ahead: 60, keep: 60, keepCookies: 86_400 };
const GENTLY = { isForced: false };

function keysOn(database: Database, seal = new Seal(SECRET)): Keys {
  return new Keys({ database, audit: new Audit({ database }), seal });
}

async function reset(database: Database): Promise<void> {
  await database.em().execute('delete from signing_key');
  await database.em().execute('delete from sealed_secret');
}

/** Instead of waiting: every moment of the keys was so many seconds earlier. */
async function pass(database: Database, seconds: number): Promise<void> {
  await database.em().execute(
    `update signing_key set created_at = created_at - make_interval(secs => ?), active_at = active_at - make_interval(secs => ?),
       replaced_at = replaced_at - make_interval(secs => ?), retire_at = retire_at - make_interval(secs => ?)`,
    [seconds, seconds, seconds, seconds],
  );
  await database
    .em()
    .execute(
      `update sealed_secret set created_at = created_at - make_interval(secs => ?), active_at = active_at - make_interval(secs => ?)`,
      [seconds, seconds],
    );
}

function refusal(code: string) {
  return (error: unknown) => error instanceof AppError && error.code === code;
}

describeOnEachDatabase('the keys', (database) => {
  it('are made once: one for each algorithm, RS256 first, and a cookie key', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const made = await keys.listSigningKeys();
    assert.deepEqual(
      made.map((key) => [key.alg, key.kty, key.use]),
      [
        ['RS256', 'RSA', 'sig'],
        ['ES256', 'EC', 'sig'],
        ['EdDSA', 'OKP', 'sig'],
      ],
    );
    assert.equal(new Set(made.map((key) => key.kid)).size, 3);
    assert.equal((await keys.listCookieKeys()).length, 1);
    const before = await keys.fingerprint();
    await keys.ensure();
    assert.equal(await keys.fingerprint(), before);
  });

  it('are one set when many processes start together on an empty database', async () => {
    await reset(database());
    const processes = Array.from({ length: 4 }, () => keysOn(database()));
    await Promise.all(processes.map((one) => one.ensure()));
    const kids = await Promise.all(processes.map(async (one) => (await one.listSigningKeys()).map((key) => key.kid)));
    assert.equal(kids[0]?.length, 3);
    for (const one of kids) assert.deepEqual(one, kids[0]);
    assert.equal((await processes[0]?.listCookieKeys())?.length, 1);
  });

  it('sign what their public halves verify', async () => {
    const keys = keysOn(database());
    await keys.ensure();
    for (const key of await keys.listSigningKeys()) {
      const token = await new SignJWT({}).setProtectedHeader({ alg: key.alg, kid: key.kid }).sign(await importJWK(key));
      const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicHalf } = key;
      await jwtVerify(token, createLocalJWKSet({ keys: [publicHalf] }));
    }
  });

  it('lie sealed in the database and open with the master secret only', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const rows = await database()
      .em()
      .execute<{ sealed: Uint8Array; kid: string }[]>('select kid, sealed from signing_key');
    for (const { sealed } of rows) assert.doesNotMatch(Buffer.from(sealed).toString('latin1'), /"d":|"kty"/);
    await assert.rejects(keysOn(database(), new Seal(OTHER)).listSigningKeys(), SealError);
    await assert.rejects(keysOn(database(), new Seal(OTHER)).listCookieKeys(), SealError);
  });

  it('cannot be exchanged for one another by who writes to the database', async () => {
    await reset(database());
    await keysOn(database()).ensure();
    await database()
      .em()
      .execute(
        "update signing_key set sealed = (select sealed from signing_key where algorithm = 'RS256') where algorithm = 'ES256'",
      );
    await assert.rejects(keysOn(database()).listSigningKeys(), SealError);
    await reset(database());
  });

  it('rotate with overlap: published before they sign, believed until the last token is gone', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const old = (await keys.listSigningKeys()).map((key) => key.kid);
    await keys.rotate({ ...TIMES, keep: 3660 }, CLI);
    const states = async () =>
      Object.fromEntries(await Promise.all((await keys.list()).map(async (key) => [key.kid, key.state] as const)));
    const published = (await keys.listSigningKeys()).map((key) => key.kid);
    assert.equal(published.length, 6);
    const fresh = published.filter((kid) => !old.includes(kid));
    // For each algorithm the one that signs now comes first.
    assert.deepEqual(published, [old[0], fresh[0], old[1], fresh[1], old[2], fresh[2]]);
    for (const kid of old) assert.equal((await states())[kid], 'signing');
    for (const kid of fresh) assert.equal((await states())[kid], 'next');

    await pass(database(), 61);
    assert.deepEqual(
      (await keys.listSigningKeys()).map((key) => key.kid),
      [fresh[0], old[0], fresh[1], old[1], fresh[2], old[2]],
    );
    for (const kid of old) assert.equal((await states())[kid], 'published');
    for (const kid of fresh) assert.equal((await states())[kid], 'signing');

    await pass(database(), 3660);
    assert.deepEqual(
      (await keys.listSigningKeys()).map((key) => key.kid),
      fresh,
    );
    for (const kid of old) assert.equal((await states())[kid], 'retired');
  });

  it('tell by their fingerprint each time that an engine must be built anew', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const seen = [await keys.fingerprint()];
    await keys.rotate({ ...TIMES, keep: 3600 }, CLI);
    seen.push(await keys.fingerprint());
    await pass(database(), 61);
    seen.push(await keys.fingerprint());
    await pass(database(), 3600);
    seen.push(await keys.fingerprint());
    assert.equal(new Set(seen).size, 4);
  });

  it('do not rotate again while the next ones wait, also when many ask at once', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const outcomes = await Promise.allSettled(Array.from({ length: 3 }, () => keys.rotate(TIMES, CLI)));
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
    for (const one of outcomes) if (one.status === 'rejected') assert.ok(refusal('rotation-under-way')(one.reason));
    assert.equal((await keys.list()).length, 6);
    assert.equal((await keys.listCookieKeys()).length, 2);
  });

  it('rotate by themselves when the period is over, once, and never when it is zero', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const day = 86_400;
    await keys.rotateWhenDue(90 * day, TIMES);
    assert.equal((await keys.list()).length, 3);
    await pass(database(), 91 * day);
    await keys.rotateWhenDue(0, TIMES);
    assert.equal((await keys.list()).length, 3);
    await Promise.all([keys.rotateWhenDue(90 * day, TIMES), keysOn(database()).rotateWhenDue(90 * day, TIMES)]);
    assert.equal((await keys.list()).length, 6);
  });

  it('that sign or are about to are never retired, others only by force while what they signed lives', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const [first, second] = await keys.listSigningKeys();
    assert.ok(first && second);
    const forced = { isForced: true };
    await assert.rejects(keys.retire(first.kid, forced, CLI), refusal('key-in-use'));
    await assert.rejects(keys.retire('no such key', forced, CLI), refusal('key-not-found'));
    await keys.rotate({ ...TIMES, keep: 3600 }, CLI);
    const next = (await keys.list()).find((key) => key.state === 'next');
    await assert.rejects(keys.retire(next?.kid ?? '', forced, CLI), refusal('key-in-use'));
    await pass(database(), 61);
    await assert.rejects(keys.retire(first.kid, GENTLY, CLI), refusal('key-tokens-live'));
    const kids = async () => (await keys.listSigningKeys()).map((key) => key.kid);
    assert.equal((await kids()).includes(first.kid), true);
    await keys.retire(first.kid, forced, CLI);
    assert.equal((await kids()).includes(first.kid), false);
    await assert.rejects(keys.retire(first.kid, forced, CLI), refusal('key-retired'));
    await pass(database(), 3600);
    await assert.rejects(keys.retire(second.kid, GENTLY, CLI), refusal('key-retired'));
  });

  it('for cookies sign as late as the others, verify from the first moment, and go when no cookie of theirs can live', async () => {
    await reset(database());
    const keys = keysOn(database());
    await keys.ensure();
    const [old] = await keys.listCookieKeys();
    const seen = [await keys.fingerprint()];
    await keys.rotate(TIMES, CLI);
    const [signing, next, ...more] = await keys.listCookieKeys();
    assert.deepEqual([signing, more], [old, []]);
    assert.ok(next !== undefined && next !== old);
    seen.push(await keys.fingerprint());
    await pass(database(), 61);
    assert.deepEqual(await keys.listCookieKeys(), [next, old]);
    seen.push(await keys.fingerprint());
    assert.equal(new Set(seen).size, 3);
    await pass(database(), 86_400 - 120);
    await keys.rotate(TIMES, CLI);
    assert.equal((await keys.listCookieKeys()).includes(old ?? ''), true);
    await pass(database(), 120);
    await keys.rotate(TIMES, CLI);
    assert.equal((await keys.listCookieKeys()).includes(old ?? ''), false);
    assert.equal((await keys.listCookieKeys()).includes(next), true);
  });
});
