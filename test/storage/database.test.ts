import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Migration } from '@mikro-orm/migrations';
import { migrations } from '../../migrations/list.ts';
import { Account } from '../../src/account/account.entity.ts';
import { entities } from '../../src/entities.ts';
import { AppError, NotFound, Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import { asUnavailable, Database, isOutage, isUniqueViolation } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';
import { createTestDatabase, postgresMissing } from '../support/postgres.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const log = createLog('silent');
const names = migrations.map((one) => one.name);
const skip = (await postgresMissing()) ?? false;

class FromTheFuture extends Migration {
  override up(): void {
    this.addSql('create table from_the_future (id integer)');
  }
}
const FUTURE = { name: '29991231000000-future', class: FromTheFuture };

class Broken extends Migration {
  override up(): void {
    this.addSql('create table half_done (id integer)');
    this.addSql('this is not SQL');
  }
}

function open(
  url: string,
  options: { poolSize?: number; migrations?: typeof migrations | unknown[] } = {},
): Promise<Database> {
  return Database.open({
    target: { kind: 'postgres', url, poolSize: options.poolSize ?? 5 },
    entities,
    migrations: (options.migrations ?? migrations) as never,
    log,
  });
}

async function freshUrl(context: TestContext): Promise<string> {
  const made = await createTestDatabase();
  context.after(() => made.drop());
  return made.url;
}

async function opened(context: TestContext, url: string, options: Parameters<typeof open>[1] = {}): Promise<Database> {
  const database = await open(url, options);
  context.after(() => database.close());
  return database;
}

const schemaNewer = (error: unknown) => error instanceof AppError && error.code === 'schema-newer';

/** Fails instead of hanging: on one connection a second unit of work inside of a transaction would wait for itself. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = wait(ms, undefined, { signal: late.signal }).then(() => {
    throw new Error(`nothing happened for ${ms} ms`);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    late.abort();
    timeout.catch(() => undefined);
  }
}

describe('migrating', { skip }, () => {
  it('brings an empty database up to date once and tells what it did', async (context) => {
    const database = await opened(context, await freshUrl(context));
    assert.deepEqual(await database.pendingMigrations(), names);
    assert.deepEqual(await database.migrate(), names);
    assert.deepEqual(await database.migrate(), []);
    assert.deepEqual(await database.pendingMigrations(), []);
  });

  it('makes exactly the tables that the entities need', async (context) => {
    const database = await opened(context, await freshUrl(context));
    await database.migrate();
    for (const entity of entities) await database.em().find(entity as never, {}, { limit: 1 });
  });

  it('works for many processes that start together on an empty database, each with one connection', async (context) => {
    const url = await freshUrl(context);
    const processes = await Promise.all(Array.from({ length: 6 }, () => opened(context, url, { poolSize: 1 })));
    const done = await within(30_000, Promise.all(processes.map((one) => one.migrate())));
    assert.deepEqual(done.flat().toSorted(), names.toSorted());
  });

  it('leaves nothing behind when a migration fails', async (context) => {
    const url = await freshUrl(context);
    const database = await opened(context, url, {
      migrations: [...migrations, { name: '29990101000000-broken', class: Broken }],
    });
    await assert.rejects(database.migrate());
    const [row] = await database
      .em()
      .execute<{ found: string | null }[]>("select to_regclass('half_done')::text as found");
    assert.equal(row?.found, null);
    assert.deepEqual(await (await opened(context, url)).migrate(), names);
  });

  it('refuses a database that a newer release has changed, and so does the question what is pending', async (context) => {
    const url = await freshUrl(context);
    await (await opened(context, url, { migrations: [...migrations, FUTURE] })).migrate();
    const older = await opened(context, url);
    await assert.rejects(older.migrate(), schemaNewer);
    await assert.rejects(older.pendingMigrations(), schemaNewer);
  });

  it('of a new release runs beside the old one: only what is new is done', async (context) => {
    const url = await freshUrl(context);
    await (await opened(context, url)).migrate();
    const newer = await opened(context, url, { migrations: [...migrations, FUTURE] });
    assert.deepEqual(await newer.pendingMigrations(), [FUTURE.name]);
    assert.deepEqual(await newer.migrate(), [FUTURE.name]);
  });
});

describe('the embedded database', () => {
  it('keeps what was written when it is closed and opened again', async (context) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-database-'));
    context.after(() => rmSync(dataDir, { recursive: true, force: true }));
    const target = { kind: 'embedded', dataDir } as const;
    const first = await Database.open({ target, entities, migrations, log });
    await first.migrate();
    await first.em().execute('insert into setup_state (completed_at) values (now())');
    await first.close();
    const second = await Database.open({ target, entities, migrations, log });
    context.after(() => second.close());
    assert.deepEqual(await second.migrate(), []);
    const rows = await second.em().execute<object[]>('select id from setup_state');
    assert.equal(rows.length, 1);
  });
});

describeOnEachDatabase('a database', (database) => {
  it('commits a transaction as a whole or not at all', async () => {
    const failure = new Error('later step failed');
    const insert = "insert into one_time_value (hash, kind, sealed, expires_at) values (?, 'test', '', now())";
    await database().transaction(async (em) => {
      await em.execute(insert, ['kept']);
    });
    await assert.rejects(
      database().transaction(async (em) => {
        await em.execute(insert, ['rolled back']);
        throw failure;
      }),
      failure,
    );
    const rows = await database().em().execute("select hash from one_time_value where kind = 'test'");
    assert.deepEqual(rows, [{ hash: 'kept' }]);
  });

  it('counts the rows that a prepared statement wrote', async () => {
    const write = { name: 'test_write', text: "update setup_state set completed_at = now() where $1 = 'yes'" };
    await database().em().execute('insert into setup_state (completed_at) values (now()) on conflict do nothing');
    assert.equal((await database().sql.query(write, ['yes'])).count, 1);
    assert.equal((await database().sql.query(write, ['no'])).count, 0);
  });

  it('names the index that refused a write', async () => {
    const account = (email: string) => {
      const em = database().em();
      const now = new Date();
      const id = crypto.randomUUID();
      em.create(
        Account,
        { id, subject: id, status: 'active', email, createdAt: now, updatedAt: now, credentialVersion: 1 },
        { partial: true, persist: true },
      );
      return em.flush();
    };
    await account('unique@example.com');
    await assert.rejects(account('UNIQUE@example.com'), (error) => {
      assert.equal(isUniqueViolation(error), true);
      assert.equal(isUniqueViolation(error, 'account_email_unique'), true);
      assert.equal(isUniqueViolation(error, 'account_username_unique'), false);
      return true;
    });
  });

  it('tells a wrong statement from a server that is away', async () => {
    await assert.rejects(database().sql.query({ name: 'test_wrong', text: 'select * from no_such_table' }), (error) => {
      assert.equal(isOutage(error), false);
      assert.equal(asUnavailable(error), error);
      return true;
    });
    assert.equal(await database().isHealthy(), true);
  });

  it('takes a hundred units of work at once', async () => {
    const work = Array.from({ length: 100 }, (_, index) =>
      database().transaction(async (em) => {
        const [row] = await em.execute<{ n: number }[]>('select ?::int as n', [index]);
        return row?.n;
      }),
    );
    assert.deepEqual(
      await within(20_000, Promise.all(work)),
      Array.from({ length: 100 }, (_, index) => index),
    );
  });
});

describe('a server that is away', { skip }, () => {
  it('is told at once when nobody listens, as Unavailable with a time to come back', async () => {
    await assert.rejects(within(5000, open('postgres://nobody@127.0.0.1:1/nothing')), (error) => {
      assert.ok(error instanceof Unavailable);
      assert.equal(error.code, 'database-unavailable');
      assert.equal(error.retryAfter, 5);
      return true;
    });
  });

  it('is noticed when it accepts connections and never answers', async (context) => {
    const url = await freshUrl(context);
    const proxy = await startTcpProxy(url);
    context.after(() => proxy.close());
    proxy.freeze();
    await assert.rejects(within(5000, open(proxy.through(url))), Unavailable);
  });

  it('makes every query Unavailable and works again by itself, however often and in the middle of what it happens', async (context) => {
    const url = await freshUrl(context);
    const proxy = await startTcpProxy(url);
    context.after(() => proxy.close());
    const database = await opened(context, proxy.through(url), { poolSize: 2 });
    await database.migrate();
    const slow = { name: 'test_slow', text: 'select pg_sleep(0.2)' };
    // More often than there are connections: each lost one must come back to the pool.
    for (let round = 0; round < 4; round += 1) {
      const running = [
        database.sql.query(slow),
        database.transaction((em) => em.execute(slow.text)),
        database.transaction((em) => em.execute(slow.text)),
        // Waits for a connection while the others hold both.
        database.transaction((em) => em.execute(slow.text)),
      ];
      const outcomes = Promise.allSettled(running);
      await wait(50);
      await proxy.cut();
      for (const outcome of await within(10_000, outcomes)) {
        assert.ok(outcome.status === 'rejected' && outcome.reason instanceof Unavailable, JSON.stringify(outcome));
      }
      assert.equal(await database.isHealthy(), false);
      await proxy.restore();
      assert.equal(await database.isHealthy(), true);
      const [row] = await within(
        5000,
        database.transaction((em) => em.execute<{ one: number }[]>('select 1 as one')),
      );
      assert.equal(row?.one, 1);
    }
  });

  it('is given up within two seconds when it hangs, inside of a transaction too, and works again by itself', async (context) => {
    const url = await freshUrl(context);
    const proxy = await startTcpProxy(url);
    context.after(() => proxy.close());
    const database = await opened(context, proxy.through(url), { poolSize: 2 });
    const one = { name: 'test_one', text: 'select 1 as one' };
    for (let round = 0; round < 2; round += 1) {
      // Both connections are there and known to be good.
      await Promise.all([database.sql.query(one), database.sql.query(one)]);
      let resume: () => void = () => undefined;
      const frozen = new Promise<void>((resolve) => {
        resume = resolve;
      });
      const inside = database.transaction(async (em) => {
        await em.execute(one.text);
        await frozen;
        await em.execute(one.text);
      });
      await database.sql.query(one);
      proxy.freeze();
      resume();
      const outcomes = await within(
        4000,
        Promise.allSettled([inside, database.sql.query(one), database.transaction((em) => em.execute(one.text))]),
      );
      for (const outcome of outcomes) {
        assert.ok(outcome.status === 'rejected' && outcome.reason instanceof Unavailable, JSON.stringify(outcome));
      }
      await proxy.restore();
      for (let count = 0; count < 5; count += 1) {
        await within(
          5000,
          database.transaction((em) => em.execute(one.text)),
        );
      }
    }
  });

  it('does not keep a stop waiting', async (context) => {
    const url = await freshUrl(context);
    const proxy = await startTcpProxy(url);
    context.after(() => proxy.close());
    const database = await open(proxy.through(url));
    const outcome = Promise.allSettled([database.transaction((em) => em.execute('select pg_sleep(0.2)'))]);
    await wait(50);
    await proxy.cut();
    await outcome;
    await within(5000, database.close());
  });
});

describe('what counts as an outage', () => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });

  it('is a connection that failed, also as the cause of something else', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', '57P01', '53300', '08006']) {
      assert.equal(isOutage(withCode(code)), true, code);
      assert.equal(isOutage(new Error('wrapped', { cause: withCode(code) })), true, code);
    }
    assert.equal(isOutage(new AggregateError([withCode('ECONNREFUSED')], 'all addresses failed')), true);
    assert.equal(isOutage(new Error('Connection terminated unexpectedly')), true);
    assert.equal(isOutage(new Unavailable()), true);
  });

  it('is not a wrong statement, a refused value or an error of ours', () => {
    for (const code of ['23505', '42601', '22P02', '40001']) assert.equal(isOutage(withCode(code)), false, code);
    for (const value of [undefined, null, 'ECONNREFUSED', new NotFound(), new Error('x')])
      assert.equal(isOutage(value), false);
  });

  it('becomes Unavailable with the cause for the log, and an error of ours stays itself', () => {
    const cause = withCode('ECONNREFUSED');
    const error = asUnavailable(cause);
    assert.ok(error instanceof Unavailable);
    assert.equal(error.cause, cause);
    const own = new NotFound();
    assert.equal(asUnavailable(own), own);
  });
});
