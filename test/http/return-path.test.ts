import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { safeReturnPath } from '../../src/http/return-path.ts';

describe('where a form may lead afterwards', () => {
  it('is a path of our own, with its query', () => {
    for (const path of ['/', '/account', '/account/security?tab=2', '/interaction/abc/login']) {
      assert.equal(safeReturnPath(path), path);
    }
  });

  it('is the default page for everything else', () => {
    const wrong = [
      ...[
        '',
        'account',
        'https://evil.example/',
        '//evil.example',
        '///evil.example',
        '/\\evil.example',
        '\\\\evil.example',
      ],
      ...[
        '/\t/evil.example',
        '/\n/evil.example',
        '/ /evil.example',
        'javascript:alert(1)',
        'data:text/html,x',
        '/a\\b',
        '/\0',
      ],
      ...[
        '/..//evil.example',
        '/.//evil.example',
        '/a/..//evil.example',
        '/%5cevil.example/..//x',
        '/пример',
        `/${'a'.repeat(2000)}`,
      ],
    ];
    for (const input of wrong) assert.equal(safeReturnPath(input), '/', JSON.stringify(input));
    for (const input of [undefined, null, 1, {}, ['/account']]) assert.equal(safeReturnPath(input), '/');
    assert.equal(safeReturnPath('https://evil.example/', '/account'), '/account');
  });

  it('is never read as another origin by a browser, whatever is sent', () => {
    const parts = fc.constantFrom(
      '',
      '..',
      '.',
      '%2e%2e',
      '%2f',
      '%5c',
      '\\',
      '@evil.example',
      'evil.example',
      ':80',
      '?a',
      '#',
      '\t',
    );
    const nasty = fc.array(parts, { maxLength: 6 }).map((segments) => `/${segments.join('/')}`);
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: nasty }, fc.webUrl(), fc.string()), (input) => {
        const path = safeReturnPath(input);
        assert.ok(path.startsWith('/'));
        assert.equal(new URL(path, 'https://id.example').origin, 'https://id.example');
        // And once more after a proxy or a template has normalised it.
        assert.equal(
          new URL(new URL(path, 'https://id.example').pathname, 'https://id.example').origin,
          'https://id.example',
        );
        assert.equal(safeReturnPath(path), path);
      }),
      { numRuns: 3000 },
    );
  });
});
