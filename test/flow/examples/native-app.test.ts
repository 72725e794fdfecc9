// The example of a native app, from its terminal to a finished sign-in and back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SignedOut, TokenKeeper, type Tokens } from '../../../examples/native-app/token-keeper.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';
import { registerExample, runExample } from './example.ts';

describeOnEachBackend('the native app', (latchkey) => {
  const start = async () => {
    const { clientId } = await registerExample(latchkey(), 'native-app');
    return runExample('native-app', { ISSUER: latchkey().issuer, CLIENT_ID: clientId, BROWSER_COMMAND: '' });
  };

  it('signs in at a free port, refreshes across a rotation, and signs out', async () => {
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const app = await start();
    const letThemSign = await publishNextKeys(latchkey());
    const url = new URL(await app.untilWritten(/Sign in at (\S+)/));
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
    const browser = latchkey().browser();
    const { location } = await answerPrompts(browser, await browser.get(url), { account });
    assert.equal(location?.hostname, '127.0.0.1');
    // Other programs of the machine call there, too.
    const forged = new URL(location);
    forged.searchParams.set('state', 'another');
    assert.equal((await send(forged.href)).status, 404);
    const otherIssuer = new URL(location);
    otherIssuer.searchParams.set('iss', 'https://evil.example');
    assert.equal((await send(otherIssuer.href)).status, 404);
    assert.match((await send(location.href)).text, /You can close this window/);

    assert.equal(await app.untilWritten(/Signed in as ([^.]+)/), account.subject);
    app.type('who');
    assert.equal(await app.untilWritten(/You are (.+)\n/), `Ann Lee <${account.email}>`);
    await letThemSign();
    app.type('refresh');
    await app.untilWritten(/New tokens, good until/);
    app.type('sign-out');
    await app.untilWritten(/Signed out/);
    assert.deepEqual(await app.ended.then(({ code, stderr }) => [code, stderr]), [0, '']);
  });

  it('forgets everything when its tokens are not accepted any more', async () => {
    const account = await latchkey().createAccount();
    const app = await start();
    const browser = latchkey().browser();
    const url = await app.untilWritten(/Sign in at (\S+)/);
    const { location } = await answerPrompts(browser, await browser.get(new URL(url)), { account });
    await send(location?.href ?? '');
    await app.untilWritten(/Signed in/);
    const change = { from: ['active'], to: 'disabled', action: 'account.disable' } as const;
    await latchkey().app.accounts.setStatus(account.id, change, { actor: { kind: 'cli' } });
    app.type('who');
    await app.untilWritten(/Signed out: The answer was 401/);
    assert.equal((await app.ended).code, 0);
  });
});

describe('the token keeper of the native app', () => {
  const tokens = (change: Partial<Tokens> = {}): Tokens => ({
    accessToken: 'access-1',
    refreshToken: 'refresh-1',
    idToken: undefined,
    expiresAt: Date.now() / 1000 + 900,
    ...change,
  });

  it('refreshes five minutes before the end, and not sooner', async () => {
    let count = 0;
    const keeper = new TokenKeeper(async () => {
      count += 1;
      return tokens({ accessToken: 'access-2' });
    });
    keeper.keep(tokens({ expiresAt: Date.now() / 1000 + 330 }));
    assert.equal(await keeper.accessToken(), 'access-1');
    keeper.keep(tokens({ expiresAt: Date.now() / 1000 + 270 }));
    assert.equal(await keeper.accessToken(), 'access-2');
    assert.equal(count, 1);
  });

  it('refreshes once for all who ask at the same time', async () => {
    const sent: string[] = [];
    const keeper = new TokenKeeper(async (refreshToken) => {
      sent.push(refreshToken);
      return tokens({ accessToken: 'access-2', refreshToken: 'refresh-2' });
    });
    keeper.keep(tokens({ expiresAt: 0 }));
    const all = await Promise.all(Array.from({ length: 10 }, () => keeper.accessToken()));
    assert.deepEqual([...new Set(all)], ['access-2']);
    assert.deepEqual(sent, ['refresh-1']);
  });

  it('clears the tokens when it is refused, and keeps them when the network is away', async () => {
    const failures = [new Error('the network'), new SignedOut('no')];
    const keeper = new TokenKeeper(async () => {
      throw failures.shift() ?? new Error('too often');
    });
    keeper.keep(tokens({ expiresAt: 0 }));
    await assert.rejects(keeper.accessToken(), { message: 'the network' });
    assert.ok(keeper.current);
    await assert.rejects(keeper.accessToken(), SignedOut);
    assert.equal(keeper.current, undefined);
  });

  it('sends nothing in the clear', async () => {
    const keeper = new TokenKeeper(() => Promise.reject(new Error('not asked')));
    keeper.keep(tokens());
    await assert.rejects(keeper.fetch('http://api.example.com/'), /https only/);
  });
});
