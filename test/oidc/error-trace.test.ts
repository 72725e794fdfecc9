// Stack traces: none for errors of the protocol, which are built by the dozen, and all of them for every other error.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errors } from 'oidc-provider';
import { stopTracingProtocolErrors } from '../../src/oidc/error-trace.ts';

describe('traces of errors', () => {
  it('are left out where the engine speaks the protocol', () => {
    stopTracingProtocolErrors();
    stopTracingProtocolErrors();
    const error = new errors.InvalidToken('not found');
    assert.ok(error instanceof errors.OIDCProviderError);
    assert.ok(error instanceof Error);
    assert.deepEqual([error.message, error.status, error.name], ['invalid_token', 401, 'InvalidToken']);
    assert.doesNotMatch(String(error.stack), /\n\s+at /);
  });

  it('stay for everything that nobody expected', () => {
    stopTracingProtocolErrors();
    void new errors.InvalidGrant('x');
    class Own extends Error {}
    assert.match(String(new Own('x').stack), /error-trace\.test/);
    const target: { stack?: string } = {};
    Error.captureStackTrace(target);
    assert.match(String(target.stack), /error-trace\.test/);
  });
});
