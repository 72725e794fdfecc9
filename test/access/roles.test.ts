import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { BUILT_IN_ROLES, Roles } from '../../src/access/roles.ts';
import { Audit } from '../../src/audit/audit.ts';
import { AppError } from '../../src/errors.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const CLI = { actor: { kind: 'cli' } } as const;

async function newAccount(database: Database): Promise<string> {
  const id = randomUUID();
  await database
    .em()
    .execute(
      "insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'active', now(), now())",
      [id, id],
    );
  return id;
}

describeOnEachDatabase('roles', (database) => {
  const roles = () => new Roles({ database: database(), audit: new Audit({ database: database() }) });
  const assign = (id: string, role: string) => database().transaction((em) => roles().assign(em, id, role, CLI));

  it('are given once, however often', async () => {
    const id = await newAccount(database());
    await assign(id, 'viewer');
    await assign(id, 'viewer');
    await assign(id, 'operator');
    assert.deepEqual(await roles().list(id), ['operator', 'viewer']);
    assert.deepEqual(await roles().list(randomUUID()), []);
  });

  it('that do not exist are refused, and the message lists those that do', async () => {
    const id = await newAccount(database());
    await assert.rejects(assign(id, 'emperor'), (error) => {
      assert.ok(error instanceof AppError && error.code === 'unknown-role');
      for (const role of BUILT_IN_ROLES) assert.ok(error.message.includes(role));
      return true;
    });
    assert.deepEqual(await roles().list(id), []);
  });

  it('leave the set-up open until there is a super-admin, and close it for ever then', async () => {
    await database().em().execute('delete from setup_state');
    const id = await newAccount(database());
    for (const role of BUILT_IN_ROLES.filter((one) => one !== 'super-admin')) await assign(id, role);
    assert.equal(await roles().isSetUp(), false);
    await assign(id, 'super-admin');
    assert.equal(await roles().isSetUp(), true);
    await database().em().execute('delete from role_assignment');
    assert.equal(await roles().isSetUp(), true);
  });

  it('let one of many racing transactions claim the place of the first administrator', async () => {
    await database().em().execute('delete from setup_state');
    const claims = await Promise.all(
      Array.from({ length: 10 }, () => database().transaction((em) => roles().claimSetup(em))),
    );
    assert.equal(claims.filter(Boolean).length, 1);
  });

  it('give the place back when the transaction that claimed it fails', async () => {
    await database().em().execute('delete from setup_state');
    const failure = new Error('later step failed');
    await assert.rejects(
      database().transaction(async (em) => {
        assert.equal(await roles().claimSetup(em), true);
        throw failure;
      }),
      failure,
    );
    assert.equal(await roles().isSetUp(), false);
  });
});
