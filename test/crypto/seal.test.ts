import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Seal, SealError } from '../../src/crypto/seal.ts';

const SECRET = 'the master secret of this test, long enough';
const OTHER = 'another master secret of this test, as long';

describe('a sealed value', () => {
  it('opens to what was sealed, text and bytes, empty and large', () => {
    const seal = new Seal(SECRET);
    for (const text of ['', 'a', 'пароль 🔑', 'x'.repeat(100_000)]) {
      assert.equal(seal.openText('purpose', seal.seal('purpose', text)), text);
    }
    const bytes = Buffer.from([0, 255, 10, 13]);
    assert.deepEqual(seal.open('purpose', seal.seal('purpose', bytes)), bytes);
  });

  it('looks different each time and does not contain what it hides', () => {
    const seal = new Seal(SECRET);
    const first = seal.seal('purpose', 'the hidden text');
    assert.notDeepEqual(first, seal.seal('purpose', 'the hidden text'));
    assert.equal(first.includes('hidden'), false);
  });

  it('does not open for another purpose', () => {
    const seal = new Seal(SECRET);
    assert.throws(() => seal.open('other', seal.seal('purpose', 'text')), SealError);
  });

  it('does not open after a change of any single byte', () => {
    const seal = new Seal(SECRET);
    const sealed = seal.seal('purpose', 'text');
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index] = (changed[index] ?? 0) ^ 1;
      assert.throws(() => seal.open('purpose', changed), SealError, `byte ${index}`);
    }
  });

  it('does not open when it was cut, and garbage is refused as such', () => {
    const seal = new Seal(SECRET);
    const sealed = seal.seal('purpose', 'text');
    for (let length = 0; length < sealed.length; length += 1) {
      assert.throws(() => seal.open('purpose', sealed.subarray(0, length)), SealError, `length ${length}`);
    }
  });

  it('opens from a view into a larger buffer, as database drivers hand it out', () => {
    const seal = new Seal(SECRET);
    const sealed = seal.seal('purpose', 'text');
    const larger = new Uint8Array(sealed.length + 20);
    larger.set(sealed, 7);
    assert.equal(seal.openText('purpose', larger.subarray(7, 7 + sealed.length)), 'text');
    assert.equal(seal.isStale(larger.subarray(7, 7 + sealed.length)), false);
  });
});

describe('rotating the master secret', () => {
  it('opens old values with the previous secret and says that they are stale', () => {
    const sealed = new Seal(SECRET).seal('purpose', 'text');
    const rotated = new Seal(OTHER, SECRET);
    assert.equal(rotated.openText('purpose', sealed), 'text');
    assert.equal(rotated.isStale(sealed), true);
    assert.equal(rotated.isStale(rotated.seal('purpose', 'text')), false);
  });

  it('seals with the current secret only', () => {
    const sealed = new Seal(OTHER, SECRET).seal('purpose', 'text');
    assert.equal(new Seal(OTHER).openText('purpose', sealed), 'text');
    assert.throws(() => new Seal(SECRET).open('purpose', sealed), SealError);
  });

  it('refuses a value whose secret is not configured', () => {
    const sealed = new Seal(SECRET).seal('purpose', 'text');
    assert.throws(() => new Seal(OTHER).open('purpose', sealed), /not configured/);
  });
});

describe('keys for other uses', () => {
  it('depend on secret and purpose and are stable', () => {
    const seal = new Seal(SECRET);
    assert.equal(seal.deriveKey('form token').length, 32);
    assert.deepEqual(seal.deriveKey('form token'), new Seal(SECRET).deriveKey('form token'));
    assert.notDeepEqual(seal.deriveKey('form token'), seal.deriveKey('other'));
    assert.notDeepEqual(seal.deriveKey('form token'), new Seal(OTHER).deriveKey('form token'));
  });

  it('come in the order of the secrets, so that what was made before a rotation is recognised', () => {
    const old = new Seal(SECRET).deriveKey('form token');
    const rotated = new Seal(OTHER, SECRET);
    assert.deepEqual(rotated.deriveKeys('form token'), [rotated.deriveKey('form token'), old]);
    assert.deepEqual(new Seal(SECRET).deriveKeys('form token'), [old]);
  });
});
