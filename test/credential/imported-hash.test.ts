import assert from 'node:assert/strict';
import { pbkdf2Sync, randomUUID, scryptSync } from 'node:crypto';
import { describe, it } from 'node:test';
import argon2 from 'argon2';
import { isImported, toStoredImport, verifyImported } from '../../src/credential/imported-hash.ts';
import { type PasswordSettings, Passwords } from '../../src/credential/password.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
const ab64 = (bytes: Buffer): string => unpadded(bytes).replaceAll('+', '.');

/** Known answers: the first two of bcrypt from the test vectors of its first implementation, RFC 6070 for PBKDF2, RFC 7914 for scrypt. */
const KNOWN: readonly (readonly [string, string, string])[] = [
  ['bcrypt 2a', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['bcrypt 2y', 'U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  [
    'PBKDF2 with SHA-1',
    'password',
    `$pbkdf2$4096$${ab64(Buffer.from('salt'))}$${ab64(Buffer.from('4b007901b765489abead49d926f721d065a429c1', 'hex'))}`,
  ],
  [
    'scrypt',
    'pleaseletmein',
    `$scrypt$ln=14,r=8,p=1$${unpadded(Buffer.from('SodiumChloride'))}$${unpadded(
      Buffer.from(
        '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2' +
          'd5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
        'hex',
      ),
    )}`,
  ],
];

/** As passlib and Django write them. */
function made(password: string): readonly (readonly [string, string])[] {
  const salt = Buffer.from('a salt of 16 byt');
  const sha = (digest: string, length: number) => pbkdf2Sync(password, salt, 1000, length, digest);
  return [
    ['passlib PBKDF2-SHA256', `$pbkdf2-sha256$1000$${ab64(salt)}$${ab64(sha('sha256', 32))}`],
    ['passlib PBKDF2-SHA512', `$pbkdf2-sha512$1000$${ab64(salt)}$${ab64(sha('sha512', 64))}`],
    ['Django', `pbkdf2_sha256$1000$a salt of 16 byt$${sha('sha256', 32).toString('base64')}`],
    [
      'passlib scrypt',
      `$scrypt$ln=10,r=8,p=2$${unpadded(salt)}$${unpadded(scryptSync(password, salt, 32, { N: 1024, r: 8, p: 2 }))}`,
    ],
  ];
}

describe('a password hash of another system', () => {
  it('is checked as that system made it', async () => {
    const phc = await argon2.hash('päss wörd', { type: argon2.argon2i, memoryCost: 8192, timeCost: 3, parallelism: 2 });
    const cases = [
      ...KNOWN,
      ...made('päss wörd').map(([name, hash]) => [name, 'päss wörd', hash] as const),
      ['Argon2', 'päss wörd', phc] as const,
    ];
    for (const [name, password, hash] of cases) {
      const stored = toStoredImport(hash);
      assert.ok(stored !== null && isImported(stored), name);
      assert.equal(await verifyImported(stored, password), true, name);
      assert.equal(await verifyImported(stored, `${password}!`), false, name);
      assert.equal(await verifyImported(stored, ''), false, name);
    }
  });

  it('with Argon2 may name its parameters in the order of the reference implementation', async () => {
    // From the test suite of the reference implementation: argon2id, m=256, t=2, p=1.
    const hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
    assert.equal(await verifyImported(toStoredImport(hash) ?? '', 'password'), true);
  });

  it('is refused when it is of no kind that we check, or would take for ever', () => {
    const sum = unpadded(Buffer.alloc(32));
    for (const hash of [
      '',
      'password',
      '5f4dcc3b5aa765d61d8327deb882cf99',
      '$1$salt$hash',
      '$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
      '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
      `$scrypt$ln=30,r=8,p=1$${sum}$${sum}`,
      `$scrypt$ln=14,r=0,p=1$${sum}$${sum}`,
      `$scrypt$ln=14,r=8,p=99$${sum}$${sum}`,
      `$pbkdf2-sha256$99999999$${sum}$${sum}`,
      `$pbkdf2-sha256$0$${sum}$${sum}`,
      `$pbkdf2-md5$1000$${sum}$${sum}`,
      `$pbkdf2-sha256$1000$${sum}$AAAA`,
      `$argon2id$v=19$m=4194304,t=2,p=1$${sum}$${sum}`,
      `$argon2id$v=19$m=256,t=999,p=1$${sum}$${sum}`,
      `$pbkdf2-sha256$1000$${sum}$${'A'.repeat(2000)}`,
      `imported:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`,
    ]) {
      assert.equal(toStoredImport(hash), null, hash.slice(0, 60));
    }
  });
});

describeOnEachDatabase('an account that came with its password', (database) => {
  const SETTINGS: PasswordSettings = {
    policy: 'length',
    minLength: 12,
    maxLength: 256,
    hashMemoryKib: 19_456,
    hashIterations: 2,
    hashParallelism: 1,
    hashConcurrency: 2,
    hashQueue: 100,
  };

  it('signs in with it, and has a hash of ours with our pepper from then on', async () => {
    for (const pepper of [undefined, 'a pepper of this test that is long enough']) {
      for (const [name, password, hash] of KNOWN) {
        const passwords = new Passwords({ database: database(), settings: SETTINGS, pepper });
        const id = await createAccount(database());
        await database().transaction((em) => passwords.set(em, id, toStoredImport(hash) ?? ''));
        const stored = async () => {
          const rows = await database()
            .em()
            .execute<{ hash: string }[]>('select hash from password where account_id = ?', [id]);
          return rows[0]?.hash ?? '';
        };
        assert.equal(await passwords.verify(id, `not ${password}`), false, name);
        assert.equal(isImported(await stored()), true);
        assert.equal(await passwords.verify(id, password), true, name);
        assert.match(await stored(), /^\$argon2id\$/);
        assert.equal(await passwords.verify(id, password), true, name);
        assert.equal(await passwords.verify(id, randomUUID()), false, name);
      }
    }
  });

  it('cannot be checked as one of ours with its mark left out', async () => {
    const passwords = new Passwords({ database: {} as Database, settings: SETTINGS });
    const own = await passwords.hash('correct horse battery staple');
    assert.equal(isImported(own), false);
  });
});
