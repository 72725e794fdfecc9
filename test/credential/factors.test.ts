import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { Factors, type OtherWay, type RemovableFactor, secondFactorsFor } from '../../src/credential/factors.ts';
import { MailedSecrets } from '../../src/credential/mailed-secret.ts';
import { Passkeys } from '../../src/credential/passkey.ts';
import { Passwords } from '../../src/credential/password.ts';
import { RecoveryCodes } from '../../src/credential/recovery-code.ts';
import { TelegramFactors } from '../../src/credential/telegram-factor.ts';
import { Totp } from '../../src/credential/totp.ts';
import { TrustedDevices } from '../../src/credential/trusted-device.ts';
import { randomToken } from '../../src/crypto/random.ts';
import type { Database, EntityManager } from '../../src/storage/database.ts';
import { OneTime } from '../../src/storage/one-time.ts';
import {
  createAccount,
  credentialVersion,
  dump,
  lockoutOn,
  seal,
  shortCodes,
  together,
  totpCode,
} from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const HASH_SETTINGS = {
  policy: 'length',
  minLength: 12,
  maxLength: 256,
  hashMemoryKib: 19_456,
  hashIterations: 2,
  hashParallelism: 1,
  hashConcurrency: 2,
  hashQueue: 1000,
} as const;
const MAIL_SETTINGS = {
  ...{ codeDigits: 6, codeTries: 5, codeTtl: 600, verificationCodeTtl: 600, signInLinkTtl: 900, resetLinkTtl: 900 },
  ...{ verificationLinkTtl: 900, resendLimit: 3, resendWait: 0, signInLimit: 5, signInWait: 0, switchedOff: false },
};

/** The credential room of one account, with the ways of other rooms as a list in the test. */
async function room(database: Database) {
  const others: OtherWay[] = [];
  const passwords = new Passwords({ database, settings: HASH_SETTINGS });
  const totp = new Totp({ database, seal, issuer: 'Latchkey' });
  const passkeys = new Passkeys({
    database,
    oneTime: new OneTime({ sql: database.sql, seal }),
    issuer: 'https://id.example.com',
    productName: 'Latchkey',
  });
  const recoveryCodes = new RecoveryCodes({ database, shortCodes, perSet: 2 });
  const mailed = new MailedSecrets({
    database,
    seal,
    shortCodes,
    lockout: lockoutOn(database),
    audit: new Audit({ database }),
    settings: MAIL_SETTINGS,
  });
  const devices = new TrustedDevices({ database, settings: { trustedDevices: true, trustedDeviceTtl: 86_400 } });
  const otherWays = async () => others;
  const telegram = new TelegramFactors({ database });
  const parts = { database, passwords, totp, passkeys, recoveryCodes, mailed, telegram };
  const factors = new Factors({ ...parts, otherWays });
  const accountId = await createAccount(database);
  return {
    ...{ ...parts, factors, others, devices, accountId },
    async addPassword(): Promise<void> {
      const hash = await passwords.hash('correct horse battery staple');
      await database.transaction((em) => passwords.set(em, accountId, hash));
    },
    async addTotp(): Promise<void> {
      const { secret } = await totp.begin(accountId, 'anna');
      assert.equal(await totp.confirm(accountId, totpCode(secret, Date.now() / 1000)), 'confirmed');
    },
    /** A linked Telegram account, and what it is asked. */
    async addTelegram(): Promise<'enrolled' | 'not-linked' | 'only-way'> {
      const id = randomUUID();
      const telegramId = String(Math.trunc(Math.random() * 2 ** 40));
      await database.em().execute(
        `insert into linked_identity (id, account_id, upstream, issuer, subject, linked_at)
           values (?, ?, 'telegram', 'https://telegram.org', ?, now())`,
        [id, accountId, telegramId],
      );
      others.push({ kind: 'telegram' });
      return factors.enrolTelegram(accountId, telegramId, async () => id);
    },
    /** A row as passkey.ts stores it; how one gets there is its own test. */
    async addPasskey(isWayIn = true): Promise<string> {
      const id = randomUUID();
      await database.em().execute(
        `insert into passkey (id, account_id, credential_id, public_key, counter, transports, aaguid, name, device_type, is_backed_up,
             is_way_in, created_at)
           values (?, ?, ?, ?, 0, 'usb', ?, 'Key', 'singleDevice', false, ?, now())`,
        [id, accountId, randomToken(), Buffer.from('key'), randomUUID(), isWayIn],
      );
      return id;
    },
    trust: async () => (await devices.trust(accountId, await credentialVersion(database, accountId))) ?? '',
  };
}

