// Brings a code to the chat that proved a phone number. Nobody waits for it: how long it takes, and whether it arrived, must not tell a stranger
// whose number it is.
import { type Log, serializeError } from '../log.ts';
import type { SentCode } from './conversation.ts';
import type { Telegram } from './telegram.ts';

export class CodeDelivery {
  readonly #telegram: Telegram;
  readonly #log: Log;

  constructor(parts: { readonly telegram: Telegram; readonly log: Log }) {
    this.#telegram = parts.telegram;
    this.#log = parts.log;
  }

  /** Whether there is a way that codes could take now. */
  get isReady(): boolean {
    return this.#telegram.username !== null;
  }

  /** Begins to send, and returns at once. */
  send(sent: SentCode): void {
    this.#deliver(sent).catch((error: unknown) => {
      this.#log.warn({ err: serializeError(error) }, 'a code to a phone number could not be sent');
    });
  }

  async #deliver(sent: SentCode): Promise<void> {
    if (await this.#telegram.sendCode(sent)) return;
    this.#log.info({}, 'a code to a phone number did not reach its chat');
  }
}
