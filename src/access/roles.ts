// Who holds which role. The built-in administrative roles inherit from the one below (requirements 12). It does not know how an
// administrator signed in, and it does not guard routes: the rooms above ask it.
import { randomUUID } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { InvalidRequest } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';

export const BUILT_IN_ROLES = ['viewer', 'support', 'operator', 'admin', 'super-admin'] as const;

const HAS_ADMINISTRATOR = {
  name: 'role_has_administrator',
  text: `select exists (select from setup_state) as found`,
};
const LIST = {
  name: 'role_list',
  text: 'select role_id as "roleId" from role_assignment where account_id = $1 order by role_id',
};

export class Roles {
  readonly #database: Database;
  readonly #audit: Audit;

  constructor(parts: { readonly database: Database; readonly audit: Audit }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
  }

  /**
   * Gives a role in the caller's transaction. The first super-admin closes the setup page for ever.
   * @throws InvalidRequest for an unknown role
   */
  async assign(em: EntityManager, accountId: string, roleId: string, cause: Cause): Promise<void> {
    if (!BUILT_IN_ROLES.some((role) => role === roleId)) {
      throw new InvalidRequest(`There is no role ${roleId}. Roles: ${BUILT_IN_ROLES.join(', ')}.`, {
        code: 'unknown-role',
      });
    }
    await em.execute(
      'insert into role_assignment (id, account_id, role_id, created_at) values (?, ?, ?, now()) on conflict do nothing',
      [randomUUID(), accountId, roleId],
    );
    if (roleId === 'super-admin') {
      await em.execute('insert into setup_state (completed_at) values (now()) on conflict do nothing');
    }
    await this.#audit.record(
      { ...cause, action: 'role.assign', target: { kind: 'account', id: accountId }, reason: roleId },
      em,
    );
  }

  /**
   * Claims the place of the first administrator: one row that only one transaction can insert.
   * @returns false when somebody else has it
   */
  async claimSetup(em: EntityManager): Promise<boolean> {
    const rows = await em.execute<object[]>(
      'insert into setup_state (completed_at) values (now()) on conflict do nothing returning id',
    );
    return rows.length === 1;
  }

  /** Whether a first administrator was ever made; from then on the setup page is gone. */
  async isSetUp(): Promise<boolean> {
    const { rows } = await this.#database.sql.query<{ found: boolean }>(HAS_ADMINISTRATOR);
    return rows[0]?.found === true;
  }

  async list(accountId: string): Promise<readonly string[]> {
    const { rows } = await this.#database.sql.query<{ roleId: string }>(LIST, [accountId]);
    return rows.map((row) => row.roleId);
  }
}
