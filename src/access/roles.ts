// Which roles there are and who holds which. Built-in roles are code, those of the operator are rows, declared in YAML or made by an
// administrator. It does not know how an administrator signed in, and it does not guard routes: the rooms above ask it.
import { randomUUID } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { Conflict, InvalidRequest, NotFound } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { type Authority, requirePermission, requireRank } from './authority.ts';
import {
  BUILT_IN_ROLES,
  isPermission,
  OWNER_ROLE,
  type Permission,
  type RoleDefinition,
  withInherited,
} from './permission.ts';

/** What an administrator may write of a role. */
export type RoleInput = Omit<RoleDefinition, 'source'>;

/** Any number of its own: what administrators do to accounts happens one after the other. */
const CHANGE_LOCK = 5_203_618_180;
const HAS_ADMINISTRATOR = {
  name: 'role_has_administrator',
  text: `select exists (select from setup_state) as found`,
};
const LIST = {
  name: 'role_list',
  text: 'select role_id as "roleId" from role_assignment where account_id = $1 order by role_id',
};
const HOLDERS = 'select role_id as "roleId", count(*)::integer as count from role_assignment group by role_id';
const DEFINITIONS = 'select id, name, rank, inherits, permissions, audience, source from role order by id';

export class Roles {
  readonly #database: Database;
  readonly #audit: Audit;

  constructor(parts: { readonly database: Database; readonly audit: Audit }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
  }

  /** Every role there is, built-in ones first. */
  async definitions(em: EntityManager = this.#database.em()): Promise<ReadonlyMap<string, RoleDefinition>> {
    const rows = await em.execute<RoleDefinition[]>(DEFINITIONS);
    return new Map([...BUILT_IN_ROLES, ...rows].map((role) => [role.id, role]));
  }

  /** What an account may do at this moment. Only an account that may sign in may do anything. */
  async authority(accountId: string, em: EntityManager = this.#database.em()): Promise<Authority> {
    const held = await em.execute<{ roleId: string }[]>(
      `select r.role_id as "roleId" from role_assignment r join account a on a.id = r.account_id and a.status = 'active'
       where r.account_id = ?`,
      [accountId],
    );
    const ids = held.map((row) => row.roleId);
    return { accountId, ...(ids.length === 0 ? NOTHING : reach(ids, await this.definitions(em))) };
  }

  /** The highest rank of the roles that an account holds, whether it may sign in or not: a disabled owner is still out of reach for others. */
  async rankHeldBy(accountId: string, em: EntityManager = this.#database.em()): Promise<number> {
    const held = await em.execute<{ roleId: string }[]>(
      'select role_id as "roleId" from role_assignment where account_id = ?',
      [accountId],
    );
    return held.length === 0
      ? 0
      : reach(
          held.map((row) => row.roleId),
          await this.definitions(em),
        ).rank;
  }

  /**
   * Before an administrator changes an account: the first thing in the transaction of the change. Such changes take turns, and what both may do
   * is read here, so that of two who act on each other the second one finds what the first has left.
   * @throws Forbidden `permission-missing` or `rank`, NotFound for who administers nothing any more
   */
  async requireReach(em: EntityManager, actorId: string, targetId: string, permission: Permission): Promise<Authority> {
    await em.execute(`select pg_advisory_xact_lock(${CHANGE_LOCK})`);
    const authority = await this.authority(actorId, em);
    requirePermission(authority, permission);
    requireRank(authority, { rank: await this.rankHeldBy(targetId, em) });
    return authority;
  }

  /** What a role stands for, inherited permissions included. @throws NotFound */
  async reachOf(
    roleId: string,
    em?: EntityManager,
  ): Promise<{ readonly role: RoleDefinition; readonly permissions: readonly string[] }> {
    const all = await this.definitions(em);
    const role = all.get(roleId);
    if (!role) throw new NotFound('There is no such role.', { code: 'unknown-role' });
    return { role, permissions: [...new Set(withInherited([roleId], all).flatMap((one) => one.permissions))] };
  }

  /** The roles and permissions that a client of one API is told of; null: Latchkey's own, for clients of no API. */
  async claimsFor(
    accountId: string,
    audiences: readonly string[],
  ): Promise<{ readonly roles: readonly string[]; readonly permissions: readonly string[] }> {
    const held = await this.list(accountId);
    const all = await this.definitions();
    const mine = withInherited(held, all).filter(({ audience }) =>
      audiences.length === 0 ? audience === null : audience !== null && audiences.includes(audience),
    );
    return {
      roles: mine.map((role) => role.id).toSorted(),
      permissions: [...new Set(mine.flatMap((role) => role.permissions))].toSorted(),
    };
  }

