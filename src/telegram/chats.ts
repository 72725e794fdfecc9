// Whom the bot may write to, and in which language. A private chat has the number of its person. Written when somebody talks to the bot or
// leaves it; it knows no accounts.
import type { NoticeChat } from '../notification/notices.ts';
import type { EntityManager } from '../storage/database.ts';
import type { Sql } from '../storage/sql.ts';

export interface Chat {
  readonly isReachable: boolean;
  /** What the person chose in the bot, or what Telegram says; a tag that we may not speak. */
  readonly locale: string | null;
}

const FIND = {
  name: 'telegram_chat_find',
  text: 'select is_reachable as "isReachable", locale from telegram_chat where telegram_id = $1::bigint',
};
/** A language that was chosen is not overwritten by what Telegram's app speaks. */
const MEET = {
  name: 'telegram_chat_meet',
  text: `insert into telegram_chat as c (telegram_id, is_reachable, locale, updated_at)
    values ($1::bigint, true, $2, now())
    on conflict (telegram_id) do update set
      is_reachable = true, locale = coalesce(c.locale, excluded.locale), updated_at = now()`,
};
const SET_LOCALE = {
  name: 'telegram_chat_set_locale',
  text: 'update telegram_chat set locale = $2, updated_at = now() where telegram_id = $1::bigint',
};
const LEAVE = {
  name: 'telegram_chat_leave',
  text: 'update telegram_chat set is_reachable = false, updated_at = now() where telegram_id = $1::bigint',
};

export class Chats {
  readonly #sql: Sql;

  constructor(parts: { readonly sql: Sql }) {
    this.#sql = parts.sql;
  }

  async find(telegramId: string): Promise<Chat | null> {
    const { rows } = await this.#sql.query<Chat>(FIND, [telegramId]);
    return rows[0] ?? null;
  }

  /** Those of these people that may be written to, as the transaction sees it. */
  async listReachable(em: EntityManager, telegramIds: readonly string[]): Promise<readonly NoticeChat[]> {
    const found: NoticeChat[] = [];
    for (const telegramId of telegramIds) {
      const [row] = await em.execute<{ locale: string | null }[]>(
        'select locale from telegram_chat where telegram_id = ?::bigint and is_reachable',
        [telegramId],
      );
      if (row) found.push({ telegramId, locale: row.locale });
    }
    return found;
  }

  /** Somebody talks to the bot. */
  async meet(telegramId: string, locale: string | null): Promise<void> {
    await this.#sql.query(MEET, [telegramId, locale]);
  }

  async setLocale(telegramId: string, locale: string): Promise<void> {
    await this.#sql.query(SET_LOCALE, [telegramId, locale]);
  }

  /** The person blocked the bot or asked it to be silent. */
  async leave(telegramId: string): Promise<void> {
    await this.#sql.query(LEAVE, [telegramId]);
  }
}
