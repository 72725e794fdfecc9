// Signing in with the legacy widget, where it is turned on: what comes back counts once, for this browser and this interaction.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { signInitData, signWidget } from '../../support/init-data.ts';
import { answerPrompts, authorizationRequest, redeem } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { answerInBot, askBot, newTelegramPerson, openWithBot, setTelegramStage } from '../../support/telegram-stage.ts';

const { api, env } = await setTelegramStage({ widget: true });

interface Opened {
  readonly browser: Browser;
  readonly page: Page;
  /** Where the widget leads. */
  readonly address: URL;
}

async function open(latchkey: Latchkey, url?: URL, browser = latchkey.browser()): Promise<Opened> {
  const login = await openWithBot(latchkey, browser, await latchkey.createClient());
  const start = url === undefined ? login : await browser.get(url);
  const page = await browser.submit(start, {}, { button: ['upstream', 'telegram-widget'] });
  assert.equal(page.id, 'telegram-widget', page.describe());
  const script = page.element('script[data-telegram-login=latchkey_test_bot]');
  return { browser, page, address: new URL(script.getAttribute('data-auth-url') ?? '') };
}

function back(browser: Browser, address: URL, data: URLSearchParams): Promise<Page> {
  return browser.get(new URL(`?${data.toString()}`, address), { 'sec-fetch-site': 'cross-site' });
}

async function subjectBy(latchkey: Latchkey, walk: (url: URL, browser: Browser) => Promise<Page>): Promise<string> {
  const client = await latchkey.createClient();
  const browser = latchkey.browser();
  const request = authorizationRequest(latchkey.issuer, client);
  const end = await answerPrompts(browser, await walk(request.url, browser), {});
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
  const tokens = await redeem(latchkey, client, { ...request, code: end.params['code'] });
  const [, payload = ''] = String(tokens.body['id_token']).split('.');
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }).sub;
}

describeOnEachBackend(
  'signing in with the legacy widget',
  (latchkey) => {
    test('is the account of the bot', async () => {
      const user: TestTelegramPerson = newTelegramPerson();
      const first = await subjectBy(latchkey(), async (url, browser) => {
        const { address } = await open(latchkey(), url, browser);
        return back(browser, address, signWidget(user));
      });
      const second = await subjectBy(latchkey(), async (url, browser) => {
        await openWithBot(latchkey(), browser, await latchkey().createClient());
        const wait = await askBot(browser, await browser.get(url));
        await answerInBot(api, user, wait);
        return browser.submit(wait);
      });
      assert.equal(second, first);
    });

    test('its page alone loads the script and the frame of Telegram', async () => {
      const { browser, page } = await open(latchkey());
      const policy = page.headers['content-security-policy'] ?? '';
      assert.match(policy, /script-src 'self' https:\/\/telegram\.org\/js\/telegram-widget\.js;/);
      assert.match(policy, /frame-src https:\/\/oauth\.telegram\.org/);
      assert.match(policy, /frame-ancestors 'none'/);
      const login = await browser.get(page.url.pathname.replace('/telegram-widget', '?choose=1'));
      assert.equal(login.id, 'login');
      assert.doesNotMatch(`${login.headers['content-security-policy'] ?? ''} ${login.text}`, /telegram\.org/);
    });

    for (const [what, make] of [
      ['of six minutes ago', () => signWidget(newTelegramPerson(), { age: 360 })],
      ['of tomorrow', () => signWidget(newTelegramPerson(), { age: -86_400 })],
      ['of another bot', () => signWidget(newTelegramPerson(), { botToken: '1:other' })],
      ['with another id', () => withChange((data) => data.set('id', '77'))],
      ['with a field more', () => withChange((data) => data.set('phone', '7'))],
      ['with a field twice', () => withChange((data) => data.append('id', '77'))],
      ['with a field less', () => withChange((data) => data.delete('username'))],
      ['of a Mini App', () => new URLSearchParams(signInitData(newTelegramPerson()))],
      ['that is none', () => new URLSearchParams()],
    ] as const) {
      test(`data ${what} signs nobody in`, async () => {
        const { browser, address } = await open(latchkey());
        const page = await back(browser, address, make());
        assert.equal(page.status, 502, page.describe());
        assert.equal((await back(browser, address, signWidget(newTelegramPerson()))).status, 502, 'and ends the try');
      });
    }

    test('good data without a page of ours, in another browser, or at another sign-in is worth nothing', async () => {
      const data = signWidget(newTelegramPerson());
      const { browser, address } = await open(latchkey());
      const other = await open(latchkey());
      const handle = address.pathname.split('/').at(-1) ?? '';
      assert.equal((await back(other.browser, address, data)).id, 'error', 'another browser');
      const moved = new URL(other.address.pathname.replace(/[^/]+$/, handle), address);
      assert.equal((await back(other.browser, moved, data)).status, 502, 'another sign-in');
      const made = new URL(address.pathname.replace(/[^/]+$/, 'a'.repeat(43)), address);
      assert.equal((await back(browser, made, data)).status, 502, 'a handle that nobody made');
      const page = await answerPrompts(browser, await back(browser, address, data), {});
      assert.ok(page.params['code'], 'nothing of it was spent');
    });

    test('data is used once, however many requests come together, at one page or at several', async () => {
      const data = signWidget(newTelegramPerson());
      const [one, other] = [await open(latchkey()), await open(latchkey())];
      const answers = await together(20, (index) => {
        const { browser, address } = index % 2 === 0 ? one : other;
        return browser.request(new URL(`?${data.toString()}`, address));
      });
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open' } },
);

const plain = await setTelegramStage();

describeOnEachBackend(
  'a bot whose widget is not asked for',
  (latchkey) => {
    test('has neither button nor page', async () => {
      const browser = latchkey().browser();
      const login = await openWithBot(latchkey(), browser, await latchkey().createClient());
      assert.ok(!login.text.includes('telegram-widget'));
      const { pathname } = login.url;
      assert.equal((await browser.get(`${pathname}/telegram-widget`)).id, 'login');
      const path = `${pathname}/telegram-widget/${'a'.repeat(43)}?${signWidget(newTelegramPerson()).toString()}`;
      assert.equal((await browser.get(path)).id, 'login');
    });
  },
  { env: { ...plain.env, LATCHKEY_REGISTRATION: 'open' } },
);

function withChange(change: (data: URLSearchParams) => void): URLSearchParams {
  const data = signWidget(newTelegramPerson());
  change(data);
  return data;
}
