// The device grant (RFC 8628), which no conformance plan covers: what the device is told, what the person sees and decides, and every way in
// which it must not work.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import type { Browser, Page } from '../../support/browser-client.ts';
import { answerPrompts, tokenRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const DEVICE = {
  client_name: 'Living Room TV',
  grant_types: [GRANT, 'refresh_token'],
  response_types: [],
  redirect_uris: [],
  token_endpoint_auth_method: 'none',
};
const FILMS = 'https://films.example.com';
const env = settingsFile(`
resources:
  - { id: ${FILMS}, name: Films, scopes: { 'films:play': play your films } }
`);

interface DeviceAnswer {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly complete: string;
}

const ALLOW = { button: ['decision', 'allow'] } as const;
const DENY = { button: ['decision', 'deny'] } as const;

describeOnEachBackend('the device grant', (latchkey) => deviceStories(latchkey), { env });

function deviceStories(latchkey: () => Latchkey): void {
  const start = async (client: TestClient, params: Record<string, string> = {}): Promise<DeviceAnswer> => {
    const { status, body } = await tokenRequest(
      latchkey(),
      '/device/auth',
      client,
      { scope: 'openid profile', ...params },
      { 'user-agent': 'TVPlayer/7.1 (Living Room)' },
    );
    assert.equal(status, 200, JSON.stringify(body));
    return {
      deviceCode: String(body['device_code']),
      userCode: String(body['user_code']),
      complete: String(body['verification_uri_complete']),
    };
  };
  const poll = (client: TestClient, { deviceCode }: DeviceAnswer) =>
    tokenRequest(latchkey(), '/token', client, { grant_type: GRANT, device_code: deviceCode });
  /** Types the code. @returns the page that follows */
  const enter = async (browser: Browser, code: string): Promise<Page> => {
    const page = await browser.get('/device');
    assert.equal(page.id, 'device', page.describe());
    return browser.submit(page, { code });
  };
  /** Everything a person does who agrees. */
  const approve = async (browser: Browser, userCode: string): Promise<Page> => {
    const account = await latchkey().createAccount();
    const confirm = await enter(browser, userCode);
    assert.equal(confirm.id, 'device-confirm', confirm.describe());
    return answerPrompts(browser, await browser.submit(confirm, {}, ALLOW), { account });
  };
  /** Another code of the same form: each letter moved by one in the alphabet. */
  const other = (code: string): string => code.replace(/[A-Z]/g, (letter) => (letter === 'B' ? 'C' : 'B'));

  it('gives the device a code to show, an address, and the pace at which to ask', async () => {
    const client = await latchkey().createClient(DEVICE);
    const { status, body } = await tokenRequest(latchkey(), '/device/auth', client, { scope: 'openid' });
    assert.equal(status, 200);
    assert.match(String(body['user_code']), /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.equal(body['verification_uri'], `${latchkey().issuer}/device`);
    assert.equal(
      body['verification_uri_complete'],
      `${latchkey().issuer}/device?user_code=${String(body['user_code'])}`,
    );
    assert.equal(body['expires_in'], 600);
    assert.equal(body['interval'], 5);
  });

  it('ends with tokens for the person who typed the code, compared it, and agreed', async () => {
    const client = await latchkey().createClient(DEVICE);
    const device = await start(client, { scope: 'openid profile offline_access' });
    const pending = await poll(client, device);
    assert.deepEqual([pending.status, pending.body['error']], [400, 'authorization_pending']);
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const browser = latchkey().browser();
    const confirm = await enter(browser, device.userCode);
    const done = await answerPrompts(browser, await browser.submit(confirm, {}, ALLOW), { account });
    assert.equal(done.id, 'device-done', done.describe());
    const { status, body } = await poll(client, device);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(decodeJwt(String(body['id_token'])).sub, account.subject);
    assert.deepEqual(decodeJwt(String(body['id_token']))['amr'], ['pwd']);
    assert.equal(typeof body['refresh_token'], 'string');
  });

  it('takes the code in small letters, with spaces and without the dash', async () => {
    const client = await latchkey().createClient(DEVICE);
    for (const write of [
      (code: string) => code.toLowerCase(),
      (code: string) => code.replace('-', ''),
      (code: string) => ` ${code.toLowerCase().replace('-', ' ')} `,
    ]) {
      const device = await start(client);
      assert.equal((await enter(latchkey().browser(), write(device.userCode))).id, 'device-confirm');
    }
  });

  describe('the page to compare', () => {
    it('shows the code, the app, what it gets, the device and where it asked, and a warning', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client, { scope: 'openid email offline_access films:play', resource: FILMS });
      const page = await enter(latchkey().browser(), device.userCode);
      assert.equal(page.id, 'device-confirm');
      const text = page.html.querySelector('main')?.structuredText ?? '';
      for (const part of [
        ...[device.userCode, 'Living Room TV', 'TVPlayer/7.1 (Living Room)', '127.0.0.1', 'just now'],
        ...['your e-mail address', 'play your films', 'keep its access', 'only if you started it yourself'],
      ]) {
        assert.ok(text.includes(part), part);
      }
    });

    it('always comes, also for somebody who is signed in and has allowed the app before', async () => {
      const client = await latchkey().createClient(DEVICE);
      const browser = latchkey().browser();
      assert.equal((await approve(browser, (await start(client)).userCode)).id, 'device-done');
      const again = await start(client);
      const confirm = await enter(browser, again.userCode);
      assert.equal(confirm.id, 'device-confirm');
      assert.equal((await poll(client, again)).body['error'], 'authorization_pending');
      assert.equal((await browser.submit(confirm, {}, ALLOW)).id, 'device-done');
      assert.equal((await poll(client, again)).status, 200);
    });

    it('is not skipped by the complete address, which only fills the code in', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      const page = await browser.get(device.complete);
      assert.equal(page.id, 'device');
      assert.equal(page.element('#code').getAttribute('value'), device.userCode);
      assert.equal(page.headers['content-security-policy']?.includes('sha256'), false);
      const confirm = await browser.submit(page);
      assert.equal(confirm.id, 'device-confirm');
      assert.equal((await poll(client, device)).body['error'], 'authorization_pending');
    });

    it('changes nothing when it is opened, however often', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      for (let count = 0; count < 3; count += 1) {
        assert.equal((await enter(browser, device.userCode)).id, 'device-confirm');
      }
      assert.equal((await approve(browser, device.userCode)).id, 'device-done');
    });
  });

  describe('a device that asks', () => {
    it('too soon is told to slow down, and goes on afterwards', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      assert.equal((await poll(client, device)).body['error'], 'authorization_pending');
      const soon = await poll(client, device);
      assert.deepEqual([soon.status, soon.body['error']], [400, 'slow_down']);
      assert.equal((await approve(latchkey().browser(), device.userCode)).id, 'device-done');
      assert.equal((await poll(client, device)).status, 200);
    });

    it('after the person has denied is told so', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      const denied = await browser.submit(await enter(browser, device.userCode), {}, DENY);
      assert.equal(denied.id, 'device-denied', denied.describe());
      const answer = await poll(client, device);
      assert.deepEqual([answer.status, answer.body['error']], [400, 'access_denied']);
    });

    it('after consent was refused is told so', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      const account = await latchkey().createAccount();
      const confirm = await enter(browser, device.userCode);
      const first = await browser.submit(confirm, {}, ALLOW);
      const page = await answerPrompts(browser, first, { account, decision: 'deny' });
      assert.equal(page.id, 'device-denied', page.describe());
      assert.equal((await poll(client, device)).body['error'], 'access_denied');
    });

    it('a second time gets nothing, and its tokens end', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client, { scope: 'openid offline_access' });
      await approve(latchkey().browser(), device.userCode);
      const first = await poll(client, device);
      assert.equal(first.status, 200);
      const second = await poll(client, device);
      assert.deepEqual([second.status, second.body['error']], [400, 'invalid_grant']);
      const refreshed = await tokenRequest(latchkey(), '/token', client, {
        grant_type: 'refresh_token',
        refresh_token: String(first.body['refresh_token']),
      });
      assert.equal(refreshed.body['error'], 'invalid_grant');
    });

    it('ten times at once gets tokens once', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      await approve(latchkey().browser(), device.userCode);
      const answers = await Promise.all(Array.from({ length: 10 }, () => poll(client, device)));
      assert.equal(answers.filter((one) => one.status === 200).length, 1);
    });

    it('with the code of another client gets nothing and spoils nothing', async () => {
      const client = await latchkey().createClient(DEVICE);
      const stranger = await latchkey().createClient(DEVICE);
      const device = await start(client);
      await approve(latchkey().browser(), device.userCode);
      assert.equal((await poll(stranger, device)).body['error'], 'invalid_grant');
      assert.equal((await poll(client, device)).status, 200);
    });

    it('with a code that was never given gets nothing', async () => {
      const client = await latchkey().createClient(DEVICE);
      const answer = await poll(client, { deviceCode: 'x'.repeat(43), userCode: '', complete: '' });
      assert.equal(answer.body['error'], 'invalid_grant');
    });
  });

  describe('a code', () => {
    it('that nobody was given is not found', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const page = await enter(latchkey().browser(), other(device.userCode));
      assert.deepEqual([page.id, page.status], ['device', 422]);
      assert.match(page.element('[role=alert]').text, /do not know this code/);
    });

    it('that was left out is asked for', async () => {
      const page = await enter(latchkey().browser(), '');
      assert.deepEqual([page.id, page.status], ['device', 422]);
    });

    it('that somebody is deciding about cannot be taken over by another browser', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const [first, second] = [latchkey().browser(), latchkey().browser()];
      const confirmFirst = await enter(first, device.userCode);
      const confirmSecond = await enter(second, device.userCode);
      const login = await first.submit(confirmFirst, {}, ALLOW);
      assert.equal(login.id, 'login');
      const late = await second.submit(confirmSecond, {}, ALLOW);
      assert.deepEqual([late.id, late.status], ['device', 422]);
      assert.match(late.element('[role=alert]').text, /used already/);
      // The one that was first is not disturbed by it.
      const account = await latchkey().createAccount();
      assert.equal((await answerPrompts(first, login, { account })).id, 'device-done');
      assert.equal(decodeJwt(String((await poll(client, device)).body['id_token'])).sub, account.subject);
    });

    it('that two browsers confirm at the same moment belongs to one of them', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browsers = Array.from({ length: 6 }, () => latchkey().browser());
      const pages = await Promise.all(browsers.map((browser) => enter(browser, device.userCode)));
      const answers = await Promise.all(
        browsers.map((browser, index) => browser.submit(pages[index] as Page, {}, ALLOW)),
      );
      assert.deepEqual(answers.map((page) => page.id).toSorted(), [
        'device',
        'device',
        'device',
        'device',
        'device',
        'login',
      ]);
    });

    it('that was approved cannot be approved or denied by anybody else', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const late = latchkey().browser();
      const confirm = await enter(late, device.userCode);
      await approve(latchkey().browser(), device.userCode);
      const page = await late.submit(confirm, {}, DENY);
      assert.deepEqual([page.id, page.status], ['device', 422]);
      assert.equal((await poll(client, device)).status, 200);
    });

    it('ends with everything else of the account when that is disabled', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client, { scope: 'openid offline_access' });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const confirm = await enter(browser, device.userCode);
      const done = await answerPrompts(browser, await browser.submit(confirm, {}, ALLOW), { account });
      assert.equal(done.id, 'device-done');
      const change = { from: ['active'], to: 'disabled', action: 'account.disable' } as const;
      await latchkey().app.accounts.setStatus(account.id, change, { actor: { kind: 'cli' } });
      assert.equal((await poll(client, device)).body['error'], 'invalid_grant');
    });

    it('is neither in the log nor in the address of a later page', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      await browser.submit(await browser.get(device.complete));
      const log = latchkey().logLines.join('\n');
      assert.ok(log.includes('"path":"/device"') || log.includes('/device'));
      for (const secret of [device.userCode, device.deviceCode]) assert.ok(!log.includes(secret));
    });
  });

  describe('a form', () => {
    it('from another session is answered with a new one', async () => {
      const client = await latchkey().createClient(DEVICE);
      const device = await start(client);
      const browser = latchkey().browser();
      const page = await enter(browser, device.userCode);
      const stranger = latchkey().browser();
      const fields = { xsrf: page.element('input[name=xsrf]').getAttribute('value') ?? '', code: device.userCode };
      const body = new URLSearchParams({ ...fields, decision: 'allow' }).toString();
      const answer = await stranger.post('/device', body);
      assert.deepEqual([answer.id, answer.status], ['device', 400], answer.describe());
      assert.equal((await stranger.submit(answer, { code: device.userCode })).id, 'device-confirm');
      await enter(stranger, other(device.userCode));
      const wrong = await stranger.post('/device', body);
      assert.deepEqual([wrong.id, wrong.status], ['device', 400], wrong.describe());
      assert.equal((await poll(client, device)).body['error'], 'authorization_pending');
    });
  });

  describe('a client', () => {
    it('without the grant cannot begin', async () => {
      const client = await latchkey().createClient();
      const { status, body } = await tokenRequest(latchkey(), '/device/auth', client, { scope: 'openid' });
      assert.equal(status, 400);
      assert.equal(body['error'], 'invalid_request');
    });

    it('with a secret has to prove itself at both ends', async () => {
      const client = await latchkey().createClient({ ...DEVICE, token_endpoint_auth_method: 'client_secret_basic' });
      const nobody = { ...client, clientSecret: 'x'.repeat(43) };
      assert.equal((await tokenRequest(latchkey(), '/device/auth', nobody, {})).status, 401);
      const device = await start(client);
      await approve(latchkey().browser(), device.userCode);
      assert.equal((await poll(nobody, device)).status, 401);
      assert.equal((await poll(client, device)).status, 200);
    });
  });
}

