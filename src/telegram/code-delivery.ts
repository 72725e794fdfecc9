// Brings a code to the chat that proved a phone number, or to the number itself through the Gateway where there is one. Nobody waits for it: how long it takes, and whether it arrived, must not tell a stranger
// whose number it is.
import { type Log, serializeError } from '../log.ts';
import type { SentCode } from './conversation.ts';
import type { Gateway } from './gateway.ts';
import type { Telegram } from './telegram.ts';

export class CodeDelivery {
  readonly #telegram: Telegram;
  readonly #gateway: Gateway | null;
  readonly #log: Log;

  constructor(parts: { readonly telegram: Telegram; readonly gateway: Gateway | null; readonly log: Log }) {
    this.#telegram = parts.telegram;
    this.#gateway = parts.gateway;
    this.#log = parts.log;
  }

  /** Whether there is a way that codes could take now. */
  get isReady(): boolean {
    return this.#telegram.username !== null || this.#gateway !== null;
  }

  /** Begins to send, and returns at once. */
  send(sent: SentCode): void {
    this.#deliver(sent).catch((error: unknown) => {
      this.#log.warn({ err: serializeError(error) }, 'a code to a phone number could not be sent');
    });
  }

  async #deliver(sent: SentCode): Promise<void> {
    if (await this.#telegram.sendCode(sent)) return;
    if (await this.#gateway?.send(sent.number, sent.code, sent.ttl)) return;
    this.#log.info({}, 'a code to a phone number did not reach its chat');
  }
}
