// What tests of the credential room share: accounts that are nothing but a row, everything the database holds as one text, and an
// authenticator app of our own, written from RFC 4226 and RFC 6238 so that it cannot share a mistake with the library under test.
import { createHmac, randomUUID } from 'node:crypto';
import { HashQueue } from '../../src/credential/hash-queue.ts';
import { Lockout, type LockoutSettings } from '../../src/credential/lockout.ts';
import { ShortCodes } from '../../src/credential/short-code.ts';
import { Seal } from '../../src/crypto/seal.ts';
import type { Database } from '../../src/storage/database.ts';

export const seal = new Seal('the master secret of these tests, long enough');
export const shortCodes = new ShortCodes(new HashQueue(2, 1000));

export async function createAccount(database: Database): Promise<string> {
  const id = randomUUID();
  await database
    .em()
    .execute(
      "insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'active', now(), now())",
      [id, id],
    );
  return id;
}

export async function credentialVersion(database: Database, accountId: string): Promise<number> {
  const [row] = await database
    .em()
    .execute<{ version: number }[]>('select credential_version as version from account where id = ?', [accountId]);
  return row?.version ?? Number.NaN;
}

/** Every row of every table as text: what somebody with a copy of the database reads. */
export async function dump(database: Database): Promise<string> {
  const em = database.em();
  const tables = await em.execute<{ name: string }[]>(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const rows = await em.execute<{ row: string }[]>(`select t::text as row from "${name}" t`);
    texts.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return texts.join('\n');
}

/** The forms in which a text could lie in a dump. */
export function readings(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  return [text, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')];
}

/** Runs the same thing many times at once. */
export function together<T>(times: number, run: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => run(index)));
}

export function lockoutOn(database: Database, change: Partial<LockoutSettings> = {}): Lockout {
  const settings: LockoutSettings = {
    lockAfter: 5,
    lockFor: 900,
    lockForAtMost: 86_400,
    accountFailures: 100,
    networkFailures: 10_000,
    networkFailuresWindow: 900,
    codeFailures: 20,
    codeFailuresWindow: 21_600,
    factorFailures: 5,
    factorFailuresWindow: 900,
    siteFactor: 10,
    switchedOff: false,
    ...change,
  };
  return new Lockout({ database, settings });
}

/** RFC 6238 with HMAC-SHA-1 and steps of thirty seconds. @param secret base32 @param seconds since 1970 */
export function totpCode(secret: string, seconds: number, digits = 6): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const mac = createHmac('sha1', decodeBase32(secret)).update(counter).digest();
  const offset = (mac[19] ?? 0) & 15;
  const number = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** RFC 4648, section 6. */
function decodeBase32(text: string): Buffer {
  const bits = [...text]
    .map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'))
    .join('');
  const bytes = bits.match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
