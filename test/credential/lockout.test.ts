import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Attempt, Lockout, type LockoutSettings } from '../../src/credential/lockout.ts';
import { Unavailable } from '../../src/errors.ts';
import { networkOf } from '../../src/http/client-address.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const SETTINGS: LockoutSettings = {
  lockAfter: 5,
  lockFor: 900,
  lockForAtMost: 86_400,
  accountFailures: 100,
  networkFailures: 1000,
  networkFailuresWindow: 900,
  codeFailures: 20,
  codeFailuresWindow: 21_600,
  factorFailures: 5,
  factorFailuresWindow: 900,
  siteFactor: 10,
  switchedOff: false,
};

function lockoutOn(database: Database, change: Partial<LockoutSettings> = {}): Lockout {
  return new Lockout({ database, settings: { ...SETTINGS, ...change } });
}

/** A subject and a network that no other case uses. */
function stranger(change: { subject?: string; network?: string; isKnownDevice?: boolean } = {}) {
  return { subject: randomUUID(), network: randomUUID(), isKnownDevice: false, ...change };
}

function refused(attempt: Attempt): Extract<Attempt, { isAllowed: false }> {
  if (attempt.isAllowed) assert.fail('this try should have been refused');
  return attempt;
}

async function fail(lockout: Lockout, who: ReturnType<typeof stranger>, times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    const attempt = await lockout.attempt(who);
    assert.equal(attempt.isAllowed, true, `attempt ${count + 1}`);
  }
}

/** Instead of waiting: every lock of this subject is over. */
async function letLocksEnd(database: Database, subject: string): Promise<void> {
  await database
    .em()
    .execute(
      "update guess_counter set locked_until = now() - interval '1 second' where key like ? and locked_until < 'infinity'",
      [`%${subject}%`],
    );
}

async function letWindowEnd(database: Database, network: string): Promise<void> {
  await database
    .em()
    .execute("update guess_counter set window_ends_at = now() - interval '1 second' where key = ?", [
      `network:${network}`,
    ]);
}