  /**
   * Gives a role in the caller's transaction. The first super-admin closes the setup page for ever.
   * @throws InvalidRequest for an unknown role
   */
  async assign(em: EntityManager, accountId: string, roleId: string, cause: Cause): Promise<void> {
    // A role that is being deleted is waited for: nobody is to be left with it.
    await em.execute('select 1 as one from role where id = ? for share', [roleId]);
    const all = await this.definitions(em);
    if (!all.has(roleId)) {
      throw new InvalidRequest(`There is no role ${roleId}. Roles: ${[...all.keys()].join(', ')}.`, {
        code: 'unknown-role',
      });
    }
    await em.execute(
      'insert into role_assignment (id, account_id, role_id, created_at) values (?, ?, ?, now()) on conflict do nothing',
      [randomUUID(), accountId, roleId],
    );
    if (roleId === OWNER_ROLE) {
      await em.execute('insert into setup_state (completed_at) values (now()) on conflict do nothing');
    }
    await this.#audit.record(
      { ...cause, action: 'role.assign', target: { kind: 'account', id: accountId }, reason: roleId },
      em,
    );
  }

  /** Takes a role away in the caller's transaction. @returns whether the account had it @throws Conflict `last-super-admin` */
  async revoke(em: EntityManager, accountId: string, roleId: string, cause: Cause): Promise<boolean> {
    if (roleId === OWNER_ROLE) await this.guardLastOwner(em, accountId);
    const rows = await em.execute<object[]>(
      'delete from role_assignment where account_id = ? and role_id = ? returning id',
      [accountId, roleId],
    );
    if (rows.length === 0) return false;
    await this.#audit.record(
      { ...cause, action: 'role.revoke', target: { kind: 'account', id: accountId }, reason: roleId },
      em,
    );
    return true;
  }

  /**
   * Before an account stops to be a super-admin, in the transaction in which it does: disabled, deleted, or without the role. Of two that
   * happen at once the second waits for the first and finds nobody left.
   * @throws Conflict `last-super-admin`
   */
  async guardLastOwner(em: EntityManager, accountId: string): Promise<void> {
    const owners = await em.execute<{ id: string; status: string }[]>(
      `select a.id, a.status from account a where a.id in (select account_id from role_assignment where role_id = ?)
       order by a.id for update`,
      [OWNER_ROLE],
    );
    if (!owners.some((one) => one.id === accountId && one.status === 'active')) return;
    // Read again: what another transaction took away while we waited is gone now.
    const others = await em.execute<object[]>(
      `select 1 as one from role_assignment r join account a on a.id = r.account_id and a.status = 'active'
       where r.role_id = ? and r.account_id <> ?`,
      [OWNER_ROLE, accountId],
    );
    if (others.length === 0) {
      throw new Conflict('This is the last super-admin: make another one first.', { code: 'last-super-admin' });
    }
  }

  /** The roles that the settings declare are here afterwards as they are declared; those that are not declared any more are gone. */
  async declare(roles: readonly Omit<RoleInput, never>[]): Promise<void> {
    const ids = roles.map((role) => role.id);
    for (const role of roles) checkRole(role, new Map([...BUILT_IN_ROLES, ...roles].map((one) => [one.id, one])));
    await this.#database.transaction(async (em) => {
      const kept = ids.length === 0 ? '' : `and id not in (${ids.map(() => '?').join(', ')})`;
      await em.execute(`delete from role where source = 'yaml' ${kept}`, ids);
      for (const role of roles) await writeRole(em, role, 'yaml');
    });
  }

  /** Makes or changes a role. @throws InvalidRequest, Conflict `role-locked` for roles that come from elsewhere */
  async save(em: EntityManager, role: RoleInput, cause: Cause): Promise<void> {
    const all = await this.definitions(em);
    const known = all.get(role.id);
    if (known && known.source !== 'database')
      throw new Conflict('This role cannot be changed here.', { code: 'role-locked' });
    checkRole(role, all);
    await writeRole(em, role, 'database');
    const action = known ? 'role.update' : 'role.create';
    await this.#audit.record({ ...cause, action, target: { kind: 'role', id: role.id } }, em);
  }

  /** @throws NotFound, Conflict `role-in-use` or `role-locked` */
  async remove(em: EntityManager, roleId: string, cause: Cause): Promise<void> {
    await em.execute('select 1 as one from role where id = ? for update', [roleId]);
    const known = (await this.definitions(em)).get(roleId);
    if (!known) throw new NotFound('There is no such role.', { code: 'unknown-role' });
    if (known.source !== 'database') throw new Conflict('This role cannot be changed here.', { code: 'role-locked' });
    const held = await em.execute<object[]>('select 1 as one from role_assignment where role_id = ? limit 1', [roleId]);
    if (held.length > 0) throw new Conflict('Somebody has this role.', { code: 'role-in-use' });
    await em.execute(`delete from role where id = ? and source = 'database'`, [roleId]);
    await this.#audit.record({ ...cause, action: 'role.delete', target: { kind: 'role', id: roleId } }, em);
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

  /** How many accounts have which role. */
  async holders(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.em().execute<{ roleId: string; count: number }[]>(HOLDERS);
    return new Map(rows.map(({ roleId, count }) => [roleId, count]));
  }

  /** Active accounts that administer anything, a few of them: whether there is more than one is what is asked. */
  async listAdministrators(
    limit: number,
  ): Promise<readonly { readonly accountId: string; readonly isOwner: boolean }[]> {
    const all = await this.definitions();
    const ids = [...all.keys()].filter((id) => reach([id], all).rank > 0);
    const rows = await this.#database.em().execute<{ accountId: string; isOwner: boolean }[]>(
      `select r.account_id as "accountId", bool_or(r.role_id = ?) as "isOwner" from role_assignment r
         join account a on a.id = r.account_id and a.status = 'active'
       where r.role_id in (${ids.map(() => '?').join(', ')}) group by 1 order by 2 desc, 1 limit ?`,
      [OWNER_ROLE, ...ids, limit],
    );
    return rows;
  }

  /** Whether an account has one of these roles, or one that inherits from it. */
  async holdsAnyOf(accountId: string, roleIds: readonly string[]): Promise<boolean> {
    const held = withInherited(await this.list(accountId), await this.definitions());
    return held.some((role) => roleIds.includes(role.id));
  }
}

