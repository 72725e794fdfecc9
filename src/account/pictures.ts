// The picture that somebody uploaded, and the address under which it is served to everybody who knows it: apps get it as the claim `picture`.
import type { Audit, Cause } from '../audit/audit.ts';
import { randomToken } from '../crypto/random.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { Accounts } from './accounts.ts';
import type { PictureFile } from './picture-file.ts';

const FIND = { name: 'account_picture_find', text: 'select type, content from account_picture where id = $1' };
const ID = /^[\w-]{20,100}$/;

export class Pictures {
  readonly #database: Database;
  readonly #accounts: Accounts;
  readonly #audit: Audit;
  readonly #issuer: string;

  constructor(parts: {
    readonly database: Database;
    readonly accounts: Accounts;
    readonly audit: Audit;
    readonly issuer: string;
  }) {
    this.#database = parts.database;
    this.#accounts = parts.accounts;
    this.#audit = parts.audit;
    this.#issuer = parts.issuer;
  }

  async find(id: string): Promise<PictureFile | null> {
    if (!ID.test(id)) return null;
    const [row] = (await this.#database.sql.query<PictureFile>(FIND, [id])).rows;
    return row ? { type: row.type, content: Buffer.from(row.content) } : null;
  }

  /** The path of an uploaded picture; null for one that lies elsewhere, which no page of ours loads. */
  pathOf(picture: string | null): string | null {
    return picture?.startsWith(`${this.#issuer}/pictures/`) ? picture.slice(this.#issuer.length) : null;
  }

  async set(accountId: string, picture: PictureFile, cause: Cause): Promise<void> {
    const id = randomToken();
    await this.#change(accountId, `${this.#issuer}/pictures/${id}`, cause, (em) =>
      em.execute(
        `insert into account_picture (account_id, id, type, content, created_at) values (?, ?, ?, ?, now())
         on conflict (account_id) do update set id = excluded.id, type = excluded.type, content = excluded.content, created_at = now()`,
        [accountId, id, picture.type, picture.content],
      ),
    );
  }

  async remove(accountId: string, cause: Cause): Promise<void> {
    await this.#change(accountId, null, cause, (em) =>
      em.execute('delete from account_picture where account_id = ?', [accountId]),
    );
  }

  async #change(
    accountId: string,
    url: string | null,
    cause: Cause,
    write: (em: EntityManager) => Promise<unknown>,
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      await write(em);
      await this.#accounts.setPicture(em, accountId, url);
      const target = { kind: 'account', id: accountId } as const;
      await this.#audit.record({ ...cause, action: 'account.update', target, reason: 'picture' }, em);
    });
    this.#accounts.forgetRecent();
  }
}
