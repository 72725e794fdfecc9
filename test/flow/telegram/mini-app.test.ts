// Signing in inside of Telegram: from what Telegram signed to a client's code, and everything that must lead nowhere.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, test } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { newMiniAppKey, signInitData } from '../../support/init-data.ts';
import { answerPrompts, authorizationRequest, redeem, tokenRequest } from '../../support/relying-party.ts';
import { UPSTREAM_CLIENT } from '../../support/scripted-upstream.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';
import { BOT_TOKEN } from '../../support/telegram-api.ts';
import { startTelegramIssuer, telegramDeclaration } from '../../support/telegram-issuer.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot, setTelegramStage } from '../../support/telegram-stage.ts';

const PATH = '/telegram/mini-app';
const { api, env } = await setTelegramStage({ miniApp: true });

/** The web view posts what Telegram gave it. */
async function open(browser: Browser, initData: string): Promise<Page> {
  return browser.submit(await browser.get(PATH), { init_data: initData }, { form: 'form[data-init]' });
}

function post(browser: Browser, initData: string, headers?: Record<string, string>): Promise<Page> {
  return browser.post(PATH, new URLSearchParams({ init_data: initData }).toString(), headers);
}

async function push(latchkey: Latchkey, client: TestClient) {
  const request = authorizationRequest(latchkey.issuer, client);
  const pushed = await tokenRequest(latchkey, '/request', client, Object.fromEntries(request.url.searchParams));
  assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
  return { ...request, startParam: `r-${String(pushed.body['request_uri']).split(':').at(-1) ?? ''}` };
}

async function subjectOf(latchkey: Latchkey, client: TestClient, end: Page, verifier: string): Promise<string> {
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
  const tokens = await redeem(latchkey, client, { verifier, code: end.params['code'] });
  const [, payload = ''] = String(tokens.body['id_token']).split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string; amr: string[] };
  assert.deepEqual(claims.amr, ['tg']);
  return claims.sub;
}

async function failures(latchkey: Latchkey): Promise<readonly string[]> {
  const rows = await latchkey.app.database
    .em()
    .execute<{ reason: string }[]>(
      `select reason from audit_event where action = 'telegram.mini-app' and result = 'failure' order by id`,
    );
  return rows.map(({ reason }) => reason);
}

