import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { raiseCredentialVersion } from '../../src/credential/credential-version.ts';
import type { LockoutSettings } from '../../src/credential/lockout.ts';
import {
  type CodeOutcome,
  MAIL_PURPOSES,
  type MailDraft,
  type MailedSecretSettings,
  MailedSecrets,
  type MailPurpose,
} from '../../src/credential/mailed-secret.ts';
import { randomToken } from '../../src/crypto/random.ts';
import type { Database } from '../../src/storage/database.ts';
import { createAccount, dump, lockoutOn, readings, seal, shortCodes, together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const SETTINGS: MailedSecretSettings = {
  codeDigits: 6,
  codeTries: 5,
  codeTtl: 600,
  verificationCodeTtl: 600,
  signInLinkTtl: 900,
  resetLinkTtl: 900,
  verificationLinkTtl: 172_800,
  resendLimit: 3,
  resendWait: 30,
  signInLimit: 5,
  signInWait: 60,
  switchedOff: false,
};

interface Content {
  readonly note: string;
}

const ORIGIN = { requestId: 'request-1' };

const TRIES = {
  name: 'test_mail_code_tries',
  text: `select action, result, reason, request_id as "requestId" from audit_event where target_id = $1`,
};

type Change = Partial<MailedSecretSettings> & { readonly limits?: Partial<LockoutSettings> };

function mailedOn(database: Database, change: Change = {}): MailedSecrets {
  const { limits, ...settings } = change;
  return new MailedSecrets({
    database,
    seal,
    shortCodes,
    lockout: lockoutOn(database, limits),
    audit: new Audit({ database }),
    settings: { ...SETTINGS, ...settings },
  });
}

interface Asked {
  readonly mailed: MailedSecrets;
  readonly draft: MailDraft;
  readonly accountId: string | null;
  readonly browserId: string;
  readonly network: string;
  enter(code: string, alongside?: () => Promise<void>): Promise<CodeOutcome<Content>>;
}

interface Asking {
  readonly purpose?: MailPurpose;
  readonly accountId?: string | null;
  readonly address?: string;
  readonly browserId?: string;
  readonly change?: Change;
}

/** A mail that was asked for, to an account and an address that no other case uses. */
async function ask(database: Database, asking: Asking = {}): Promise<Asked> {
  const {
    purpose = 'sign-in',
    browserId = randomToken(),
    change = {},
    address = `${randomUUID()}@example.com`,
  } = asking;
  const accountId = asking.accountId === undefined ? await createAccount(database) : asking.accountId;
  const mailed = mailedOn(database, { signInWait: 0, resendWait: 0, signInLimit: 1000, resendLimit: 1000, ...change });
  const draft = await mailed.draft(purpose, address);
  assert.ok(draft.isAllowed);
  await database.transaction((em) => mailed.put(em, draft, { accountId, browserId, content: { note: 'hidden-note' } }));
  const network = randomUUID();
  return {
    ...{ mailed, draft, accountId, browserId, network },
    enter: (code, alongside) =>
      mailed.takeByCode<Content>(
        { purpose, requestId: draft.requestId, browserId, network, origin: ORIGIN, code },
        alongside,
      ),
  };
}

/** Another code of as many digits. */
function wrong(code: string, by = 1): string {
  return String((Number(code) + by) % 10 ** code.length).padStart(code.length, '0');
}

function kinds(outcomes: readonly { readonly kind: string }[], kind: string): number {
  return outcomes.filter((one) => one.kind === kind).length;
}

describeOnEachDatabase('a mailed link with its code', (database) => {
  it('gives back by its link what was stored, once', async () => {
    const { mailed, draft, accountId, browserId } = await ask(database());
    assert.match(draft.linkToken, /^[A-Za-z0-9_-]{43}$/);
    assert.match(draft.code, /^[0-9]{6}$/);
    const outcome = await mailed.takeByLink<Content>('sign-in', draft.linkToken, browserId);
    const { requestId, address } = draft;
    const secret = { requestId, purpose: 'sign-in' as const, accountId, address, content: { note: 'hidden-note' } };
    assert.deepEqual(outcome, { kind: 'taken', secret });
    assert.deepEqual(await mailed.takeByLink('sign-in', draft.linkToken, browserId), { kind: 'gone' });
  });

  it('gives it back by its code, once, however it is typed', async () => {
    const { draft, enter } = await ask(database());
    const outcome = await enter(` ${draft.code.slice(0, 3)}-${draft.code.slice(3)} `);
    assert.equal(outcome.kind === 'taken' && outcome.secret.content.note, 'hidden-note');
    assert.deepEqual(await enter(draft.code), { kind: 'gone' });
  });

  it('is spent as a whole: after the one the other is gone', async () => {
    const byLink = await ask(database());
    await byLink.mailed.takeByLink('sign-in', byLink.draft.linkToken, byLink.browserId);
    assert.deepEqual(await byLink.enter(byLink.draft.code), { kind: 'gone' });
    const byCode = await ask(database());
    await byCode.enter(byCode.draft.code);
    assert.deepEqual(await byCode.mailed.takeByLink('sign-in', byCode.draft.linkToken, byCode.browserId), {
      kind: 'gone',
    });
  });

  it('is taken once by many at once, by link, by code, and by both', async () => {
    for (let round = 0; round < 5; round += 1) {
      const change = { codeTries: 10 };
      const links = await ask(database(), { change });
      const byLink = await together(25, () =>
        links.mailed.takeByLink('sign-in', links.draft.linkToken, links.browserId),
      );
      assert.equal(kinds(byLink, 'taken'), 1);
      assert.equal(kinds(byLink, 'gone'), 24);

      const codes = await ask(database(), { change });
      const byCode = await together(20, () => codes.enter(codes.draft.code));
      assert.equal(kinds(byCode, 'taken'), 1);
      assert.equal(kinds(byCode, 'wrong'), 0);

      const both = await ask(database(), { change });
      const mixed = await together(20, (index) =>
        index % 2 === 0
          ? both.mailed.takeByLink<Content>('sign-in', both.draft.linkToken, both.browserId)
          : both.enter(both.draft.code),
      );
      assert.equal(kinds(mixed, 'taken'), 1);
    }
  });

  it('changes nothing however often it is looked at', async () => {
    const { mailed, draft, browserId, accountId } = await ask(database());
    for (let count = 0; count < 3; count += 1) {
      const found = await mailed.find<Content>(draft.linkToken, browserId);
      assert.deepEqual([found?.accountId, found?.content.note, found?.isSameBrowser], [accountId, 'hidden-note', true]);
      const waiting = await mailed.findRequest<Content>(draft.requestId, browserId);
      assert.deepEqual([waiting?.address, waiting?.isSameBrowser], [draft.address, true]);
    }
    assert.equal((await mailed.find(draft.linkToken, randomToken()))?.isSameBrowser, false);
    assert.equal((await mailed.find(draft.linkToken, undefined))?.isSameBrowser, false);
    assert.equal(await mailed.findRequest(draft.requestId, randomToken()), null);
    assert.equal(await mailed.findRequest(draft.requestId, undefined), null);
    assert.equal(await mailed.findRequest('no-request', browserId), null);
    assert.equal((await mailed.takeByLink('sign-in', draft.linkToken, browserId)).kind, 'taken');
  });

  it('of one purpose is nothing for another', async () => {
    for (const purpose of MAIL_PURPOSES) {
      const { mailed, draft, browserId, network } = await ask(database(), { purpose });
      for (const other of MAIL_PURPOSES.filter((one) => one !== purpose)) {
        assert.deepEqual(await mailed.takeByLink(other, draft.linkToken, browserId), { kind: 'gone' });
        const request = {
          purpose: other,
          requestId: draft.requestId,
          browserId,
          network,
          origin: ORIGIN,
          code: draft.code,
        };
        assert.deepEqual(await mailed.takeByCode(request), { kind: 'gone' });
      }
      assert.equal((await mailed.takeByLink(purpose, draft.linkToken, browserId)).kind, 'taken', purpose);
    }
  });

  it('leaves an event for a wrong code of any purpose, and for one that is not looked at', async () => {
    for (const purpose of MAIL_PURPOSES) {
      const { enter, draft, accountId } = await ask(database(), { purpose, change: { limits: { codeFailures: 1 } } });
      assert.ok(accountId);
      assert.equal((await enter(wrong(draft.code))).kind, 'wrong');
      assert.equal((await enter(wrong(draft.code, 2))).kind, 'wait');
      const { rows } = await database().sql.query(TRIES, [accountId]);
      const event = { action: 'mail-code.try', result: 'failure', reason: purpose, requestId: ORIGIN.requestId };
      assert.deepEqual(rows, [event, event], purpose);
    }
  });

  it('works by its code in the browser that asked and in no other', async () => {
    const { mailed, draft, network, enter } = await ask(database(), { purpose: 'reset' });
    for (const browserId of [randomToken(), undefined]) {
      const request = {
        purpose: 'reset' as const,
        requestId: draft.requestId,
        browserId,
        network,
        origin: ORIGIN,
        code: draft.code,
      };
      assert.deepEqual(await mailed.takeByCode(request), { kind: 'gone' });
    }
    const elsewhere = {
      purpose: 'reset' as const,
      requestId: randomUUID(),
      browserId: randomToken(),
      network,
      origin: ORIGIN,
      code: draft.code,
    };
    assert.deepEqual(await mailed.takeByCode(elsewhere), { kind: 'gone' });
    assert.equal((await enter(draft.code)).kind, 'taken');
  });

  it('signs in no other browser by its link, but proves an address from anywhere', async () => {
    const signIn = await ask(database());
    for (const browserId of [randomToken(), undefined]) {
      assert.deepEqual(await signIn.mailed.takeByLink('sign-in', signIn.draft.linkToken, browserId), { kind: 'gone' });
    }
    assert.equal((await signIn.mailed.takeByLink('sign-in', signIn.draft.linkToken, signIn.browserId)).kind, 'taken');
    const verify = await ask(database(), { purpose: 'verify-email' });
    assert.equal((await verify.mailed.takeByLink('verify-email', verify.draft.linkToken, undefined)).kind, 'taken');
  });

  it('ends when a newer one of its purpose is asked for, and leaves the other purposes alone', async () => {
    const first = await ask(database());
    const reset = await ask(database(), { purpose: 'reset', accountId: first.accountId, address: first.draft.address });
    const second = await ask(database(), { accountId: first.accountId, address: first.draft.address });
    assert.deepEqual(await first.enter(first.draft.code), { kind: 'gone' });
    assert.deepEqual(await first.mailed.takeByLink('sign-in', first.draft.linkToken, first.browserId), {
      kind: 'gone',
    });
    assert.equal((await second.enter(second.draft.code)).kind, 'taken');
    assert.equal((await reset.enter(reset.draft.code)).kind, 'taken');
  });

  it('that was asked for before there was an account ends with the first one after', async () => {
    const address = `${randomUUID()}@example.com`;
    const before = await ask(database(), { accountId: null, address });
    const after = await ask(database(), { address });
    assert.deepEqual(await before.enter(before.draft.code), { kind: 'gone' });
    assert.equal((await after.enter(after.draft.code)).kind, 'taken');
  });

  it('works for an address without an account as for one with', async () => {
    const unknown = await ask(database(), { accountId: null });
    const result = await unknown.enter(wrong(unknown.draft.code));
    const known = await ask(database());
    assert.deepEqual(await known.enter(wrong(known.draft.code)), result);
    const taken = await unknown.enter(unknown.draft.code);
    assert.equal(taken.kind === 'taken' && taken.secret.accountId, null);
    assert.equal(taken.kind === 'taken' && taken.secret.address, unknown.draft.address);
  });

  it('is worth nothing when its time is over, link and code each by its own', async () => {
    const lifeOf = async (purpose: MailPurpose) => {
      const { draft } = await ask(database(), { purpose });
      const [row] = await database()
        .em()
        .execute<{ link: number; code: number }[]>(
          `select extract(epoch from link_expires_at - now())::float8 as link, extract(epoch from code_expires_at - now())::float8 as code
           from mailed_secret where id = ?`,
          [draft.requestId],
        );
      return [Math.round((row?.link ?? 0) / 60), Math.round((row?.code ?? 0) / 60)];
    };
    assert.deepEqual(await lifeOf('sign-in'), [15, 10]);
    assert.deepEqual(await lifeOf('reset'), [15, 10]);
    assert.deepEqual(await lifeOf('verify-email'), [2880, 10]);
    assert.deepEqual(await lifeOf('email-change'), [2880, 10]);
    const age = (asked: Asked, column: string) =>
      database()
        .em()
        .execute(`update mailed_secret set ${column} = now() - interval '1 second' where id = ?`, [
          asked.draft.requestId,
        ]);
    const oldCode = await ask(database());
    await age(oldCode, 'code_expires_at');
    assert.deepEqual(await oldCode.enter(oldCode.draft.code), { kind: 'gone' });
    assert.equal(
      (await oldCode.mailed.takeByLink('sign-in', oldCode.draft.linkToken, oldCode.browserId)).kind,
      'taken',
    );
    const oldLink = await ask(database());
    await age(oldLink, 'link_expires_at');
    assert.equal(await oldLink.mailed.find(oldLink.draft.linkToken, oldLink.browserId), null);
    assert.deepEqual(await oldLink.mailed.takeByLink('sign-in', oldLink.draft.linkToken, oldLink.browserId), {
      kind: 'gone',
    });
    await oldLink.mailed.sweep();
    assert.equal((await oldLink.enter(oldLink.draft.code)).kind, 'taken', 'not swept before both are over');
    const old = await ask(database());
    await age(old, 'link_expires_at');
    await age(old, 'code_expires_at');
    await old.mailed.sweep();
    assert.equal(
      (await database().em().execute<object[]>('select 1 from mailed_secret where id = ?', [old.draft.requestId]))
        .length,
      0,
    );
  });

  it('dies with any change of credentials, and when the account ends all of them', async () => {
    for (const end of [
      (asked: Asked) => database().transaction((em) => raiseCredentialVersion(em, asked.accountId ?? '')),
      (asked: Asked) => database().transaction((em) => asked.mailed.revokeAll(em, asked.accountId ?? '')),
    ]) {
      const asked = await ask(database());
      const bystander = await ask(database());
      await end(asked);
      assert.equal(await asked.mailed.find(asked.draft.linkToken, asked.browserId), null);
      assert.equal(await asked.mailed.findRequest(asked.draft.requestId, asked.browserId), null);
      assert.deepEqual(await asked.enter(asked.draft.code), { kind: 'gone' });
      assert.deepEqual(await asked.mailed.takeByLink('sign-in', asked.draft.linkToken, asked.browserId), {
        kind: 'gone',
      });
      assert.equal((await bystander.enter(bystander.draft.code)).kind, 'taken');
    }
  });

  it('is stored in one decision with its account, in any order', async () => {
    const mailed = mailedOn(database());
    const draft = await mailed.draft('verify-email', `${randomUUID()}@example.com`);
    assert.ok(draft.isAllowed);
    const [accountId, browserId] = [randomUUID(), randomToken()];
    await database().transaction(async (em) => {
      await mailed.put(em, draft, { accountId, browserId, content: {} });
      await em.execute(
        "insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'pending', now(), now())",
        [accountId, accountId],
      );
    });
    await database().em().execute('delete from account where id = ?', [accountId]);
    assert.equal(await mailed.find(draft.linkToken, browserId), null, 'and goes with it');
  });

  it('stays good when what belongs to taking it cannot be written', async () => {
    const { mailed, draft, browserId, enter } = await ask(database());
    const broken = new Error('no');
    const fail = () => Promise.reject(broken);
    await assert.rejects(enter(draft.code, fail), broken);
    await assert.rejects(mailed.takeByLink('sign-in', draft.linkToken, browserId, fail), broken);
    assert.equal((await enter(draft.code)).kind, 'taken');
  });

  it('lies in the database without link, code, address, content or browser in clear', async () => {
    const { draft, browserId } = await ask(database());
    const text = await dump(database());
    assert.match(text, new RegExp(`mailed_secret .*${draft.requestId}`));
    for (const hidden of [draft.linkToken, draft.address, 'hidden-note', browserId].flatMap(readings)) {
      assert.equal(text.includes(hidden), false, hidden);
    }
    // Six digits alone could stand anywhere by chance.
    const [row] = await database()
      .em()
      .execute<{ hash: Uint8Array }[]>('select code_hash as hash from mailed_secret where id = ?', [draft.requestId]);
    assert.equal(row?.hash.length, 32);
    const plain = await shortCodes.hash(`mailed-code:sign-in:${draft.requestId}`, draft.code);
    assert.notDeepEqual(Buffer.from(row?.hash ?? []), plain, 'the hash needs the master secret');
  });
});

describeOnEachDatabase('guessing a mailed code', (database) => {
  it('has five tries, and not a sixth with the right one', async () => {
    const { draft, enter, mailed, browserId } = await ask(database());
    for (let left = 4; left >= 0; left -= 1) {
      assert.deepEqual(await enter(wrong(draft.code, left + 1)), { kind: 'wrong', triesLeft: left });
    }
    assert.deepEqual(await enter(draft.code), { kind: 'gone' });
    assert.equal(
      (await mailed.takeByLink('sign-in', draft.linkToken, browserId)).kind,
      'taken',
      'the link cannot be guessed',
    );
  });

  it('has five tries also when all of them come at once', async () => {
    const { draft, enter } = await ask(database(), { change: { limits: { codeFailures: 1000 } } });
    const outcomes = await together(30, (index) => enter(wrong(draft.code, index + 1)));
    assert.equal(kinds(outcomes, 'wrong'), 5);
    assert.equal(kinds(outcomes, 'gone'), 25);
    assert.deepEqual(await enter(draft.code), { kind: 'gone' });
  });

  it('loses no try to what is no code', async () => {
    const { draft, enter } = await ask(database());
    for (const typed of ['', 'abcdef', '12345', '1234567', `${draft.code}0`]) {
      assert.deepEqual(await enter(typed), { kind: 'malformed' });
    }
    assert.deepEqual(await enter(wrong(draft.code)), { kind: 'wrong', triesLeft: 4 });
  });

  it('stops after twenty wrong codes of one account over all its codes and purposes', async () => {
    const accountId = await createAccount(database());
    for (const purpose of ['sign-in', 'reset', 'sign-in', 'step-up'] as const) {
      const { draft, enter } = await ask(database(), { accountId, purpose });
      for (let count = 1; count <= 5; count += 1) assert.equal((await enter(wrong(draft.code, count))).kind, 'wrong');
    }
    const { draft, enter, mailed, browserId } = await ask(database(), { accountId });
    const outcome = await enter(draft.code);
    assert.ok(
      outcome.kind === 'wait' && outcome.retryAfter > 21_500 && outcome.retryAfter <= 21_600,
      JSON.stringify(outcome),
    );
    assert.equal((await mailed.takeByLink('sign-in', draft.linkToken, browserId)).kind, 'taken');
    const other = await ask(database());
    assert.equal((await other.enter(other.draft.code)).kind, 'taken', 'nobody else is kept out');
  });

  it('does not get its wrong codes back by a right one', async () => {
    const accountId = await createAccount(database());
    const change = { limits: { codeFailures: 6 } };
    const first = await ask(database(), { accountId, change });
    for (let count = 1; count <= 4; count += 1) await first.enter(wrong(first.draft.code, count));
    assert.equal((await first.enter(first.draft.code)).kind, 'taken');
    const second = await ask(database(), { accountId, change });
    assert.equal((await second.enter(wrong(second.draft.code, 1))).kind, 'wrong');
    assert.equal((await second.enter(wrong(second.draft.code, 2))).kind, 'wrong');
    assert.equal((await second.enter(second.draft.code)).kind, 'wait');
  });

  it('counts on the network as well', async () => {
    const { draft, enter } = await ask(database(), { change: { limits: { networkFailures: 2 } } });
    assert.equal((await enter(wrong(draft.code, 1))).kind, 'wrong');
    assert.equal((await enter(wrong(draft.code, 2))).kind, 'wrong');
    assert.equal((await enter(draft.code)).kind, 'wait');
  });
});

describeOnEachDatabase('asking for a mail', (database) => {
  const again = (address: string, seconds: number) =>
    database()
      .em()
      .execute("update guess_counter set updated_at = updated_at - make_interval(secs => ?) where key like 'mail:%'", [
        seconds,
      ])
      .then(() => mailedOn(database()).draft('sign-in', address));

  it('to sign in works five times an hour, a minute apart', async () => {
    const address = `${randomUUID()}@example.com`;
    assert.equal((await mailedOn(database()).draft('sign-in', address)).isAllowed, true);
    const tooSoon = await mailedOn(database()).draft('sign-in', address);
    assert.ok(!tooSoon.isAllowed && tooSoon.retryAfter > 50 && tooSoon.retryAfter <= 60);
    assert.ok((await mailedOn(database()).resendWait('sign-in', address)) > 50);
    for (let count = 2; count <= 5; count += 1) assert.equal((await again(address, 61)).isAllowed, true, String(count));
    const tooMany = await again(address, 61);
    assert.ok(!tooMany.isAllowed && tooMany.retryAfter > 3000 && tooMany.retryAfter <= 3600, JSON.stringify(tooMany));
  });

  it('for anything else works three times an hour, half a minute apart', async () => {
    const address = `${randomUUID()}@example.com`;
    const spread = mailedOn(database(), { resendWait: 0 });
    const drafts = await together(20, () => spread.draft('reset', address));
    assert.equal(drafts.filter((one) => one.isAllowed).length, 3);
    const other = `${randomUUID()}@example.com`;
    await mailedOn(database()).draft('verify-email', other);
    const tooSoon = await mailedOn(database()).draft('verify-email', other);
    assert.ok(!tooSoon.isAllowed && tooSoon.retryAfter > 20 && tooSoon.retryAfter <= 30);
  });

  it('counts an address in whatever case, each purpose by itself', async () => {
    const address = `${randomUUID()}@example.com`;
    assert.equal((await mailedOn(database()).draft('reset', address)).isAllowed, true);
    assert.equal((await mailedOn(database()).draft('reset', address.toUpperCase())).isAllowed, false);
    assert.equal((await mailedOn(database()).draft('sign-in', address)).isAllowed, true);
    assert.equal((await mailedOn(database()).draft('reset', `${randomUUID()}@example.com`)).isAllowed, true);
  });

  it('counts the account too where it chooses the address', async () => {
    const accountId = await createAccount(database());
    const mailed = mailedOn(database(), { resendWait: 0 });
    const drafts = [];
    for (let count = 0; count < 5; count += 1) {
      drafts.push(await mailed.draft('email-change', `${randomUUID()}@example.com`, accountId));
    }
    assert.deepEqual(
      drafts.map((one) => one.isAllowed),
      [true, true, true, false, false],
    );
  });

  it('has no limit when limits are off', async () => {
    const address = `${randomUUID()}@example.com`;
    const drafts = await together(10, () => mailedOn(database(), { switchedOff: true }).draft('reset', address));
    assert.ok(drafts.every((one) => one.isAllowed));
  });
});

describe('the digits of a mailed code', () => {
  it('are as many as the setting says', async () => {
    const database = { sql: {} } as unknown as Database;
    const draft = await mailedOn(database, { codeDigits: 8, switchedOff: true }).draft('sign-in', 'anna@example.com');
    assert.ok(draft.isAllowed);
    assert.match(draft.code, /^[0-9]{8}$/);
  });
});
