// Everything that we hold about one person, for handing it out and for taking it away (requirements A15). This is the one place that reads the tables
// of other rooms, so that a test can hold it against the database: a new table about accounts has to be named here. Secrets and hashes are in
// no export.
import type { History } from '../audit/history.ts';
import type { Database, EntityManager } from '../storage/database.ts';

/** Of each table that is about accounts what its owner gets; $1 is the account's id. */
export const EXPORTED: Readonly<Record<string, string>> = {
  account: `select id, subject, status, email, email_verified_at, username, name, given_name, middle_name, family_name, nickname, profile,
    picture, website, gender, birthdate, zoneinfo, locale, theme, phone_number, phone_number_verified_at, address, created_at, updated_at, last_sign_in_at, last_sign_in_network,
    source_client_id, terms_version, terms_accepted_at from account where id = $1`,
  account_picture:
    "select type, encode(content, 'base64') as content, created_at from account_picture where account_id = $1",
  password: 'select created_at, changed_at from password where account_id = $1',
  totp: 'select created_at, last_used_at from totp where account_id = $1',
  passkey:
    'select name, device_type, is_backed_up, created_at, last_used_at from passkey where account_id = $1 order by created_at',
  recovery_code: 'select created_at from recovery_code where account_id = $1',
  trusted_device: 'select created_at, expires_at from trusted_device where account_id = $1 order by created_at',
  linked_identity: `select upstream, issuer, subject, username, email, picture, linked_at, last_used_at from linked_identity
    where account_id = $1 order by linked_at`,
  telegram_phone:
    'select phone_number, telegram_id::text as telegram_id, proof, proven_at from telegram_phone where account_id = $1',
  telegram_factor:
    'select telegram_id::text as telegram_id, created_at, last_used_at from telegram_factor where account_id = $1',
  role_assignment: 'select role_id, created_at from role_assignment where account_id = $1 order by role_id',
  membership: `select o.id, o.slug, o.name, m.role, m.created_at from membership m join organization o on o.id = m.organization_id
    where m.account_id = $1 order by o.slug`,
  membership_role: `select organization_id, role_id, created_at from membership_role where account_id = $1
    order by organization_id, role_id`,
  consent:
    'select client_id, scope, claims, resources, created_at, updated_at from consent where account_id = $1 order by client_id',
  app_use: 'select client_id, first_used_at, last_used_at from app_use where account_id = $1 order by client_id',
  browser_session: `select name, address, user_agent, methods, way, acr, created_at, signed_in_at, last_used_at, expires_at, ended_at
    from browser_session where account_id = $1 order by created_at`,
  email_change: `select old_email, new_email, requested_at, completed_at, expires_at from email_change where account_id = $1
    order by requested_at`,
  outbox_mail: `select kind, recipient, locale, state, created_at, finished_at from outbox_mail where account_id = $1
    order by created_at`,
  outbox_chat: `select telegram_id::text as telegram_id, kind, locale, state, created_at, finished_at from outbox_chat
    where account_id = $1 order by created_at`,
  silenced_notice:
    'select kind, channel, silenced_at from silenced_notice where account_id = $1 order by kind, channel',
  invitation: `select email, roles, organization_id, organization_role, created_at, used_at from invitation
    where account_id = $1 order by created_at`,
};

/** Tables about accounts that hold nothing but secrets: waiting links, codes and keys, and numbers that stand for the person. */
export const NOT_EXPORTED: readonly string[] = [
  'totp_pending',
  'passkey_handle',
  'mailed_secret',
  'phone_code',
  'oidc_artifact',
];

/** Events of an export; there are older ones only for accounts of machines. */
const MOST_EVENTS = 10_000;

export interface OwnData {
  readonly [section: string]: readonly object[];
}

export class PersonalData {
  readonly #database: Database;
  readonly #history: History;

  constructor(parts: { readonly database: Database; readonly history: History }) {
    this.#database = parts.database;
    this.#history = parts.history;
  }

  async export(accountId: string): Promise<OwnData> {
    const found: Record<string, readonly object[]> = {};
    for (const [table, text] of Object.entries(EXPORTED)) {
      const { rows } = await this.#database.sql.query<{ rows: readonly object[] }>(
        { name: `personal_${table}`, text: `select coalesce(json_agg(found), '[]') as rows from (${text}) as found` },
        [accountId],
      );
      found[table] = rows[0]?.rows ?? [];
    }
    return { ...found, activity: await this.#activity(accountId) };
  }

  /** What happened, without where administrators work. */
  async #activity(accountId: string): Promise<readonly object[]> {
    const events: object[] = [];
    for await (const entry of this.#history.all({ ownAccountId: accountId })) {
      const { at, action, result, clientId, network, userAgent } = entry;
      const isOwn = entry.actorKind === 'anonymous' || entry.actorId === accountId;
      events.push({ at, action, result, client_id: clientId, ...(isOwn ? { network, user_agent: userAgent } : {}) });
      if (events.length === MOST_EVENTS) break;
    }
    return events;
  }

  /**
   * Takes away what no reference ties to the account's row, in the transaction that deletes the row and before it. The audit stays: it tells what
   * happened, by ids, until its own time is over.
   */
  async erase(em: EntityManager, account: { readonly id: string; readonly subject: string }): Promise<void> {
    const { id, subject } = account;
    await em.execute(
      `delete from outbox_mail where account_id = ? or lower(recipient) = (select lower(email) from account where id = ?)`,
      [id, id],
    );
    await em.execute('delete from one_time_value where subject in (?, ?)', [id, subject]);
    await em.execute('delete from logout_delivery where subject = ?', [subject]);
    // Who invited somebody is told by the audit; the address is the person's.
    await em.execute(
      `delete from invitation where account_id = ? or (lower(email) = (select lower(email) from account where id = ?)
        and (used_at is not null or revoked_at is not null or expires_at <= now()))`,
      [id, id],
    );
    await em.execute(
      `delete from telegram_chat where telegram_id::text in
        (select subject from linked_identity where account_id = ? and upstream = 'telegram')`,
      [id],
    );
    await em.execute(`delete from guess_counter where key like '%' || ?::text || '%'`, [id]);
    await em.execute('delete from telegram_phone where account_id = ?', [id]);
  }
}
