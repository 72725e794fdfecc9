import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SettingsError } from '../../config/settings.ts';
import { present } from '../../src/command/present.ts';
import { SealError } from '../../src/crypto/seal.ts';
import { NotFound, Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';

const fails = (error: unknown, isJson = false, log = createLog('silent')) =>
  present(isJson, log, () => Promise.reject(error));

describe('what a command prints', () => {
  it('is its text, or with --json its document alone', async () => {
    const outcome = async () => ({ json: { a: 1 }, text: 'one' });
    assert.deepEqual(await present(false, undefined, outcome), { exitCode: 0, stdout: 'one\n', stderr: '' });
    assert.deepEqual(await present(true, undefined, outcome), { exitCode: 0, stdout: '{\n  "a": 1\n}\n', stderr: '' });
  });

  it('is the answer and one line more when the answer is no', async () => {
    const outcome = async () => ({ json: {}, text: 'pending  x', failure: 'One is pending.' });
    const printed = await present(false, undefined, outcome);
    assert.deepEqual(printed, { exitCode: 1, stdout: 'pending  x\n', stderr: 'latchkey: One is pending.\n' });
  });
});

describe('a failure', () => {
  it('is one line on standard error, and with --json one document too', async () => {
    const error = new NotFound('There is no such account.', { code: 'account-not-found' });
    const stderr = 'latchkey: There is no such account.\n';
    assert.deepEqual(await fails(error), { exitCode: 1, stdout: '', stderr });
    const printed = await fails(error, true);
    assert.equal(printed.stderr, stderr);
    assert.deepEqual(JSON.parse(printed.stdout), { error: 'account-not-found', message: 'There is no such account.' });
  });

  it('of something else is told with its first cause', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
    const cause = new Error('orm', { cause: Object.assign(new AggregateError([refused]), { message: '' }) });
    const { stderr } = await fails(new Unavailable('The database cannot be reached.', { cause }));
    assert.equal(stderr, 'latchkey: The database cannot be reached. (connect ECONNREFUSED 127.0.0.1:1)\n');
  });

  it('never shows a statement with its values', async () => {
    const cause = new Error("insert into account (email) values ('ann@example.com') - disk full");
    for (const error of [new Unavailable('No.', { cause }), cause]) {
      const { stderr } = await fails(error);
      assert.match(stderr, /disk full/);
      assert.doesNotMatch(stderr, /ann@example\.com/);
    }
  });

  it('of settings lists every problem', async () => {
    const { stderr } = await fails(
      new SettingsError([
        { name: 'LATCHKEY_PORT', wrong: 'is wrong', example: '3000' },
        { name: 'LATCHKEY_HOST', wrong: 'is wrong too', example: '::1' },
      ]),
    );
    assert.match(stderr, /LATCHKEY_PORT.*\n.*LATCHKEY_HOST/);
  });

  it('of a value sealed with another secret says so', async () => {
    assert.match((await fails(new SealError('unknown key'))).stderr, /another LATCHKEY_SECRET/);
  });

  it('that nobody foresaw leaves its stack in the log', async () => {
    const lines: string[] = [];
    const log = createLog('error', { write: (line: string) => void lines.push(line) });
    const { exitCode, stderr } = await fails(new TypeError('x is\nundefined'), false, log);
    assert.equal(exitCode, 1);
    assert.equal(stderr, 'latchkey: x is undefined\n');
    assert.match(JSON.parse(lines[0] ?? '{}').err.stack, /TypeError/);
  });
});
