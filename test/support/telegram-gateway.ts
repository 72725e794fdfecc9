// A Telegram Gateway for tests on loopback: it takes messages, reports what became of them, and can be told to refuse or to be away.
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export const GATEWAY_TOKEN = 'gateway-token-of-these-tests';

export interface GatewayMessage {
  readonly phone_number: string;
  readonly code: string;
  readonly ttl: number;
  readonly callback_url?: string;
  readonly requestId: string;
}

export interface TelegramGateway {
  readonly url: string;
  readonly messages: readonly GatewayMessage[];
  /** Whatever is asked is answered like this. */
  mode: 'ok' | 'refuse' | 'away';
  close(): Promise<void>;
}

export async function startTelegramGateway(): Promise<TelegramGateway> {
  const messages: GatewayMessage[] = [];
  const server = createServer(async (req, res) => {
    const payload = (await json(req)) as Omit<GatewayMessage, 'requestId'>;
    const isOurs = req.headers.authorization === `Bearer ${GATEWAY_TOKEN}`;
    if (gateway.mode === 'away') {
      res.writeHead(502).end('bad gateway');
      return;
    }
    res.writeHead(200, { 'content-type': 'application/json' });
    if (!isOurs || req.url !== '/sendVerificationMessage' || gateway.mode === 'refuse') {
      res.end(JSON.stringify({ ok: false, error: isOurs ? 'PHONE_NUMBER_NOT_FOUND' : 'ACCESS_TOKEN_INVALID' }));
      return;
    }
    const requestId = `request-${messages.length + 1}-${process.pid}`;
    messages.push({ ...payload, requestId });
    res.end(JSON.stringify({ ok: true, result: { request_id: requestId, request_cost: 0.01 } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gateway: TelegramGateway = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    messages,
    mode: 'ok',
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return gateway;
}

/** A report as the Gateway signs it. @param timestamp seconds since 1970 */
export function signedReport(requestId: string, status: string, timestamp: number, token = GATEWAY_TOKEN) {
  const body = JSON.stringify({ request_id: requestId, delivery_status: { status, updated_at: timestamp } });
  const key = createHash('sha256').update(token).digest();
  const signature = createHmac('sha256', key).update(`${timestamp}\n${body}`).digest('hex');
  return { body, headers: { 'x-request-timestamp': String(timestamp), 'x-request-signature': signature } };
}
