// Outgoing calls: what may be reached, at connect time, and how much is read.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createGuardedFetch, isSpecialAddress, OutgoingCallRefused } from '../../src/http/guarded-fetch.ts';

describe('the guarded fetch', () => {
  let server: Server;
  let port = 0;
  let hits = 0;
  const guarded = createGuardedFetch({ privateNetworkHosts: [] });
  const open = createGuardedFetch({ privateNetworkHosts: ['localhost'], timeout: 300, mostBytes: 1000 });

  before(async () => {
    const answer: RequestListener = (req, res) => {
      hits += 1;
      if (req.url === '/big') res.end(Buffer.alloc(100_000));
      else if (req.url === '/elsewhere') res.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end();
      else if (req.url !== '/never') res.end('hello');
    };
    server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f000001', '127.1', '2130706433', '[::ffff:127.0.0.1]']) {
    it(`refuses ${host} before anything is sent`, async () => {
      const before = hits;
      await assert.rejects(guarded(`http://${host}:${port}/`), OutgoingCallRefused);
      assert.equal(hits, before);
    });
  }

  it('refuses every scheme but http and https', async () => {
    await assert.rejects(guarded('ftp://example.com/'), OutgoingCallRefused);
    await assert.rejects(guarded('file:///etc/passwd'), OutgoingCallRefused);
  });

  it('reaches a private host that the operator names', async () => {
    const response = await open(`http://localhost:${port}/`);
    assert.equal(await response.text(), 'hello');
  });

  it('does not follow a redirect', async () => {
    const response = await open(`http://localhost:${port}/elsewhere`);
    assert.equal(response.status, 302);
  });

  it('stops reading an answer that is too large', async () => {
    const response = await open(`http://localhost:${port}/big`).catch(() => null);
    if (response) await assert.rejects(response.text());
  });

  it('gives up on an answer that never comes', async () => {
    await assert.rejects(open(`http://localhost:${port}/never`), { name: 'TimeoutError' });
  });
});

describe('special addresses', () => {
  const special = ['10.0.0.1', '100.64.0.1', '169.254.169.254', '0.0.0.0', '192.0.2.1', '198.18.0.1', '224.0.0.1']
    .concat(['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::'])
    .concat(['2001:db8::1', 'ff02::1', 'nonsense', '']);
  for (const address of special) {
    it(`counts ${address || 'an empty text'} among them`, () => assert.equal(isSpecialAddress(address), true));
  }
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111']) {
    it(`leaves ${address} alone`, () => assert.equal(isSpecialAddress(address), false));
  }
});
