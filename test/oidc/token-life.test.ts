import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Browser } from '../support/browser-client.ts';
import { authorizationRequest, redeem, refresh, signIn, tokenRequest, userinfo } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

describe('the life of', () => {
  let latchkey: Latchkey;
  before(async () => {
    latchkey = await startLatchkey();
  });
  after(() => latchkey.stop());

  /** The engine's clock, and the browser's, go on by so much; storage keeps its own. */
  function clock(context: TestContext) {
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    return (milliseconds: number) => context.mock.timers.setTime(Date.now() + milliseconds);
  }

  async function start(remember: boolean) {
    const [client, account] = [await latchkey.createClient(), await latchkey.createAccount()];
    const browser = latchkey.browser();
    const params = { scope: 'openid offline_access', prompt: 'consent' };
    const signedIn = await signIn(latchkey, browser, client, { account, remember, params });
    const tokens = await redeem(latchkey, client, signedIn);
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    return { client, account, browser, tokens: tokens.body };
  }
  type Started = Awaited<ReturnType<typeof start>>;

  /** Refreshes until it is refused. @returns days after which the last refresh worked */
  async function lastGoodDay(started: Started, pass: (ms: number) => void, every: number): Promise<number> {
    let token = started.tokens['refresh_token'];
    for (let day = 0; day < 200; day += every) {
      pass(every * DAY);
      const answer = await refresh(latchkey, started.client, token);
      if (answer.status !== 200) {
        assert.equal(answer.body['error'], 'invalid_grant');
        return day;
      }
      token = answer.body['refresh_token'];
    }
    return Number.POSITIVE_INFINITY;
  }

  const isSignedIn = async (browser: Browser, started: Started): Promise<boolean> => {
    const request = authorizationRequest(latchkey.issuer, started.client, { prompt: 'none' });
    return (await browser.get(request.url)).params['code'] !== undefined;
  };

  it('a refresh token is 7 days without use, and its family 30 days', async (context) => {
    const pass = clock(context);
    const idle = await start(false);
    pass(7 * DAY - HOUR);
    const answer = await refresh(latchkey, idle.client, idle.tokens['refresh_token']);
    assert.equal(answer.status, 200);
    pass(7 * DAY + HOUR);
    assert.equal((await refresh(latchkey, idle.client, answer.body['refresh_token'])).body['error'], 'invalid_grant');
    assert.equal(await lastGoodDay(await start(false), pass, 3), 27);
  });

  it('a remembered refresh token is 30 days without use, and its family 90 days', async (context) => {
    const pass = clock(context);
    const idle = await start(true);
    pass(30 * DAY - HOUR);
    const answer = await refresh(latchkey, idle.client, idle.tokens['refresh_token']);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    pass(30 * DAY + HOUR);
    assert.equal((await refresh(latchkey, idle.client, answer.body['refresh_token'])).body['error'], 'invalid_grant');
    assert.equal(await lastGoodDay(await start(true), pass, 4), 88);
  });

  it('a session is 7 days without use and 30 days at most, and 30 and 90 when remembered', async (context) => {
    const pass = clock(context);
    for (const [remember, idleDays, absoluteDays] of [
      [false, 7, 30],
      [true, 30, 90],
    ] as const) {
      const idle = await start(remember);
      pass(idleDays * DAY - HOUR);
      assert.equal(await isSignedIn(idle.browser, idle), true);
      pass(idleDays * DAY + HOUR);
      assert.equal(await isSignedIn(idle.browser, idle), false);

      const busy = await start(remember);
      const step = idleDays - 1;
      let age = 0;
      while (age + step < absoluteDays) {
        pass(step * DAY);
        age += step;
        assert.equal(await isSignedIn(busy.browser, busy), true, `day ${age}`);
      }
      pass((absoluteDays - age) * DAY + HOUR);
      assert.equal(await isSignedIn(busy.browser, busy), false);
    }
  });

  it('a code is a minute, an access token fifteen, an interaction an hour', async (context) => {
    const pass = clock(context);
    const started = await start(false);
    const { client, account, browser } = started;
    const [good, late] = [
      await signIn(latchkey, browser, client, { account }),
      await signIn(latchkey, browser, client, { account }),
    ];
    pass(59 * SECOND);
    assert.equal((await redeem(latchkey, client, good)).status, 200);
    pass(2 * SECOND);
    assert.equal((await redeem(latchkey, client, late)).body['error'], 'invalid_grant');

    const fresh = await refresh(latchkey, client, started.tokens['refresh_token']);
    pass(899 * SECOND);
    assert.equal((await userinfo(latchkey, fresh.body['access_token'])).status, 200);
    pass(2 * SECOND);
    assert.equal((await userinfo(latchkey, fresh.body['access_token'])).status, 401);
    const seen = await tokenRequest(latchkey, '/token/introspection', client, {
      token: String(fresh.body['access_token']),
    });
    assert.deepEqual(seen.body, { active: false });

    const person = latchkey.browser();
    const login = await person.get(authorizationRequest(latchkey.issuer, client).url);
    pass(HOUR + SECOND);
    const page = await person.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.equal(page.error, 'interaction-expired', page.describe());
  });

  it('consent does not end with a session', async (context) => {
    const pass = clock(context);
    const started = await start(false);
    pass(200 * DAY);
    const again = await signIn(latchkey, latchkey.browser(), started.client, {
      account: started.account,
      decision: 'deny',
    });
    assert.notEqual(again.code, undefined, 'it was not asked again');
  });
});
