// Codes through the Telegram Gateway: only where the chat cannot be reached, never for strangers, and what it reports is believed when it is signed and fresh.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import type { Page } from '../../support/browser-client.ts';
import { eventually } from '../../support/eventually.ts';
import { messagesTo, newPhone, newPhoneOwner, nextCode, openPhone } from '../../support/phone-stage.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import {
  GATEWAY_TOKEN,
  type GatewayMessage,
  signedReport,
  startTelegramGateway,
} from '../../support/telegram-gateway.ts';
import { setTelegramStage } from '../../support/telegram-stage.ts';

const gateway = await startTelegramGateway();
after(() => gateway.close());
const { api, env } = await setTelegramStage({
  gatewayToken: GATEWAY_TOKEN,
  gatewayRoot: gateway.url,
  gatewayDailyLimit: 50,
});

async function askFor(latchkey: Latchkey, number: string) {
  const browser = latchkey.browser();
  const form = await openPhone(latchkey, browser, await latchkey.createClient());
  const page: Page = await browser.submit(form, { phone: number });
  assert.equal(page.id, 'phone', page.describe());
  return { browser, page };
}

function sentTo(number: string): Promise<GatewayMessage> {
  return eventually(
    () => gateway.messages.findLast((one) => one.phone_number === number) ?? assert.fail('nothing sent'),
  );
}

async function report(latchkey: Latchkey, { body, headers }: ReturnType<typeof signedReport>): Promise<number> {
  const answer = await fetch(`${latchkey.issuer}/telegram/gateway`, { method: 'POST', body, headers });
  return answer.status;
}

async function stateOf(latchkey: Latchkey, requestId: string): Promise<string | undefined> {
  const [row] = await latchkey.app.database
    .em()
    .execute<{ state: string }[]>('select state from telegram_gateway_delivery where request_id = ?', [requestId]);
  return row?.state;
}

/** Somebody who blocked the bot after the number was proven. */
async function blocked(latchkey: Latchkey) {
  const owner = await newPhoneOwner(latchkey, api);
  api.blockedBy.add(owner.user.id);
  return owner;
}

const now = (): number => Math.trunc(Date.now() / 1000);

describeOnEachBackend(
  'codes through the Gateway',
  (latchkey) => {
    beforeEach(async () => {
      gateway.mode = 'ok';
      await latchkey()
        .app.database.em()
        .execute("delete from guess_counter where key like 'phone-network:%' or key = 'gateway-day'");
    });

    test('reach a person who blocked the bot, with our code and its life', async () => {
      const { number } = await blocked(latchkey());
      const { browser, page } = await askFor(latchkey(), number);
      const { code, ttl } = await sentTo(number);
      assert.equal(ttl, 300);
      assert.equal((await browser.submitOnce(page, { code })).status, 303);
      const metrics = await latchkey().app.metrics.print();
      assert.match(metrics, /latchkey_telegram_gateway_messages_total\{result="ok"\} \d/);
      assert.match(metrics, /latchkey_telegram_gateway_cost_dollars_total 0\.0/);
    });

    test("are not used while the chat can be reached, nor for a number that is nobody's", async () => {
      const owner = await newPhoneOwner(latchkey(), api);
      const seen = messagesTo(api, owner.user);
      const stranger = newPhone();
      await askFor(latchkey(), stranger);
      await askFor(latchkey(), owner.number);
      await nextCode(api, owner.user, seen);
      const last = await blocked(latchkey());
      await askFor(latchkey(), last.number);
      await sentTo(last.number);
      assert.ok(!gateway.messages.some((one) => [stranger, owner.number].includes(one.phone_number)));
    });

    test('a Gateway that refuses or is away changes no answer', async () => {
      for (const mode of ['refuse', 'away'] as const) {
        const { number } = await blocked(latchkey());
        gateway.mode = mode;
        await askFor(latchkey(), number);
      }
    });

    test('a day has only so many', async () => {
      const em = latchkey().app.database.em();
      const [first, second] = [await blocked(latchkey()), await blocked(latchkey())];
      await askFor(latchkey(), first.number);
      await sentTo(first.number);
      await em.execute("update guess_counter set failures = 50 where key = 'gateway-day'");
      await askFor(latchkey(), second.number);
      await eventually(async () => assert.match(await latchkey().app.metrics.print(), /result="capped"/));
      assert.ok(!gateway.messages.some((one) => one.phone_number === second.number));
    });

    test('reports move a delivery forward, however often and in whatever order they come', async () => {
      const { number } = await blocked(latchkey());
      await askFor(latchkey(), number);
      const { requestId } = await sentTo(number);
      await eventually(async () => assert.equal(await stateOf(latchkey(), requestId), 'sent'));
      for (const [status, state] of [
        ['delivered', 'delivered'],
        ['sent', 'delivered'],
        ['read', 'read'],
        ['delivered', 'read'],
        ['expired', 'read'],
      ] as const) {
        assert.equal(await report(latchkey(), signedReport(requestId, status, now())), 200);
        assert.equal(await stateOf(latchkey(), requestId), state);
      }
      assert.equal(await report(latchkey(), signedReport('unknown-request', 'read', now())), 200);
    });

    test('reports that are not signed, changed, of another token or too old are refused', async () => {
      const { number } = await blocked(latchkey());
      await askFor(latchkey(), number);
      const { requestId } = await sentTo(number);
      const good = signedReport(requestId, 'read', now());
      for (const bad of [
        { ...good, body: good.body.replace('read', 'expired') },
        { ...good, headers: { ...good.headers, 'x-request-timestamp': String(now() + 1) } },
        { ...good, headers: { ...good.headers, 'x-request-signature': '' } },
        signedReport(requestId, 'read', now(), 'another-token'),
        signedReport(requestId, 'read', now() - 400),
        signedReport(requestId, 'read', now() + 400),
      ]) {
        assert.equal(await report(latchkey(), bad), 401);
      }
      await eventually(async () => assert.equal(await stateOf(latchkey(), requestId), 'sent'));
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open', LATCHKEY_PRIVATE_NETWORK_HOSTS: '127.0.0.1' } },
);
