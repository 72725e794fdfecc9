import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RecoveryCodes } from '../../src/credential/recovery-code.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount, credentialVersion, dump, readings, shortCodes, together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

function recoveryCodesOn(database: Database, perSet = 10): RecoveryCodes {
  return new RecoveryCodes({ database, shortCodes, perSet });
}

describeOnEachDatabase('recovery codes', (database) => {
  it('are ten of four times four characters that nobody mistakes for one another', async () => {
    const codes = await recoveryCodesOn(database()).regenerate(await createAccount(database()));
    assert.equal(codes.length, 10);
    assert.equal(new Set(codes).size, 10);
    for (const code of codes) assert.match(code, /^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
  });

  it('are as many as the setting says', async () => {
    assert.equal((await recoveryCodesOn(database(), 8).regenerate(await createAccount(database()))).length, 8);
  });

  it('work once each, and what is left is counted', async () => {
    const recovery = recoveryCodesOn(database(), 3);
    const id = await createAccount(database());
    const [first = '', second = '', third = ''] = await recovery.regenerate(id);
    assert.equal(await recovery.count(id), 3);
    assert.equal(await recovery.take(id, first), 2);
    assert.equal(await recovery.take(id, first), null);
    assert.equal(await recovery.take(id, third), 1);
    assert.equal(await recovery.take(id, second), 0);
    assert.equal(await recovery.count(id), 0);
  });

  it('work once also when one comes many times at once', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    for (let round = 0; round < 3; round += 1) {
      const id = await createAccount(database());
      const [code = ''] = await recovery.regenerate(id);
      const outcomes = await together(20, () => recovery.take(id, code));
      assert.deepEqual(
        outcomes.filter((left) => left !== null),
        [1],
      );
    }
  });

  it('may be typed in small letters, without dashes, with spaces, and with letters for the digits they look like', async () => {
    const recovery = recoveryCodesOn(database(), 8);
    const id = await createAccount(database());
    const [a = '', b = '', c = '', d = ''] = await recovery.regenerate(id);
    assert.equal(await recovery.take(id, a.toLowerCase()), 7);
    assert.equal(await recovery.take(id, b.replaceAll('-', '')), 6);
    assert.equal(await recovery.take(id, ` ${c.replaceAll('-', ' ')}\n`), 5);
    assert.equal(await recovery.take(id, d.replaceAll('0', 'o').replaceAll('1', 'l')), 4);
  });

  it('of somebody else, of a wrong form or made up are none', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    const [anna, bert] = [await createAccount(database()), await createAccount(database())];
    const [code = ''] = await recovery.regenerate(anna);
    await recovery.regenerate(bert);
    for (const typed of [
      code,
      '',
      '0000-0000-0000-0000',
      code.slice(1),
      `${code}0`,
      'U'.repeat(16),
      'x'.repeat(5000),
    ]) {
      assert.equal(await recovery.take(bert, typed), null, typed.slice(0, 30));
    }
    assert.equal(await recovery.count(anna), 2);
    assert.equal(await recovery.count(bert), 2);
  });

  it('made anew end the set before, which counts as a change of credentials', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    const id = await createAccount(database());
    const [old = ''] = await recovery.regenerate(id);
    const version = await credentialVersion(database(), id);
    const [fresh = ''] = await recovery.regenerate(id);
    assert.equal(await recovery.take(id, old), null);
    assert.equal(await recovery.take(id, fresh), 1);
    assert.equal(await credentialVersion(database(), id), version + 1);
  });

  it('made anew many times at once leave one set', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    const id = await createAccount(database());
    const sets = await together(20, () => recovery.regenerate(id));
    assert.equal(await recovery.count(id), 2);
    const good = [];
    for (const [code = ''] of sets) if ((await recovery.take(id, code)) !== null) good.push(code);
    assert.equal(good.length, 1);
  });

  it('are spent only together with what belongs to it', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    const id = await createAccount(database());
    const [code = ''] = await recovery.regenerate(id);
    const broken = new Error('the outbox is away');
    await assert.rejects(
      recovery.take(id, code, () => Promise.reject(broken)),
      broken,
    );
    const told: number[] = [];
    assert.equal(await recovery.take(id, code, async (_em, left) => void told.push(left)), 1);
    assert.deepEqual(told, [1]);
  });

  it('are not in the database in clear', async () => {
    const codes = await recoveryCodesOn(database()).regenerate(await createAccount(database()));
    const text = await dump(database());
    assert.match(text, /^recovery_code /m);
    for (const code of codes) {
      for (const hidden of [...readings(code), ...readings(code.replaceAll('-', ''))])
        assert.equal(text.includes(hidden), false);
    }
  });

  it('can be taken away', async () => {
    const recovery = recoveryCodesOn(database(), 2);
    const id = await createAccount(database());
    const [code = ''] = await recovery.regenerate(id);
    assert.equal(await database().transaction((em) => recovery.remove(em, id)), true);
    assert.equal(await recovery.take(id, code), null);
    assert.equal(await database().transaction((em) => recovery.remove(em, id)), false);
  });
});
