// Calls to an upstream, and what it means when one goes wrong. The answer is read here, up to a cap that counts what comes out of the
// decompression, so that no library behind it ever waits for or unpacks more than we allow.
import { type GuardedFetch, OutgoingCallRefused } from '../http/guarded-fetch.ts';
import { UpstreamFailure, type UpstreamStep } from './adapter.ts';

/** Bytes of an answer: a key set or a profile has a few thousand. */
const MOST_BYTES = 512 * 1024;

/** The other side could not be reached, was too slow, or answered what nobody can read. */
class Unusable extends Error {}

/** The same fetch with its whole answer read, and no more of it than we allow. @throws Unusable */
export function readFully(fetch: GuardedFetch): GuardedFetch {
  return async (url, init) => {
    const answer = await fetch(url, init);
    const body = await readCapped(answer);
    if (answer.status >= 500) throw new Unusable(`answered with status ${answer.status}`);
    const isEmpty = body.length === 0 || [204, 205, 304].includes(answer.status);
    const headers = new Headers(answer.headers);
    // What is handed on is unpacked already.
    for (const name of ['content-encoding', 'content-length']) headers.delete(name);
    return new Response(isEmpty ? null : body, { status: answer.status, headers });
  };
}

async function readCapped(answer: Response): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (answer.body) {
    for await (const chunk of answer.body) {
      size += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (size > MOST_BYTES) throw new Unusable(`answered with more than ${MOST_BYTES} bytes`);
      chunks.push(chunk);
    }
  }
  return Buffer.concat(chunks);
}

const TEXTS: Readonly<Record<UpstreamStep, string>> = {
  denied: 'The sign-in was not allowed there.',
  unreachable: 'It does not answer right now.',
  exchange: 'It did not accept its own answer.',
  'id-token': 'What it said about you could not be verified.',
  profile: 'It did not say who you are.',
  setting: 'It is not set up correctly here.',
};

export function failure(step: UpstreamStep, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure(step, TEXTS[step], cause);
}

const CREDENTIALS = 'clientId and clientSecret (at Apple clientId, teamId, keyId and privateKey)';
/** Error answers whose fault lies with what the operator wrote, not with the person, and where to look (RFC 6749, 4.1.2.1 and 5.2; GitHub). */
const SETTING_ERRORS = new Map([
  ['invalid_client', CREDENTIALS],
  ['incorrect_client_credentials', CREDENTIALS],
  ['unauthorized_client', 'clientId and what it may do there'],
  ['unsupported_grant_type', 'clientId and what it may do there'],
  ['application_suspended', 'clientId and what it may do there'],
  ['invalid_scope', 'scopes'],
  ['redirect_uri_mismatch', 'the callback URL that is registered there'],
]);

/** What a person brings back who did not want to, or who would have had to be asked (RFC 6749, OIDC Core 3.1.2.6; Apple). */
const DENIALS = new Set([
  ...['access_denied', 'login_required', 'interaction_required', 'consent_required'],
  ...['user_cancelled_login', 'user_cancelled_authorize'],
]);

/** An answer of the authorization endpoint that is an error. It came through the browser: nothing in it is proven. */
export function asRefusal(answer: Error & { readonly error: string; readonly error_description?: string | undefined }) {
  if (DENIALS.has(answer.error)) return failure('denied', answer);
  // Not the answer itself: the library keeps all parameters in it, and a code that nobody redeemed belongs into no log.
  return asFailure('exchange', { error: answer.error, error_description: answer.error_description });
}

/**
 * Gives every error of a step its name.
 * @param step what it is when the upstream was reached and answered
 */
export function asFailure(step: UpstreamStep, error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const chain = causesOf(error);
  if (chain.some((one) => one instanceof OutgoingCallRefused)) return failure('setting', error);
  if (chain.some(isOutage)) return failure('unreachable', error);
  const told = chain.find((one) => typeof (one as { error?: unknown }).error === 'string');
  if (told === undefined) return failure(step, error);
  const setting = SETTING_ERRORS.get((told as { error: string }).error);
  const place = setting === undefined ? '' : `; look at ${setting}`;
  return failure(setting === undefined ? step : 'setting', new Error(`${sentenceOf(told)}${place}`));
}

/** Code and description of an error answer for the log, in the characters that RFC 6749 allows. */
function sentenceOf(told: object): string {
  const { error, error_description: description } = told as { error?: unknown; error_description?: unknown };
  const plain = (value: unknown): string =>
    String(value)
      .slice(0, 300)
      .replace(/[^\x20-\x7e]/g, ' ');
  return `it said ${plain(error)}${typeof description === 'string' ? ` (${plain(description)})` : ''}`;
}

function isOutage(error: object): boolean {
  if (error instanceof Unusable) return true;
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (name === 'TimeoutError' || name === 'AbortError') return true;
  // undici's fetch says "fetch failed" and keeps the reason in the cause.
  if (error instanceof TypeError && /^(fetch failed|terminated)$/.test(error.message)) return true;
  return typeof code === 'string' && /^(UND_ERR_|ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EPIPE|CERT_|OAUTH_TIMEOUT)/.test(code);
}

function causesOf(error: unknown): readonly object[] {
  const chain: object[] = [];
  let one = error;
  while (typeof one === 'object' && one !== null && chain.length < 6) {
    chain.push(one);
    one = (one as { cause?: unknown }).cause;
  }
  return chain;
}