describeOnEachDatabase('what an account can prove itself with', (database) => {
  it('is nothing at first', async () => {
    const { factors, accountId } = await room(database());
    assert.deepEqual(await factors.overview(accountId), {
      hasPassword: false,
      totp: null,
      passkeys: [],
      recoveryCodes: 0,
      telegram: null,
      others: [],
      waysIn: 0,
      owesSecondFactor: false,
      secondFactors: [],
      strongest: 'urn:latchkey:aal1',
    });
  });

  it('counts each way in once: a password, every passkey that signs in alone, and the ways of other rooms', async () => {
    const { factors, accountId, others, addPassword, addPasskey, addTotp } = await room(database());
    await addPassword();
    assert.equal(await factors.waysIn(accountId), 1);
    await addPasskey();
    await addPasskey();
    assert.equal(await factors.waysIn(accountId), 3);
    others.push({ kind: 'upstream' }, { kind: 'mail' });
    assert.equal(await factors.waysIn(accountId), 5);
    await addPasskey(false);
    await addTotp();
    assert.equal(await factors.waysIn(accountId), 5, 'second factors lead nowhere alone');
  });

  it('owes a second factor once one is enrolled, but not for a passkey that signs in alone', async () => {
    const plain = await room(database());
    await plain.addPassword();
    await plain.addPasskey();
    const before = await plain.factors.overview(plain.accountId);
    assert.deepEqual([before.owesSecondFactor, before.strongest], [false, 'urn:latchkey:phr']);
    assert.deepEqual(before.secondFactors, ['passkey'], 'it can step up all the same');
    await plain.addTotp();
    assert.equal((await plain.factors.overview(plain.accountId)).owesSecondFactor, true);

    const keyed = await room(database());
    await keyed.addPasskey(false);
    const key = await keyed.factors.overview(keyed.accountId);
    assert.deepEqual(
      [key.owesSecondFactor, key.strongest, key.secondFactors],
      [true, 'urn:latchkey:aal2', ['passkey']],
    );

    const talker = await room(database());
    assert.equal(await talker.addTelegram(), 'only-way', 'it would be the same proof twice');
    await talker.addPassword();
    assert.equal(await talker.addTelegram(), 'enrolled');
    const telegram = await talker.factors.overview(talker.accountId);
    assert.deepEqual([telegram.owesSecondFactor, telegram.secondFactors], [true, ['telegram']]);
    assert.deepEqual([telegram.waysIn, telegram.others, telegram.strongest], [1, [], 'urn:latchkey:aal2']);
    assert.equal(await talker.factors.remove(talker.accountId, { kind: 'password' }), 'last-way');
    await talker.addTotp();
    const both = await talker.factors.overview(talker.accountId);
    assert.deepEqual([both.waysIn, both.others.length], [3, 2], 'a code of the app follows Telegram');
  });

  it('offers after a first factor only what is independent of it, and recovery codes only in place of another', async () => {
    const { factors, accountId, recoveryCodes, addTotp, addPasskey, addTelegram } = await room(database());
    await recoveryCodes.regenerate(accountId);
    assert.deepEqual((await factors.overview(accountId)).secondFactors, []);
    await addTotp();
    await addPasskey();
    await addTelegram();
    const overview = await factors.overview(accountId);
    assert.deepEqual(secondFactorsFor(overview, 'password'), ['passkey', 'totp', 'telegram', 'recovery-code']);
    assert.deepEqual(secondFactorsFor(overview, 'telegram'), ['passkey', 'totp', 'recovery-code']);
    assert.deepEqual(secondFactorsFor(overview, 'phone'), ['passkey', 'totp', 'recovery-code']);
    assert.deepEqual(secondFactorsFor(overview, 'passkey'), ['totp', 'telegram', 'recovery-code']);
  });
});

