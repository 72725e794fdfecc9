// A Telegram for tests on loopback: the Bot API as far as the bot uses it, with its people, its outages and its "too many requests". It answers
// with the documented shapes and nothing of ours.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { eventually } from './eventually.ts';

export const BOT_TOKEN = '4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcK';
const BOT_ID = 4_839_574_812;

export interface BotCall {
  readonly method: string;
  readonly payload: Record<string, unknown>;
}

interface Button {
  readonly text: string;
  readonly callback_data?: string;
  readonly url?: string;
  readonly request_contact?: boolean;
}

export interface SentMessage {
  readonly messageId: number;
  readonly chatId: number;
  text: string;
  buttons: readonly Button[];
}

export interface TestTelegramPerson {
  readonly id: number;
  readonly username?: string;
  readonly firstName?: string;
  readonly language?: string;
}

/** What is answered instead: an error of Telegram, no answer at all, or nothing before the connection is cut. */
export type Fault = { readonly code: number; readonly retryAfter?: number; readonly times?: number } | 'cut' | 'silent';

export interface TelegramApi {
  readonly url: string;
  readonly calls: readonly BotCall[];
  /** What the bot says in its conversations, newest last, as it stands after edits. */
  readonly messages: readonly SentMessage[];
  /** What it says on its own account: kept apart, because it comes in between at any time. */
  readonly notices: readonly SentMessage[];
  webhook: { readonly url: string; readonly secret: string } | undefined;
  /** Until `null`, or as often as it says. */
  setFault(fault: Fault | null): void;
  /** The same for some calls alone. */
  setFaultFor(fault: Fault | null, matches: (call: BotCall) => boolean): void;
  /** People who blocked the bot. */
  readonly blockedBy: Set<number>;
  /** Puts an update in the queue. @returns its number */
  push(update: Record<string, unknown>): number;
  /** Somebody writes to the bot in a private chat. */
  write(user: TestTelegramPerson, text: string, more?: Record<string, unknown>): number;
  /** Somebody presses a button of a message; of a chat of their own unless another is said. */
  press(user: TestTelegramPerson, message: SentMessage, button: string, more?: Record<string, unknown>): number;
  /** The newest message to somebody, when there is one more than before. */
  nextMessage(user: TestTelegramPerson, seen?: number): Promise<SentMessage>;
  /** The notices to somebody, when there are this many. */
  noticesTo(user: TestTelegramPerson, count: number): Promise<readonly SentMessage[]>;
  close(): Promise<void>;
}

export async function startTelegramApi(): Promise<TelegramApi> {
  const fake = new Fake();
  await fake.listen();
  return fake;
}

class Fake implements TelegramApi {
  readonly calls: BotCall[] = [];
  readonly messages: SentMessage[] = [];
  readonly notices: SentMessage[] = [];
  readonly blockedBy = new Set<number>();
  webhook: { readonly url: string; readonly secret: string } | undefined;
  readonly #server: Server = createServer((req, res) => void this.#serve(req, res));
  readonly #queue: Record<string, unknown>[] = [];
  readonly #waiting = new Set<() => void>();
  #fault: Fault | null = null;
  #times = Number.POSITIVE_INFINITY;
  #isFaulty: (call: BotCall) => boolean = () => true;
  #updateId = 100;
  #messageId = 1;
  #pollers = 0;

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  setFault(fault: Fault | null): void {
    this.#fault = fault;
    this.#isFaulty = () => true;
    this.#times = (typeof fault === 'object' ? fault?.times : undefined) ?? Number.POSITIVE_INFINITY;
  }

  setFaultFor(fault: Fault | null, matches: (call: BotCall) => boolean): void {
    this.setFault(fault);
    this.#isFaulty = matches;
  }

