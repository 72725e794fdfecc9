// What the pages around mails share: masked addresses, and proofs that turn out to be worth nothing.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maskTyped } from '../../src/credential/mailed-page.ts';
import { NotFound, Unavailable } from '../../src/errors.ts';
import { linkUsed, takeOrGone } from '../../src/interaction/mailed.ts';

describe('a typed address on a page', () => {
  it('shows its first letter and its domain', () => {
    assert.equal(maskTyped('ada@example.com'), 'a•••@example.com');
    assert.equal(maskTyped('a@example.com'), 'a•••@example.com');
    assert.equal(maskTyped('🦊fox@example.com'), '🦊•••@example.com');
  });

  it('shows nothing of what is no address', () => {
    for (const typed of ['', 'ada', '@example.com']) assert.equal(maskTyped(typed), null);
  });

  it('is as long whatever stands before the first @, and never long', () => {
    assert.equal(maskTyped(`${'a'.repeat(200)}@example.com`), maskTyped('ab@example.com'));
    assert.ok((maskTyped(`a@${'b'.repeat(1000)}`) ?? '').length <= 104);
  });
});

describe('taking a proof that is worth nothing any more', () => {
  it('is told like one that is gone', async () => {
    assert.deepEqual(await takeOrGone(Promise.reject(linkUsed())), { kind: 'gone' });
  });

  it('keeps every other outcome and every other failure', async () => {
    assert.deepEqual(await takeOrGone(Promise.resolve({ kind: 'taken' })), { kind: 'taken' });
    for (const error of [new Unavailable(), new NotFound(), new Error('other')]) {
      await assert.rejects(takeOrGone(Promise.reject(error)), (caught) => caught === error);
    }
  });
});
