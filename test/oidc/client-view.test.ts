import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from 'oidc-provider';
import { clientView } from '../../src/oidc/client-view.ts';

function client(change: Partial<Record<keyof Client, unknown>>): Client {
  return { clientId: 'client-1', redirectUris: ['https://app.example.com/callback'], ...change } as unknown as Client;
}

describe('what pages show of a client', () => {
  it('is its name and the host that gets the answer', () => {
    const view = clientView(client({ clientName: 'My app' }), 'https://other.example.com:8443/cb?x=1');
    assert.equal(view?.name, 'My app');
    assert.equal(view?.host, 'other.example.com:8443');
  });

  it('is its id where there is no name, and its first redirect URI where the request names none', () => {
    const view = clientView(client({}));
    assert.equal(view?.name, 'client-1');
    assert.equal(view?.host, 'app.example.com');
    assert.equal(clientView(undefined), null);
  });

  it('names the scheme of a native app instead of a host', () => {
    assert.equal(clientView(client({}), 'com.example.app:/callback')?.host, 'com.example.app');
  });

  it('has links with https only, and plain http on the own machine', () => {
    const view = (uri: string) => clientView(client({ clientUri: uri, policyUri: uri, tosUri: uri }));
    assert.equal(view('https://app.example.com/x')?.policyUri, 'https://app.example.com/x');
    assert.equal(view('http://localhost:3002/')?.url, 'http://localhost:3002/');
    for (const wrong of [
      'http://app.example.com/',
      'javascript:alert(1)',
      'data:text/html,x',
      'http://localhost.evil.example/',
      'x',
      '',
    ]) {
      const { url, policyUri, tosUri } = view(wrong) ?? {};
      assert.deepEqual([url, policyUri, tosUri], [null, null, null], wrong);
    }
  });

  it('never has a name that breaks lines, reverses text or fills the page', () => {
    const view = clientView(client({ clientName: `a\u202e\u0000\r\n\u200b\u2028b${'x'.repeat(500)}` }));
    assert.equal(view?.name, `ab${'x'.repeat(98)}`);
  });

  it('never loads a logo from elsewhere', () => {
    assert.equal(clientView(client({ logoUri: 'https://app.example.com/logo.png' }))?.logoUri, null);
  });
});