  push(update: Record<string, unknown>): number {
    this.#updateId += 1;
    this.#queue.push({ update_id: this.#updateId, ...update });
    for (const wake of this.#waiting) wake();
    return this.#updateId;
  }

  write(user: TestTelegramPerson, text: string, more: Record<string, unknown> = {}): number {
    return this.push({ message: this.#message(user, text, more) });
  }

  press(user: TestTelegramPerson, message: SentMessage, button: string, more: Record<string, unknown> = {}): number {
    const found = message.buttons.find((one) => one.text === button);
    if (found?.callback_data === undefined) throw new Error(`no button ${button}`);
    return this.push({
      callback_query: {
        id: String(Math.trunc(this.#updateId * 7919)),
        from: person(user),
        chat_instance: '1',
        message: { ...this.#message(user, message.text), message_id: message.messageId },
        data: found.callback_data,
        ...more,
      },
    });
  }

  async nextMessage(user: TestTelegramPerson, seen = 0): Promise<SentMessage> {
    return eventually(() => {
      const found = this.messages.filter((one) => one.chatId === user.id);
      const last = found.at(-1);
      if (found.length <= seen || last === undefined) throw new Error('the bot has not said anything new');
      return last;
    });
  }

  async noticesTo(user: TestTelegramPerson, count: number): Promise<readonly SentMessage[]> {
    return eventually(() => {
      const found = this.notices.filter((one) => one.chatId === user.id);
      if (found.length < count)
        throw new Error(`${found.length} notices: ${found.map(({ text }) => text).join(' | ')}`);
      return found;
    });
  }

  async close(): Promise<void> {
    for (const wake of this.#waiting) wake();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #message(user: TestTelegramPerson, text: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    this.#messageId += 1;
    const length = /^\/\w+/.exec(text)?.[0].length;
    return {
      message_id: this.#messageId,
      date: Math.trunc(Date.now() / 1000),
      from: person(user),
      chat: { id: user.id, type: 'private', first_name: user.firstName ?? 'Zoë' },
      text,
      ...(length === undefined ? {} : { entities: [{ type: 'bot_command', offset: 0, length }] }),
      ...more,
    };
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [, token, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(req.url ?? '') ?? [];
    const payload = ((await json(req).catch(() => ({}))) ?? {}) as Record<string, unknown>;
    this.calls.push({ method, payload });
    if (this.#fault !== null && this.#times > 0 && this.#isFaulty({ method, payload })) {
      this.#times -= 1;
      this.#failWith(this.#fault, res);
      return;
    }
    if (token !== BOT_TOKEN) {
      answer(res, { ok: false, error_code: 401, description: 'Unauthorized' });
      return;
    }
    const result = await this.#call(method, payload);
    answer(res, result instanceof Refusal ? result.body : { ok: true, result });
  }

  #failWith(fault: Fault, res: ServerResponse): void {
    if (fault === 'silent') return;
    if (fault === 'cut') {
      res.socket?.destroy();
      return;
    }
    const parameters = fault.retryAfter === undefined ? {} : { parameters: { retry_after: fault.retryAfter } };
    answer(res, { ok: false, error_code: fault.code, description: 'staged', ...parameters });
  }

  async #call(method: string, payload: Record<string, unknown>): Promise<unknown> {
    switch (method) {
      case 'getMe':
        return { id: BOT_ID, is_bot: true, first_name: 'Latchkey test', username: 'latchkey_test_bot' };
      case 'getUpdates':
        return this.#updates(payload);
      case 'deleteWebhook':
        this.webhook = undefined;
        return true;
      case 'setWebhook':
        this.webhook = { url: String(payload['url']), secret: String(payload['secret_token']) };
        return true;
      case 'sendMessage':
        return this.#send(payload);
      case 'editMessageText':
        return this.#edit(payload);
      default:
        return true;
    }
  }

  async #updates(payload: Record<string, unknown>): Promise<unknown> {
    if (this.webhook !== undefined) return new Refusal(409, 'Conflict: can not use getUpdates while webhook is active');
    if (this.#pollers > 0) return new Refusal(409, 'Conflict: terminated by other getUpdates request');
    const offset = Number(payload['offset'] ?? 0);
    const due = () => this.#queue.filter((one) => Number(one['update_id']) >= offset);
    if (due().length > 0) return due();
    this.#pollers += 1;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(1000, Number(payload['timeout'] ?? 0) * 1000));
      this.#waiting.add(wake);
    });
    this.#pollers -= 1;
    return due();
  }

  #send(payload: Record<string, unknown>): unknown {
    const chatId = Number(payload['chat_id']);
    if (this.blockedBy.has(chatId)) return new Refusal(403, 'Forbidden: bot was blocked by the user');
    this.#messageId += 1;
    const sent = { messageId: this.#messageId, chatId, text: String(payload['text']), buttons: buttonsOf(payload) };
    // Only notices have links that nobody is to see a preview of.
    (payload['link_preview_options'] === undefined ? this.messages : this.notices).push(sent);
    return { message_id: sent.messageId, date: Math.trunc(Date.now() / 1000), chat: { id: chatId, type: 'private' } };
  }

  #edit(payload: Record<string, unknown>): unknown {
    const found = this.messages.find((one) => one.messageId === Number(payload['message_id']));
    if (!found) return new Refusal(400, 'Bad Request: message to edit not found');
    found.text = String(payload['text']);
    found.buttons = buttonsOf(payload);
    return { message_id: found.messageId, date: 1, chat: { id: found.chatId, type: 'private' }, text: found.text };
  }
}

class Refusal {
  readonly body: object;

  constructor(code: number, description: string) {
    this.body = { ok: false, error_code: code, description };
  }
}

function person(user: TestTelegramPerson): Record<string, unknown> {
  return {
    id: user.id,
    is_bot: false,
    first_name: user.firstName ?? 'Zoë',
    ...(user.username === undefined ? {} : { username: user.username }),
    language_code: user.language ?? 'en',
  };
}

function buttonsOf(payload: Record<string, unknown>): readonly Button[] {
  const markup = payload['reply_markup'] as { inline_keyboard?: Button[][]; keyboard?: Button[][] } | undefined;
  return (markup?.inline_keyboard ?? markup?.keyboard ?? []).flat();
}

function answer(res: ServerResponse, body: object): void {
  const { error_code: code = 200 } = body as { error_code?: number };
  res.writeHead(code, { 'content-type': 'application/json' });
  res.end(JSON.stringify(body));
}
