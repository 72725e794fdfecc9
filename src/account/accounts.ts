// The only file that queries accounts. It knows who somebody is and in which state, not how they prove it (credential) nor what they may
// do (access). Ending what an account holds at the engine is the caller's part: see oidc/sessions-and-grants.
import { randomUUID } from 'node:crypto';
import { sql } from '@mikro-orm/postgresql';
import type { Audit, Cause } from '../audit/audit.ts';
import { Conflict, InvalidRequest, NotFound } from '../errors.ts';
import type { Theme } from '../http/theme.ts';
import { asUnavailable, type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import { wordQuery, wordsOf } from '../storage/words.ts';
import { ACCOUNT_STATUSES, Account, type AccountStatus, type PostalAddress } from './account.entity.ts';
import { usernameSkeleton } from './look-alike.ts';
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
  readonly theme: Theme | null;
  readonly phoneNumber: string | null;
  readonly phoneNumberVerified: boolean;
  readonly address: PostalAddress | null;
  /** Seconds since 1970. */
  readonly updatedAt: number;
  readonly credentialVersion: number;
  /** Seconds since 1970: sessions and tokens that began before it are over. */
  readonly signedOutAt: number | null;
  readonly termsVersion: string | null;
}

/** See proven-phones.ts. */
const PROVEN_PHONE = '(select p.phone_number from telegram_phone p where p.account_id = account.id)';
const ROW = `id, subject, status, email, email_verified_at is not null as "emailVerified", username, name,
  given_name as "givenName", middle_name as "middleName", family_name as "familyName", nickname, profile, picture, website,
  gender, birthdate, zoneinfo, locale, theme, coalesce(${PROVEN_PHONE}, phone_number) as "phoneNumber",
  phone_number_verified_at is not null or ${PROVEN_PHONE} is not null as "phoneNumberVerified", address,
  floor(extract(epoch from updated_at))::float8 as "updatedAt", credential_version as "credentialVersion",
  floor(extract(epoch from signed_out_at))::float8 as "signedOutAt", terms_version as "termsVersion"`;
const FIND_BY_SUBJECT = { name: 'account_by_subject', text: `select ${ROW} from account where subject = $1` };
const FIND_BY_ID = { name: 'account_by_id', text: `select ${ROW} from account where id = $1` };
const NAMES_BY_ID = {
  name: 'account_names_by_id',
  text: 'select id::text as id, coalesce(name, username, email) as name from account where id = any($1::uuid[])',
};
const FIND_BY_EMAIL = { name: 'account_by_email', text: `select ${ROW} from account where lower(email) = lower($1)` };
const FIND_BY_USERNAME = {
  name: 'account_by_username',
  text: `select ${ROW} from account where lower(username) = lower($1)`,
};
/** See proven-phones.ts. */
const FIND_BY_PHONE = {
  name: 'account_by_phone',
  text: `select ${ROW} from account where id = (select p.account_id from telegram_phone p where p.phone_number = $1)`,
};
const NOTE_SIGN_IN = {
  name: 'account_note_sign_in',
  text: `update account set last_sign_in_at = now(), last_sign_in_network = $2
    from (select id, last_sign_in_at from account where id = $1 for update) as before
    where account.id = before.id
    returning before.last_sign_in_at is null as "isFirst"`,
};
const NEW_PICTURE =
  '(case when exists (select from account_picture p where p.account_id = account.id) then null else $5::text end)';
const REFRESH_PROFILE = {
  name: 'account_refresh_profile',
  text: `update account set name = coalesce($2, name), given_name = coalesce($3, given_name),
      family_name = coalesce($4, family_name), picture = coalesce(${NEW_PICTURE}, picture), updated_at = now()
    where id = $1 and (name, given_name, family_name, picture) is distinct from
      (coalesce($2, name), coalesce($3, given_name), coalesce($4, family_name), coalesce(${NEW_PICTURE}, picture))`,
};
const NOTE_SIGN_OUT = { name: 'account_note_sign_out', text: 'update account set signed_out_at = $1 where id = $2' };
/** As in the index. */
const WORDS =
  wordsOf(`coalesce(name, '') || ' ' || coalesce(given_name, '') || ' ' || coalesce(family_name, '') || ' ' ||
  coalesce(username, '') || ' ' || coalesce(email, '')`);
/** Where a page ended: microseconds since 1970, and the id. */
const CURSOR = /^(\d{1,16})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const FOUND = `id, name, email, username, status, created_at as "createdAt", last_sign_in_at as "lastSignInAt",
  (extract(epoch from created_at) * 1000000)::bigint::text || '.' || id as cursor`;
