import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AuthenticatorEmulator,
  type AuthenticatorParameters,
  PasskeysCredentialsMemoryRepository,
  WebAuthnEmulator,
} from 'nid-webauthn-emulator';
import {
  type AuthenticationOutcome,
  type PasskeyKind,
  type PasskeyPurpose,
  Passkeys,
} from '../../src/credential/passkey.ts';
import { TrustedDevices } from '../../src/credential/trusted-device.ts';
import { randomToken } from '../../src/crypto/random.ts';
import type { Database } from '../../src/storage/database.ts';
import { OneTime } from '../../src/storage/one-time.ts';
import type { Sql, Statement } from '../../src/storage/sql.ts';
import { createAccount, credentialVersion, seal, together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const ISSUER = 'https://id.example.com/auth';
const ORIGIN = 'https://id.example.com';
const NAMES = { name: 'anna@example.com', displayName: 'Anna' };
/** iCloud Keychain's successor, and one that nobody has ever told us about. */
const APPLE = 'fbfc3007-154e-4ecc-8c0b-6e020557d7bd';
const PURPOSES: readonly PasskeyPurpose[] = ['sign-in', 'second-factor', 'step-up', 'fresh-proof'];

function passkeysOn(database: Database, issuer = ISSUER): Passkeys {
  return new Passkeys({
    database,
    oneTime: new OneTime({ sql: database.sql, seal }),
    issuer,
    productName: 'Latchkey',
  });
}

/** A browser with an authenticator of its own: a second implementation of WebAuthn, by other people. */
class Browser {
  readonly id = randomToken();
  readonly #emulator: WebAuthnEmulator;
  isUserVerified: boolean;

  constructor(options: Partial<AuthenticatorParameters> & { readonly isUserVerified?: boolean } = {}) {
    this.isUserVerified = options.isUserVerified ?? true;
    const interaction = () => ({ options: { uv: this.isUserVerified, up: true } });
    this.#emulator = new WebAuthnEmulator(
      new AuthenticatorEmulator({
        credentialsRepository: new PasskeysCredentialsMemoryRepository(),
        userMakeCredentialInteraction: interaction,
        userGetAssertionInteraction: interaction,
        ...options,
      }),
    );
  }

  create(options: unknown, origin = ORIGIN): object {
    return this.#emulator.createJSON(origin, options as Parameters<WebAuthnEmulator['createJSON']>[1]);
  }

  get(options: unknown, origin = ORIGIN): Assertion {
    return this.#emulator.getJSON(origin, options as Parameters<WebAuthnEmulator['getJSON']>[1]);
  }
}

interface Assertion {
  id: string;
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle?: string | null };
}

interface Enrolled {
  readonly passkeys: Passkeys;
  readonly accountId: string;
  readonly browser: Browser;
  readonly passkeyId: string;
}

async function enrol(
  database: Database,
  options: { browser?: Browser; accountId?: string; kind?: PasskeyKind; name?: string } = {},
): Promise<Enrolled> {
  const passkeys = passkeysOn(database);
  const { browser = new Browser(), kind = 'way-in', accountId = await createAccount(database) } = options;
  const who = { accountId, browserId: browser.id };
  const answer = browser.create(await passkeys.registrationOptions(who, kind, NAMES));
  const outcome = await passkeys.register(who, answer, options.name);
  assert.equal(outcome.kind, 'registered', JSON.stringify(outcome));
  return { passkeys, accountId, browser, passkeyId: outcome.kind === 'registered' ? outcome.passkey.id : '' };
}

async function answerFor(
  enrolled: Enrolled,
  purpose: PasskeyPurpose = 'sign-in',
  isRequired?: boolean,
): Promise<Assertion> {
  const { passkeys, browser } = enrolled;
  const accountId = purpose === 'sign-in' ? null : enrolled.accountId;
  return browser.get(await passkeys.authenticationOptions(purpose, { accountId, browserId: browser.id }, isRequired));
}

