// The only file that queries accounts. It knows who somebody is and in which state, not how they prove it (credential) nor what they may
// do (access). Ending what an account holds at the engine is the caller's part: see oidc/sessions-and-grants.
import { randomUUID } from 'node:crypto';
import { sql } from '@mikro-orm/postgresql';
import type { Audit, Cause } from '../audit/audit.ts';
import { Conflict, InvalidRequest, NotFound } from '../errors.ts';
import { asUnavailable, type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import { Account, type AccountStatus, type PostalAddress } from './account.entity.ts';
import { parseEmail, parseSignInName, parseUsername } from './sign-in-name.ts';

/** The row that every token and every page needs, read by prepared statements and never written back. */
export interface AccountRow {
  readonly id: string;
  readonly subject: string;
  readonly status: AccountStatus;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly username: string | null;
  readonly name: string | null;
  readonly givenName: string | null;
  readonly middleName: string | null;
  readonly familyName: string | null;
  readonly nickname: string | null;
  readonly profile: string | null;
  readonly picture: string | null;
  readonly website: string | null;
  readonly gender: string | null;
  readonly birthdate: string | null;
  readonly zoneinfo: string | null;
  readonly locale: string | null;
  readonly phoneNumber: string | null;
  readonly phoneNumberVerified: boolean;
  readonly address: PostalAddress | null;
  /** Seconds since 1970. */
  readonly updatedAt: number;
  readonly credentialVersion: number;
}

const ROW = `id, subject, status, email, email_verified_at is not null as "emailVerified", username, name,
  given_name as "givenName", middle_name as "middleName", family_name as "familyName", nickname, profile, picture, website,
  gender, birthdate, zoneinfo, locale, phone_number as "phoneNumber",
  phone_number_verified_at is not null as "phoneNumberVerified", address,
  floor(extract(epoch from updated_at))::float8 as "updatedAt", credential_version as "credentialVersion"`;
const FIND_BY_SUBJECT = { name: 'account_by_subject', text: `select ${ROW} from account where subject = $1` };
const FIND_BY_ID = { name: 'account_by_id', text: `select ${ROW} from account where id = $1` };
const FIND_BY_EMAIL = { name: 'account_by_email', text: `select ${ROW} from account where lower(email) = lower($1)` };
const FIND_BY_USERNAME = {
  name: 'account_by_username',
  text: `select ${ROW} from account where lower(username) = lower($1)`,
};
const NOTE_SIGN_IN = {
  name: 'account_note_sign_in',
  text: 'update account set last_sign_in_at = now(), last_sign_in_network = $2 where id = $1',
};
/** Milliseconds, and rows. */
const RECENT_MS = 500;
const RECENT_MOST = 10_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface NewAccount {
  readonly email?: string | undefined;
  readonly username?: string | undefined;
  readonly name?: string | undefined;
  readonly givenName?: string | undefined;
  readonly familyName?: string | undefined;
  readonly locale?: string | undefined;
  readonly zoneinfo?: string | undefined;
  readonly isVerified?: boolean;
  readonly status?: AccountStatus;
  readonly sourceClientId?: string;
}

export class Accounts {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #reserved: ReadonlySet<string>;
  readonly #recent = new Map<string, { readonly until: number; readonly found: Promise<AccountRow | null> }>();

  constructor(parts: {
    readonly database: Database;
    readonly audit: Audit;
    readonly reservedUsernames: readonly string[];
  }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#reserved = new Set(parts.reservedUsernames.map((name) => name.toLowerCase()));
  }

  /**
   * The engine's account id is our subject. Asked at every use of every token, so a process may answer from memory for half a second: a
   * change here is seen at once, one in another process within that time (requirements A4 allow a second).
   */
  async findBySubject(subject: string): Promise<AccountRow | null> {
    const now = Date.now();
    const cached = this.#recent.get(subject);
    if (cached && cached.until > now) return cached.found;
    if (this.#recent.size >= RECENT_MOST) this.#recent.clear();
    const found = this.#one(FIND_BY_SUBJECT, subject);
    this.#recent.set(subject, { until: now + RECENT_MS, found });
    found.catch(() => this.#recent.delete(subject));
    return found;
  }

  /** Forgets what was kept in memory; after every change of an account, whoever made it. */
  forgetRecent(): void {
    this.#recent.clear();
  }

  async findById(id: string): Promise<AccountRow | null> {
    return UUID.test(id) ? this.#one(FIND_BY_ID, id) : null;
  }

  /** The row as the transaction sees it. */
  async findByIdWithin(em: EntityManager, id: string): Promise<AccountRow | null> {
    const [row] = await em.execute<AccountRow[]>(`select ${ROW} from account where id = ?`, [id]);
    return row ?? null;
  }

  /** By what was typed into the sign-in field: an e-mail address or a username, never a look-alike of one. */
  async findBySignInName(input: string): Promise<AccountRow | null> {
    const name = parseSignInName(input);
    if (name === null) return null;
    return 'email' in name ? this.#one(FIND_BY_EMAIL, name.email) : this.#one(FIND_BY_USERNAME, name.username);
  }

  /** For operators: an id, an address or a username. @throws NotFound */
  async get(idOrName: string): Promise<AccountRow> {
    const found = (await this.findById(idOrName)) ?? (await this.findBySignInName(idOrName));
    if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
    return found;
  }

  /** When an account came and was last seen; not part of the row that every token needs. @throws NotFound */
  async getTimes(id: string): Promise<{ readonly createdAt: Date; readonly lastSignInAt: Date | null }> {
    const found = await this.#database.em().findOne(Account, { id }, { fields: ['createdAt', 'lastSignInAt'] });
    if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
    return { createdAt: found.createdAt, lastSignInAt: found.lastSignInAt ?? null };
  }

  /** In the order of creation. @param after the id of the last account of the page before */
  async list(options: { readonly limit: number; readonly after?: string }): Promise<readonly AccountRow[]> {
    const { rows } = await this.#database.sql.query<AccountRow>(
      {
        name: 'account_list',
        text: `select ${ROW} from account
          where $2::uuid is null or (created_at, id) > (select created_at, id from account where id = $2)
          order by created_at, id limit $1`,
      },
      [options.limit, options.after ?? null],
    );
    return rows;
  }

  /**
   * @param em the caller's transaction, so that what belongs to the new account commits with it
   * @throws InvalidRequest for a malformed or reserved name, Conflict `email-taken` or `username-taken`
   */
  async create(input: NewAccount, cause: Cause, em?: EntityManager): Promise<AccountRow> {
    if (em === undefined) return this.#database.transaction((inner) => this.create(input, cause, inner));
    const email = input.email === undefined ? null : parseEmail(input.email);
    if (input.email !== undefined && email === null) {
      throw new InvalidRequest('This is not an e-mail address.', { code: 'invalid-email', field: 'email' });
    }
    const username = input.username === undefined ? null : this.#usableUsername(input.username);
    if (email === null && username === null) {
      throw new InvalidRequest('An account needs an e-mail address or a username.', { field: 'email' });
    }
    const id = randomUUID();
    const now = new Date();
    const account = em.create(
      Account,
      {
        id,
        subject: id,
        status: input.status ?? 'active',
        email,
        emailVerifiedAt: email !== null && input.isVerified ? now : null,
        username,
        name: input.name ?? null,
        givenName: input.givenName ?? null,
        familyName: input.familyName ?? null,
        locale: input.locale ?? null,
        zoneinfo: input.zoneinfo ?? null,
        sourceClientId: input.sourceClientId ?? null,
        createdAt: now,
        updatedAt: now,
        credentialVersion: 1,
      },
      { partial: true },
    );
    try {
      await em.persist(account).flush();
    } catch (error) {
      if (isUniqueViolation(error, 'account_email_unique')) {
        throw new Conflict('This address is taken.', { code: 'email-taken', field: 'email', cause: error });
      }
      if (isUniqueViolation(error, 'account_username_unique')) {
        throw new Conflict('This username is taken.', { code: 'username-taken', field: 'username', cause: error });
      }
      throw asUnavailable(error);
    }
    await this.#audit.record({ ...cause, action: 'account.create', target: { kind: 'account', id } }, em);
    return toRow(account);
  }

  /**
   * Moves an account into another state. The caller ends its sessions and grants.
   * @throws Conflict when the account is not in one of `from`
   */
  async setStatus(
    id: string,
    change: { readonly from: readonly AccountStatus[]; readonly to: AccountStatus; readonly action: string },
    cause: Cause,
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      const count = await em.nativeUpdate(
        Account,
        { id, status: { $in: [...change.from] } },
        // What hangs on the credentials of now (mailed links and codes, half-finished sign-ins) does not come back with a later change.
        { status: change.to, updatedAt: new Date(), credentialVersion: sql`credential_version + 1` },
      );
      if (count !== 1) throw new Conflict('The account is not in a state that allows this.', { code: 'account-state' });
      await this.#audit.record({ ...cause, action: change.action, target: { kind: 'account', id } }, em);
    });
    this.forgetRecent();
  }

  /** Removes the account and all that hangs on it for good; its subject stays reserved by nothing but chance: it is random. */
  async delete(id: string, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.nativeDelete(Account, { id });
      await this.#audit.record({ ...cause, action: 'account.delete', target: { kind: 'account', id } }, em);
    });
    this.forgetRecent();
  }

  async noteSignIn(id: string, network: string | undefined): Promise<void> {
    await this.#database.sql.query(NOTE_SIGN_IN, [id, network ?? null]);
  }

  #usableUsername(input: string): string {
    const username = parseUsername(input);
    if (username === null) {
      throw new InvalidRequest('A username has 3 to 50 letters, digits or underscores.', {
        code: 'invalid-username',
        field: 'username',
      });
    }
    if (this.#reserved.has(username.toLowerCase())) {
      throw new InvalidRequest('This username is reserved.', { code: 'reserved-username', field: 'username' });
    }
    return username;
  }

  async #one(statement: { name: string; text: string }, value: string): Promise<AccountRow | null> {
    const { rows } = await this.#database.sql.query<AccountRow>(statement, [value]);
    return rows[0] ?? null;
  }
}

function toRow(account: Account): AccountRow {
  return {
    id: account.id,
    subject: account.subject,
    status: account.status,
    email: account.email ?? null,
    emailVerified: account.emailVerifiedAt != null,
    username: account.username ?? null,
    name: account.name ?? null,
    givenName: account.givenName ?? null,
    middleName: account.middleName ?? null,
    familyName: account.familyName ?? null,
    nickname: account.nickname ?? null,
    profile: account.profile ?? null,
    picture: account.picture ?? null,
    website: account.website ?? null,
    gender: account.gender ?? null,
    birthdate: account.birthdate ?? null,
    zoneinfo: account.zoneinfo ?? null,
    locale: account.locale ?? null,
    phoneNumber: account.phoneNumber ?? null,
    phoneNumberVerified: account.phoneNumberVerifiedAt != null,
    address: account.address ?? null,
    updatedAt: Math.floor(account.updatedAt.getTime() / 1000),
    credentialVersion: account.credentialVersion,
  };
}
