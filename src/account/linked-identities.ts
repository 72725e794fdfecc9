// The identities that accounts have at upstreams: found by their key and by nothing else, linked once, taken away by their owner. It does not
// decide whether an identity may be linked (upstream/linking.ts), nor whether it is the last way in (credential/factors.ts).
import { randomUUID } from 'node:crypto';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { LinkedIdentity } from './linked-identity.entity.ts';

/** The issuer of people of Telegram, through whichever of its doors they come; their subject is the numeric id. */
export const TELEGRAM_ISSUER = 'https://telegram.org';

export interface IdentityKey {
  readonly upstream: string;
  readonly issuer: string;
  readonly subject: string;
}

/** What the upstream said, to be shown and never to be believed as more. */
export interface IdentityDetails {
  readonly username: string | null;
  readonly email: string | null;
  readonly picture: string | null;
  /** Its own name for the person where our key is another one; left out by a door that does not know it. */
  readonly upstreamSubject?: string | null;
  /** Sealed before it is stored; null keeps nothing. */
  readonly tokens: object | null;
}

export interface LinkedIdentityView {
  readonly id: string;
  readonly upstream: string;
  readonly username: string | null;
  readonly email: string | null;
  readonly linkedAt: Date;
  readonly lastUsedAt: Date | null;
}

const purpose = (identityId: string): string => `upstream-tokens:${identityId}`;
export const sealedUpstreamTokens: SealedTable = { table: 'linked_identity_tokens', key: 'identity_id', purpose };

const FIND_ACCOUNT = {
  name: 'linked_identity_account',
  text: 'select account_id as "accountId" from linked_identity where upstream = $1 and issuer = $2 and subject = $3',
};

export class LinkedIdentities {
  readonly #database: Database;
  readonly #seal: Seal;

  constructor(parts: { readonly database: Database; readonly seal: Seal }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
  }

  /** The id of the account that has this identity. */
  async findAccountId(key: IdentityKey): Promise<string | null> {
    const values = [key.upstream, key.issuer, key.subject];
    const { rows } = await this.#database.sql.query<{ accountId: string }>(FIND_ACCOUNT, values);
    return rows[0]?.accountId ?? null;
  }

  /** The oldest first. @param em inside a transaction, its own */
  async list(accountId: string, em: EntityManager = this.#database.em()): Promise<readonly LinkedIdentityView[]> {
    return em.find(
      LinkedIdentity,
      { accountId },
      {
        fields: ['id', 'upstream', 'username', 'email', 'linkedAt', 'lastUsedAt'],
        orderBy: { linkedAt: 'asc', id: 'asc' },
        disableIdentityMap: true,
      },
    ) as Promise<readonly LinkedIdentityView[]>;
  }

  /** Who an account is at an upstream, by the identity that was used last; null where it has none there. */
  async findSubject(accountId: string, upstream: string): Promise<string | null> {
    const [row] = await this.#database.em().execute<{ subject: string }[]>(
      `select subject from linked_identity where account_id = ? and upstream = ?
       order by last_used_at desc nulls last, id limit 1`,
      [accountId, upstream],
    );
    return row?.subject ?? null;
  }

  /** Everybody that an account is at an upstream. */
  async listSubjects(em: EntityManager, accountId: string, upstream: string): Promise<readonly string[]> {
    const rows = await em.execute<{ subject: string }[]>(
      'select subject from linked_identity where account_id = ? and upstream = ? order by linked_at, id',
      [accountId, upstream],
    );
    return rows.map(({ subject }) => subject);
  }

  /** @returns false when the identity belongs to somebody, be it this account; the transaction can go on */
  async link(em: EntityManager, accountId: string, key: IdentityKey, details: IdentityDetails): Promise<boolean> {
    const now = new Date();
    const id = randomUUID();
    const rows = await em.execute<object[]>(
      `insert into linked_identity
         (id, account_id, upstream, issuer, subject, username, email, picture, upstream_subject, linked_at, last_used_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       on conflict on constraint linked_identity_key_unique do nothing returning 1 as one`,
      [
        ...[id, accountId, key.upstream, key.issuer, key.subject],
        ...[details.username, details.email, details.picture, details.upstreamSubject ?? null, now, now],
      ],
    );
    if (rows.length === 0) return false;
    await this.#keepTokens(em, id, details.tokens);
    return true;
  }

  /** A sign-in with it: what the upstream says of it now, and when. */
  async noteUse(key: IdentityKey, details: IdentityDetails): Promise<void> {
    await this.#database.transaction(async (em) => {
      const [row] = await em.execute<{ id: string }[]>(
        `update linked_identity set username = ?, email = ?, picture = ?,
           upstream_subject = coalesce(?, upstream_subject), last_used_at = now()
         where upstream = ? and issuer = ? and subject = ? returning id`,
        [
          ...[details.username, details.email, details.picture, details.upstreamSubject ?? null],
          ...[key.upstream, key.issuer, key.subject],
        ],
      );
      if (row) await this.#keepTokens(em, row.id, details.tokens);
    });
  }

  /** When an identity of this upstream was last used to sign in; null for never. */
  async lastUsedAt(upstream: string): Promise<Date | null> {
    const rows = await this.#database
      .em()
      .execute<{ lastUsedAt: string | Date | null }[]>(
        'select max(last_used_at) as "lastUsedAt" from linked_identity where upstream = ?',
        [upstream],
      );
    const last = rows[0]?.lastUsedAt ?? null;
    return last === null ? null : new Date(last);
  }

  /** @returns whether this account had it */
  async unlink(em: EntityManager, accountId: string, id: string): Promise<boolean> {
    return (await em.nativeDelete(LinkedIdentity, { id, accountId })) === 1;
  }

  /** The id of the account's own identity with this key. */
  async findId(em: EntityManager, accountId: string, key: IdentityKey): Promise<string | null> {
    const found = await em.findOne(LinkedIdentity, { accountId, ...key }, { fields: ['id'], disableIdentityMap: true });
    return found?.id ?? null;
  }

  /** @returns whether this account had it */
  async unlinkKey(em: EntityManager, accountId: string, key: IdentityKey): Promise<boolean> {
    return (await em.nativeDelete(LinkedIdentity, { accountId, ...key })) === 1;
  }

  async unlinkAll(em: EntityManager, accountId: string): Promise<void> {
    await em.nativeDelete(LinkedIdentity, { accountId });
  }

  async #keepTokens(em: EntityManager, id: string, tokens: object | null): Promise<void> {
    if (tokens === null) {
      await em.execute('delete from linked_identity_tokens where identity_id = ?', [id]);
      return;
    }
    await em.execute(
      `insert into linked_identity_tokens (identity_id, sealed) values (?, ?)
       on conflict (identity_id) do update set sealed = excluded.sealed`,
      [id, this.#seal.seal(purpose(id), JSON.stringify(tokens))],
    );
  }
}