const HOLDS_ROLE = 'exists (select from role_assignment r where r.account_id = account.id and r.role_id = ?)';
/** Accounts that are looked through one by one. */
const NEAR = 1000;
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
  readonly picture?: string | undefined;
  /** Found by an identity at an upstream, so that it needs no name of ours. */
  readonly hasIdentity?: boolean;
  /** Which terms were accepted, just now. */
  readonly termsVersion?: string | null;
}

export interface AccountSearch {
  /** An id, or beginnings of words of names and addresses; what has no words in it finds nothing. */
  readonly query: string;
  readonly status: AccountStatus | null;
  /** Who holds this role themselves. */
  readonly roleId: string | null;
  /** The cursor of the last account of the page before. */
  readonly after: string;
  readonly limit: number;
}

export interface FoundAccount {
  readonly id: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly username: string | null;
  readonly status: AccountStatus;
  readonly createdAt: Date;
  readonly lastSignInAt: Date | null;
  readonly cursor: string;
}

export class Accounts {
  /** Every state that an account can be in. */
  readonly statuses: readonly AccountStatus[] = ACCOUNT_STATUSES;
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
    this.#reserved = new Set(parts.reservedUsernames.map(usernameSkeleton));
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

  /** Whose proven number it is. @param number E.164 */
  async findByPhone(number: string): Promise<AccountRow | null> {
    return this.#one(FIND_BY_PHONE, number);
  }

  /** For operators: an id, an address or a username. @throws NotFound */
  async get(idOrName: string): Promise<AccountRow> {
    const found = (await this.findById(idOrName)) ?? (await this.findBySignInName(idOrName));
    if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
    return found;
  }

