import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { HashQueue } from '../../src/credential/hash-queue.ts';
import { ShortCodes } from '../../src/credential/short-code.ts';
import { Unavailable } from '../../src/errors.ts';

const codes = new ShortCodes(new HashQueue(2, 10));

describe('the hash of a short code', () => {
  it('is scrypt with 16 MiB', async () => {
    assert.deepEqual(await codes.hash('salt', '123456'), scryptSync('123456', 'salt', 32, { N: 16_384, r: 8, p: 1 }));
  });

  it('is another one for another code, salt or key', async () => {
    const key = Buffer.alloc(32, 1);
    const hashes = await Promise.all([
      codes.hash('salt', '123456'),
      codes.hash('salt', '123457'),
      codes.hash('tlas', '123456'),
      codes.hash('salt', '123456', key),
      codes.hash('salt', '123456', Buffer.alloc(32, 2)),
    ]);
    assert.equal(new Set(hashes.map((hash) => hash.toString('hex'))).size, hashes.length);
    assert.equal(await codes.matches(await codes.hash('salt', '123456', key), 'salt', '123456', key), true);
    assert.equal(await codes.matches(await codes.hash('salt', '123456', key), 'salt', '123456'), false);
    assert.equal(await codes.matches(Buffer.alloc(0), 'salt', '123456'), false);
  });

  it('waits in the queue of all slow hashes and is refused when that is full', async () => {
    const queue = new HashQueue(1, 1);
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => new ShortCodes(queue).hash('salt', '1')));
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 2);
    for (const one of outcomes) assert.ok(one.status === 'fulfilled' || one.reason instanceof Unavailable);
  });
});
