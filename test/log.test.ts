import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog, serializeError } from '../src/log.ts';

function capture(level = 'info') {
  const lines: string[] = [];
  const log = createLog(level, { write: (line: string) => void lines.push(line) });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> };
}

describe('the log', () => {
  it('writes one JSON document a line, with level and time in words', () => {
    const { log, lines, last } = capture();
    log.info({ requestId: 'r1', status: 200 }, 'request');
    assert.equal(lines.length, 1);
    const { time, ...rest } = last();
    assert.deepEqual(rest, { level: 'info', requestId: 'r1', status: 200, msg: 'request' });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = capture('warn');
    log.info('quiet');
    log.warn('loud');
    assert.equal(lines.length, 1);
  });

  it('blanks what is named like a secret, at the top and one level down', () => {
    const { log, lines } = capture();
    const secrets = Object.fromEntries(
      ['password', 'secret', 'token', 'authorization', 'cookie', 'client_secret', 'refresh_token'].map((name) => [
        name,
        `value-of-${name}`,
      ]),
    );
    log.info({ ...secrets, request: secrets }, 'x');
    assert.doesNotMatch(lines[0] ?? '', /value-of-/);
  });

  it('cannot be made to write a second line by a value', () => {
    const { log, lines } = capture();
    log.info({ userAgent: 'a\r\n{"level":"error"}\u2028' }, 'x\ny');
    assert.equal(lines.length, 1);
    assert.equal((lines[0] ?? '').trimEnd().includes('\n'), false);
  });

  it('writes errors through its own serializer', () => {
    const { log, last } = capture();
    const error = Object.assign(new Error('broken'), { code: 'ECONNREFUSED', parameters: ['s3cret'] });
    log.error({ err: error, code: 'database-unavailable' }, 'x');
    assert.equal(last()['code'], 'database-unavailable');
    const err = last()['err'] as Record<string, unknown>;
    assert.equal(err['message'], 'broken');
    assert.equal(err['code'], 'ECONNREFUSED');
    assert.equal('parameters' in err, false);
  });

  it('writes an error that was serialized already as it is, and of any other object nothing', () => {
    const { log, lines, last } = capture();
    log.error({ err: serializeError(new Error('broken')) }, 'x');
    assert.equal((last()['err'] as Record<string, unknown>)['message'], 'broken');
    log.error({ err: { name: 'Error', message: 's3cret' } }, 'x');
    assert.doesNotMatch(lines[1] ?? '', /s3cret/);
  });
});

describe('a serialized error', () => {
  it('has name, message, code, stack and causes, and nothing else', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', address: '10.0.0.1' });
    const out = serializeError(new TypeError('no database', { cause }));
    assert.deepEqual(Object.keys(out).toSorted(), ['cause', 'message', 'name', 'stack']);
    assert.equal(out.name, 'TypeError');
    assert.deepEqual(out.cause, { name: 'Error', message: 'refused', code: 'ECONNREFUSED' });
  });

  it('ends after a few causes, also when they form a circle', () => {
    const error = new Error('outer');
    error.cause = error;
    let depth = 0;
    for (let current = serializeError(error).cause; current; current = current.cause) depth += 1;
    assert.equal(depth, 3);
  });

  it('drops the statement with its values that the ORM puts in front of the driver’s message', () => {
    const out = serializeError(
      new Error("insert into account (email) values ('ann@example.com') - duplicate key value"),
    );
    assert.equal(out.message, 'duplicate key value');
    assert.doesNotMatch(out.stack ?? '', /ann@example\.com/);
  });

  it('of something that is no error is its type and the beginning of its text', () => {
    assert.deepEqual(serializeError('plain'), { name: 'string', message: 'plain' });
    assert.equal(serializeError('x'.repeat(10_000)).message.length, 500);
    assert.deepEqual(serializeError(undefined), { name: 'undefined', message: 'undefined' });
  });
});