  /** What accounts are known by, for lists of events. Ids of none are left out. */
  async namesOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const known = ids.filter((id) => UUID.test(id));
    if (known.length === 0) return new Map();
    const { rows } = await this.#database.sql.query<{ id: string; name: string | null }>(NAMES_BY_ID, [known]);
    return new Map(rows.flatMap(({ id, name }) => (name === null ? [] : [[id, name] as const])));
  }

  /**
   * When an account came, was last seen, and will be gone where its owner deleted it; not part of the row that every token needs.
   * @throws NotFound
   */
  async getTimes(
    id: string,
  ): Promise<Readonly<Record<'lastSignInAt' | 'purgeAt', Date | null>> & { readonly createdAt: Date }> {
    const fields = ['createdAt', 'lastSignInAt', 'purgeAt'] as const;
    const found = await this.#database.em().findOne(Account, { id }, { fields });
    if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
    return { createdAt: found.createdAt, lastSignInAt: found.lastSignInAt ?? null, purgeAt: found.purgeAt ?? null };
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

  /** A page of what an administrator looks for, the newest first. Where it begins is in an index, so the last page is as near as the first. */
  async search({ query, status, roleId, after, limit }: AccountSearch): Promise<readonly FoundAccount[]> {
    const typed = query.trim();
    const isId = UUID.test(typed);
    const words = isId ? null : wordQuery(typed);
    if (typed !== '' && !isId && words === null) return [];
    const [, since, lastId] = CURSOR.exec(after) ?? [];
    const start =
      since === undefined
        ? []
        : [
            part(
              `(created_at, id) < (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`,
              since,
              lastId,
            ),
          ];
    const wanted = [
      ...(isId ? [part('id = ?', typed)] : []),
      ...(words === null ? [] : [part(`${WORDS} @@ to_tsquery('simple', ?)`, words)]),
      ...(status === null ? [] : [part('status = ?', status)]),
      ...(roleId === null ? [] : [part(HOLDS_ROLE, roleId)]),
    ];
    const em = this.#database.em();
    const read = async (from: Part): Promise<readonly FoundRow[]> =>
      em.execute<FoundRow[]>(`${from.text} order by created_at desc, id desc limit ?`, [...from.values, limit]);
    if (words === null) return (await read(where(`select ${FOUND} from account`, [...start, ...wanted]))).map(toFound);
    // How many have a word is a guess of the database, and a wrong one reads everything. Of words that many have, the newest accounts alone fill
    // a page; what is left is rare enough to be taken from the index of words as a whole.
    const near = where('select * from account', start);
    const newest = part(
      `select ${FOUND} from (${near.text} order by created_at desc, id desc limit ${NEAR}) as account`,
      ...near.values,
    );
    const rows = await read(where(newest.text, wanted, newest.values));
    if (rows.length >= limit) return rows.map(toFound);
    const all = where('select * from account', [...start, ...wanted]);
    const rest = await read(part(`with found as materialized (${all.text}) select ${FOUND} from found`, ...all.values));
    return rest.map(toFound);
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
    if (email === null && username === null && input.hasIdentity !== true) {
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
        usernameSkeleton: username === null ? null : usernameSkeleton(username),
        name: input.name ?? null,
        givenName: input.givenName ?? null,
        familyName: input.familyName ?? null,
        picture: input.picture ?? null,
        locale: input.locale ?? null,
        zoneinfo: input.zoneinfo ?? null,
        sourceClientId: input.sourceClientId ?? null,
        termsVersion: input.termsVersion ?? null,
        termsAcceptedAt: input.termsVersion ? now : null,
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
      // What looks like a name that is there is taken like the name itself.
      if (
        ['account_username_unique', 'account_username_skeleton_unique'].some((one) => isUniqueViolation(error, one))
      ) {
        throw new Conflict('This username is taken.', { code: 'username-taken', field: 'username', cause: error });
      }
      throw asUnavailable(error);
    }
    await this.#audit.record({ ...cause, action: 'account.create', target: { kind: 'account', id } }, em);
    return toRow(account);
  }

  /**
   * Moves an account into another state. The caller ends its sessions and grants.
   * @param guard refuses it by throwing, in the same transaction
   * @throws Conflict when the account is not in one of `from`
   */
  async setStatus(
    id: string,
    change: { readonly from: readonly AccountStatus[]; readonly to: AccountStatus; readonly action: string },
    cause: Cause,
    guard?: (em: EntityManager) => Promise<unknown>,
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      await guard?.(em);
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

  /** The person agreed to the terms of now (requirements R4). */
  async acceptTerms(id: string, version: string, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.execute('update account set terms_version = ?, terms_accepted_at = now() where id = ?', [version, id]);
      await this.#audit.record(
        { ...cause, action: 'terms.accept', target: { kind: 'account', id }, reason: version },
        em,
      );
    });
    this.forgetRecent();
  }

  /** Removes the account and all that hangs on it for good; its subject stays reserved by nothing but chance: it is random. */
  async delete(id: string, cause: Cause, guard?: (em: EntityManager) => Promise<void>): Promise<void> {
    await this.#database.transaction(async (em) => {
      await guard?.(em);
      await em.nativeDelete(Account, { id });
      await this.#audit.record({ ...cause, action: 'account.delete', target: { kind: 'account', id } }, em);
    });
    this.forgetRecent();
  }

  /**
   * The owner deletes it: nothing of it works from now on, and after the grace it is gone. The caller ends what it holds.
   * @param grace seconds
   * @returns when it will be gone; null when it is in no state for this
   */
  async beginDeletion(em: EntityManager, id: string, grace: number): Promise<Date | null> {
    const [row] = await em.execute<{ purgeAt: Date | string }[]>(
      `update account set status = 'deleted', purge_at = now() + make_interval(secs => ?), updated_at = now(),
         credential_version = credential_version + 1
       where id = ? and status = 'active' returning purge_at as "purgeAt"`,
      [grace, id],
    );
    return row ? new Date(row.purgeAt) : null;
  }

  /** @returns false when the account is not waiting for its end any more */
  async endDeletion(em: EntityManager, id: string): Promise<boolean> {
    const rows = await em.execute<object[]>(
      `update account set status = 'active', purge_at = null, updated_at = now(), credential_version = credential_version + 1
       where id = ? and status = 'deleted' and purge_at > now() returning id`,
      [id],
    );
    return rows.length === 1;
  }

  /** Accounts whose grace is over, the oldest first. */
  async listDue(limit: number): Promise<readonly Pick<AccountRow, 'id' | 'subject'>[]> {
    return this.#database
      .em()
      .execute(
        `select id, subject from account where status = 'deleted' and purge_at <= now() order by purge_at, id limit ?`,
        [limit],
      );
  }

  /** Whether the grace of an account is over; from here to the end of the transaction nobody else changes it. */
  async isDue(em: EntityManager, id: string): Promise<boolean> {
    const rows = await em.execute<object[]>(
      `select 1 as one from account where id = ? and status = 'deleted' and purge_at <= now() for update`,
      [id],
    );
    return rows.length === 1;
  }

  /** The row of an account that is due, with everything that refers to it. */
  async purge(em: EntityManager, id: string): Promise<void> {
    await em.nativeDelete(Account, { id });
  }

  /** What the person says about themselves. */
  async updateProfile(
    id: string,
    profile: Readonly<Record<'name' | 'locale' | 'zoneinfo', string | null>> & { readonly theme: Theme | null },
    cause: Cause,
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.nativeUpdate(Account, { id }, { ...profile, updatedAt: new Date() });
      await this.#audit.record({ ...cause, action: 'account.update', target: { kind: 'account', id } }, em);
    });
    this.forgetRecent();
  }

  /** What an administrator writes down about somebody. @param guard refuses it by throwing, in the same transaction */
  async updateNames(
    id: string,
    names: Readonly<Record<'name' | 'givenName' | 'familyName', string | null>>,
    cause: Cause,
    guard: (em: EntityManager) => Promise<unknown>,
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      await guard(em);
      await em.nativeUpdate(Account, { id }, { ...names, updatedAt: new Date() });
      await this.#audit.record({ ...cause, action: 'account.update', target: { kind: 'account', id } }, em);
    });
    this.forgetRecent();
  }

  /** @param url null for none; the caller forgets what is kept in memory once it has committed */
  async setPicture(em: EntityManager, id: string, url: string | null): Promise<void> {
    await em.execute('update account set picture = ?, updated_at = now() where id = ?', [url, id]);
  }

  /** What is null stays as it is, and so does a picture that the person uploaded. */
  async refreshProfile(
    id: string,
    profile: Readonly<Record<'name' | 'givenName' | 'familyName' | 'picture', string | null>>,
  ): Promise<void> {
    await this.#database.sql.query(REFRESH_PROFILE, [
      id,
      ...[profile.name, profile.givenName, profile.familyName, profile.picture],
    ]);
    this.forgetRecent();
  }

  /** @returns whether it is the first sign-in of this account */
  async noteSignIn(id: string, network: string | undefined): Promise<boolean> {
    const { rows } = await this.#database.sql.query<{ isFirst: boolean }>(NOTE_SIGN_IN, [id, network ?? null]);
    return rows[0]?.isFirst ?? false;
  }

  /**
   * Whatever the account is signed in to is over from now on, wherever it lies. Deleting it comes after, and may fail.
   * @param em of the cause, so that both are one decision; the caller forgets what is kept in memory once it has committed
   */
  async noteSignOut(id: string, em?: EntityManager): Promise<void> {
    // The time of this machine, like that of the sessions it is compared with.
    const values = [new Date(), id];
    if (em) {
      await em.execute('update account set signed_out_at = ? where id = ?', values);
      return;
    }
    await this.#database.sql.query(NOTE_SIGN_OUT, values);
    this.forgetRecent();
  }

  /** Also for what looks like a reserved name. */
  isReserved(username: string): boolean {
    return this.#reserved.has(usernameSkeleton(username));
  }

  #usableUsername(input: string): string {
    const username = parseUsername(input);
    if (username === null) {
      throw new InvalidRequest('A username has 3 to 50 letters, digits or underscores.', {
        code: 'invalid-username',
        field: 'username',
      });
    }
    if (this.isReserved(username)) {
      throw new InvalidRequest('This username is reserved.', { code: 'reserved-username', field: 'username' });
    }
    return username;
  }

  async #one(statement: { name: string; text: string }, value: string): Promise<AccountRow | null> {
    const { rows } = await this.#database.sql.query<AccountRow>(statement, [value]);
    return rows[0] ?? null;
  }
}

