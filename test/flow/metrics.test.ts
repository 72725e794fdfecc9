// The numbers of a running server: on the internal port alone, by route and never by address, with nothing of anybody in them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../support/server.ts';
import { newTelegramPerson, setTelegramStage } from '../support/telegram-stage.ts';

const { api, env } = await setTelegramStage();
const port = await freePort();

describeOnEachBackend(
  'metrics of a server',
  (latchkey) => {
    const read = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
      return answer.text();
    };

    test('tell of requests, sign-ins, mails, the bot and the process', async () => {
      const [account, client] = [await latchkey().createAccount(), await latchkey().createClient()];
      const browser = latchkey().browser();
      const start = await browser.get('/account/security');
      const wrong = await browser.submit(start, { login: account.email ?? '', password: 'not the password' });
      assert.ok([200, 401, 422].includes(wrong.status), wrong.describe());
      await signIn(latchkey(), latchkey().browser(), client, { account, password: TEST_PASSWORD });
      await browser.get('/no/such/page-for-anybody');
      const user = newTelegramPerson();
      api.write(user, '/start');
      await api.nextMessage(user);
      const text = await eventually(async () => {
        const found = await read();
        assert.match(found, /^latchkey_telegram_updates_total\{kind="message",result="done"\} [1-9]/m);
        assert.match(found, /route="\/interaction\/:uid\/login",method="POST"/);
        return found;
      });
      for (const pattern of [
        /^latchkey_sign_ins_total\{kind="sign-in",method="password",second="none"\} 1$/m,
        /^latchkey_sign_in_failures_total\{kind="sign-in",reason="[a-z-]+"\} 1$/m,
        /^latchkey_http_request_duration_seconds_count\{route="engine:authorization",method="GET",status="3xx"\} /m,
        /^latchkey_http_request_duration_seconds_count\{route="other",method="GET",status="4xx"\} /m,
        /^latchkey_outbox_queued \d+$/m,
        /^latchkey_telegram_calls_total\{method="sendMessage",result="ok"\} [1-9]/m,
        /^latchkey_telegram_breaker_open 0$/m,
        /^process_resident_memory_bytes /m,
      ]) {
        assert.match(text, pattern);
      }
      for (const secret of [account.id, account.subject, account.email ?? '', client.clientId, 'page-for-anybody']) {
        assert.ok(!text.includes(secret), secret);
      }
    });

    test('are not on the public port', async () => {
      assert.equal((await latchkey().browser().get('/metrics')).status, 404);
    });
  },
  { env: { ...env, LATCHKEY_INTERNAL_PORT: String(port) } },
);
