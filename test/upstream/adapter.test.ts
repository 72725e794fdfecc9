// What a failed upstream sign-in says, and to whom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpstreamFailure } from '../../src/upstream/adapter.ts';

test('a failure carries its step in a stable code and keeps what the upstream said out of the message', () => {
  const failure = new UpstreamFailure('exchange', 'Google did not accept the answer.', new Error('invalid_client'));
  assert.equal(failure.code, 'upstream-exchange');
  assert.equal(failure.status, 502);
  assert.equal(failure.step, 'exchange');
  assert.doesNotMatch(failure.message, /invalid_client/);
});

test('a person who said no is no fault of the upstream', () => {
  assert.equal(new UpstreamFailure('denied', 'You did not allow it.').status, 403);
});
