// Roles that an organization makes for its apps: they mean nothing to us and are told beside the role that we know. Owners make them and say whether
// administrators may give them; who may give one is asked in the transaction of the change.
import type { Audit, Cause } from '../audit/audit.ts';
import { Conflict, Forbidden, InvalidRequest, NotFound } from '../errors.ts';
import { type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import { MEMBER_ROLES, type MemberRole, type Organizations, type Principal, rankOf } from './organizations.ts';

export interface OrganizationRole {
  /** What apps are told. */
  readonly id: string;
  readonly name: string;
  /** The lowest role whose holders may give it. */
  readonly givenBy: 'owner' | 'admin';
}

const ID = /^[a-z][a-z0-9-]{0,31}$/;
const MOST_NAME = 100;
/** Each is a line in every list of members and may be a word in every token. */
const MOST = 50;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const LIST = 'select id, name, given_by as "givenBy" from organization_role where organization_id = ? order by id';

export class OrganizationRoles {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #organizations: Organizations;

  constructor(parts: { readonly database: Database; readonly audit: Audit; readonly organizations: Organizations }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#organizations = parts.organizations;
  }

  /** In the order of their ids. */
  async list(organizationId: string, em: EntityManager = this.#database.em()): Promise<readonly OrganizationRole[]> {
    return em.execute<OrganizationRole[]>(LIST, [organizationId]);
  }

  /** @throws NotFound, Forbidden, InvalidRequest, Conflict `role-taken` or `too-many-roles` */
  async create(organizationId: string, role: OrganizationRole, by: Principal, cause: Cause): Promise<void> {
    check(role);
    try {
      await this.#change(organizationId, by, async (em, rank) => {
        if (rank < rankOf('owner')) throw tooHigh();
        if ((await this.list(organizationId, em)).length >= MOST) {
          throw new Conflict('An organization has no more roles than that.', { code: 'too-many-roles' });
        }
        await em.execute(
          'insert into organization_role (organization_id, id, name, given_by, created_at) values (?, ?, ?, ?, now())',
          [organizationId, role.id, role.name, role.givenBy],
        );
        await this.#record(em, 'organization-role.create', organizationId, role.id, cause);
      });
    } catch (error) {
      if (!isUniqueViolation(error, 'organization_role_unique')) throw error;
      throw new Conflict('There is a role with this id.', { code: 'role-taken', cause: error });
    }
  }

  /** Everybody loses it at once. @throws NotFound, Forbidden */
  async remove(organizationId: string, roleId: string, by: Principal, cause: Cause): Promise<void> {
    await this.#change(organizationId, by, async (em, rank) => {
      if (rank < rankOf('owner')) throw tooHigh();
      const rows = await em.execute<object[]>(
        'delete from organization_role where organization_id = ? and id = ? returning id',
        [organizationId, roleId],
      );
      if (rows.length === 0) throw unknown();
      await this.#record(em, 'organization-role.delete', organizationId, roleId, cause);
    });
  }

  /**
   * A member has these roles afterwards, and of the others those that this giver may not take.
   * @throws NotFound for who is no member, Forbidden when one is not for this giver, InvalidRequest `unknown-role`
   */
  async assign(
    organizationId: string,
    accountId: string,
    roleIds: readonly string[],
    by: Principal,
    cause: Cause,
  ): Promise<void> {
    await this.#change(organizationId, by, async (em, rank) => {
      const member = UUID.test(accountId) ? await this.#organizations.findMember(organizationId, accountId, em) : null;
      if (!member) throw new NotFound('This account does not belong to it.', { code: 'not-a-member' });
      if (rankOf(member.role) > rank) throw tooHigh();
      const all = await this.list(organizationId, em);
      // What this giver may not take stays: the form does not carry it.
      const kept = all.filter(({ id, givenBy }) => rankOf(givenBy) > rank && member.customRoles.includes(id));
      const wanted = new Set([...roleIds, ...kept.map(({ id }) => id)]);
      if ([...wanted].some((id) => all.every((role) => role.id !== id))) {
        throw new InvalidRequest('There is no such role.', { code: 'unknown-role' });
      }
      const changed = all.filter(({ id }) => wanted.has(id) !== member.customRoles.includes(id));
      if (changed.some(({ givenBy }) => rankOf(givenBy) > rank)) throw tooHigh();
      if (changed.length === 0) return;
      for (const { id } of changed) {
        const key = [organizationId, accountId, id];
        if (wanted.has(id)) {
          await em.execute(
            'insert into membership_role (organization_id, account_id, role_id, created_at) values (?, ?, ?, now())',
            key,
          );
        } else {
          await em.execute(
            'delete from membership_role where organization_id = ? and account_id = ? and role_id = ?',
            key,
          );
        }
      }
      const reason = `${organizationId}:${[member.role, ...[...wanted].toSorted()].join(' ')}`;
      const target = { kind: 'account', id: accountId } as const;
      await this.#audit.record({ ...cause, action: 'membership.update', target, reason: reason.slice(0, 500) }, em);
    });
  }

  /** One change of an organization after the other. */
  async #change(
    organizationId: string,
    by: Principal,
    work: (em: EntityManager, rank: number) => Promise<void>,
  ): Promise<void> {
    if (!UUID.test(organizationId)) throw unknown();
    await this.#database.transaction(async (em) => {
      await em.execute('select 1 as one from organization where id = ? for update', [organizationId]);
      await this.#organizations.get(organizationId, em);
      await work(em, await this.#organizations.rankFor(organizationId, by, em));
    });
  }

  async #record(em: EntityManager, action: string, id: string, reason: string, cause: Cause): Promise<void> {
    await this.#audit.record({ ...cause, action, target: { kind: 'organization', id }, reason }, em);
  }
}

/** @throws InvalidRequest */
function check({ id, name }: OrganizationRole): void {
  const refuse = (code: string, message: string): never => {
    throw new InvalidRequest(message, { code });
  };
  if (!ID.test(id)) refuse('role-id', 'An id has up to 32 of a-z, 0-9 and -, beginning with a letter.');
  if (MEMBER_ROLES.includes(id as MemberRole)) refuse('role-id', `${id} is a role of every organization.`);
  if (name.trim() === '' || name.length > MOST_NAME) refuse('role-name', 'A role has a name of up to 100 letters.');
}

function unknown(): NotFound {
  return new NotFound('There is no such role.', { code: 'unknown-role' });
}

function tooHigh(): Forbidden {
  return new Forbidden('Your role in this organization does not allow this.', { code: 'organization-rank' });
}
