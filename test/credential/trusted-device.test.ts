import assert from 'node:assert/strict';
import { it } from 'node:test';
import { raiseCredentialVersion } from '../../src/credential/credential-version.ts';
import { endTrustedDevices, TrustedDevices } from '../../src/credential/trusted-device.ts';
import { hashToken, randomToken } from '../../src/crypto/random.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount, credentialVersion, dump } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const MONTH = 30 * 86_400;

function devicesOn(database: Database, trustedDevices = true): TrustedDevices {
  return new TrustedDevices({ database, settings: { trustedDevices, trustedDeviceTtl: MONTH } });
}

async function trustedOn(database: Database): Promise<{ id: string; value: string }> {
  const id = await createAccount(database);
  const value = await devicesOn(database).trust(id, 1);
  assert.ok(value);
  return { id, value };
}

describeOnEachDatabase('a trusted device', (database) => {
  it('is trusted for its account and for no other', async () => {
    const { id, value } = await trustedOn(database());
    const devices = devicesOn(database());
    assert.match(value, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(await devices.isTrusted(id, value), true);
    assert.equal(await devices.isTrusted(await createAccount(database()), value), false);
    for (const wrong of [undefined, '', randomToken(), hashToken('trusted-device', value)]) {
      assert.equal(await devices.isTrusted(id, wrong), false);
    }
    assert.equal(await devices.count(id), 1);
  });

  it('is trusted no more when its time is over', async () => {
    const { id, value } = await trustedOn(database());
    await database()
      .em()
      .execute("update trusted_device set expires_at = now() - interval '1 second' where account_id = ?", [id]);
    assert.equal(await devicesOn(database()).isTrusted(id, value), false);
    assert.equal(await devicesOn(database()).count(id), 0);
    await devicesOn(database()).sweep();
    assert.equal(
      (await database().em().execute<object[]>('select 1 from trusted_device where account_id = ?', [id])).length,
      0,
    );
  });

  it('is trusted no more after any change of credentials', async () => {
    const { id, value } = await trustedOn(database());
    await database().transaction((em) => raiseCredentialVersion(em, id));
    assert.equal(await devicesOn(database()).isTrusted(id, value), false);
    assert.equal(await devicesOn(database()).count(id), 0);
  });

  it('cannot be trusted with a proof from before such a change', async () => {
    const id = await createAccount(database());
    await database().transaction((em) => raiseCredentialVersion(em, id));
    assert.equal(await devicesOn(database()).trust(id, 1), null);
    assert.notEqual(await devicesOn(database()).trust(id, await credentialVersion(database(), id)), null);
  });

  it('ends alone, or with all others of its account', async () => {
    const { id, value } = await trustedOn(database());
    const other = await trustedOn(database());
    const devices = devicesOn(database());
    const second = await devices.trust(id, 1);
    const third = await devices.trust(id, 1);
    await devices.revoke(value);
    assert.deepEqual([await devices.isTrusted(id, value), await devices.isTrusted(id, second ?? '')], [false, true]);
    await devices.revokeAll(id);
    assert.equal(await devices.isTrusted(id, second ?? ''), false);
    assert.equal(await devices.isTrusted(other.id, other.value), true);
    await database().transaction((em) => endTrustedDevices(em, other.id));
    assert.equal(await devices.isTrusted(other.id, other.value), false);
    assert.equal(await devices.isTrusted(id, third ?? ''), false);
  });

  it('is never offered, made or believed while it is switched off', async () => {
    const { id, value } = await trustedOn(database());
    const off = devicesOn(database(), false);
    assert.deepEqual(
      [off.isOffered, await off.trust(id, 1), await off.isTrusted(id, value), await off.count(id)],
      [false, null, false, 0],
    );
  });

  it('is in the database as a hash', async () => {
    const { value } = await trustedOn(database());
    const text = await dump(database());
    assert.match(text, /^trusted_device /m);
    assert.equal(text.includes(value), false);
  });
});
