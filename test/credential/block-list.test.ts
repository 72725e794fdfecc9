import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOnBlockList, isPersonal, personalWords } from '../../src/credential/block-list.ts';

describe('the list of common passwords', () => {
  it('has what everybody tries first, in any case', () => {
    for (const common of ['password', 'PASSWORD', 'Password1234', '123456', 'qwertyuiop12', 'letmein']) {
      assert.equal(isOnBlockList(common), true, common);
    }
  });

  it('has each of them over and over as well', () => {
    for (const common of ['passwordpassword', 'LetMeInLetMeIn', 'dragondragondragon'])
      assert.equal(isOnBlockList(common), true, common);
  });

  it('has nothing that only contains one', () => {
    for (const good of ['correct horse battery staple', 'my dragon eats 7 melons', 'passwordpassword!', 'xkcd']) {
      assert.equal(isOnBlockList(good), false, good);
    }
  });
});

describe('what is too near to a person', () => {
  const owner = { email: 'Anna.Smith+mail@example.com', username: 'anna_smith88' };
  const words = personalWords(owner, 'Acme Login');

  it('is the own name in all its parts, and the name of the product', () => {
    for (const near of [
      'anna.smith+mail',
      'xxANNAxx',
      'my smith secret',
      'anna_smith88!',
      'smith88888888',
      'at example.com now',
      'acme login 2026',
      'AcmeLogin2026',
      'the login of mine',
    ]) {
      assert.equal(isPersonal(near.normalize('NFC'), words), true, near);
    }
  });

  it('is not a piece of three letters, nor a provider that many people have', () => {
    assert.equal(isPersonal('some example of a secret', words), false);
    assert.equal(isPersonal('com com com com', words), false);
    assert.equal(
      isPersonal('leo is a cat', personalWords({ email: 'leo@mail.com', username: 'leo' }, undefined)),
      false,
    );
  });

  it('is nothing where nothing is known', () => {
    assert.deepEqual(personalWords({}, undefined), []);
    assert.deepEqual(personalWords({ email: null, username: null }, ''), []);
    assert.equal(isPersonal('anything at all', []), false);
  });
});
