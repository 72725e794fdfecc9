import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Totp } from '../../src/credential/totp.ts';
import { Seal } from '../../src/crypto/seal.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount, credentialVersion, dump, readings, seal, together, totpCode } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

/** Seconds since 1970, in the middle of a time step. */
const NOW = 1_800_000_015;
/** RFC 6238, appendix B: ASCII 12345678901234567890, and the codes of eight digits that it prints for SHA-1. */
const RFC_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const RFC_CODES = new Map([
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
  [20_000_000_000, '65353130'],
]);

/** At a time that the test sets. */
class Clock {
  seconds = NOW;
  readonly now = (): number => this.seconds * 1000;
}

function totpOn(database: Database, clock = new Clock(), sealing = seal): Totp {
  return new Totp({ database, seal: sealing, issuer: 'Latchkey & Co', now: clock.now });
}

/** An account with an authenticator, set up one hour ago. */
async function enrol(database: Database, clock = new Clock()) {
  const accountId = await createAccount(database);
  const totp = totpOn(database, clock);
  clock.seconds -= 3600;
  const { secret } = await totp.begin(accountId, 'anna');
  assert.equal(await totp.confirm(accountId, totpCode(secret, clock.seconds)), 'confirmed');
  clock.seconds += 3600;
  return { accountId, totp, secret, clock };
}

describe("the tests' own authenticator", () => {
  it('shows the codes of RFC 6238', () => {
    for (const [seconds, code] of RFC_CODES) assert.equal(totpCode(RFC_SECRET, seconds, 8), code);
  });
});