/** Sends an answer for the purpose, browser and account it was made for, or for another. */
function send(
  enrolled: Enrolled,
  answer: unknown,
  change: { purpose?: PasskeyPurpose; browserId?: string; accountId?: string | null } = {},
): Promise<AuthenticationOutcome> {
  const purpose = change.purpose ?? 'sign-in';
  const accountId =
    change.accountId === undefined ? (purpose === 'sign-in' ? null : enrolled.accountId) : change.accountId;
  return enrolled.passkeys.authenticate(
    purpose,
    { accountId, browserId: change.browserId ?? enrolled.browser.id },
    answer,
  );
}

/** The database, but the answer to one statement is held back until it is released. */
function heldAfter(database: Database, statement: string) {
  const held = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const sql: Sql = {
    async query<Row extends object>(one: Statement, values?: readonly unknown[]) {
      const result = await database.sql.query<Row>(one, values);
      if (one.name === statement) {
        held.resolve();
        await gate.promise;
      }
      return result;
    },
  };
  return {
    database: { sql, em: () => database.em() } as Database,
    isHeld: held.promise,
    release: () => gate.resolve(),
  };
}

function reasonOf(outcome: { readonly kind: string }): string {
  return (outcome as { reason?: string }).reason ?? outcome.kind;
}

describeOnEachDatabase('making a passkey', (database) => {
  it('asks for one that knows its account and verifies its person, with algorithms that we chose', async () => {
    const accountId = await createAccount(database());
    const options = await passkeysOn(database()).registrationOptions(
      { accountId, browserId: randomToken() },
      'way-in',
      NAMES,
    );
    assert.deepEqual(options.rp, { id: 'id.example.com', name: 'Latchkey' });
    assert.deepEqual(
      options.pubKeyCredParams.map((one) => one.alg),
      [-8, -7, -257],
    );
    assert.equal(options.authenticatorSelection?.residentKey, 'required');
    assert.equal(options.authenticatorSelection?.requireResidentKey, true);
    assert.equal(options.authenticatorSelection?.userVerification, 'required');
    assert.equal(options.attestation, 'none');
    assert.equal(options.user.name, NAMES.name);
    assert.equal(Buffer.from(options.challenge, 'base64url').length, 32);
  });

  it('names the account to authenticators by random bytes that stay the same', async () => {
    const accountId = await createAccount(database());
    const passkeys = passkeysOn(database());
    const who = { accountId, browserId: randomToken() };
    const handles = await together(20, async () => (await passkeys.registrationOptions(who, 'way-in', NAMES)).user.id);
    assert.equal(new Set(handles).size, 1);
    const bytes = Buffer.from(handles[0] ?? '', 'base64url');
    assert.equal(bytes.length, 32);
    assert.equal(bytes.includes(Buffer.from(accountId.replaceAll('-', ''), 'hex')), false);
    assert.equal(bytes.toString().includes(accountId), false);
  });

  it('stores what the authenticator says about itself', async () => {
    const aaguid = new Uint8Array(Buffer.from(APPLE.replaceAll('-', ''), 'hex'));
    const browser = new Browser({ aaguid, transports: ['internal', 'hybrid'] });
    const { passkeys, accountId } = await enrol(database(), { browser });
    const [passkey, ...others] = await passkeys.list(accountId);
    assert.ok(passkey && others.length === 0);
    const { id: _, credentialId, createdAt, ...rest } = passkey;
    assert.match(credentialId, /^[A-Za-z0-9_-]{16,}$/);
    assert.ok(Math.abs(createdAt.getTime() - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      name: 'Apple Passwords',
      provider: 'Apple Passwords',
      transports: ['internal', 'hybrid'],
      deviceType: 'multiDevice',
      isBackedUp: true,
      kind: 'way-in',
      lastUsedAt: null,
    });
  });

  it('takes every algorithm that it asks for', async () => {
    for (const algorithm of ['EdDSA', 'ES256', 'RS256'] as const) {
      const enrolled = await enrol(database(), { browser: new Browser({ algorithmIdentifiers: [algorithm] }) });
      assert.equal((await send(enrolled, await answerFor(enrolled))).kind, 'verified', algorithm);
    }
  });

  it('calls it as the person likes, in one plain line of at most 100 characters', async () => {
    for (const [name, stored] of [
      ['My phone', 'My phone'],
      ['  a\u202eb\n c\u0000 ', 'a b c'],
      ['', 'Passkey'],
      ['ж'.repeat(200), 'ж'.repeat(100)],
    ] as const) {
      const { passkeys, accountId } = await enrol(database(), { name });
      assert.equal((await passkeys.list(accountId))[0]?.name, stored);
    }
  });

  it('takes an answer once, in the browser that asked, for the account that asked', async () => {
    const passkeys = passkeysOn(database());
    const [accountId, other] = [await createAccount(database()), await createAccount(database())];
    const browser = new Browser();
    const who = { accountId, browserId: browser.id };
    const answer = browser.create(await passkeys.registrationOptions(who, 'way-in', NAMES));
    assert.equal(
      reasonOf(await passkeys.register({ accountId, browserId: randomToken() }, answer, undefined)),
      'challenge',
    );
    const outcomes = await together(20, () => passkeys.register(who, answer, undefined));
    assert.equal(outcomes.filter((one) => one.kind === 'registered').length, 1);
    assert.equal(outcomes.filter((one) => reasonOf(one) === 'challenge').length, 19);
    const second = new Browser();
    const foreign = second.create(
      await passkeys.registrationOptions({ accountId, browserId: second.id }, 'way-in', NAMES),
    );
    assert.equal(
      reasonOf(await passkeys.register({ accountId: other, browserId: second.id }, foreign, undefined)),
      'challenge',
    );
    assert.equal((await passkeys.list(other)).length, 0);
  });

  it('refuses a challenge of ours that is too old', async () => {
    const passkeys = passkeysOn(database());
    const browser = new Browser();
    const who = { accountId: await createAccount(database()), browserId: browser.id };
    const answer = browser.create(await passkeys.registrationOptions(who, 'way-in', NAMES));
    const rows = await database()
      .em()
      .execute<{ left: number }[]>(
        `update one_time_value set expires_at = expires_at - interval '301 seconds' where kind = 'passkey-challenge:register' and subject = ?
         returning extract(epoch from expires_at - now())::float8 as left`,
        [who.accountId],
      );
    assert.ok(rows.length === 1 && (rows[0]?.left ?? 0) < 0);
    assert.equal(reasonOf(await passkeys.register(who, answer, undefined)), 'challenge');
  });

  it('refuses a passkey without verification of its person as a way in, and takes it as second factor', async () => {
    const browser = new Browser({ isUserVerified: false });
    const passkeys = passkeysOn(database());
    const who = { accountId: await createAccount(database()), browserId: browser.id };
    const alone = browser.create(await passkeys.registrationOptions(who, 'way-in', NAMES));
    assert.equal(reasonOf(await passkeys.register(who, alone, undefined)), 'not-verified');
    const options = await passkeys.registrationOptions(who, 'second-factor', NAMES);
    assert.equal(options.authenticatorSelection?.residentKey, 'discouraged');
    const outcome = await passkeys.register(who, browser.create(options), undefined);
    assert.equal(outcome.kind === 'registered' && outcome.passkey.kind, 'second-factor');
  });

  it('refuses another origin, another host and what is no answer at all', async () => {
    const passkeys = passkeysOn(database());
    const accountId = await createAccount(database());
    const make = async (origin: string, change: object = {}) => {
      const browser = new Browser();
      const who = { accountId, browserId: browser.id };
      const options = { ...(await passkeys.registrationOptions(who, 'way-in', NAMES)), ...change };
      return reasonOf(await passkeys.register(who, browser.create(options, origin), undefined));
    };
    assert.equal(await make('https://evil.id.example.com'), 'not-verified');
    assert.equal(await make('https://id.example.com:8443'), 'not-verified');
    assert.equal(await make(ORIGIN, { rp: { id: 'example.com', name: 'x' } }), 'not-verified');
    const who = { accountId, browserId: randomToken() };
    for (const junk of [
      null,
      undefined,
      'text',
      1,
      [],
      {},
      { id: 'a', rawId: 'a', type: 'public-key', response: {} },
    ]) {
      assert.equal(reasonOf(await passkeys.register(who, junk, undefined)), 'malformed');
    }
  });

  it('does not make a second one on the same authenticator', async () => {
    const { passkeys, accountId, browser } = await enrol(database());
    const options = await passkeys.registrationOptions({ accountId, browserId: browser.id }, 'way-in', NAMES);
    assert.equal(options.excludeCredentials?.length, 1);
    assert.throws(() => browser.create(options));
  });

  it('takes no credential that somebody else has', async () => {
    const anna = await enrol(database());
    const [{ credentialId } = { credentialId: '' }] = await anna.passkeys.list(anna.accountId);
    const bert = await enrol(database());
    await database().em().execute('delete from passkey where account_id = ?', [bert.accountId]);
    const browser = new Browser();
    const who = { accountId: bert.accountId, browserId: browser.id };
    const answer = browser.create(await bert.passkeys.registrationOptions(who, 'way-in', NAMES)) as { id: string };
    await database()
      .em()
      .execute('update passkey set credential_id = ? where credential_id = ?', [answer.id, credentialId]);
    assert.deepEqual(await bert.passkeys.register(who, answer, undefined), { kind: 'known' });
  });

  it('ends trusted devices, and is undone when what belongs to it cannot be written', async () => {
    const accountId = await createAccount(database());
    const devices = new TrustedDevices({
      database: database(),
      settings: { trustedDevices: true, trustedDeviceTtl: 86_400 },
    });
    const value = await devices.trust(accountId, await credentialVersion(database(), accountId));
    const browser = new Browser();
    const passkeys = passkeysOn(database());
    const who = { accountId, browserId: browser.id };
    const broken = new Error('no');
    const answer = browser.create(await passkeys.registrationOptions(who, 'way-in', NAMES));
    await assert.rejects(
      passkeys.register(who, answer, undefined, () => Promise.reject(broken)),
      broken,
    );
    assert.equal((await passkeys.list(accountId)).length, 0);
    assert.equal(await devices.isTrusted(accountId, value ?? ''), true);
    await enrol(database(), { accountId });
    assert.equal(await devices.isTrusted(accountId, value ?? ''), false);
  });

  it('is bounded in number, also for many at once', async () => {
    const { accountId, passkeys } = await enrol(database());
    const makers = await together(25, async () => {
      const browser = new Browser();
      const who = { accountId, browserId: browser.id };
      return { who, answer: browser.create(await passkeys.registrationOptions(who, 'way-in', NAMES)) };
    });
    const outcomes = await Promise.all(makers.map(({ who, answer }) => passkeys.register(who, answer, undefined)));
    assert.equal(outcomes.filter((one) => one.kind === 'registered').length, 19);
    assert.equal(outcomes.filter((one) => reasonOf(one) === 'too-many').length, 6);
    await assert.rejects(passkeys.registrationOptions({ accountId, browserId: randomToken() }, 'way-in', NAMES), {
      code: 'too-many-passkeys',
    });
  });
});

