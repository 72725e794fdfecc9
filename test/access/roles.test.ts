import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { BUILT_IN_ROLES as DEFINITIONS } from '../../src/access/permission.ts';
import { type RoleInput, Roles } from '../../src/access/roles.ts';
import { Audit } from '../../src/audit/audit.ts';
import { AppError } from '../../src/errors.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount, together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const BUILT_IN_ROLES = DEFINITIONS.map((role) => role.id);
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

const HELP_DESK: RoleInput = {
  ...{ id: 'help-desk', name: 'Help desk', rank: 2, inherits: ['viewer'], audience: null },
  permissions: ['sessions:read', 'sessions:revoke'],
};
const SHOP: RoleInput = {
  ...{ id: 'shop-manager', name: 'Shop manager', rank: 0, inherits: [], audience: 'https://api.example.com' },
  permissions: ['orders:read', 'accounts:delete'],
};

const refused = (code: string) => (error: unknown) => error instanceof AppError && error.code === code;

describeOnEachDatabase('roles of the operator', (database) => {
  const roles = () => new Roles({ database: database(), audit: new Audit({ database: database() }) });
  const save = (role: RoleInput) => database().transaction((em) => roles().save(em, role, CLI));
  const give = (id: string, role: string) => database().transaction((em) => roles().assign(em, id, role, CLI));
  const take = (id: string, role: string) => database().transaction((em) => roles().revoke(em, id, role, CLI));

  it('give what they say and what they inherit, from the moment on and until it is taken away', async () => {
    await save(HELP_DESK);
    const id = await createAccount(database());
    assert.equal((await roles().authority(id)).permissions.size, 0);
    await give(id, 'help-desk');
    const authority = await roles().authority(id);
    assert.equal(authority.rank, 2);
    assert.equal(authority.permissions.size, 6);
    assert.ok(authority.permissions.has('audit:read') && authority.permissions.has('sessions:revoke'));
    assert.equal(await roles().holdsAnyOf(id, ['viewer']), true);
    await save({ ...HELP_DESK, permissions: ['sessions:read'] });
    assert.ok(!(await roles().authority(id)).permissions.has('sessions:revoke'));
    assert.equal(await take(id, 'help-desk'), true);
    assert.equal(await take(id, 'help-desk'), false);
    assert.equal((await roles().authority(id)).permissions.size, 0);
  });

  it('of an API are no rights here, whatever their permissions are called, and are told to its clients only', async () => {
    await save(SHOP);
    const id = await createAccount(database());
    await give(id, 'shop-manager');
    await give(id, 'viewer');
    const authority = await roles().authority(id);
    assert.ok(!authority.permissions.has('accounts:delete'));
    assert.equal(authority.rank, 1);
    const shop = await roles().claimsFor(id, ['https://api.example.com']);
    assert.deepEqual(shop, { roles: ['shop-manager'], permissions: ['accounts:delete', 'orders:read'] });
    assert.deepEqual((await roles().claimsFor(id, [])).roles, ['viewer']);
    assert.deepEqual(await roles().claimsFor(id, ['https://other.example.com']), { roles: [], permissions: [] });
  });

  it('mean nothing for an account that may not sign in', async () => {
    const id = await createAccount(database());
    await give(id, 'admin');
    await database().em().execute("update account set status = 'disabled' where id = ?", [id]);
    assert.equal((await roles().authority(id)).permissions.size, 0);
  });

  for (const [what, role, code] of [
    ['under the name of a built-in role', { ...HELP_DESK, id: 'admin' }, 'role-locked'],
    [
      'with a permission that does not exist',
      { ...HELP_DESK, id: 'a', permissions: ['accounts:own'] },
      'role-permission',
    ],
    ['that inherit from nothing', { ...HELP_DESK, id: 'a', inherits: ['nothing'] }, 'role-inherits'],
    ['that inherit from themselves', { ...HELP_DESK, id: 'a', inherits: ['a'] }, 'role-inherits'],
    ['below the rank of what they inherit', { ...HELP_DESK, id: 'a', rank: 2, inherits: ['admin'] }, 'role-rank'],
    ['below the rank of their permissions', { ...HELP_DESK, id: 'a', rank: 1, inherits: [] }, 'role-rank'],
    ['of an API with a rank here', { ...SHOP, id: 'a', rank: 5 }, 'role-rank'],
    ['of an API that inherit our own', { ...SHOP, id: 'a', inherits: ['viewer'] }, 'role-inherits'],
    ['with an id that is none', { ...HELP_DESK, id: "a' or 1=1" }, 'role-id'],
  ] as const) {
    it(`${what} are refused`, async () => {
      await assert.rejects(save(role), refused(code));
    });
  }

  it('that are declared follow the settings, cannot be changed elsewhere, and are gone when they are not declared', async () => {
    await roles().declare([{ ...HELP_DESK, id: 'declared' }]);
    assert.equal((await roles().definitions()).get('declared')?.source, 'yaml');
    await assert.rejects(save({ ...HELP_DESK, id: 'declared' }), refused('role-locked'));
    await roles().declare([]);
    assert.equal((await roles().definitions()).has('declared'), false);
  });

  it('are not removed while somebody has them', async () => {
    await save({ ...HELP_DESK, id: 'temporary' });
    const id = await createAccount(database());
    await give(id, 'temporary');
    const remove = () => database().transaction((em) => roles().remove(em, 'temporary', CLI));
    await assert.rejects(remove(), refused('role-in-use'));
    await take(id, 'temporary');
    await remove();
    await assert.rejects(remove(), refused('unknown-role'));
  });
});

describeOnEachDatabase('the last super-admin', (database) => {
  const roles = () => new Roles({ database: database(), audit: new Audit({ database: database() }) });
  const give = (id: string) => database().transaction((em) => roles().assign(em, id, 'super-admin', CLI));
  const take = (id: string) => database().transaction((em) => roles().revoke(em, id, 'super-admin', CLI));
  const count = async () =>
    (await database().em().execute<object[]>("select 1 as one from role_assignment where role_id = 'super-admin'"))
      .length;

  it('stays, also when all of twenty are taken away at once', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) ids.push(await createAccount(database()));
    for (const id of ids) await give(id);
    const outcomes = await together(20, (index) =>
      take(ids[index] ?? '').then(
        () => 'taken',
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      ),
    );
    assert.equal(outcomes.filter((one) => one === 'taken').length, 19);
    assert.equal(outcomes.filter((one) => one === 'last-super-admin').length, 1);
    assert.equal(await count(), 1);
  });

  it('does not count one who is disabled', async () => {
    const [asleep, awake] = [await createAccount(database()), await createAccount(database())];
    await give(asleep);
    await give(awake);
    await database().em().execute('delete from role_assignment where account_id not in (?, ?)', [asleep, awake]);
    await database().em().execute("update account set status = 'disabled' where id = ?", [asleep]);
    await assert.rejects(take(awake), refused('last-super-admin'));
    assert.equal(await take(asleep), true);
  });
});