describeOnEachDatabase('the limits', (database) => {
  describe('guessing at one account from one network', () => {
    it('is refused after five failures in a row, for fifteen minutes', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      await fail(lockout, who, 5);
      const { reason, retryAfter } = refused(await lockout.attempt(who));
      assert.equal(reason, 'account-network');
      assert.ok(retryAfter !== null && retryAfter > 890 && retryAfter <= 900, String(retryAfter));
    });

    it('lets exactly five of fifty parallel tries through', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      const attempts = await Promise.all(Array.from({ length: 50 }, () => lockout.attempt(who)));
      assert.equal(attempts.filter((one) => one.isAllowed).length, 5);
    });

    it('starts anew after a success', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      await fail(lockout, who, 4);
      const good = await lockout.attempt(who);
      assert.ok(good.isAllowed);
      await good.succeed();
      await fail(lockout, who, 5);
      refused(await lockout.attempt(who));
    });

    it('is refused twice as long each time, up to a day, and a refused try prolongs nothing', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      const waits: number[] = [];
      for (let round = 0; round < 9; round += 1) {
        await fail(lockout, who, 5);
        const first = refused(await lockout.attempt(who)).retryAfter ?? Number.NaN;
        const second = refused(await lockout.attempt(who)).retryAfter ?? Number.NaN;
        assert.ok(second <= first);
        // Seconds that passed while the test ran.
        waits.push(Math.ceil(first / 60) * 60);
        await letLocksEnd(database(), who.subject);
      }
      assert.deepEqual(waits, [900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400]);
    });

    it('leaves other networks and other accounts alone', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      await fail(lockout, who, 5);
      refused(await lockout.attempt(who));
      assert.equal((await lockout.attempt({ ...who, network: randomUUID() })).isAllowed, true);
      assert.equal((await lockout.attempt({ ...who, subject: randomUUID() })).isAllowed, true);
    });

    it('is not freed by a success on another account', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      await fail(lockout, who, 5);
      const other = await lockout.attempt({ ...who, subject: randomUUID() });
      assert.ok(other.isAllowed);
      await other.succeed();
      refused(await lockout.attempt(who));
    });

    it('is freed by a reset', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      await fail(lockout, who, 5);
      await lockout.clear(who.subject);
      await fail(lockout, who, 5);
    });

    it('does not count tries that were not looked at, and they lock nobody', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      for (let count = 0; count < 12; count += 1) {
        const attempt = await lockout.attempt(who);
        assert.ok(attempt.isAllowed, `attempt ${count + 1}`);
        await attempt.withdraw();
      }
      await fail(lockout, who, 5);
      const { retryAfter } = refused(await lockout.attempt(who));
      assert.ok(retryAfter !== null && retryAfter <= 900, 'and the first lock is still the first');
    });

    it('still looks at five guesses at most when some of those beside them are withdrawn', async () => {
      const lockout = lockoutOn(database());
      const who = stranger();
      let looked = 0;
      const guess = async (index: number) => {
        const attempt = await lockout.attempt(who);
        if (!attempt.isAllowed) return;
        if (index % 2 === 0) await attempt.withdraw();
        else looked += 1;
      };
      await Promise.all(Array.from({ length: 60 }, (_, index) => guess(index)));
      for (let count = 0; count < 10; count += 1) await guess(1);
      assert.equal(looked, 5);
    });

    it('holds for another process on the same database, as after a restart', async () => {
      const who = stranger();
      await fail(lockoutOn(database()), who, 5);
      refused(await lockoutOn(database()).attempt(who));
    });
  });

  describe('guessing at one account from everywhere', () => {
    it('turns the password off after a hundred failures until a reset, except for known devices', async () => {
      const lockout = lockoutOn(database());
      const subject = randomUUID();
      for (let count = 0; count < 100; count += 1) {
        assert.equal((await lockout.attempt(stranger({ subject }))).isAllowed, true, `failure ${count + 1}`);
      }
      const { reason, retryAfter } = refused(await lockout.attempt(stranger({ subject })));
      assert.equal(reason, 'account');
      assert.equal(retryAfter, null);
      assert.equal((await lockout.attempt(stranger({ subject, isKnownDevice: true }))).isAllowed, true);
      await lockout.clear(subject);
      assert.equal((await lockout.attempt(stranger({ subject }))).isAllowed, true);
    });

    it('locks no known device out by what is guessed elsewhere, also from its own network', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 8 });
      const who = stranger();
      await fail(lockout, who, 5);
      assert.equal(refused(await lockout.attempt(who)).reason, 'account-network');
      for (let count = 0; count < 3; count += 1) await lockout.attempt(stranger({ network: who.network }));
      assert.equal(refused(await lockout.attempt(stranger({ network: who.network }))).reason, 'network');
      const known = await lockout.attempt({ ...who, isKnownDevice: true });
      assert.ok(known.isAllowed);
      await known.succeed();
      assert.equal((await lockout.attempt(who)).isAllowed, false, 'and its success frees nobody else');
    });

    it('lets exactly five of fifty parallel tries of a known device through, wherever they come from', async () => {
      const lockout = lockoutOn(database());
      const subject = randomUUID();
      const attempts = await Promise.all(
        Array.from({ length: 50 }, () => lockout.attempt(stranger({ subject, isKnownDevice: true }))),
      );
      assert.equal(attempts.filter((one) => one.isAllowed).length, 5);
      await lockout.clear(subject);
      assert.equal((await lockout.attempt(stranger({ subject, isKnownDevice: true }))).isAllowed, true);
    });

    it('is not counted further while it is refused anyway', async () => {
      const lockout = lockoutOn(database(), { accountFailures: 5, lockAfter: 3, networkFailures: 10 });
      const subject = randomUUID();
      for (let count = 0; count < 5; count += 1) await lockout.attempt(stranger({ subject }));
      const who = stranger({ subject });
      for (let count = 0; count < 30; count += 1) assert.equal(refused(await lockout.attempt(who)).reason, 'account');
      assert.equal((await lockout.attempt(stranger({ network: who.network }))).isAllowed, true);
    });

    it('does not let known devices guess without end', async () => {
      const lockout = lockoutOn(database());
      const who = stranger({ isKnownDevice: true });
      await fail(lockout, who, 5);
      assert.equal(refused(await lockout.attempt(who)).reason, 'account-network');
    });
  });

  describe('guessing from one network at many accounts', () => {
    it('is refused after twenty failures until the window ends', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 20 });
      const network = randomUUID();
      for (let count = 0; count < 20; count += 1) {
        assert.equal((await lockout.attempt(stranger({ network }))).isAllowed, true);
      }
      const { reason, retryAfter } = refused(await lockout.attempt(stranger({ network })));
      assert.equal(reason, 'network');
      assert.ok(retryAfter !== null && retryAfter > 890 && retryAfter <= 900, String(retryAfter));
      assert.equal((await lockout.attempt(stranger())).isAllowed, true);
      await letWindowEnd(database(), network);
      assert.equal((await lockout.attempt(stranger({ network }))).isAllowed, true);
    });

    it('counts an IPv6 network by itself, and the site around it at ten times the number', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 4 });
      const site = `2001:db8:${randomInt(1, 0xffff).toString(16)}`;
      const from = (last: string) => stranger({ network: networkOf(`${site}:${last}::1`) });
      const attempts = await Promise.all(Array.from({ length: 20 }, () => lockout.attempt(from('1'))));
      assert.equal(attempts.filter((one) => one.isAllowed).length, 4, 'one network');
      const others = await Promise.all(
        Array.from({ length: 80 }, (_, index) => lockout.attempt(from((index + 2).toString(16)))),
      );
      assert.equal(others.filter((one) => one.isAllowed).length, 36, 'the rest of forty for the site');
      const { reason, retryAfter } = refused(await lockout.attempt(from('ffff')));
      assert.equal(reason, 'network');
      assert.ok(retryAfter !== null && retryAfter > 890);
      assert.equal((await lockout.attempt(stranger())).isAllowed, true);
    });

    it('gives back to the site what it gives back to the network', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 1, siteFactor: 1 });
      const site = `2001:db8:${randomInt(1, 0xffff).toString(16)}`;
      for (let count = 1; count < 10; count += 1) {
        const attempt = await lockout.attempt(stranger({ network: networkOf(`${site}:${count}::1`) }));
        assert.ok(attempt.isAllowed, String(count));
        await attempt.succeed();
      }
    });

    it('counts parallel tries exactly', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 20 });
      const network = randomUUID();
      const attempts = await Promise.all(Array.from({ length: 50 }, () => lockout.attempt(stranger({ network }))));
      assert.equal(attempts.filter((one) => one.isAllowed).length, 20);
    });

    it('does not count good sign-ins: an office can have more people than failures are allowed', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 20 });
      const network = randomUUID();
      for (let count = 0; count < 40; count += 1) {
        const attempt = await lockout.attempt(stranger({ network }));
        assert.ok(attempt.isAllowed);
        await attempt.succeed();
      }
    });

    it('cannot be made worse for a network by tries that are refused anyway', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 20 });
      const who = stranger();
      await fail(lockout, who, 5);
      for (let count = 0; count < 30; count += 1)
        assert.equal(refused(await lockout.attempt(who)).reason, 'account-network');
      assert.equal((await lockout.attempt(stranger({ network: who.network }))).isAllowed, true);
    });
  });

  describe('guessing a second factor', () => {
    const holder = (
      change: { accountId?: string; network?: string; isKnownDevice?: boolean; isPasskey?: boolean } = {},
    ) => ({
      accountId: randomUUID(),
      network: randomUUID(),
      isKnownDevice: false,
      ...change,
    });

    it('is refused after five wrong ones of an account in fifteen minutes, from wherever they come', async () => {
      const lockout = lockoutOn(database());
      const { accountId } = holder();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await lockout.attemptFactor(holder({ accountId }))).isAllowed, true);
      }
      const { reason, retryAfter } = refused(await lockout.attemptFactor(holder({ accountId })));
      assert.equal(reason, 'factor');
      assert.ok(retryAfter !== null && retryAfter > 890 && retryAfter <= 900, String(retryAfter));
      assert.equal((await lockout.attemptFactor(holder())).isAllowed, true, 'nobody else is kept out');
    });

    it('lets exactly five of fifty parallel tries through', async () => {
      const lockout = lockoutOn(database());
      const { accountId } = holder();
      const attempts = await Promise.all(
        Array.from({ length: 50 }, () => lockout.attemptFactor(holder({ accountId }))),
      );
      assert.equal(attempts.filter((one) => one.isAllowed).length, 5);
    });

    it('is not made free again by a right one, a right password or a reset of the password', async () => {
      const lockout = lockoutOn(database());
      const who = holder();
      for (let count = 0; count < 4; count += 1) await lockout.attemptFactor(who);
      const good = await lockout.attemptFactor(who);
      assert.ok(good.isAllowed);
      await good.succeed();
      const password = await lockout.attempt(stranger({ subject: who.accountId }));
      assert.ok(password.isAllowed);
      await password.succeed();
      await lockout.clear(who.accountId);
      assert.equal((await lockout.attemptFactor(who)).isAllowed, true);
      assert.equal((await lockout.attemptFactor(who)).isAllowed, false);
    });

    it('does not keep out a known device, which has as many of its own', async () => {
      const lockout = lockoutOn(database());
      const who = holder();
      for (let count = 0; count < 6; count += 1) await lockout.attemptFactor(who);
      const known = { ...who, isKnownDevice: true };
      for (let count = 0; count < 5; count += 1) assert.equal((await lockout.attemptFactor(known)).isAllowed, true);
      assert.equal((await lockout.attemptFactor(known)).isAllowed, false);
    });

    it('never stops a passkey, and counts one that fails', async () => {
      const lockout = lockoutOn(database());
      const who = holder();
      for (let count = 0; count < 5; count += 1) await lockout.attemptFactor({ ...who, isPasskey: true });
      assert.equal((await lockout.attemptFactor(who)).isAllowed, false);
      const passkey = await lockout.attemptFactor({ ...who, isPasskey: true });
      assert.ok(passkey.isAllowed);
      await passkey.succeed();
      assert.equal((await lockout.attemptFactor(who)).isAllowed, false, 'it takes back nothing that it did not spend');
    });

    it('counts on its network together with passwords', async () => {
      const lockout = lockoutOn(database(), { networkFailures: 4 });
      const network = randomUUID();
      await fail(lockout, stranger({ network }), 2);
      for (let count = 0; count < 2; count += 1) {
        assert.equal((await lockout.attemptFactor(holder({ network }))).isAllowed, true);
      }
      assert.equal(refused(await lockout.attemptFactor(holder({ network }))).reason, 'network');
    });
  });

  describe('guessing mailed codes', () => {
    it('is refused after twenty wrong ones in six hours', async () => {
      const lockout = lockoutOn(database());
      const subject = randomUUID();
      const attempts = await Promise.all(Array.from({ length: 30 }, () => lockout.attemptCode(subject, randomUUID())));
      assert.equal(attempts.filter((one) => one.isAllowed).length, 20);
      const { reason, retryAfter } = refused(await lockout.attemptCode(subject, randomUUID()));
      assert.equal(reason, 'code');
      assert.ok(retryAfter !== null && retryAfter > 21_500 && retryAfter <= 21_600, String(retryAfter));
    });

    it('takes back one try for one success', async () => {
      const lockout = lockoutOn(database(), { codeFailures: 2 });
      const subject = randomUUID();
      await lockout.attemptCode(subject, randomUUID());
      const good = await lockout.attemptCode(subject, randomUUID());
      assert.ok(good.isAllowed);
      await good.succeed();
      assert.equal((await lockout.attemptCode(subject, randomUUID())).isAllowed, true);
      assert.equal((await lockout.attemptCode(subject, randomUUID())).isAllowed, false);
    });
  });

  describe('an administrator', () => {
    it('can forget all failures of an account, of whatever kind', async () => {
      const lockout = lockoutOn(database(), { codeFailures: 1, factorFailures: 1 });
      const [who, bystander] = [stranger(), stranger()];
      const factor = { accountId: who.subject, network: who.network, isKnownDevice: true };
      for (const subject of [who.subject, bystander.subject]) await lockout.attemptCode(subject, randomUUID());
      await fail(lockout, who, 5);
      await lockout.attemptFactor(factor);
      await lockout.attemptFactor({ ...factor, isKnownDevice: false });
      await lockout.clearAll(who.subject);
      assert.equal((await lockout.attempt(who)).isAllowed, true);
      assert.equal((await lockout.attemptFactor(factor)).isAllowed, true);
      assert.equal((await lockout.attemptFactor({ ...factor, isKnownDevice: false })).isAllowed, true);
      assert.equal((await lockout.attemptCode(who.subject, randomUUID())).isAllowed, true);
      assert.equal((await lockout.attemptCode(bystander.subject, randomUUID())).isAllowed, false);
    });
  });

  describe('the counters', () => {
    it('are swept when they are old and lock nobody any more', async () => {
      const lockout = lockoutOn(database());
      const [old, locked, forEver] = [stranger(), stranger(), stranger()];
      await fail(lockout, old, 1);
      await fail(lockout, locked, 5);
      await lockoutOn(database(), { accountFailures: 1 }).attempt(forEver);
      await database().em().execute("update guess_counter set updated_at = now() - interval '3 days'");
      await lockout.sweep();
      const rows = await database().em().execute<{ key: string }[]>('select key from guess_counter');
      const has = (subject: string) => rows.some((row) => row.key.includes(subject));
      assert.deepEqual([has(old.subject), has(locked.subject), has(forEver.subject)], [false, true, true]);
    });

    it('can be switched off as a whole, for tests', async () => {
      const lockout = lockoutOn(database(), { switchedOff: true });
      await fail(lockout, stranger(), 50);
    });
  });
});

describe('guessing while the counters cannot be written', () => {
  it('is refused', async () => {
    const away = new Unavailable();
    const database = { sql: { query: () => Promise.reject(away) } } as unknown as Database;
    await assert.rejects(lockoutOn(database).attempt(stranger()), away);
    await assert.rejects(lockoutOn(database).attemptCode('subject', 'network'), away);
    const factor = { accountId: 'account', network: 'network', isKnownDevice: false };
    await assert.rejects(lockoutOn(database).attemptFactor(factor), away);
    await assert.rejects(lockoutOn(database).attemptFactor({ ...factor, isPasskey: true }), away);
  });
});
