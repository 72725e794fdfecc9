// A link and a short code in one mail: signing in, proving an address, a new password, a change of address, fresh proof, deletion
// (requirements C1 to C7, R7). Both belong to one row, which is deleted by whoever takes it first, by link or by code, in one conditional
// write; a new mail ends the one before. The row belongs to its purpose, its request and the browser that asked; it dies with a change of the
// account's credentials. Nothing of it lies in the database in clear. It sends nothing: the caller hands link and code to the outbox.
import { randomUUID } from 'node:crypto';
import type { Audit, Origin } from '../audit/audit.ts';
import { hashToken, randomDigits, randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { type Budget, Budgets } from './budget.ts';
import { lockCredentials } from './credential-version.ts';
import type { Lockout } from './lockout.ts';
import type { ShortCodes } from './short-code.ts';
import { parseDigits } from './typed-code.ts';

export const MAIL_PURPOSES = [
  'sign-in',
  'verify-email',
  'email-change',
  'reset',
  'step-up',
  'deletion',
  'link-approval',
  'membership',
] as const;
export type MailPurpose = (typeof MAIL_PURPOSES)[number];

/** Times in seconds. */
export interface MailedSecretSettings {
  readonly codeDigits: number;
  /** Tries one code allows. */
  readonly codeTries: number;
  readonly codeTtl: number;
  readonly verificationCodeTtl: number;
  readonly signInLinkTtl: number;
  readonly resetLinkTtl: number;
  readonly verificationLinkTtl: number;
  /** Mails of one purpose to one address in an hour, and seconds between them. */
  readonly resendLimit: number;
  readonly resendWait: number;
  readonly signInLimit: number;
  readonly signInWait: number;
  /** Every limit is off, for tests. */
  readonly switchedOff: boolean;
}

const HOUR = 3600;
const KIND = 'mailed-link';
export const sealedMailedSecrets: SealedTable = {
  table: 'mailed_secret',
  key: 'id',
  columns: ['purpose'],
  purpose: (id, purpose = '') => sealPurpose(purpose, id),
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The account's credentials are what they were when the mail was asked for. */
const IS_CURRENT = `credential_version is not distinct from (select a.credential_version from account a where a.id = m.account_id)`;
const PUT = `insert into mailed_secret (id, purpose, subject, account_id, credential_version, browser_hash, link_hash, code_hash, sealed,
    link_expires_at, code_expires_at, created_at)
  values (?, ?, ?, ?, (select credential_version from account where id = ?), ?, ?, ?, ?,
    now() + make_interval(secs => ?), now() + make_interval(secs => ?), now())`;
const END_OLDER = 'delete from mailed_secret where subject = ? and purpose = ?';
const FIND_BY_LINK = {
  name: 'mailed_secret_find_by_link',
  text: `select id, purpose, account_id as "accountId", browser_hash as "browserHash", sealed,
      (extract(epoch from link_expires_at) * 1000)::float8 as "expiresAt"
    from mailed_secret m where link_hash = $1 and link_expires_at > now() and ${IS_CURRENT}`,
};
const FIND_BY_REQUEST = {
  name: 'mailed_secret_find_by_request',
  text: `select id, purpose, account_id as "accountId", browser_hash as "browserHash", sealed,
      (extract(epoch from code_expires_at) * 1000)::float8 as "expiresAt"
    from mailed_secret m where id = $1 and browser_hash = $2 and greatest(link_expires_at, code_expires_at) > now() and ${IS_CURRENT}`,
};
/** $1 request, $2 purpose, $3 browser, $4 tries. */
const IS_OPEN = `id = $1 and purpose = $2 and browser_hash = $3 and tries < $4::int and code_expires_at > now() and ${IS_CURRENT}`;
const FIND_OPEN = {
  name: 'mailed_secret_find_open',
  text: `select subject, account_id as "accountId" from mailed_secret m where ${IS_OPEN}`,
};
/** Counts a try before the code is looked at. */
const TRY_CODE = {
  name: 'mailed_secret_try_code',
  text: `update mailed_secret m set tries = tries + 1 where ${IS_OPEN}
    returning code_hash as "codeHash", tries`,
};
const TAKE = `delete from mailed_secret m where id = ? and ${IS_CURRENT} returning sealed`;
const SWEEP = {
  name: 'mailed_secret_sweep',
  text: `delete from mailed_secret where id in (select id from mailed_secret
    where link_expires_at <= now() and code_expires_at <= now() limit 1000)`,
};

/** Made but not stored yet. */
export interface MailDraft {
  readonly isAllowed: true;
  readonly purpose: MailPurpose;
  readonly address: string;
  /** Public: names the request in the browser that asked. */
  readonly requestId: string;
  /** For the mail and for nothing else. */
  readonly linkToken: string;
  readonly code: string;
  readonly codeHash: Buffer;
  /** Seconds. */
  readonly linkTtl: number;
  readonly codeTtl: number;
}

export interface MailRefusal {
  readonly isAllowed: false;
  /** Seconds until another mail may be asked for. */
  readonly retryAfter: number;
}

export interface MailedSecret<Content> {
  readonly requestId: string;
  readonly purpose: MailPurpose;
  /** Null where the address had no account when the mail was asked for. */
  readonly accountId: string | null;
  /** Where the mail went: what it proves. */
  readonly address: string;
  readonly content: Content;
}

export interface FoundSecret<Content> extends MailedSecret<Content> {
  /** Of the link, or of the code when it was found by its request. */
  readonly expiresAt: Date;
  /** Whether this is the browser that asked. */
  readonly isSameBrowser: boolean;
}

export type LinkOutcome<Content> =
  | { readonly kind: 'taken'; readonly secret: MailedSecret<Content> }
  /** Wrong, expired, used, ended by a newer one, of another purpose or browser: one answer for all of them. */
  | { readonly kind: 'gone' };

export type CodeOutcome<Content> =
  | LinkOutcome<Content>
  /** Not that many digits: no try was counted. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'wrong'; readonly triesLeft: number }
  /** Too many wrong codes: for this account over all codes, or from this network. */
  | { readonly kind: 'wait'; readonly retryAfter: number };

type Alongside<Content> = (em: EntityManager, secret: MailedSecret<Content>) => Promise<void>;

interface Row {
  id: string;
  purpose: MailPurpose;
  accountId: string | null;
  browserHash: string;
  sealed: Uint8Array;
  expiresAt: number;
}

export class MailedSecrets {
  readonly #database: Database;
  readonly #seal: Seal;
  readonly #shortCodes: ShortCodes;
  readonly #lockout: Lockout;
  readonly #audit: Audit;
  readonly #settings: MailedSecretSettings;
  readonly #budgets: Budgets;
  readonly #codeKeys: readonly [Buffer, ...Buffer[]];

  constructor(parts: {
    readonly database: Database;
    readonly seal: Seal;
    readonly shortCodes: ShortCodes;
    readonly lockout: Lockout;
    readonly audit: Audit;
    readonly settings: MailedSecretSettings;
  }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
    this.#shortCodes = parts.shortCodes;
    this.#lockout = parts.lockout;
    this.#audit = parts.audit;
    this.#settings = parts.settings;
    this.#budgets = new Budgets({ database: parts.database, switchedOff: parts.settings.switchedOff });
    this.#codeKeys = parts.seal.deriveKeys('mailed code');
  }

  /**
   * Makes link and code for an address, unless too many mails went there. Known and unknown addresses are treated alike: for an unknown one
   * the caller stores it all the same and sends nothing, or another mail. Takes time: never inside a transaction.
   * @param address normalised (lower case), because limits count it
   * @param accountId whose limit counts as well, where somebody signed in lets us write to an address of their choice
   * @throws Unavailable when counters or the queue of hashes are away
   */
  async draft(purpose: MailPurpose, address: string, accountId?: string): Promise<MailDraft | MailRefusal> {
    const budget = this.#sendBudget(purpose);
    const keys = [
      sendKey(purpose, subjectOf(address)),
      ...(accountId === undefined ? [] : [sendKey(purpose, accountId)]),
    ];
    for (const key of keys) {
      const spending = await this.#budgets.spend(key, budget);
      if (!spending.isAllowed) return spending;
    }
    const requestId = randomUUID();
    const code = randomDigits(this.#settings.codeDigits);
    return {
      isAllowed: true,
      purpose,
      address,
      requestId,
      linkToken: randomToken(),
      code,
      codeHash: await this.#hashCode(purpose, requestId, code),
      ...this.#ttls(purpose),
    };
  }

  /**
   * Stores a draft, in the transaction that writes the mail to the outbox; an older one of the same purpose and account ends.
   * @param bound `content` comes back when it is taken and is sealed until then
   */
  async put(
    em: EntityManager,
    draft: MailDraft,
    bound: { readonly accountId: string | null; readonly browserId: string; readonly content: object },
  ): Promise<void> {
    const { purpose, requestId, address } = draft;
    // The address too: a mail that was asked for before there was an account ends with the first one after.
    const addressSubject = subjectOf(address);
    await em.execute(END_OLDER, [addressSubject, purpose]);
    if (bound.accountId !== null) await em.execute(END_OLDER, [bound.accountId, purpose]);
    await em.execute(PUT, [
      requestId,
      purpose,
      bound.accountId ?? addressSubject,
      bound.accountId,
      bound.accountId,
      hashBrowser(bound.browserId),
      hashToken(KIND, draft.linkToken),
      draft.codeHash,
      this.#seal.seal(sealPurpose(purpose, requestId), JSON.stringify({ address, content: bound.content })),
      draft.linkTtl,
      draft.codeTtl,
    ]);
  }

  get codeDigits(): number {
    return this.#settings.codeDigits;
  }

  /** Looks at a link without taking it: for the page that asks whether to go on. @param browserId of the browser that opened it */
  async find<Content extends object>(
    token: string,
    browserId: string | undefined,
  ): Promise<FoundSecret<Content> | null> {
    const { rows } = await this.#database.sql.query<Row>(FIND_BY_LINK, [hashToken(KIND, token)]);
    return this.#found(rows[0], browserId);
  }

  /** The request a browser waits with: for the page that takes the code, shown again. Null for any other browser. */
  async findRequest<Content extends object>(
    requestId: string,
    browserId: string | undefined,
  ): Promise<FoundSecret<Content> | null> {
    if (browserId === undefined || !UUID.test(requestId)) return null;
    const { rows } = await this.#database.sql.query<Row>(FIND_BY_REQUEST, [requestId, hashBrowser(browserId)]);
    return this.#found(rows[0], browserId);
  }

  /** Seconds until another mail of this purpose may go to this address; 0 is now. */
  async resendWait(purpose: MailPurpose, address: string): Promise<number> {
    return this.#budgets.wait(sendKey(purpose, subjectOf(address)), this.#sendBudget(purpose));
  }

  /**
   * Takes a secret by its link, once.
   * @param browserId only this browser may take it, and for signing in none but the one that asked; undefined where any may
   * @param alongside what commits with it; when it throws, the link stays good
   */
  async takeByLink<Content extends object>(
    purpose: MailPurpose,
    token: string,
    browserId: string | undefined,
    alongside?: Alongside<Content>,
  ): Promise<LinkOutcome<Content>> {
    const { rows } = await this.#database.sql.query<Row>(FIND_BY_LINK, [hashToken(KIND, token)]);
    const [row] = rows;
    if (!row || row.purpose !== purpose) return { kind: 'gone' };
    // A link that is opened elsewhere must not sign that browser in (C7), so there it must be known.
    const isBound = browserId !== undefined || purpose === 'sign-in';
    if (isBound && (browserId === undefined || row.browserHash !== hashBrowser(browserId))) return { kind: 'gone' };
    return this.#take(row.id, purpose, row.accountId, alongside);
  }

  /**
   * Takes a secret by its code, once. The try is counted before the code is looked at: on the code itself, on the account over all codes,
   * and on the network. A wrong one, and one that is not looked at any more, is in the audit for every purpose (C9).
   * @param alongside what commits with it; when it throws, link and code stay good and the try stays counted
   * @throws Unavailable
   */
  async takeByCode<Content extends object>(
    request: {
      readonly purpose: MailPurpose;
      readonly requestId: string;
      readonly browserId: string | undefined;
      readonly network: string;
      readonly origin: Origin;
      readonly code: string;
    },
    alongside?: Alongside<Content>,
  ): Promise<CodeOutcome<Content>> {
    const { purpose, requestId, browserId, origin } = request;
    const { codeTries, codeDigits } = this.#settings;
    const code = parseDigits(request.code, codeDigits);
    if (code === null) return { kind: 'malformed' };
    if (browserId === undefined || !UUID.test(requestId)) return { kind: 'gone' };
    const values = [requestId, purpose, hashBrowser(browserId), codeTries];
    const { rows: asked } = await this.#database.sql.query<{ subject: string; accountId: string | null }>(
      FIND_OPEN,
      values,
    );
    if (!asked[0]) return { kind: 'gone' };
    const { subject, accountId } = asked[0];
    const attempt = await this.#lockout.attemptCode(subject, request.network);
    if (!attempt.isAllowed) {
      await this.#recordFailure(purpose, accountId, origin);
      return { kind: 'wait', retryAfter: attempt.retryAfter ?? HOUR };
    }
    const { rows } = await this.#database.sql.query<{ codeHash: Uint8Array; tries: number }>(TRY_CODE, values);
    const [row] = rows;
    if (!row) {
      // Somebody was faster: nothing was looked at, so nothing counts.
      await attempt.succeed();
      return { kind: 'gone' };
    }
    if (!(await this.#matches(row.codeHash, saltOf(purpose, requestId), code))) {
      await this.#recordFailure(purpose, accountId, origin);
      return { kind: 'wrong', triesLeft: codeTries - row.tries };
    }
    const outcome = await this.#take(requestId, purpose, accountId, alongside);
    await attempt.succeed();
    return outcome;
  }

  /** Ends everything that is on its way to an account: when it is disabled, its password changes, or somebody says "it was not me". */
  async revokeAll(em: EntityManager, accountId: string): Promise<void> {
    await em.execute('delete from mailed_secret where account_id = ?', [accountId]);
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  async #take<Content extends object>(
    requestId: string,
    purpose: MailPurpose,
    accountId: string | null,
    alongside: Alongside<Content> | undefined,
  ): Promise<LinkOutcome<Content>> {
    return this.#database.transaction(async (em) => {
      if (accountId !== null) await lockCredentials(em, accountId);
      const [row] = await em.execute<{ sealed: Uint8Array }[]>(TAKE, [requestId]);
      if (!row) return { kind: 'gone' };
      const secret = this.#open<Content>({ id: requestId, purpose, accountId, sealed: row.sealed });
      await alongside?.(em, secret);
      return { kind: 'taken', secret };
    });
  }

  async #recordFailure(purpose: MailPurpose, accountId: string | null, origin: Origin): Promise<void> {
    await this.#audit.record({
      actor: { kind: 'anonymous' },
      ...(accountId === null ? {} : { target: { kind: 'account', id: accountId } as const }),
      ...{ action: 'mail-code.try', result: 'failure', reason: purpose, origin },
    });
  }

  #found<Content extends object>(row: Row | undefined, browserId: string | undefined): FoundSecret<Content> | null {
    if (!row) return null;
    return {
      ...this.#open<Content>(row),
      expiresAt: new Date(row.expiresAt),
      isSameBrowser: browserId !== undefined && row.browserHash === hashBrowser(browserId),
    };
  }

  #open<Content extends object>(row: Pick<Row, 'id' | 'purpose' | 'accountId' | 'sealed'>): MailedSecret<Content> {
    const opened = JSON.parse(this.#seal.openText(sealPurpose(row.purpose, row.id), row.sealed)) as {
      address: string;
      content: Content;
    };
    const { address, content } = opened;
    return { requestId: row.id, purpose: row.purpose, accountId: row.accountId, address, content };
  }

  #hashCode(purpose: MailPurpose, requestId: string, code: string): Promise<Buffer> {
    return this.#shortCodes.hash(saltOf(purpose, requestId), code, this.#codeKeys[0]);
  }

  /** A code that was mailed before the master secret changed works to its end. */
  async #matches(stored: Uint8Array, salt: string, code: string): Promise<boolean> {
    for (const key of this.#codeKeys) {
      if (await this.#shortCodes.matches(stored, salt, code, key)) return true;
    }
    return false;
  }

  #sendBudget(purpose: MailPurpose): Budget {
    const { signInLimit, signInWait, resendLimit, resendWait } = this.#settings;
    return purpose === 'sign-in'
      ? { limit: signInLimit, window: HOUR, apart: signInWait }
      : { limit: resendLimit, window: HOUR, apart: resendWait };
  }

  #ttls(purpose: MailPurpose): { readonly linkTtl: number; readonly codeTtl: number } {
    const s = this.#settings;
    switch (purpose) {
      case 'verify-email':
      case 'email-change':
        return { linkTtl: s.verificationLinkTtl, codeTtl: s.verificationCodeTtl };
      case 'reset':
        return { linkTtl: s.resetLinkTtl, codeTtl: s.codeTtl };
      default:
        return { linkTtl: s.signInLinkTtl, codeTtl: s.codeTtl };
    }
  }
}

/** What stands for an address in counters and rows. */
function subjectOf(address: string): string {
  return hashToken('address', address.toLowerCase());
}

function sendKey(purpose: MailPurpose, subject: string): string {
  return `mail:${purpose}:${subject}`;
}

function hashBrowser(browserId: string): string {
  return hashToken('mailed-secret-browser', browserId);
}

function saltOf(purpose: MailPurpose, requestId: string): string {
  return `mailed-code:${purpose}:${requestId}`;
}

function sealPurpose(purpose: string, requestId: string): string {
  return `mailed-secret:${purpose}:${requestId}`;
}