describeOnEachBackend(
  'guessing device codes',
  (latchkey) => {
    const wrong = async (browser: Browser): Promise<Page> => {
      const page = await browser.get('/device');
      return browser.submit(page, { code: 'BBBB-BBBB' });
    };

    it('ends after so many wrong ones from one browser, also for the right one', async () => {
      const client = await latchkey().createClient(DEVICE);
      const { body } = await tokenRequest(latchkey(), '/device/auth', client, { scope: 'openid' });
      const browser = latchkey().browser();
      const right = String(body['user_code']);
      for (let count = 0; count < 3; count += 1) assert.equal((await wrong(browser)).status, 422);
      // Another network's budget does not help: the browser's own is spent.
      const locked = await browser.submit(await browser.get('/device'), { code: right });
      assert.deepEqual([locked.id, locked.status], ['device', 429]);
      assert.match(locked.headers['retry-after'] ?? '', /^\d+$/);
      assert.ok(locked.html.querySelector('[data-countdown]'));
      // A known code costs nothing, for whoever has not been guessing.
      const honest = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await honest.submit(await honest.get('/device'), { code: right })).id, 'device-confirm');
      }
    });
  },
  { env: { LATCHKEY_CODE_FAILURES: '3' } },
);

describeOnEachBackend(
  'guessing device codes with ever new browsers',
  (latchkey) => {
    it('ends after so many wrong ones from one network', async () => {
      const tries: number[] = [];
      for (let count = 0; count < 6; count += 1) {
        const browser = latchkey().browser();
        const page = await browser.get('/device');
        tries.push((await browser.submit(page, { code: 'BBBB-BBBB' })).status);
      }
      assert.deepEqual(tries, [422, 422, 422, 422, 429, 429]);
    });
  },
  { env: { LATCHKEY_NETWORK_FAILURES: '4' } },
);

describeOnEachBackend(
  'a device code that is too old',
  (latchkey) => {
    it('is refused on the page and at the token endpoint, and the page says so', async () => {
      const client = await latchkey().createClient(DEVICE);
      const { body } = await tokenRequest(latchkey(), '/device/auth', client, { scope: 'openid' });
      assert.equal(body['expires_in'], 1);
      const until = Date.now() + 2500;
      const params = { grant_type: GRANT, device_code: String(body['device_code']) };
      let answer = await tokenRequest(latchkey(), '/token', client, params);
      while (answer.body['error'] !== 'expired_token' && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        answer = await tokenRequest(latchkey(), '/token', client, params);
      }
      assert.deepEqual([answer.status, answer.body['error']], [400, 'expired_token']);
      const browser = latchkey().browser();
      const page = await browser.submit(await browser.get('/device'), { code: String(body['user_code']) });
      assert.deepEqual([page.id, page.status], ['device', 422]);
      assert.match(page.element('[role=alert]').text, /expired/);
    });
  },
  { env: { LATCHKEY_DEVICE_CODE_TTL: '1' } },
);