describeOnEachDatabase('using a passkey', (database) => {
  it('signs in without a name: the authenticator says who it is', async () => {
    const enrolled = await enrol(database());
    const { passkeys, accountId, passkeyId } = enrolled;
    const options = await passkeys.authenticationOptions('sign-in', {
      accountId: null,
      browserId: enrolled.browser.id,
    });
    assert.deepEqual(options.allowCredentials, []);
    assert.equal(options.userVerification, 'required');
    assert.equal(options.rpId, 'id.example.com');
    assert.deepEqual(await send(enrolled, enrolled.browser.get(options)), {
      kind: 'verified',
      accountId,
      passkeyId,
      isUserVerified: true,
      deviceType: 'multiDevice',
    });
    assert.ok((await passkeys.list(accountId))[0]?.lastUsedAt);
  });

  it('is offered alike for every account', async () => {
    const { passkeys } = await enrol(database());
    const shape = async () => {
      const options = await passkeys.authenticationOptions('sign-in', { accountId: null, browserId: randomToken() });
      return { ...options, challenge: options.challenge.length };
    };
    assert.deepEqual(await shape(), await shape());
  });

  it('proves for each purpose what was asked, with the passkeys of that account', async () => {
    const enrolled = await enrol(database());
    await enrol(database());
    for (const purpose of PURPOSES) {
      const answer = await answerFor(enrolled, purpose);
      const outcome = await send(enrolled, answer, { purpose });
      assert.equal(outcome.kind === 'verified' && outcome.accountId, enrolled.accountId, purpose);
    }
    const who = { accountId: enrolled.accountId, browserId: randomToken() };
    const options = await enrolled.passkeys.authenticationOptions('second-factor', who);
    assert.equal(options.allowCredentials?.length, 1);
    assert.equal(options.userVerification, 'preferred');
    assert.equal((await enrolled.passkeys.authenticationOptions('step-up', who, true)).userVerification, 'required');
  });

  it('counts once, also when the answer comes many times at once', async () => {
    for (let round = 0; round < 3; round += 1) {
      const enrolled = await enrol(database());
      const answer = await answerFor(enrolled);
      const outcomes = await together(25, () => send(enrolled, answer));
      assert.equal(outcomes.filter((one) => one.kind === 'verified').length, 1);
      assert.equal(outcomes.filter((one) => reasonOf(one) === 'challenge').length, 24);
    }
  });

  it('for one purpose is nothing for another', async () => {
    const enrolled = await enrol(database());
    for (const purpose of PURPOSES) {
      for (const other of PURPOSES.filter((one) => one !== purpose)) {
        const answer = await answerFor(enrolled, purpose);
        assert.equal(reasonOf(await send(enrolled, answer, { purpose: other })), 'challenge', `${purpose} as ${other}`);
      }
    }
    const registration = enrolled.browser.create(
      await enrolled.passkeys.registrationOptions(
        { accountId: await createAccount(database()), browserId: enrolled.browser.id },
        'way-in',
        NAMES,
      ),
    );
    assert.equal(reasonOf(await send(enrolled, registration)), 'malformed');
  });

  it('is refused in another browser and for another account, without using up the answer', async () => {
    const enrolled = await enrol(database());
    const answer = await answerFor(enrolled);
    assert.equal(reasonOf(await send(enrolled, answer, { browserId: randomToken() })), 'challenge');
    assert.equal((await send(enrolled, answer)).kind, 'verified');
    const other = await createAccount(database());
    const second = await answerFor(enrolled, 'second-factor');
    assert.equal(reasonOf(await send(enrolled, second, { purpose: 'second-factor', accountId: other })), 'challenge');
  });

  it('of somebody else is no second factor', async () => {
    const [anna, bert] = [await enrol(database()), await enrol(database())];
    const options = await anna.passkeys.authenticationOptions('second-factor', {
      accountId: anna.accountId,
      browserId: bert.browser.id,
    });
    const answer = bert.browser.get({ ...options, allowCredentials: [] });
    const outcome = await send(anna, answer, { purpose: 'second-factor', browserId: bert.browser.id });
    assert.equal(reasonOf(outcome), 'foreign-passkey');
  });

  it('signs in nobody with the handle of somebody else, or with none', async () => {
    const [anna, bert] = [await enrol(database()), await enrol(database())];
    const { userId } = await bert.passkeys.signal(bert.accountId);
    for (const userHandle of [userId, undefined, null, 'AAAA']) {
      const answer = await answerFor(anna);
      const changed = { ...answer, response: { ...answer.response, userHandle } };
      assert.equal(reasonOf(await send(anna, changed)), 'foreign-passkey', String(userHandle));
    }
  });

  it('without verification of its person signs in nobody alone, and is good as second factor', async () => {
    const browser = new Browser({ isUserVerified: false });
    const enrolled = await enrol(database(), { browser, kind: 'second-factor' });
    assert.equal(reasonOf(await send(enrolled, await answerFor(enrolled))), 'not-verified');
    const outcome = await send(enrolled, await answerFor(enrolled, 'second-factor'), { purpose: 'second-factor' });
    assert.equal(outcome.kind === 'verified' && outcome.isUserVerified, false);
    const demanded = await answerFor(enrolled, 'step-up', true);
    assert.equal(reasonOf(await send(enrolled, demanded, { purpose: 'step-up' })), 'not-verified');
  });

  it('is refused with a changed signature, another origin or another host', async () => {
    const enrolled = await enrol(database());
    const answer = await answerFor(enrolled);
    const signature = Buffer.from(answer.response.signature, 'base64url');
    signature[10] = (signature[10] ?? 0) ^ 1;
    const forged = { ...answer, response: { ...answer.response, signature: signature.toString('base64url') } };
    assert.equal(reasonOf(await send(enrolled, forged)), 'not-verified');
    assert.equal(reasonOf(await send(enrolled, answer)), 'challenge', 'the challenge was taken before');
    const options = () =>
      enrolled.passkeys.authenticationOptions('sign-in', { accountId: null, browserId: enrolled.browser.id });
    const elsewhere = enrolled.browser.get(await options(), 'https://evil.id.example.com');
    assert.equal(reasonOf(await send(enrolled, elsewhere)), 'not-verified');
    const framed = await answerFor(enrolled);
    const clientData = JSON.parse(Buffer.from(framed.response.clientDataJSON, 'base64url').toString()) as object;
    const clientDataJSON = Buffer.from(JSON.stringify({ ...clientData, crossOrigin: true })).toString('base64url');
    assert.equal(
      reasonOf(await send(enrolled, { ...framed, response: { ...framed.response, clientDataJSON } })),
      'malformed',
    );
  });

  it('is refused when its counter does not grow: somebody has a copy', async () => {
    const enrolled = await enrol(database());
    assert.equal((await send(enrolled, await answerFor(enrolled))).kind, 'verified');
    await database().em().execute('update passkey set counter = 100 where account_id = ?', [enrolled.accountId]);
    assert.equal(reasonOf(await send(enrolled, await answerFor(enrolled))), 'not-verified');
    await database().em().execute('update passkey set counter = 1 where account_id = ?', [enrolled.accountId]);
    assert.equal((await send(enrolled, await answerFor(enrolled))).kind, 'verified');
  });

  it('is good without a counter as often as it is asked', async () => {
    const enrolled = await enrol(database(), { browser: new Browser({ signCounterIncrement: 0 }) });
    await database().em().execute('update passkey set counter = 0 where account_id = ?', [enrolled.accountId]);
    const answers = [await answerFor(enrolled), await answerFor(enrolled)];
    for (const answer of answers) assert.equal((await send(enrolled, answer)).kind, 'verified');
  });

  it('compares the counter again when it is written: a newer answer may have come in between', async () => {
    const enrolled = await enrol(database());
    const [older, newer] = [await answerFor(enrolled), await answerFor(enrolled)];
    const slow = heldAfter(database(), 'passkey_find_key');
    const pending = passkeysOn(slow.database).authenticate(
      'sign-in',
      { accountId: null, browserId: enrolled.browser.id },
      older,
    );
    await slow.isHeld;
    assert.equal((await send(enrolled, newer)).kind, 'verified');
    slow.release();
    assert.equal(reasonOf(await pending), 'counter');
  });

  it('that is unknown, or no answer at all, is refused', async () => {
    const enrolled = await enrol(database());
    const answer = await answerFor(enrolled);
    await database().transaction((em) => enrolled.passkeys.remove(em, enrolled.accountId, enrolled.passkeyId));
    assert.equal(reasonOf(await send(enrolled, answer)), 'unknown-passkey');
    const huge = { ...answer, response: { ...answer.response, signature: 'A'.repeat(100_000) } };
    const noJson = { ...answer, response: { ...answer.response, clientDataJSON: 'AAAA' } };
    for (const junk of [null, 'text', {}, huge, noJson, { ...answer, type: 'password' }]) {
      assert.equal(reasonOf(await send(enrolled, junk)), 'malformed');
    }
  });

  it('cannot be asked for with the wrong idea of the account', async () => {
    const { passkeys, accountId } = await enrol(database());
    await assert.rejects(passkeys.authenticationOptions('sign-in', { accountId, browserId: 'b' }), TypeError);
    await assert.rejects(
      passkeys.authenticationOptions('second-factor', { accountId: null, browserId: 'b' }),
      TypeError,
    );
  });
});

