import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redirectProblem } from '../../src/client/redirect-lint.ts';

/** What the page says while one types. */
const typed = (await import(new URL('../../views/assets/redirect-lint.js', import.meta.url).href)) as {
  readonly redirectProblem: typeof redirectProblem;
};

describe('a redirect URI', () => {
  for (const [uri, isNative, problem] of [
    ['https://app.example.com/callback?x=1', false, null],
    ['http://127.0.0.1:8080/callback', true, null],
    ['http://[::1]/callback', true, null],
    ['com.example.app:/callback', true, null],
    ['com.example.app:/callback', false, 'scheme'],
    ['app:/callback', true, 'scheme'],
    ['javascript:alert(1)', true, 'scheme'],
    ['http://app.example.com/', false, 'http'],
    ['http://localhost.example.com/', false, 'http'],
    ['https://*.example.com/', false, 'wildcard'],
    ['https://app.example.com/#', false, 'fragment'],
    ['https://app.example.com@evil.example/', false, 'credentials'],
    ['/callback', false, 'not-url'],
    ['https://app.example.com/a b', false, 'not-url'],
    ['', false, 'not-url'],
  ] as const) {
    it(`${uri || 'that is empty'}, ${isNative ? 'native' : 'web'}: ${problem ?? 'good'}`, () => {
      assert.equal(redirectProblem(uri, isNative), problem);
      assert.equal(typed.redirectProblem(uri, isNative), problem);
    });
  }
});