interface FoundRow extends Omit<FoundAccount, 'createdAt' | 'lastSignInAt'> {
  readonly createdAt: string;
  readonly lastSignInAt: string | null;
}

/** A part of a statement, with what stands in its place-holders. */
interface Part {
  readonly text: string;
  readonly values: readonly unknown[];
}

function part(text: string, ...values: readonly unknown[]): Part {
  return { text, values };
}

function where(text: string, conditions: readonly Part[], before: readonly unknown[] = []): Part {
  const values = [...before, ...conditions.flatMap((one) => one.values)];
  if (conditions.length === 0) return { text, values };
  return { text: `${text} where ${conditions.map((one) => one.text).join(' and ')}`, values };
}

function toFound({ createdAt, lastSignInAt, ...row }: FoundRow): FoundAccount {
  return {
    ...row,
    createdAt: new Date(createdAt),
    lastSignInAt: lastSignInAt === null ? null : new Date(lastSignInAt),
  };
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
    theme: account.theme ?? null,
    phoneNumber: account.phoneNumber ?? null,
    phoneNumberVerified: account.phoneNumberVerifiedAt != null,
    address: account.address ?? null,
    updatedAt: Math.floor(account.updatedAt.getTime() / 1000),
    credentialVersion: account.credentialVersion,
    signedOutAt: account.signedOutAt ? Math.floor(account.signedOutAt.getTime() / 1000) : null,
    termsVersion: account.termsVersion ?? null,
  };
}
