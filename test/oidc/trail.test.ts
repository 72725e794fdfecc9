import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Seal } from '../../src/crypto/seal.ts';
import { Trail } from '../../src/oidc/trail.ts';
import { send, serve } from '../support/web.ts';

const SECRET = 'the master secret of this test, long enough';

/** `?note=uid:client` notes, `?find=uid` finds; keeps the cookie between calls. */
async function browser(context: TestContext) {
  let trail = new Trail({ seal: new Seal(SECRET), naming: { isSecure: false } });
  const url = await serve(context, [
    (ctx) => {
      const [uid, clientId] = String(ctx.query['note'] ?? '').split(':');
      if (uid && clientId) trail.note(ctx, uid, clientId);
      ctx.body = { found: trail.findClientId(ctx, String(ctx.query['find'])) };
    },
  ]);
  let cookie = '';
  const call = async (query: string) => {
    const answer = await send(`${url}/?${query}`, { headers: cookie === '' ? {} : { cookie } });
    const [set] = answer.cookies;
    if (set) cookie = set.split(';')[0] ?? '';
    return (JSON.parse(answer.text) as { found: string | null }).found;
  };
  return {
    note: (uid: string, clientId: string) => call(`note=${uid}:${clientId}`),
    find: (uid: string) => call(`find=${uid}`),
    cookie: () => cookie,
    plant: (value: string) => {
      cookie = `latchkey_trail=${value}`;
    },
    rotate: (secret: string, previous?: string) => {
      trail = new Trail({ seal: new Seal(secret, previous), naming: { isSecure: false } });
    },
  };
}

describe('the trail', () => {
  it('remembers which client a sign-in was for', async (context) => {
    const { note, find } = await browser(context);
    assert.equal(await find('uid-1'), null);
    await note('uid-1', 'client-1');
    await note('uid-2', 'client-2');
    assert.equal(await find('uid-1'), 'client-1');
    assert.equal(await find('uid-2'), 'client-2');
    assert.equal(await find('uid-3'), null);
  });

  it('keeps the last five, so that the cookie never grows', async (context) => {
    const { note, find, cookie } = await browser(context);
    for (let index = 0; index < 20; index += 1) await note(`uid-${index}`, 'c'.repeat(200));
    assert.equal(await find('uid-14'), null);
    assert.notEqual(await find('uid-15'), null);
    assert.ok(cookie().length < 3000);
  });

  it('is readable to nobody and believes no cookie of somebody else', async (context) => {
    const { note, find, cookie, plant } = await browser(context);
    await note('uid-1', 'client-1');
    assert.doesNotMatch(cookie(), /client-1|uid-1/);
    for (const planted of ['', 'x', 'a'.repeat(4000), Buffer.from('[["uid-1","evil"]]').toString('base64url')]) {
      plant(planted);
      assert.equal(await find('uid-1'), null);
    }
  });

  it('outlives a rotation of the master secret and ends with the secret', async (context) => {
    const { note, find, rotate } = await browser(context);
    await note('uid-1', 'client-1');
    rotate('another master secret of this test, as long', SECRET);
    assert.equal(await find('uid-1'), 'client-1');
    rotate('a third master secret of this test, quite long');
    assert.equal(await find('uid-1'), null);
  });
});