describeOnEachDatabase('removing a factor', (database) => {
  it('works while another way in is left, raises the credential version and ends trusted devices', async () => {
    const { factors, accountId, devices, addPassword, addPasskey, trust } = await room(database());
    await addPassword();
    const id = await addPasskey();
    const device = await trust();
    const version = await credentialVersion(database(), accountId);
    assert.equal(await factors.remove(accountId, { kind: 'password' }), 'removed');
    assert.ok((await credentialVersion(database(), accountId)) > version);
    assert.equal(await devices.isTrusted(accountId, device), false);
    assert.equal(await factors.remove(accountId, { kind: 'password' }), 'not-found');
    assert.equal(await factors.remove(accountId, { kind: 'passkey', id }), 'last-way');
    assert.equal(await factors.waysIn(accountId), 1);
  });

  it('keeps the last way in, of whatever kind', async () => {
    const withPassword = await room(database());
    await withPassword.addPassword();
    await withPassword.addTotp();
    await withPassword.addPasskey(false);
    assert.equal(await withPassword.factors.remove(withPassword.accountId, { kind: 'password' }), 'last-way');
    assert.equal((await withPassword.factors.overview(withPassword.accountId)).hasPassword, true);

    const linked = await room(database());
    linked.others.push({ kind: 'upstream' });
    const unlink = async () => linked.others.pop() !== undefined;
    assert.equal(await linked.factors.removeOther(linked.accountId, unlink), 'last-way');
    linked.others.push({ kind: 'upstream' });
    await linked.addPassword();
    assert.equal(await linked.factors.removeOther(linked.accountId, unlink), 'removed');
    assert.equal(await linked.factors.removeOther(linked.accountId, unlink), 'not-found');
  });

  it('lets go of second factors freely, with the recovery codes when the last one goes', async () => {
    const { factors, accountId, recoveryCodes, addPassword, addTotp, addPasskey } = await room(database());
    await addPassword();
    await addTotp();
    const id = await addPasskey(false);
    await recoveryCodes.regenerate(accountId);
    assert.equal(await factors.remove(accountId, { kind: 'passkey', id }), 'removed');
    assert.equal(await recoveryCodes.count(accountId), 2);
    assert.equal(await factors.remove(accountId, { kind: 'totp' }), 'removed');
    assert.equal(await recoveryCodes.count(accountId), 0);
  });

  it('keeps the last second factor where one is required', async () => {
    const { factors, accountId, addPassword, addTotp, addPasskey } = await room(database());
    await addPassword();
    await addTotp();
    const id = await addPasskey(false);
    const required = { isSecondFactorRequired: true };
    assert.equal(await factors.remove(accountId, { kind: 'passkey', id }, required), 'removed');
    assert.equal(await factors.remove(accountId, { kind: 'totp' }, required), 'last-second-factor');
    assert.notEqual((await factors.overview(accountId)).totp, null);
  });

  it('of several at once leaves one way in, whichever is first', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { factors, accountId, addPassword, addPasskey } = await room(database());
      if (round % 2 === 0) await addPassword();
      const ids: string[] = [];
      for (let count = 0; count < 10; count += 1) ids.push(await addPasskey());
      const removals: RemovableFactor[] = [
        { kind: 'password' },
        ...ids.map((id) => ({ kind: 'passkey' as const, id })),
      ];
      // Each twice: the same removal may come twice as well.
      const outcomes = await Promise.all([...removals, ...removals].map((factor) => factors.remove(accountId, factor)));
      assert.equal(await factors.waysIn(accountId), 1);
      assert.equal(outcomes.filter((one) => one === 'removed').length, round % 2 === 0 ? 10 : 9);
      assert.ok(outcomes.includes('last-way'));
    }
  });

  it('waits for ways that other rooms take away at the same time', async () => {
    const { accountId, addPassword } = await room(database());
    await addPassword();
    await database().em().execute('create table if not exists test_link (account_id uuid)');
    await database().em().execute('insert into test_link (account_id) values (?)', [accountId]);
    const links = async (id: string, em: EntityManager): Promise<readonly OtherWay[]> =>
      (await em.execute<object[]>('select 1 from test_link where account_id = ?', [id])).map(() => ({
        kind: 'upstream',
      }));
    const { passwords, totp, passkeys, recoveryCodes, mailed, telegram } = await room(database());
    const linking = new Factors({
      ...{ database: database(), passwords, totp, passkeys, recoveryCodes, mailed, telegram },
      otherWays: links,
    });
    const outcomes = await together(20, (index) =>
      index % 2 === 0
        ? linking.remove(accountId, { kind: 'password' })
        : linking.removeOther(accountId, async (em) => {
            const rows = await em.execute<object[]>('delete from test_link where account_id = ? returning account_id', [
              accountId,
            ]);
            return rows.length === 1;
          }),
    );
    assert.equal(outcomes.filter((one) => one === 'removed').length, 1);
    assert.equal(await linking.waysIn(accountId), 1);
    await database().em().execute('drop table test_link');
  });

  it('is undone when what belongs to it cannot be written', async () => {
    const { factors, accountId, addPassword, addPasskey } = await room(database());
    await addPassword();
    await addPasskey();
    const broken = new Error('the audit is away');
    await assert.rejects(
      factors.remove(accountId, { kind: 'password' }, { alongside: () => Promise.reject(broken) }),
      broken,
    );
    assert.equal(await factors.waysIn(accountId), 2);
  });

  it('finds nothing of an account that does not exist, or of somebody else', async () => {
    const anna = await room(database());
    const id = await anna.addPasskey();
    const bert = await room(database());
    await bert.addPassword();
    await bert.addPasskey();
    assert.equal(await bert.factors.remove(bert.accountId, { kind: 'passkey', id }), 'not-found');
    assert.equal(await bert.factors.remove(bert.accountId, { kind: 'totp' }), 'not-found');
    assert.equal(await bert.factors.remove(randomUUID(), { kind: 'password' }), 'not-found');
    assert.equal(await anna.factors.waysIn(anna.accountId), 1);
  });
});

