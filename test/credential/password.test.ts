import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import argon2 from 'argon2';
import { BreachedPasswords } from '../../src/credential/breached-password.ts';
import { type PasswordSettings, Passwords } from '../../src/credential/password.ts';
import { Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const SETTINGS: PasswordSettings = {
  policy: 'length',
  minLength: 12,
  maxLength: 256,
  hashMemoryKib: 19_456,
  hashIterations: 2,
  hashParallelism: 1,
  hashConcurrency: 2,
  hashQueue: 64,
};
/** Nothing but hashing and rules is asked of it. */
const NO_DATABASE = {} as Database;

function passwordsOn(database: Database, change: Partial<PasswordSettings> = {}, pepper?: string): Passwords {
  return new Passwords({ database, settings: { ...SETTINGS, ...change }, pepper });
}

async function accountWith(database: Database, passwords: Passwords, password: string): Promise<string> {
  const id = randomUUID();
  const hash = await passwords.hash(password);
  await database.transaction(async (em) => {
    await em.execute(
      "insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'active', now(), now())",
      [id, id],
    );
    await passwords.set(em, id, hash);
  });
  return id;
}

async function storedHash(database: Database, id: string): Promise<string> {
  const [row] = await database.em().execute<{ hash: string }[]>('select hash from password where account_id = ?', [id]);
  return row?.hash ?? '';
}

describe('the rules for a new password', () => {
  const problem = (change: Partial<PasswordSettings>, password: string) =>
    passwordsOn(NO_DATABASE, change).findProblem(password);

  it('by default are its length and nothing else', () => {
    assert.equal(problem({}, 'x'.repeat(11)), 'too-short');
    assert.equal(problem({}, 'correct horse battery staple'), null);
    assert.equal(problem({}, '            b'), null);
    assert.equal(problem({}, 'ab'.repeat(128)), null);
    assert.equal(problem({}, `${'ab'.repeat(128)}c`), 'too-long');
  });

  it('count characters as people do, after composing them', () => {
    assert.equal(problem({}, '🔑🗝🚪🏠🔒🔓🧰🪛🔧🔨🪚⛏'), null);
    assert.equal(problem({}, '🔑🗝🚪🏠🔒🔓'), 'too-short');
    // Eleven letters, one of them written as two code points.
    assert.equal(problem({}, 'pa\u0308sswordabc'.normalize('NFD')), 'too-short');
  });

  it('refuse more than 1024 bytes before anything reads them', () => {
    assert.equal(problem({}, '🔑'.repeat(257)), 'too-long');
    assert.equal(problem({}, 'x'.repeat(10_000_000)), 'too-long');
  });

  it('refuse one repeated character and plain runs', () => {
    for (const trivial of ['aaaaaaaaaaaaaaa', 'abcdefghijklmnop', 'ponmlkjihgfedcba', '🔑'.repeat(20)]) {
      assert.equal(problem({}, trivial), 'too-common', trivial);
    }
  });

  it('refuse common passwords at any policy', () => {
    assert.equal(problem({ minLength: 8 }, 'Password1234'), 'too-common');
    assert.equal(problem({}, 'passwordpassword'), 'too-common');
    assert.equal(problem({ policy: 'classic', minLength: 8 }, 'P@ssw0rd'), 'too-common');
  });

  it('refuse what is near to the person or the product', () => {
    const passwords = new Passwords({ database: NO_DATABASE, settings: SETTINGS, productName: 'Acme Login' });
    const owner = { email: 'anna.smith@example.com', username: 'annie88' };
    for (const near of [
      'anna.smith was here',
      'SMITH and Wesson 12',
      'my annie88 password',
      'acmelogin for ever',
      'login without end',
    ]) {
      assert.equal(passwords.findProblem(near, owner), 'too-personal', near);
    }
    assert.equal(passwords.findProblem('smith and wesson 12'), null, 'nobody is known by that name');
    assert.equal(passwords.findProblem('correct horse battery staple', owner), null);
  });

  it('include a look-up among leaked ones where there is one, and only for what is good otherwise', async () => {
    const asked: string[] = [];
    const fetch = async (url: string) => {
      asked.push(url);
      const suffix = createHash('sha1').update('a password that leaked').digest('hex').slice(5);
      return new Response(`0000000000000000000000000000000000A:1\r\n${suffix}:7`);
    };
    const breached = new BreachedPasswords({ url: 'https://leaks.example/range', fetch, log: createLog('silent') });
    const passwords = new Passwords({ database: NO_DATABASE, settings: SETTINGS, breached });
    assert.equal(await passwords.findProblemAnywhere('short'), 'too-short');
    assert.deepEqual(asked, []);
    assert.equal(await passwords.findProblemAnywhere('a password that leaked'), 'breached');
    assert.equal(await passwords.findProblemAnywhere('correct horse battery staple'), null);
    assert.equal(asked.length, 2);
    assert.equal(await passwordsOn(NO_DATABASE).findProblemAnywhere('a password that leaked'), null);
  });

  it('come with an estimate of how hard a password is to guess', () => {
    const passwords = passwordsOn(NO_DATABASE);
    assert.equal(passwords.strength('password').score, 0);
    assert.equal(passwords.strength('correct horse battery staple').score, 4);
    assert.ok(
      passwords.strength('wolkenkratzerin', { username: 'wolkenkratzerin' }).score <
        passwords.strength('wolkenkratzerin').score,
    );
  });

  it('ask for four kinds of characters under strict and classic, in any script', () => {
    for (const policy of ['strict', 'classic'] as const) {
      assert.equal(problem({ policy, minLength: 8 }, 'alllowercase1!'), 'needs-kinds');
      assert.equal(problem({ policy, minLength: 8 }, 'NoDigitsHere!'), 'needs-kinds');
      assert.equal(problem({ policy, minLength: 8 }, 'NoSymbols123'), 'needs-kinds');
      assert.equal(problem({ policy, minLength: 8 }, 'ALLUPPER123!'), 'needs-kinds');
      assert.equal(problem({ policy, minLength: 8 }, 'Good1234!'), null);
      assert.equal(problem({ policy, minLength: 8 }, 'Пароль12 !'), null);
    }
  });

  it('are told to the page as they are checked', () => {
    assert.deepEqual(passwordsOn(NO_DATABASE).rules(), [
      { key: 'length', values: { min: 12, max: 256 } },
      { key: 'uncommon', values: {} },
    ]);
    assert.deepEqual(
      passwordsOn(NO_DATABASE, { policy: 'classic', minLength: 8, maxLength: 128 })
        .rules()
        .map((rule) => rule.key),
      ['length', 'kinds', 'uncommon'],
    );
  });
});

describe('a password hash', () => {
  it('is Argon2id with the parameters in force inside, 32 bytes long, different each time', async () => {
    const passwords = passwordsOn(NO_DATABASE);
    const hash = await passwords.hash('correct horse battery staple');
    assert.match(hash, /^\$argon2id\$v=19\$m=19456,p=1,t=2\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.notEqual(hash, await passwords.hash('correct horse battery staple'));
  });
});

describe('hashing under load', () => {
  it('runs a bounded number, lets a bounded number wait and refuses the rest with a time to come back', async () => {
    const passwords = passwordsOn(NO_DATABASE, { hashConcurrency: 1, hashQueue: 3 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => passwords.hash(`password number ${index}`)),
    );
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 4);
    for (const one of outcomes) {
      if (one.status === 'fulfilled') continue;
      assert.ok(one.reason instanceof Unavailable);
      assert.equal(one.reason.code, 'busy');
      assert.equal(one.reason.retryAfter, 2);
    }
    // And is free again afterwards.
    assert.match(await passwords.hash('one more password'), /^\$argon2id/);
  });
});

describeOnEachDatabase('stored passwords', (database) => {
  describe('checking a password', () => {
    it('says yes to the right one only', async () => {
      const passwords = passwordsOn(database());
      const id = await accountWith(database(), passwords, 'correct horse battery staple');
      assert.equal(await passwords.verify(id, 'correct horse battery staple'), true);
      for (const wrong of [
        'Correct horse battery staple',
        'correct horse battery staple ',
        ' correct horse battery staple',
        '',
      ]) {
        assert.equal(await passwords.verify(id, wrong), false);
      }
      assert.equal(await passwords.verify(randomUUID(), 'correct horse battery staple'), false);
    });

    it('does not care how a keyboard composes letters', async () => {
      const passwords = passwordsOn(database());
      const id = await accountWith(database(), passwords, 'schöner Tag heute'.normalize('NFD'));
      assert.equal(await passwords.verify(id, 'schöner Tag heute'.normalize('NFC')), true);
    });

    it('looks at every byte of a long one', async () => {
      const passwords = passwordsOn(database());
      const id = await accountWith(database(), passwords, `${'long '.repeat(50)}a`);
      assert.equal(await passwords.verify(id, `${'long '.repeat(50)}a`), true);
      assert.equal(await passwords.verify(id, `${'long '.repeat(50)}b`), false);
    });

    it('says no without an account and for an account without one', async () => {
      const passwords = passwordsOn(database());
      assert.equal(await passwords.verify(null, 'nobody has this password'), false);
      assert.equal(await passwords.verify(randomUUID(), 'nobody has this password'), false);
    });

    it('refuses more than 1024 bytes without hashing', async () => {
      const passwords = passwordsOn(database(), { hashConcurrency: 1, hashQueue: 0 });
      const busy = passwords.hash('keeps the only place taken');
      assert.equal(await passwords.verify(null, 'x'.repeat(1025)), false);
      await busy;
    });

    it('hashes again with new parameters after a good sign-in, and never after a bad one', async () => {
      const old = passwordsOn(database());
      const id = await accountWith(database(), old, 'correct horse battery staple');
      const before = await storedHash(database(), id);
      const fresh = passwordsOn(database(), { hashIterations: 3 });
      assert.equal(await fresh.verify(id, 'wrong horse battery staple'), false);
      assert.equal(await storedHash(database(), id), before);
      assert.equal(await fresh.verify(id, 'correct horse battery staple'), true);
      const renewed = await storedHash(database(), id);
      assert.match(renewed, /m=19456,p=1,t=3/);
      assert.equal(await fresh.verify(id, 'correct horse battery staple'), true);
      assert.equal(await storedHash(database(), id), renewed, 'once is enough');
    });

    it('replaces a weaker kind of Argon2 as well', async () => {
      const passwords = passwordsOn(database());
      const id = await accountWith(database(), passwords, 'correct horse battery staple');
      const weak = await argon2.hash('correct horse battery staple', {
        type: argon2.argon2i,
        memoryCost: 19_456,
        timeCost: 2,
        parallelism: 1,
      });
      await database().em().execute('update password set hash = ? where account_id = ?', [weak, id]);
      assert.equal(await passwords.verify(id, 'correct horse battery staple'), true);
      assert.match(await storedHash(database(), id), /^\$argon2id\$/);
    });

    it('needs the pepper that the hash was made with', async () => {
      const peppered = passwordsOn(database(), {}, 'a pepper of this test that is long enough');
      const id = await accountWith(database(), peppered, 'correct horse battery staple');
      assert.equal(await peppered.verify(id, 'correct horse battery staple'), true);
      assert.equal(await passwordsOn(database()).verify(id, 'correct horse battery staple'), false);
    });

    it('lets the right one in when there is no time to hash it again, and does so at the next sign-in', async (context) => {
      const id = await accountWith(database(), passwordsOn(database()), 'correct horse battery staple');
      const fresh = passwordsOn(database(), { hashIterations: 3 });
      const busy = context.mock.method(fresh, 'hash', () => Promise.reject(new Unavailable()));
      assert.equal(await fresh.verify(id, 'correct horse battery staple'), true);
      assert.equal(busy.mock.callCount(), 1);
      busy.mock.restore();
      assert.equal(await fresh.verify(id, 'correct horse battery staple'), true);
      assert.match(await storedHash(database(), id), /m=19456,p=1,t=3/);
    });

    it('does not undo a change of the password that happens while it hashes again', async () => {
      const old = passwordsOn(database());
      const id = await accountWith(database(), old, 'correct horse battery staple');
      const fresh = passwordsOn(database(), { hashIterations: 8, hashConcurrency: 1 });
      const changed = await old.hash('a different good password');
      const check = fresh.verify(id, 'correct horse battery staple');
      await database().transaction((em) => old.set(em, id, changed));
      await check;
      assert.equal(await old.verify(id, 'a different good password'), true);
    });
  });

  describe('setting a password', () => {
    it('raises the credential version, so that what was bound to the old one is dead', async () => {
      const passwords = passwordsOn(database());
      const id = await accountWith(database(), passwords, 'correct horse battery staple');
      const version = async () => {
        const [row] = await database()
          .em()
          .execute<{ version: number }[]>('select credential_version as version from account where id = ?', [id]);
        return row?.version ?? 0;
      };
      const before = await version();
      const hash = await passwords.hash('a different good password');
      await database().transaction((em) => passwords.set(em, id, hash));
      assert.equal(await version(), before + 1);
      assert.equal(await passwords.verify(id, 'correct horse battery staple'), false);
      assert.equal(await passwords.verify(id, 'a different good password'), true);
    });
  });
});