describeOnEachDatabase('the list of passkeys', (database) => {
  it('can be renamed by their account only', async () => {
    const [anna, bert] = [await enrol(database()), await enrol(database())];
    assert.equal(await anna.passkeys.rename(anna.accountId, anna.passkeyId, ' Work\tlaptop '), true);
    assert.equal((await anna.passkeys.list(anna.accountId))[0]?.name, 'Work laptop');
    assert.equal(await bert.passkeys.rename(bert.accountId, anna.passkeyId, 'mine'), false);
    assert.equal(await anna.passkeys.rename(anna.accountId, anna.passkeyId, ' \u200b '), false);
    assert.equal(await anna.passkeys.rename(anna.accountId, 'no-id', 'x'), false);
    assert.equal((await anna.passkeys.list(anna.accountId))[0]?.name, 'Work laptop');
  });

  it('tells the browser what is left after one was deleted', async () => {
    const first = await enrol(database());
    const second = await enrol(database(), { accountId: first.accountId });
    const [kept, gone] = [first.passkeyId, second.passkeyId];
    const bystander = await enrol(database());
    assert.equal(await database().transaction((em) => first.passkeys.remove(em, bystander.accountId, gone)), false);
    assert.equal(await database().transaction((em) => first.passkeys.remove(em, first.accountId, 'no-id')), false);
    const version = await credentialVersion(database(), first.accountId);
    assert.equal(await database().transaction((em) => first.passkeys.remove(em, first.accountId, gone)), true);
    assert.equal(await credentialVersion(database(), first.accountId), version + 1);
    const [left] = await first.passkeys.list(first.accountId);
    assert.equal(left?.id, kept);
    const signal = await first.passkeys.signal(first.accountId);
    assert.equal(signal.rpId, 'id.example.com');
    assert.deepEqual(signal.allAcceptedCredentialIds, [left?.credentialId]);
  });

  it('ends with its handle and with challenges that are under way', async () => {
    const enrolled = await enrol(database());
    const before = await enrolled.passkeys.signal(enrolled.accountId);
    const underway = new Browser();
    const who = { accountId: enrolled.accountId, browserId: underway.id };
    const registration = underway.create(await enrolled.passkeys.registrationOptions(who, 'way-in', NAMES));
    const stepUp = await answerFor(enrolled, 'step-up');
    await database().transaction((em) => enrolled.passkeys.removeAll(em, enrolled.accountId));
    assert.equal(reasonOf(await enrolled.passkeys.register(who, registration, undefined)), 'challenge');
    assert.equal(reasonOf(await send(enrolled, stepUp, { purpose: 'step-up' })), 'challenge');
    assert.deepEqual(await enrolled.passkeys.list(enrolled.accountId), []);
    assert.notEqual((await enrolled.passkeys.signal(enrolled.accountId)).userId, before.userId);
  });
});

describe('passkeys', () => {
  it('are offered on host names, and on addresses not at all', () => {
    const database = {} as Database;
    const isAvailable = (issuer: string) =>
      new Passkeys({ database, oneTime: {} as OneTime, issuer, productName: 'x' }).isAvailable;
    assert.equal(isAvailable('http://localhost:3000'), true);
    assert.equal(isAvailable('https://id.example.com'), true);
    assert.equal(isAvailable('http://127.0.0.1:3000'), false);
    assert.equal(isAvailable('http://[::1]:3000'), false);
  });
});
