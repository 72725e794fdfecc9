import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { clientAddress, clientNetwork, networkOf, siteOf } from '../../src/http/client-address.ts';
import { send, serve } from '../support/web.ts';

describe('the network that limits are counted by', () => {
  it('is an IPv4 address itself, also when it is written as IPv6', () => {
    assert.equal(networkOf('192.0.2.7'), '192.0.2.7');
    assert.equal(networkOf('::ffff:192.0.2.7'), '192.0.2.7');
    assert.equal(networkOf('::FFFF:c000:0207'), '192.0.2.7');
  });

  it('is the /64 of an IPv6 address, in one spelling', () => {
    for (const address of [
      '2001:db8:1:2::1',
      '2001:DB8:1:2:ffff:ffff:ffff:ffff',
      '2001:0db8:0001:0002:0:0:0:7',
      '2001:db8:1:2::1%eth0',
    ]) {
      assert.equal(networkOf(address), '2001:db8:1:2::/64', address);
    }
    assert.notEqual(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'));
    assert.equal(networkOf('::1'), '::/64');
  });

  it('is one and the same for everything that is no address', () => {
    for (const wrong of [
      '',
      'localhost',
      '1.2.3',
      '0x7f.1',
      '127.1',
      '192.0.2.07',
      '192.0.2.256',
      '1.2.3.4:80',
      '[::1]',
      '<script>',
      'a'.repeat(5000),
    ]) {
      assert.equal(networkOf(wrong), 'unknown', wrong);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4Extended(), fc.ipV6()), (input) => typeof networkOf(input) === 'string'),
    );
  });
});

describe('the address of a request', () => {
  async function seen(context: Parameters<typeof serve>[0], hops: number, forwarded?: string) {
    const url = await serve(
      context,
      [(ctx) => void (ctx.body = { address: clientAddress(ctx), network: clientNetwork(ctx) })],
      hops,
    );
    const headers: Record<string, string> = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    return JSON.parse((await send(url, { headers })).text) as { address: string; network: string };
  }

  it('is the socket’s when no proxy is trusted, whatever the header claims', async (context) => {
    assert.deepEqual(await seen(context, 0, '203.0.113.9'), { address: '127.0.0.1', network: '127.0.0.1' });
  });

  it('is what the trusted proxies added, not what the client wrote in front of it', async (context) => {
    assert.equal((await seen(context, 1, '198.51.100.1, 203.0.113.9')).address, '203.0.113.9');
    assert.equal((await seen(context, 2, '6.6.6.6, 198.51.100.1, 10.0.0.1')).address, '198.51.100.1');
  });

  it('is the socket’s when the header is garbage', async (context) => {
    for (const garbage of ['unknown', '', ',,,', '<script>', '203.0.113.9:1234', 'a'.repeat(4000)]) {
      assert.equal((await seen(context, 1, garbage)).address, '127.0.0.1', garbage);
    }
  });

  it('counts an IPv6 client behind a proxy by its /64', async (context) => {
    assert.equal((await seen(context, 1, '2001:db8:1:2:3:4:5:6')).network, '2001:db8:1:2::/64');
  });
});

describe('the site around a network', () => {
  it('is the /48 of an IPv6 network, and nothing for anything else', () => {
    assert.equal(siteOf(networkOf('2001:db8:1:2:3::4')), '2001:db8:1::/48');
    assert.equal(siteOf(networkOf('2001:db8:1:ffff::')), '2001:db8:1::/48');
    assert.notEqual(siteOf(networkOf('2001:db8:2::')), '2001:db8:1::/48');
    for (const other of ['192.0.2.1', 'unknown', '', '/64', 'x/64', '192.0.2.1/64']) assert.equal(siteOf(other), null);
  });
});