describeOnEachDatabase('taking everything away', (database) => {
  it('leaves nothing that could be proven, nothing on its way by mail, and no trusted device', async () => {
    const own = await room(database());
    const { factors, accountId, mailed, devices, totp, recoveryCodes } = own;
    await own.addPassword();
    await own.addTotp();
    await own.addPasskey();
    await recoveryCodes.regenerate(accountId);
    await totp.begin(accountId, 'anna');
    const device = await own.trust();
    const draft = await mailed.draft('reset', `${randomUUID()}@example.com`);
    assert.ok(draft.isAllowed);
    await database().transaction((em) => mailed.put(em, draft, { accountId, browserId: 'b', content: {} }));
    await database().transaction((em) => factors.removeAll(em, accountId));
    const { hasPassword, passkeys, recoveryCodes: codes, waysIn, ...rest } = await factors.overview(accountId);
    assert.deepEqual([hasPassword, passkeys, rest.totp, codes, waysIn], [false, [], null, 0, 0]);
    assert.equal(await totp.findPending(accountId, 'anna'), null);
    assert.equal(await devices.isTrusted(accountId, device), false);
    assert.equal(await mailed.find(draft.linkToken, 'b'), null);
    const left = (await dump(database())).split('\n').filter((row) => row.includes(accountId));
    assert.deepEqual(
      left.map((row) => row.split(' ')[0]),
      ['account'],
    );
  });

  it('works for an account that has nothing', async () => {
    const { factors, accountId } = await room(database());
    const version = await credentialVersion(database(), accountId);
    await database().transaction((em) => factors.removeAll(em, accountId));
    assert.ok((await credentialVersion(database(), accountId)) > version, 'what was bound to it is dead all the same');
  });
});
