// Approval in the bot as second factor: which linked Telegram account is asked (requirements F13). It puts no questions and takes no answers; an
// approval is one only for an account that is enrolled here, and only by the Telegram account that is kept here.
import type { Database, EntityManager } from '../storage/database.ts';

export interface TelegramFactorView {
  readonly telegramId: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

const FIND = `select telegram_id::text as "telegramId", (extract(epoch from created_at) * 1000)::float8 as "createdAt",
    (extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt" from telegram_factor where account_id = ?`;
const SAVE = `insert into telegram_factor (account_id, identity_id, telegram_id, created_at) values (?, ?, ?, now())
  on conflict (account_id) do update set identity_id = excluded.identity_id, telegram_id = excluded.telegram_id,
    created_at = excluded.created_at, last_used_at = null`;
const NOTE_USE = {
  name: 'telegram_factor_use',
  text: 'update telegram_factor set last_used_at = now() where account_id = $1 and telegram_id = $2::bigint returning 1 as one',
};

export class TelegramFactors {
  readonly #database: Database;

  constructor(parts: { readonly database: Database }) {
    this.#database = parts.database;
  }

  /** @param em inside a transaction, its own */
  async find(accountId: string, em: EntityManager = this.#database.em()): Promise<TelegramFactorView | null> {
    const [row] = await em.execute<{ telegramId: string; createdAt: number; lastUsedAt: number | null }[]>(FIND, [
      accountId,
    ]);
    if (!row) return null;
    const { telegramId, createdAt, lastUsedAt } = row;
    return {
      telegramId,
      createdAt: new Date(createdAt),
      lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
    };
  }

  /** Only through factors.ts. @param identityId of the linked identity, with which it ends */
  async save(em: EntityManager, accountId: string, identityId: string, telegramId: string): Promise<void> {
    await em.execute(SAVE, [accountId, identityId, telegramId]);
  }

  /** An approval by this Telegram account. @returns whether it is the one that this account is confirmed with */
  async verify(accountId: string, telegramId: string): Promise<boolean> {
    const { rows } = await this.#database.sql.query(NOTE_USE, [accountId, telegramId]);
    return rows.length === 1;
  }

  /** Only through factors.ts. @returns whether there was one */
  async remove(em: EntityManager, accountId: string): Promise<boolean> {
    const rows = await em.execute<object[]>('delete from telegram_factor where account_id = ? returning 1 as one', [
      accountId,
    ]);
    return rows.length === 1;
  }
}
