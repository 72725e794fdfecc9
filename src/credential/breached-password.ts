// Whether a password is among those that leaked somewhere, asked by k-anonymity (requirements P5): five characters of its SHA-1 go out, all
// endings that belong to them come back, and the comparison happens here. A service that does not answer stops nobody.
import { createHash } from 'node:crypto';
import { type Log, serializeError } from '../log.ts';

const PREFIX = 5;
const TIMEOUT_MS = 3000;
/** The suffix, and how often it was seen; padding lines say 0 times. */
const LINE = /^([0-9A-F]{35}):(\d+)$/i;

export interface BreachedPasswordsParts {
  /** The address below which a prefix is a resource, without a final slash. */
  readonly url: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly log: Log;
}

export class BreachedPasswords {
  readonly #parts: BreachedPasswordsParts;

  constructor(parts: BreachedPasswordsParts) {
    this.#parts = parts;
  }

  /** False too when nobody answers within three seconds. @param password in NFC */
  async has(password: string): Promise<boolean> {
    const { url, fetch, log } = this.#parts;
    const hash = createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase();
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/${hash.slice(0, PREFIX)}`, {
        // Answers of one length, so that their size does not tell the prefix.
        headers: { 'Add-Padding': 'true', Accept: 'text/plain' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status !== 200) throw new Error(`answered ${response.status}`);
      return isListed(await response.text(), hash.slice(PREFIX));
    } catch (error) {
      log.warn({ err: serializeError(error) }, 'leaked passwords could not be looked up');
      return false;
    }
  }
}

function isListed(answer: string, suffix: string): boolean {
  return answer.split('\n').some((line) => {
    const [, found, count] = LINE.exec(line.trim()) ?? [];
    return found?.toUpperCase() === suffix && Number(count) > 0;
  });
}
