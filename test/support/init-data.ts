// What Telegram gives a Mini App, signed as core.telegram.org describes it and apart from our own code.
import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { BOT_TOKEN, type TestTelegramPerson } from './telegram-api.ts';

interface InitDataOptions {
  readonly startParam?: string;
  /** Seconds before now. */
  readonly age?: number;
  readonly botToken?: string;
  /** Instead of the token. */
  readonly key?: KeyObject;
  readonly botId?: string;
}

let queries = 0;

export function signInitData(user: TestTelegramPerson, options: InitDataOptions = {}): string {
  const { startParam, age = 0, botToken = BOT_TOKEN, key, botId = '' } = options;
  queries += 1;
  const fields = new Map([
    ['query_id', `AAHdF6IQAAAAAN0XohDh${queries}`],
    [
      'user',
      JSON.stringify({
        ...{ id: user.id, first_name: user.firstName ?? 'Zoë', last_name: '', language_code: user.language ?? 'en' },
        ...(user.username === undefined ? {} : { username: user.username }),
      }),
    ],
    ['auth_date', String(Math.trunc(Date.now() / 1000) - age)],
    ...(startParam === undefined ? [] : ([['start_param', startParam]] as const)),
  ]);
  const text = (): string =>
    [...fields.keys()]
      .toSorted()
      .map((name) => `${name}=${fields.get(name) ?? ''}`)
      .join('\n');
  if (key !== undefined) {
    const signature = sign(null, Buffer.from(`${botId}:WebAppData\n${text()}`), key).toString('base64url');
    fields.set('signature', signature);
  }
  const secret = createHmac('sha256', 'WebAppData')
    .update(key === undefined ? botToken : 'not known to us')
    .digest();
  fields.set('hash', createHmac('sha256', secret).update(text()).digest('hex'));
  return new URLSearchParams([...fields]).toString();
}

/** A pair as Telegram has one. @returns the public half as the settings take it */
export function newMiniAppKey(): { readonly privateKey: KeyObject; readonly hex: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return { privateKey, hex: Buffer.from(x, 'base64url').toString('hex') };
}

/** What the legacy widget appends to the address it leads to. */
export function signWidget(
  user: TestTelegramPerson,
  options: { readonly age?: number; readonly botToken?: string } = {},
): URLSearchParams {
  const { age = 0, botToken = BOT_TOKEN } = options;
  const fields = new URLSearchParams({
    id: String(user.id),
    first_name: user.firstName ?? 'Zoë',
    ...(user.username === undefined ? {} : { username: user.username }),
    auth_date: String(Math.trunc(Date.now() / 1000) - age),
  });
  const lines = [...fields].map(([name, value]) => `${name}=${value}`).toSorted();
  const key = createHash('sha256').update(botToken).digest();
  fields.set('hash', createHmac('sha256', key).update(lines.join('\n')).digest('hex'));
  return fields;
}
