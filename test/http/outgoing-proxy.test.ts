// Calls over an outgoing proxy: by a tunnel, for one host, and straight for every other.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { viaProxy } from '../../src/http/outgoing-proxy.ts';
import { createLog } from '../../src/log.ts';
import { createBotApi } from '../../src/telegram/bot-api.ts';
import { createAdapter } from '../../src/upstream/adapters/index.ts';
import { Upstreams } from '../../src/upstream/upstreams.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { BOT_TOKEN, startTelegramApi } from '../support/telegram-api.ts';
import { startTelegramIssuer, TELEGRAM_PERSON, telegramDeclaration } from '../support/telegram-issuer.ts';

const [proxy, issuer, api] = [await startConnectProxy(), await startTelegramIssuer(), await startTelegramApi()];
after(() => Promise.all([proxy.close(), issuer.close(), api.close()]));
const straight = createGuardedFetch({ privateNetworkHosts: ['localhost', '127.0.0.1'], timeout: 2000 });
const log = createLog('fatal');
const request = {
  ...{ redirectUri: 'https://id.example.com/upstream/telegram/callback', state: 's'.repeat(43) },
  ...{ nonce: 'n'.repeat(43), codeVerifier: 'v'.repeat(43) },
};

function upstreamsWith(telegramProxy: string | undefined) {
  return new Upstreams({
    declarations: [telegramDeclaration(issuer)],
    secrets: { telegram: UPSTREAM_CLIENT.secret },
    ...{ fetch: straight, log, telegramProxy },
  });
}

test('Log In With Telegram goes through it: discovery, exchange and keys', async () => {
  const telegram = upstreamsWith(proxy.url).find('telegram');
  assert.ok(telegram);
  const seen = proxy.targets.length;
  const identity = await telegram.identify(issuer.authorize(await telegram.authorizationUrl(request)), request);
  assert.equal(identity.subject, String(TELEGRAM_PERSON['id']));
  assert.equal(identity.upstreamSubject, TELEGRAM_PERSON.sub);
  assert.ok(proxy.targets.length > seen);
  assert.deepEqual([...new Set(proxy.targets.slice(seen))], [new URL(issuer.issuer).host]);
  assert.deepEqual(proxy.refused, [], 'all of it by a tunnel');
});

test('the bot goes through it as well', async () => {
  const seen = proxy.targets.length;
  const bot = createBotApi({ token: BOT_TOKEN, apiRoot: api.url, proxy: proxy.url });
  assert.equal((await bot.api.getMe()).username, 'latchkey_test_bot');
  assert.deepEqual(proxy.targets.slice(seen), [new URL(api.url).host]);
  assert.ok(!proxy.refused.join().includes(BOT_TOKEN));
});

test('another host is called straight, and guarded', async () => {
  const seen = proxy.targets.length;
  const fetch = viaProxy(proxy.url, 'oauth.telegram.org', straight);
  assert.equal((await fetch(`${issuer.issuer}/.well-known/openid-configuration`)).status, 200);
  assert.equal(proxy.targets.length, seen);
  await assert.rejects(fetch('http://10.0.0.1/'), { code: 'outgoing-call-refused' });
  assert.equal(proxy.targets.length, seen);
});

test('a proxy that is away or refuses is an upstream that is away, not a way around it', async () => {
  const dead = await startConnectProxy();
  await dead.close();
  for (const url of [dead.url, proxy.url.replace('proxy:', 'stranger:')]) {
    const telegram = upstreamsWith(url).find('telegram');
    await assert.rejects(telegram?.authorizationUrl(request) ?? Promise.resolve(), { step: 'unreachable' });
  }
});

test('without one it is called straight', async () => {
  const seen = proxy.targets.length;
  const declaration = telegramDeclaration(issuer);
  assert.ok(createAdapter(declaration, { fetch: straight, secret: UPSTREAM_CLIENT.secret }));
  const telegram = upstreamsWith(undefined).find('telegram');
  assert.ok(await telegram?.authorizationUrl(request));
  assert.equal(proxy.targets.length, seen);
});
