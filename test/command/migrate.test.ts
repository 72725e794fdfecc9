import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { migrations } from '../../migrations/list.ts';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

describe('migrate', () => {
  it('has nothing to do on a database of this release', async () => {
    assert.deepEqual(await line.json(['migrate']), { applied: [] });
    assert.deepEqual(await line.json(['migrate', '--check']), { pending: [] });
    assert.equal((await line.run(['migrate', '--check'])).stdout, 'The database is up to date.\n');
  });

  it('tells what is pending, with exit code 1', async () => {
    const last = migrations.at(-1)?.name ?? '';
    await line.app.database.sql.query({ name: '', text: 'delete from schema_migration where name = $1' }, [last]);
    const people = await line.run(['migrate', '--check']);
    assert.deepEqual(people, {
      exitCode: 1,
      stdout: `pending  ${last}\n`,
      stderr: 'latchkey: One migration is pending.\n',
    });
    const json = await line.run(['migrate', '--check', '--json']);
    assert.equal(json.exitCode, 1);
    assert.deepEqual(JSON.parse(json.stdout), { pending: [last] });
    await line.app.database.sql.query({ name: '', text: 'insert into schema_migration (name) values ($1)' }, [last]);
  });

  it('refuses a database that a newer release has changed, and so does its check', async () => {
    await line.app.database.sql.query({
      name: '',
      text: `insert into schema_migration (name) values ('29991231-future')`,
    });
    for (const argv of [['migrate'], ['migrate', '--check']]) {
      const { exitCode, stdout, stderr } = await line.run(argv);
      assert.deepEqual([exitCode, stdout], [1, '']);
      assert.match(stderr, /^latchkey: The database was changed by a newer release \(29991231-future\).*\n$/);
    }
  });
});