const NOTHING = { rank: 0, permissions: new Set<never>() };

function reach(ids: readonly string[], all: ReadonlyMap<string, RoleDefinition>): Omit<Authority, 'accountId'> {
  // Permissions of an operator's own API are no rights here, whatever they are called.
  const mine = withInherited(ids, all).filter((role) => role.audience === null);
  return {
    rank: Math.max(0, ...mine.map((role) => role.rank)),
    permissions: new Set(mine.flatMap((role) => role.permissions).filter(isPermission)),
  };
}

/** @throws InvalidRequest */
function checkRole(role: RoleInput, all: ReadonlyMap<string, Omit<RoleDefinition, 'source'>>): void {
  const refuse = (code: string, message: string): never => {
    throw new InvalidRequest(message, { code });
  };
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(role.id)) refuse('role-id', 'An id has up to 32 of a-z, 0-9 and -.');
  if (BUILT_IN_ROLES.some((one) => one.id === role.id)) refuse('role-id', `${role.id} is a role of Latchkey's own.`);
  for (const id of role.inherits) {
    const parent = all.get(id);
    if (!parent || id === role.id) return refuse('role-inherits', `There is no role ${id} to inherit from.`);
    if (parent.audience !== role.audience) refuse('role-inherits', `${id} is a role for another audience.`);
    // Or a role of rank 1 could carry the rights of rank 5.
    if (parent.rank > role.rank) refuse('role-rank', `${id} has a higher rank than ${role.id}.`);
  }
  if (role.audience !== null) {
    if (role.rank !== 0) refuse('role-rank', 'A role of an API has no rank here.');
    return;
  }
  const wrong = role.permissions.find((one) => !isPermission(one));
  if (wrong !== undefined) refuse('role-permission', `There is no permission ${wrong}.`);
  const least = rankOf(role.permissions);
  if (role.rank < least) refuse('role-rank', `These permissions need rank ${least}.`);
}

/** The rank of the lowest built-in role that has all of these: a role cannot hide below it. */
export function rankOf(permissions: readonly string[]): number {
  const added = (permission: string): number =>
    BUILT_IN_ROLES.find((role) => role.permissions.includes(permission))?.rank ?? 0;
  return Math.max(0, ...permissions.map(added));
}

async function writeRole(em: EntityManager, role: RoleInput, source: 'yaml' | 'database'): Promise<void> {
  await em.execute(
    `insert into role (id, name, rank, inherits, permissions, audience, source, created_at, updated_at)
     values (?, ?, ?, ?::jsonb, ?::jsonb, ?, ?, now(), now())
     on conflict (id) do update set name = excluded.name, rank = excluded.rank, inherits = excluded.inherits,
       permissions = excluded.permissions, audience = excluded.audience, source = excluded.source, updated_at = now()`,
    [
      ...[role.id, role.name, role.rank, JSON.stringify(role.inherits), JSON.stringify(role.permissions)],
      ...[role.audience, source],
    ],
  );
}
