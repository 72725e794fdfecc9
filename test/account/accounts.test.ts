import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { Accounts } from '../../src/account/accounts.ts';
import { Audit } from '../../src/audit/audit.ts';
import { AppError } from '../../src/errors.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const CLI = { actor: { kind: 'cli' } } as const;

function accountsOn(database: Database): Accounts {
  return new Accounts({ database, audit: new Audit({ database }), reservedUsernames: ['admin', 'Root'] });
}

function refusal(code: string, field?: string) {
  return (error: unknown) =>
    error instanceof AppError && error.code === code && (field === undefined || error.field === field);
}

async function auditOf(database: Database, id: string): Promise<string[]> {
  const rows = await database
    .em()
    .execute<{ action: string }[]>('select action from audit_event where target_id = ? order by id', [id]);
  return rows.map((row) => row.action);
}

describeOnEachDatabase('accounts', (database) => {
  it('are found by subject, id, address and username, without regard to case', async () => {
    const accounts = accountsOn(database());
    const made = await accounts.create(
      { email: 'Ann@Example.com', username: 'AnnLee', name: 'Ann Lee', isVerified: true },
      CLI,
    );
    assert.equal(made.email, 'Ann@example.com');
    assert.equal(made.emailVerified, true);
    assert.equal(made.status, 'active');
    for (const found of [
      await accounts.findBySubject(made.subject),
      await accounts.findById(made.id),
      await accounts.findBySignInName(' ann@EXAMPLE.com '),
      await accounts.findBySignInName('annlee'),
      await accounts.get(made.id),
      await accounts.get('ANNLEE'),
    ]) {
      assert.deepEqual(found, made);
    }
  });

  it('are not found by what is not exactly their name, and a malformed id is not an error', async () => {
    const accounts = accountsOn(database());
    await accounts.create({ email: 'bob_x@example.com', username: 'bob_x' }, CLI);
    for (const input of ['bobax', 'bob%', 'bob_x@example.co', 'bob_x＠example.com', 'bób_x', "bob_x' or '1'='1", '']) {
      assert.equal(await accounts.findBySignInName(input), null, input);
    }
    assert.equal(await accounts.findById('not-a-uuid'), null);
    assert.equal(await accounts.findById(randomUUID()), null);
    assert.equal(await accounts.findBySubject("' or true --"), null);
    await assert.rejects(accounts.get('nobody_here'), refusal('account-not-found'));
  });

  it('are found by names with bytes a database refuses without an error', async () => {
    const accounts = accountsOn(database());
    for (const input of ['a\0b', 'a\0b@example.com', '\ud800abc'])
      assert.equal(await accounts.findBySignInName(input), null);
  });

  it('have one owner for each address and each username, also when two race for it', async () => {
    const accounts = accountsOn(database());
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        accounts.create({ email: index % 2 ? 'race@example.com' : 'RACE@example.com' }, CLI),
      ),
    );
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
    for (const one of outcomes) {
      if (one.status === 'rejected') assert.ok(refusal('email-taken', 'email')(one.reason), String(one.reason));
    }
    await accounts.create({ username: 'Taken_Name' }, CLI);
    await assert.rejects(accounts.create({ username: 'taken_name' }, CLI), refusal('username-taken', 'username'));
  });

  it('refuse malformed, reserved and missing names', async () => {
    const accounts = accountsOn(database());
    await assert.rejects(accounts.create({ email: 'nobody' }, CLI), refusal('invalid-email', 'email'));
    await assert.rejects(accounts.create({ username: 'a b' }, CLI), refusal('invalid-username', 'username'));
    await assert.rejects(accounts.create({ username: 'ADMIN' }, CLI), refusal('reserved-username', 'username'));
    await assert.rejects(accounts.create({ username: 'root' }, CLI), refusal('reserved-username', 'username'));
    await assert.rejects(accounts.create({ name: 'Nameless' }, CLI), refusal('invalid-request', 'email'));
  });

  it('are verified only when the caller says so and there is an address', async () => {
    const accounts = accountsOn(database());
    assert.equal((await accounts.create({ email: 'unproven@example.com' }, CLI)).emailVerified, false);
    assert.equal((await accounts.create({ username: 'no_address', isVerified: true }, CLI)).emailVerified, false);
  });

  it('commit and roll back with the transaction of the caller, audit included', async () => {
    const accounts = accountsOn(database());
    const failure = new Error('later step failed');
    let id = '';
    await assert.rejects(
      database().transaction(async (em) => {
        ({ id } = await accounts.create({ email: 'rolled-back@example.com' }, CLI, em));
        throw failure;
      }),
      failure,
    );
    assert.equal(await accounts.findById(id), null);
    assert.deepEqual(await auditOf(database(), id), []);
  });

  it('change state only from where it is allowed, once, and leave a trace', async () => {
    const accounts = accountsOn(database());
    const { id } = await accounts.create({ email: 'state@example.com' }, CLI);
    const disable = { from: ['active'], to: 'disabled', action: 'account.disable' } as const;
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => accounts.setStatus(id, disable, CLI)));
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
    assert.equal((await accounts.get(id)).status, 'disabled');
    await assert.rejects(accounts.setStatus(id, disable, CLI), refusal('account-state'));
    assert.deepEqual(await auditOf(database(), id), ['account.create', 'account.disable']);
  });

  it('are listed page by page in the order in which they came, each once', async () => {
    const accounts = accountsOn(database());
    const made: string[] = [];
    for (let index = 0; index < 7; index += 1)
      made.push((await accounts.create({ username: `listed_${index}` }, CLI)).id);
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await accounts.list({ limit: 3, ...(after === undefined ? {} : { after }) });
      assert.ok(page.length <= 3);
      seen.push(...page.map((row) => row.id));
      after = page.at(-1)?.id;
      if (after === undefined) break;
    }
    assert.equal(new Set(seen).size, seen.length);
    assert.deepEqual(
      seen.filter((id) => made.includes(id)),
      made,
    );
  });

  it('are gone after deletion, with their password and roles', async () => {
    const accounts = accountsOn(database());
    const { id, subject } = await accounts.create({ email: 'gone@example.com' }, CLI);
    const em = database().em();
    await em.execute("insert into password values (?, 'x', now(), now())", [id]);
    await em.execute("insert into role_assignment values (?, ?, 'viewer', now())", [randomUUID(), id]);
    await accounts.delete(id, CLI);
    assert.equal(await accounts.findBySubject(subject), null);
    for (const table of ['password', 'role_assignment']) {
      assert.deepEqual(await em.execute(`select 1 from ${table} where account_id = ?`, [id]), []);
    }
    assert.deepEqual(await auditOf(database(), id), ['account.create', 'account.delete']);
  });

  it('remember when and from where somebody signed in last', async () => {
    const accounts = accountsOn(database());
    const { id } = await accounts.create({ username: 'signs_in' }, CLI);
    await accounts.noteSignIn(id, '192.0.2.1');
    const [row] = await database()
      .em()
      .execute<{ at: unknown; network: string }[]>(
        'select last_sign_in_at as at, last_sign_in_network as network from account where id = ?',
        [id],
      );
    assert.equal(row?.network, '192.0.2.1');
    assert.notEqual(row?.at, null);
  });
});
