import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { clientSnippet, clientSnippets } from '../../src/client/snippet.ts';

const ISSUER = 'https://id.example.com';
const METADATA = { client_id: 'client-1', redirect_uris: ['https://app.example.com/cb'] };

describe('the example for a new client', () => {
  it('is filled with the values of the client', () => {
    const text = clientSnippet({ issuer: ISSUER, metadata: METADATA, clientSecret: 's3cret' });
    for (const value of [ISSUER, 'client-1', 's3cret', 'https://app.example.com/cb', 'S256', 'RS256']) {
      assert.ok(text.includes(value), value);
    }
    assert.doesNotMatch(text, /allowInsecureRequests/);
    assert.match(clientSnippet({ issuer: 'http://localhost:3000', metadata: METADATA }), /allowInsecureRequests/);
  });

  it('authenticates as the client registered', () => {
    const snippet = (method: 'none' | 'client_secret_basic' | 'client_secret_post') =>
      clientSnippet({
        issuer: ISSUER,
        metadata: { ...METADATA, token_endpoint_auth_method: method },
        clientSecret: 's',
      });
    assert.match(snippet('none'), /oidc\.None\(\)/);
    assert.doesNotMatch(snippet('none'), /Secret/);
    assert.match(snippet('client_secret_basic'), /oidc\.ClientSecretBasic\("s"\)/);
    assert.match(snippet('client_secret_post'), /oidc\.ClientSecretPost\("s"\)/);
  });

  it('is JavaScript, whatever the values are', () => {
    const metadata = { client_id: 'a"b\\c`${d}', redirect_uris: ['https://app.example.com/"\n</script>'] };
    // Beside the tests, where openid-client is found.
    const folder = mkdtempSync(join(import.meta.dirname, '.snippet-'));
    try {
      const file = join(folder, 'snippet.mjs');
      writeFileSync(file, clientSnippet({ issuer: ISSUER, metadata, clientSecret: '"' }));
      execFileSync(process.execPath, ['--check', file]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the examples for a client', () => {
  const kinds = (metadata: object) =>
    clientSnippets({ issuer: ISSUER, metadata: { ...METADATA, ...metadata }, clientSecret: 's3cret' }).map(
      ({ kind }) => kind,
    );

  it('are those that such a client can use', () => {
    assert.deepEqual(kinds({}), ['openid-client', 'settings', 'authlib', 'oauth2-proxy']);
    assert.deepEqual(kinds({ token_endpoint_auth_method: 'none' }), ['openid-client', 'settings', 'authlib']);
    assert.deepEqual(kinds({ grant_types: ['client_credentials'] }), ['curl']);
  });

  it('are filled with its values, and a public client gets no secret', () => {
    for (const { kind, text } of clientSnippets({ issuer: ISSUER, metadata: METADATA, clientSecret: 's3cret' })) {
      for (const value of [ISSUER, 'client-1', 's3cret']) assert.ok(text.includes(value), `${kind} ${value}`);
    }
    const metadata = { ...METADATA, token_endpoint_auth_method: 'none' } as const;
    for (const { kind, text } of clientSnippets({ issuer: ISSUER, metadata })) {
      assert.ok(!text.includes('SECRET'), kind);
    }
  });
});