describeOnEachDatabase('an authenticator app', (database) => {
  it('is accepted with the codes of RFC 6238, cut to six digits', async () => {
    for (const [seconds, code] of RFC_CODES) {
      const accountId = await createAccount(database());
      await database()
        .em()
        .execute('insert into totp (id, account_id, sealed, last_step, created_at) values (?, ?, ?, 0, now())', [
          randomUUID(),
          accountId,
          seal.seal(`totp:${accountId}`, RFC_SECRET),
        ]);
      const clock = new Clock();
      clock.seconds = seconds;
      assert.equal(await totpOn(database(), clock).verify(accountId, code.slice(2)), true, String(seconds));
    }
  });

  describe('setting it up', () => {
    it('shows 160 random bits as text and as the address of a QR code', async () => {
      const accountId = await createAccount(database());
      const { secret, uri } = await totpOn(database()).begin(accountId, 'anna@example.com');
      assert.match(secret, /^[A-Z2-7]{32}$/);
      const url = new URL(uri);
      assert.equal(url.protocol, 'otpauth:');
      assert.equal(url.host, 'totp');
      assert.equal(decodeURIComponent(url.pathname), '/Latchkey & Co:anna@example.com');
      assert.equal(url.searchParams.get('secret'), secret);
      assert.equal(url.searchParams.get('issuer'), 'Latchkey & Co');
      // Left out they mean the same.
      assert.equal(url.searchParams.get('digits') ?? '6', '6');
      assert.equal(url.searchParams.get('period') ?? '30', '30');
      assert.equal(url.searchParams.get('algorithm') ?? 'SHA1', 'SHA1');
    });

    it('can be shown again, and a new beginning ends the one before', async () => {
      const accountId = await createAccount(database());
      const totp = totpOn(database());
      assert.equal(await totp.findPending(accountId, 'anna'), null);
      const first = await totp.begin(accountId, 'anna');
      assert.deepEqual(await totp.findPending(accountId, 'anna'), first);
      const second = await totp.begin(accountId, 'anna');
      assert.notEqual(second.secret, first.secret);
      assert.equal(await totp.confirm(accountId, totpCode(first.secret, NOW)), 'wrong');
      assert.equal(await totp.confirm(accountId, totpCode(second.secret, NOW)), 'confirmed');
    });

    it('needs a right code, and a wrong one can be corrected', async () => {
      const accountId = await createAccount(database());
      const totp = totpOn(database());
      const { secret } = await totp.begin(accountId, 'anna');
      for (const wrong of ['', 'abcdef', '12345', totpCode(secret, NOW - 300)]) {
        assert.equal(await totp.confirm(accountId, wrong), 'wrong');
      }
      assert.equal(await totp.find(accountId), null);
      assert.equal(await totp.confirm(accountId, totpCode(secret, NOW)), 'confirmed');
      assert.notEqual(await totp.find(accountId), null);
      assert.equal(await totp.confirm(accountId, totpCode(secret, NOW)), 'expired');
    });

    it('has to be finished within ten minutes, by the account that began it', async () => {
      const [accountId, other] = [await createAccount(database()), await createAccount(database())];
      const totp = totpOn(database());
      const { secret } = await totp.begin(accountId, 'anna');
      assert.equal(await totp.confirm(other, totpCode(secret, NOW)), 'expired');
      const [row] = await database()
        .em()
        .execute<{ left: number }[]>(
          'select extract(epoch from expires_at - now())::float8 as left from totp_pending where account_id = ?',
          [accountId],
        );
      assert.ok(row && row.left > 590 && row.left <= 600);
      await database().em().execute("update totp_pending set expires_at = now() - interval '1 second'");
      assert.equal(await totp.findPending(accountId, 'anna'), null);
      assert.equal(await totp.confirm(accountId, totpCode(secret, NOW)), 'expired');
      await totp.sweep();
      assert.equal((await database().em().execute<object[]>('select account_id from totp_pending')).length, 0);
    });

    it('is finished by one of many parallel confirmations', async () => {
      const accountId = await createAccount(database());
      const totp = totpOn(database());
      const { secret } = await totp.begin(accountId, 'anna');
      const outcomes = await together(20, () => totp.confirm(accountId, totpCode(secret, NOW)));
      assert.equal(outcomes.filter((one) => one === 'confirmed').length, 1);
    });

    it('uses up the code that confirmed it', async () => {
      const accountId = await createAccount(database());
      const totp = totpOn(database());
      const { secret } = await totp.begin(accountId, 'anna');
      await totp.confirm(accountId, totpCode(secret, NOW));
      assert.equal(await totp.verify(accountId, totpCode(secret, NOW)), false);
    });

    it('is undone when what belongs to it cannot be written', async () => {
      const accountId = await createAccount(database());
      const totp = totpOn(database());
      const { secret } = await totp.begin(accountId, 'anna');
      const broken = new Error('the audit is away');
      await assert.rejects(
        totp.confirm(accountId, totpCode(secret, NOW), () => Promise.reject(broken)),
        broken,
      );
      assert.equal(await totp.find(accountId), null);
      assert.equal(await totp.confirm(accountId, totpCode(secret, NOW)), 'confirmed');
    });

    it('in place of an older one ends that one and raises the credential version', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      const version = await credentialVersion(database(), accountId);
      const fresh = await totp.begin(accountId, 'anna');
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), true, 'the old one works until then');
      await totp.confirm(accountId, totpCode(fresh.secret, clock.seconds));
      clock.seconds += 30;
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), false);
      assert.equal(await totp.verify(accountId, totpCode(fresh.secret, clock.seconds)), true);
      assert.equal(await credentialVersion(database(), accountId), version + 1);
    });
  });

  describe('a code', () => {
    it('is good in its own time step and one before and after, not two', async () => {
      for (const [offset, isGood] of [
        [0, true],
        [-30, true],
        [30, true],
        [-60, false],
        [60, false],
      ] as const) {
        const { accountId, totp, secret, clock } = await enrol(database());
        assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds + offset)), isGood, `${offset} s`);
      }
    });

    it('may be typed with spaces and in other digits', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      const code = totpCode(secret, clock.seconds);
      const arabic = [...code].map((digit) => String.fromCodePoint(0x660 + Number(digit))).join('');
      assert.equal(await totp.verify(accountId, ` ${arabic.slice(0, 3)}-${arabic.slice(3)} `), true);
    });

    it('works once, and so does no older one after it', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), true);
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), false);
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds - 30)), false);
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds + 30)), true);
      clock.seconds += 30;
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), false, 'was used a step ahead');
    });

    it('works once also when it comes many times at once', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { accountId, totp, secret, clock } = await enrol(database());
        const code = totpCode(secret, clock.seconds);
        const outcomes = await together(25, () => totp.verify(accountId, code));
        assert.equal(outcomes.filter(Boolean).length, 1);
      }
    });

    it('is good for its own account only', async () => {
      const [anna, bert] = [await enrol(database()), await enrol(database())];
      assert.equal(await anna.totp.verify(bert.accountId, totpCode(anna.secret, NOW)), false);
      assert.equal(await anna.totp.verify(await createAccount(database()), totpCode(anna.secret, NOW)), false);
    });

    it('is refused while our clock is behind what was already used', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), true);
      clock.seconds -= 600;
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), false);
    });

    it('that is none is refused without harm', async () => {
      const { accountId, totp } = await enrol(database());
      for (const typed of ['', ' ', 'abcdef', '1234567', '12345', '-1', 'null', '1'.repeat(5000)]) {
        assert.equal(await totp.verify(accountId, typed), false);
      }
    });
  });

  describe('what is stored', () => {
    it('shows neither the secret nor a code', async () => {
      const { secret, accountId, totp } = await enrol(database());
      const pending = await totp.begin(accountId, 'anna');
      const text = await dump(database());
      assert.match(text, new RegExp(`totp .*${accountId}`));
      for (const hidden of [secret, pending.secret].flatMap(readings)) assert.equal(text.includes(hidden), false);
    });

    it('cannot be moved to another account', async () => {
      const [anna, bert] = [await enrol(database()), await enrol(database())];
      await database()
        .em()
        .execute('update totp set sealed = (select sealed from totp where account_id = ?) where account_id = ?', [
          anna.accountId,
          bert.accountId,
        ]);
      await assert.rejects(bert.totp.verify(bert.accountId, totpCode(anna.secret, NOW)), { name: 'SealError' });
    });

    it('is sealed anew with a new master secret at the next use', async () => {
      const { accountId, secret, clock } = await enrol(database());
      const rotated = new Seal('another master secret of these tests', 'the master secret of these tests, long enough');
      assert.equal(await totpOn(database(), clock, rotated).verify(accountId, totpCode(secret, clock.seconds)), true);
      clock.seconds += 30;
      const after = new Seal('another master secret of these tests');
      assert.equal(await totpOn(database(), clock, after).verify(accountId, totpCode(secret, clock.seconds)), true);
    });

    it('says when it was set up and last used', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      const before = await totp.find(accountId);
      assert.ok(before && Math.abs(before.createdAt.getTime() - Date.now()) < 60_000 && before.lastUsedAt === null);
      await totp.verify(accountId, totpCode(secret, clock.seconds));
      const after = await totp.find(accountId);
      assert.ok(after?.lastUsedAt && Math.abs(after.lastUsedAt.getTime() - Date.now()) < 60_000);
    });

    it('is gone after removal, with a set-up that was under way', async () => {
      const { accountId, totp, secret, clock } = await enrol(database());
      const version = await credentialVersion(database(), accountId);
      await totp.begin(accountId, 'anna');
      assert.equal(await database().transaction((em) => totp.remove(em, accountId)), true);
      assert.equal(await totp.verify(accountId, totpCode(secret, clock.seconds)), false);
      assert.equal(await totp.findPending(accountId, 'anna'), null);
      assert.equal(await credentialVersion(database(), accountId), version + 1);
      assert.equal(await database().transaction((em) => totp.remove(em, accountId)), false);
    });
  });
});
