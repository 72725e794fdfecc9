// Lives of an app's own, over HTTP and with a clock that the test moves: they shorten what the deployment allows and never lengthen it, and one app
// ends earlier than the session that others go on with.
import assert from 'node:assert/strict';
import { after, before, it, mock } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { authorizationRequest, type Parameters, redeem, refresh, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';

const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };
const HOUR = 3600;
const DAY = 24 * HOUR;

/** Seconds. */
function pass(seconds: number): void {
  mock.timers.tick(seconds * 1000);
}

async function enter(latchkey: Latchkey, client: TestClient, account: AccountRow, browser = latchkey.browser()) {
  const { body } = await redeem(
    latchkey,
    client,
    await signIn(latchkey, browser, client, { account, params: OFFLINE }),
  );
  return { browser, tokens: body };
}

function lifeOf(idToken: unknown): number {
  const payload = JSON.parse(Buffer.from(String(idToken).split('.')[1] ?? '', 'base64url').toString()) as {
    readonly iat: number;
    readonly exp: number;
  };
  return payload.exp - payload.iat;
}

function ask(latchkey: Latchkey, browser: Browser, client: TestClient, change: Parameters = {}): Promise<Page> {
  return browser.get(authorizationRequest(latchkey.issuer, client, change).url);
}

describeOnEachBackend('the lives of an app of its own', (latchkey) => {
  before(() => mock.timers.enable({ apis: ['Date'], now: Date.now() }));
  after(() => mock.timers.reset());

  it('are those of its ID tokens, up to the one of the deployment', async () => {
    const account = await latchkey().createAccount();
    for (const [own, life] of [
      [undefined, HOUR],
      [90, 90],
      [DAY, HOUR],
    ] as const) {
      const client = await latchkey().createClient(own === undefined ? {} : { latchkey_id_token_ttl: own });
      const { tokens } = await enter(latchkey(), client, account);
      assert.equal(lifeOf(tokens['id_token']), life);
      assert.equal(lifeOf((await refresh(latchkey(), client, tokens['refresh_token'])).body['id_token']), life);
    }
  });

  it('are those of its refresh tokens without use, and none outlives the deployment’s', async () => {
    const account = await latchkey().createAccount();
    const short = await latchkey().createClient({ latchkey_refresh_token_ttl: HOUR });
    const { tokens } = await enter(latchkey(), short, account);
    let token = tokens['refresh_token'];
    for (let use = 0; use < 3; use += 1) {
      pass(HOUR - 60);
      const answer = await refresh(latchkey(), short, token);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      token = answer.body['refresh_token'];
    }
    pass(HOUR + 60);
    assert.equal((await refresh(latchkey(), short, token)).body['error'], 'invalid_grant');

    const long = await latchkey().createClient({ latchkey_refresh_token_ttl: 365 * DAY });
    const entered = await enter(latchkey(), long, account);
    pass(6 * DAY);
    const used = await refresh(latchkey(), long, entered.tokens['refresh_token']);
    assert.equal(used.status, 200, JSON.stringify(used.body));
    pass(8 * DAY);
    assert.equal((await refresh(latchkey(), long, used.body['refresh_token'])).body['error'], 'invalid_grant');
  });

  it('are that of a sign-in: then it asks again, and its tokens end, while others go on', async () => {
    const account = await latchkey().createAccount();
    const bank = await latchkey().createClient({ latchkey_session_ttl: HOUR });
    const album = await latchkey().createClient();
    const { browser, tokens } = await enter(latchkey(), bank, account);
    const other = await enter(latchkey(), album, account, browser);
    pass(HOUR - 60);
    const silent = await ask(latchkey(), browser, bank, { prompt: 'none' });
    assert.ok(silent.params['code'], silent.describe());
    const rotated = await refresh(latchkey(), bank, tokens['refresh_token']);
    assert.equal(rotated.status, 200, JSON.stringify(rotated.body));
    pass(120);
    assert.equal((await refresh(latchkey(), bank, rotated.body['refresh_token'])).body['error'], 'invalid_grant');
    const refused = await ask(latchkey(), browser, bank, { prompt: 'none' });
    assert.equal(refused.params['error'], 'login_required', refused.describe());
    assert.equal((await ask(latchkey(), browser, bank, { max_age: String(DAY) })).id, 'reauthenticate');
    const free = await ask(latchkey(), browser, album, { prompt: 'none' });
    assert.ok(free.params['code'], free.describe());
    assert.equal((await refresh(latchkey(), album, other.tokens['refresh_token'])).status, 200);
    // After the proof it is entered as before, and the other one has not been asked.
    const again = await enter(latchkey(), bank, account, browser);
    assert.equal((await refresh(latchkey(), bank, again.tokens['refresh_token'])).status, 200);
  });
});