describeOnEachBackend(
  'signing in by a Mini App',
  (latchkey) => {
    test('ends a pushed request with a code, for the account that the bot knows', async () => {
      const client = await latchkey().createClient();
      const user = newTelegramPerson();
      const browser = latchkey().browser();
      const { verifier, state, startParam } = await push(latchkey(), client);
      const confirm = await open(browser, signInitData(user, { startParam }));
      assert.equal(confirm.id, 'telegram-mini-app');
      assert.match(confirm.text, /Test app/);
      const end = await answerPrompts(browser, await browser.submit(confirm), {});
      assert.equal(end.params['state'], state);
      const subject = await subjectOf(latchkey(), client, end, verifier);

      const other = latchkey().browser();
      await openWithBot(latchkey(), other, client);
      const request = authorizationRequest(latchkey().issuer, client);
      const wait = await askBot(other, await other.get(request.url));
      await answerInBot(api, user, wait);
      const byBot = await answerPrompts(other, await other.submit(wait), {});
      assert.equal(await subjectOf(latchkey(), client, byBot, request.verifier), subject);
    });

    test("leads to the client's own start page, whose request then asks nothing", async () => {
      const client = await latchkey().createClient({ initiate_login_uri: 'https://app.example.com/start?from=tg' });
      const browser = latchkey().browser();
      const user = newTelegramPerson();
      const start = await browser.submit(
        await open(browser, signInitData(user, { startParam: `c-${client.clientId}` })),
      );
      assert.equal(start.location?.origin, 'https://app.example.com');
      assert.deepEqual(start.params, { from: 'tg', iss: latchkey().issuer });
      const request = authorizationRequest(latchkey().issuer, client);
      const end = await answerPrompts(browser, await browser.get(request.url), {});
      await subjectOf(latchkey(), client, end, request.verifier);
    });

    test('without a start parameter leads to the account portal', async () => {
      const browser = latchkey().browser();
      const page = await browser.submit(await open(browser, signInitData(newTelegramPerson())));
      assert.equal(page.id, 'account-sessions', page.describe());
    });

    test('starts no session before the button was pressed', async () => {
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      const { startParam } = await push(latchkey(), client);
      await open(browser, signInitData(newTelegramPerson(), { startParam }));
      assert.equal((await browser.get(authorizationRequest(latchkey().issuer, client).url)).id, 'login');
    });

    test('counts for the client that it was opened for and for no other', async () => {
      const [client, other] = [
        await latchkey().createClient({ initiate_login_uri: 'https://app.example.com/start' }),
        await latchkey().createClient(),
      ];
      const browser = latchkey().browser();
      await browser.submit(
        await open(browser, signInitData(newTelegramPerson(), { startParam: `c-${client.clientId}` })),
      );
      assert.equal((await browser.get(authorizationRequest(latchkey().issuer, other).url)).id, 'login');
    });

    test('needs no cookie: a frame without any hands on to a tab', async () => {
      const client = await latchkey().createClient();
      const { verifier, startParam } = await push(latchkey(), client);
      const confirm = await post(latchkey().browser(), signInitData(newTelegramPerson(), { startParam }));
      const tab = latchkey().browser();
      const end = await answerPrompts(tab, await tab.submit(confirm), {});
      await subjectOf(latchkey(), client, end, verifier);
    });

    test('ends the session of whoever used this web view before', async () => {
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      const subjects: string[] = [];
      for (const user of [newTelegramPerson(), newTelegramPerson()]) {
        const { verifier, startParam } = await push(latchkey(), client);
        const confirm = await open(browser, signInitData(user, { startParam }));
        const end = await answerPrompts(browser, await browser.submit(confirm), {});
        subjects.push(await subjectOf(latchkey(), client, end, verifier));
      }
      assert.notEqual(subjects[0], subjects[1]);
    });

    test('data is used once, however many posts come together', async () => {
      const initData = signInitData(newTelegramPerson());
      const answers = await together(20, () => post(latchkey().browser(), initData));
      assert.deepEqual(
        answers.map(({ status }) => status).toSorted((a, b) => a - b),
        [200, ...Array.from({ length: 19 }, () => 410)],
      );
      assert.match(String(answers.find(({ status }) => status === 410)?.text), /open it again/i);
      const unsorted = new URLSearchParams([...new URLSearchParams(initData)].toReversed()).toString();
      assert.equal((await post(latchkey().browser(), unsorted)).status, 410, 'other order, same data');
    });

    test('the button works once, however many presses come together', async () => {
      const browser = latchkey().browser();
      const confirm = await open(browser, signInitData(newTelegramPerson()));
      const answers = await together(20, () => browser.submitOnce(confirm));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal(answers.filter(({ status }) => status === 410).length, 19);
    });

    for (const [what, status, make] of [
      ['of six minutes ago', 410, () => signInitData(newTelegramPerson(), { age: 360 })],
      ['of tomorrow', 403, () => signInitData(newTelegramPerson(), { age: -86_400 })],
      ['of another bot', 403, () => signInitData(newTelegramPerson(), { botToken: '1:other' })],
      ['with another person in it', 403, () => signInitData({ id: 77 }).replace('%3A77%2C', '%3A78%2C')],
      ['with a field more', 403, () => `${signInitData(newTelegramPerson())}&start_param=x`],
      ['with a field twice', 403, () => signInitData({ id: 77 }).replace('auth_date', 'auth_date=1&auth_date')],
      ['of the widget', 403, () => widgetData()],
      ['that is none', 403, () => ''],
      ['for an unknown client', 410, () => signInitData(newTelegramPerson(), { startParam: 'c-nobody' })],
      ['for an unknown request', 410, () => signInitData(newTelegramPerson(), { startParam: 'r-nothing' })],
      ['with an address as start', 410, () => signInitData(newTelegramPerson(), { startParam: 'https___evil' })],
    ] as const) {
      test(`data ${what} is refused, noted, and makes nothing`, async () => {
        const before = await failures(latchkey());
        const page = await post(latchkey().browser(), make());
        assert.equal(page.status, status, page.describe());
        assert.equal(page.html.querySelector('form[data-confirm]'), null);
        assert.equal((await failures(latchkey())).length, before.length + 1);
      });
    }

    test('only our own page may post, to either address', async () => {
      const foreign = { origin: 'https://evil.example.com', 'sec-fetch-site': 'cross-site' };
      const browser = latchkey().browser();
      const initData = signInitData(newTelegramPerson());
      assert.equal((await post(browser, initData, foreign)).status, 403);
      const confirm = await post(browser, initData);
      assert.equal((await browser.submitOnce(confirm, {}, { headers: foreign })).status, 403);
      assert.equal((await browser.submitOnce(confirm)).status, 303, 'nothing was spent');
    });

    test('this page alone may be framed, by Telegram Web, and loads its script', async () => {
      const browser = latchkey().browser();
      const page = await browser.get(PATH);
      const policy = page.headers['content-security-policy'] ?? '';
      assert.match(policy, /frame-ancestors https:\/\/web\.telegram\.org(?:;|$)/);
      assert.match(policy, /script-src 'self' https:\/\/telegram\.org\/js\/telegram-web-app\.js(?:;|$)/);
      assert.equal(page.headers['x-frame-options'], undefined);
      for (const path of ['/', '/telegram', '/account/sessions', '/telegram/webhook']) {
        const { headers } = await browser.get(path);
        assert.match(headers['content-security-policy'] ?? '', /frame-ancestors 'none'/, path);
        assert.equal(headers['x-frame-options'], 'DENY', path);
        assert.doesNotMatch(headers['content-security-policy'] ?? '', /telegram/, path);
      }
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open' } },
);

const upstream = await startTelegramIssuer();
after(() => upstream.close());
const telegram = newMiniAppKey();
const withoutToken = {
  telegram: { miniApp: true, miniAppKeys: [telegram.hex] },
  upstreams: [{ ...telegramDeclaration(upstream), clientId: '4839574812', clientSecret: UPSTREAM_CLIENT.secret }],
};

describeOnEachBackend(
  "a Mini App without the bot's token",
  (latchkey) => {
    test("is believed by Telegram's key for this bot, and by nothing else", async () => {
      const user = newTelegramPerson();
      const key = telegram.privateKey;
      const good = signInitData(user, { key, botId: '4839574812' });
      assert.equal((await post(latchkey().browser(), good)).status, 200);
      for (const bad of [
        signInitData(user, { key, botId: '4839574813' }),
        signInitData(user, { key: newMiniAppKey().privateKey, botId: '4839574812' }),
        signInitData(user, { botToken: BOT_TOKEN }),
        signInitData(user, { botToken: '4839574812' }),
      ]) {
        assert.equal((await post(latchkey().browser(), bad)).status, 403);
      }
    });
  },
  {
    env: {
      ...settingsFile(JSON.stringify(withoutToken)),
      LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
      LATCHKEY_REGISTRATION: 'open',
    },
  },
);

describeOnEachBackend(
  'a bot whose Mini App is not asked for',
  (latchkey) => {
    test('has no page for it', async () => {
      assert.equal((await latchkey().browser().get(PATH)).status, 404);
      assert.equal((await post(latchkey().browser(), signInitData(newTelegramPerson()))).status, 404);
    });
  },
  { env: settingsFile(JSON.stringify({ telegram: { botToken: BOT_TOKEN, apiRoot: api.url } })) },
);

/** What the legacy widget would bring, with the user a Mini App has. */
function widgetData(): string {
  const fields = {
    auth_date: String(Math.trunc(Date.now() / 1000)),
    user: JSON.stringify({ id: 77, first_name: 'A' }),
  };
  const text = `auth_date=${fields.auth_date}\nuser=${fields.user}`;
  const key = createHash('sha256').update(BOT_TOKEN).digest();
  return new URLSearchParams({ ...fields, hash: createHmac('sha256', key).update(text).digest('hex') }).toString();
}
