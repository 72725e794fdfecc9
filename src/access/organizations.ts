// Organizations: who belongs to which, as what, and what that means. Its own owners and administrators manage one, and nothing beside it; who may do so
// is asked in the transaction of the change (requirements O2 to O5). It does not know how anybody signs in.
import { randomUUID } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { randomToken } from '../crypto/random.ts';
import { Conflict, Forbidden, InvalidRequest, NotFound } from '../errors.ts';
import { type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import type { Roles } from './roles.ts';

/** In the order of their rank inside of an organization, the lowest first. */
export const MEMBER_ROLES = ['member', 'admin', 'owner'] as const;
export type MemberRole = (typeof MEMBER_ROLES)[number];

/** How somebody can sign in without anybody else's help; at an upstream it is `upstream:` and its id. */
export const OWN_WAYS = ['password', 'passkey', 'mail', 'phone'] as const;

/** What holds for sign-ins that are for an organization. */
export interface SignInRules {
  /** Those that count; null for all of them. */
  readonly ways: readonly string[] | null;
  /** Seconds after which somebody has to sign in again; null for as long as the deployment says, which is never prolonged. */
  readonly sessionTtl: number | null;
}

export interface Organization extends SignInRules {
  readonly id: string;
  /** Apps see it. It never changes. */
  readonly slug: string;
  readonly name: string;
  /** Path of the logo; null for none. */
  readonly logoUrl: string | null;
  /** Each belongs to no other organization. */
  readonly domains: readonly string[];
  /** Whether an account with a proven address of one of them becomes a member at its first sign-in (requirements R12). */
  readonly domainJoin: boolean;
  /** Nobody who belongs to it signs in without a second factor. */
  readonly secondFactorRequired: boolean;
  /** Whether its own owners and administrators may invite. */
  readonly invitationsAllowed: boolean;
}

export interface Membership extends SignInRules {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly logoUrl: string | null;
  readonly role: MemberRole;
  /** Ids of roles of the organization's own. */
  readonly customRoles: readonly string[];
}

export interface Member {
  readonly accountId: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly username: string | null;
  readonly role: MemberRole;
  readonly customRoles: readonly string[];
}

/** Who changes something. The machine's owner may do everything. */
export type Principal = { readonly kind: 'cli' } | { readonly kind: 'account'; readonly id: string };
type Chosen = 'invitationsAllowed' | 'domainJoin' | 'ways' | 'sessionTtl';
/** What is left out stays as it is. */
export type OrganizationInput = Omit<Organization, 'id' | 'logoUrl' | Chosen> & Partial<Pick<Organization, Chosen>>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SLUG = /^[a-z][a-z0-9-]{0,31}$/;
const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;
/** Above every role inside of an organization: whoever may write all of them. */
const GLOBAL_RANK = MEMBER_ROLES.length;
const WAY = /^(?:password|passkey|mail|phone|upstream:[a-z][a-z0-9-]{0,31})$/;
/** Seconds: less would be gone before an app has its tokens, more than any deployment's own. */
const SESSION = { least: 300, most: 31_536_000 };
const RULES = 'o.sign_in_ways as ways, o.session_ttl as "sessionTtl"';
const LOGO = `(select '/organization-logos/' || l.id from organization_logo l where l.organization_id = o.id) as "logoUrl"`;
const FIND_LOGO = { name: 'organization_logo_find', text: 'select type, content from organization_logo where id = $1' };
const LOGO_ID = /^[\w-]{20,100}$/;
const DOMAINS = `coalesce((select jsonb_agg(d.domain order by d.domain) from organization_domain d where d.organization_id = o.id),
  '[]'::jsonb)`;
const COLUMNS = `o.id, o.slug, o.name, ${LOGO}, ${DOMAINS} as domains, o.domain_join as "domainJoin", ${RULES},
  o.second_factor_required as "secondFactorRequired", o.invitations_allowed as "invitationsAllowed"`;
const CUSTOM_ROLES = `coalesce((select jsonb_agg(r.role_id order by r.role_id) from membership_role r
  where r.organization_id = m.organization_id and r.account_id = m.account_id), '[]'::jsonb) as "customRoles"`;
const MEMBER = `a.id as "accountId", a.name, a.email, a.username, m.role, ${CUSTOM_ROLES}`;
const OF_ACCOUNT = {
  name: 'membership_of_account',
  text: `select o.id, o.slug, o.name, ${LOGO}, m.role, ${CUSTOM_ROLES}, ${RULES} from membership m join organization o on o.id = m.organization_id
    where m.account_id = $1 order by o.slug`,
};
/** Organizations that take in an account for the address that it has proven. $1 account */
const TAKES_IN = `from account a join organization_domain d on d.domain = lower(substring(a.email from '@([^@]+)$'))
  join organization o on o.id = d.organization_id and o.domain_join
  where a.id = $1 and a.status = 'active' and a.email_verified_at is not null`;
const FIND_TAKING_IN = { name: 'organization_takes_in', text: `select o.id ${TAKES_IN}` };
/** What the first sign-in will make of an account counts for it already. */
const OWES_FACTOR = {
  name: 'membership_owes_factor',
  text: `select exists (select from membership m join organization o on o.id = m.organization_id
      where m.account_id = $1 and o.second_factor_required)
    or exists (select ${TAKES_IN} and a.last_sign_in_at is null and o.second_factor_required) as found`,
};
const ROLE_IN = `select m.role from membership m join account a on a.id = m.account_id and a.status = 'active'
  where m.organization_id = ? and m.account_id = ?`;

export class Organizations {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #roles: Roles;

  constructor(parts: { readonly database: Database; readonly audit: Audit; readonly roles: Roles }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#roles = parts.roles;
  }

  /**
   * In the order of their slugs, found by a part of name or slug.
   * @param page.after slug @param page.managedBy only those that this account is owner or administrator of
   */
  async page(page: {
    readonly query: string;
    readonly after: string;
    readonly limit: number;
    readonly managedBy: string | null;
  }): Promise<readonly (Organization & { readonly members: number })[]> {
    const { query, after, limit, managedBy } = page;
    return this.#database.em().execute(
      `select ${COLUMNS}, (select count(*) from membership c where c.organization_id = o.id)::integer as members
       from organization o
       where o.slug > ? and (?::text = '' or position(lower(?::text) in lower(o.name || ' ' || o.slug)) > 0)
         and (?::uuid is null or exists (select from membership m where m.organization_id = o.id
           and m.account_id = ?::uuid and m.role in ('owner', 'admin')))
       order by o.slug limit ?`,
      [after, query, query, managedBy, managedBy, limit],
    );
  }

  /** @throws NotFound */
  async get(id: string, em: EntityManager = this.#database.em()): Promise<Organization> {
    const [found] = UUID.test(id)
      ? await em.execute<Organization[]>(`select ${COLUMNS} from organization o where o.id = ?`, [id])
      : [];
    if (!found) throw notFound();
    return found;
  }

  /** What an account is in an organization at this moment; null for nothing, and for an account that may not sign in. */
  async roleIn(
    organizationId: string,
    accountId: string,
    em: EntityManager = this.#database.em(),
  ): Promise<MemberRole | null> {
    const [row] = UUID.test(organizationId)
      ? await em.execute<{ role: MemberRole }[]>(ROLE_IN, [organizationId, accountId])
      : [];
    return row?.role ?? null;
  }

  /** Whether an account manages any organization. */
  async managesAny(accountId: string): Promise<boolean> {
    return (await this.listOf(accountId)).some(({ role }) => role !== 'member');
  }

  /** What an account belongs to, in the order of the slugs. */
  async listOf(accountId: string): Promise<readonly Membership[]> {
    return (await this.#database.sql.query<Membership>(OF_ACCOUNT, [accountId])).rows;
  }

  /** Whether one of the organizations that an account belongs to demands a second factor (requirements F5). */
  async requiresSecondFactor(accountId: string): Promise<boolean> {
    const { rows } = await this.#database.sql.query<{ found: boolean }>(OWES_FACTOR, [accountId]);
    return rows[0]?.found === true;
  }

  /** In the order of the account ids. @param page.after account id */
  async members(id: string, page: { readonly after: string; readonly limit: number }): Promise<readonly Member[]> {
    const after = UUID.test(page.after) ? page.after : null;
    return this.#database.em().execute(
      `select ${MEMBER}
       from membership m join account a on a.id = m.account_id
       where m.organization_id = ? and (?::uuid is null or m.account_id > ?::uuid) order by m.account_id limit ?`,
      [id, after, after, page.limit],
    );
  }

  async findMember(id: string, accountId: string, em: EntityManager = this.#database.em()): Promise<Member | null> {
    if (!UUID.test(id) || !UUID.test(accountId)) return null;
    const [row] = await em.execute<Member[]>(
      `select ${MEMBER} from membership m join account a on a.id = m.account_id
       where m.organization_id = ? and m.account_id = ?`,
      [id, accountId],
    );
    return row ?? null;
  }

  /** @throws NotFound, Forbidden, InvalidRequest, Conflict `slug-taken` or `domain-taken` */
  async create(input: OrganizationInput, by: Principal, cause: Cause): Promise<Organization> {
    check(input);
    const id = randomUUID();
    try {
      return await this.#database.transaction(async (em) => {
        await this.#requireGlobal(em, by);
        await em.execute(
          `insert into organization (id, slug, name, domains, second_factor_required, invitations_allowed, sign_in_ways,
             session_ttl, domain_join, created_at, updated_at)
           values (?, ?, ?, ?::jsonb, ?, ?, ?::jsonb, ?, ?, now(), now())`,
          [
            ...[id, input.slug, input.name, JSON.stringify(input.domains), input.secondFactorRequired],
            ...[input.invitationsAllowed ?? true, jsonOrNull(input.ways ?? null), input.sessionTtl ?? null],
            input.domainJoin ?? false,
          ],
        );
        await writeDomains(em, id, input.domains);
        await this.#audit.record({ ...cause, action: 'organization.create', target: targetOf(id) }, em);
        return this.get(id, em);
      });
    } catch (error) {
      refuseTakenDomain(error);
      if (!isUniqueViolation(error, 'organization_slug_unique')) throw error;
      throw new Conflict('There is an organization with this slug.', { code: 'slug-taken', cause: error });
    }
  }

  /**
   * Its owners may change everything but the domains, which speak for people who do not belong to it, and whether it invites, which makes
   * accounts.
   * @throws NotFound, Forbidden, InvalidRequest, Conflict `domain-taken`
   */
  async update(id: string, input: Omit<OrganizationInput, 'slug'>, by: Principal, cause: Cause): Promise<void> {
    const change = this.#change(id, by, async (em, rank, now) => {
      if (rank < rankOf('owner')) throw tooHigh();
      const domains = rank === GLOBAL_RANK ? input.domains : now.domains;
      const allowed = (rank === GLOBAL_RANK ? input.invitationsAllowed : undefined) ?? now.invitationsAllowed;
      const { ways = now.ways, sessionTtl = now.sessionTtl } = input;
      check({ ...input, ways, sessionTtl, slug: now.slug, domains });
      await em.execute(
        `update organization set name = ?, domains = ?::jsonb, second_factor_required = ?, invitations_allowed = ?,
           sign_in_ways = ?::jsonb, session_ttl = ?, domain_join = ?, updated_at = now() where id = ?`,
        [
          ...[input.name, JSON.stringify(domains), input.secondFactorRequired, allowed],
          ...[jsonOrNull(ways), sessionTtl, input.domainJoin ?? now.domainJoin, id],
        ],
      );
      await writeDomains(em, id, domains);
      await this.#audit.record({ ...cause, action: 'organization.update', target: targetOf(id) }, em);
    });
    await change.catch((error: unknown) => {
      refuseTakenDomain(error);
      throw error;
    });
  }

  /** @param logo null for none @throws NotFound, Forbidden */
  async saveLogo(
    id: string,
    logo: { readonly type: string; readonly content: Buffer } | null,
    by: Principal,
    cause: Cause,
  ): Promise<void> {
    await this.#change(id, by, async (em, rank) => {
      if (rank < rankOf('owner')) throw tooHigh();
      await em.execute('delete from organization_logo where organization_id = ?', [id]);
      if (logo !== null) {
        await em.execute(
          'insert into organization_logo (organization_id, id, type, content, created_at) values (?, ?, ?, ?, now())',
          [id, randomToken(), logo.type, logo.content],
        );
      }
      const reason = logo === null ? 'no-logo' : 'logo';
      await this.#audit.record({ ...cause, action: 'organization.update', target: targetOf(id), reason }, em);
    });
  }

  /** @param logoId the last part of its path */
  async findLogo(logoId: string): Promise<{ readonly type: string; readonly content: Buffer } | null> {
    if (!LOGO_ID.test(logoId)) return null;
    const { rows } = await this.#database.sql.query<{ type: string; content: Uint8Array }>(FIND_LOGO, [logoId]);
    const [row] = rows;
    return row ? { type: row.type, content: Buffer.from(row.content) } : null;
  }

  /** With all memberships; open invitations into it end. @throws NotFound, Forbidden */
  async delete(id: string, by: Principal, cause: Cause): Promise<void> {
    await this.#change(id, by, async (em) => {
      await this.#requireGlobal(em, by);
      await em.execute(
        'update invitation set revoked_at = now() where organization_id = ? and used_at is null and revoked_at is null',
        [id],
      );
      await em.execute('delete from organization where id = ?', [id]);
      await this.#audit.record({ ...cause, action: 'organization.delete', target: targetOf(id) }, em);
    });
  }

  /**
   * Puts an account in. Only for who may write every organization: others would learn who has an account; they invite.
   * @throws NotFound, Forbidden, Conflict `already-member`
   */
  async add(id: string, accountId: string, role: MemberRole, by: Principal, cause: Cause): Promise<void> {
    await this.#change(id, by, async (em) => {
      await this.#requireGlobal(em, by);
      if (!(await this.join(em, id, accountId, role, cause))) {
        throw new Conflict('This account belongs to it already.', { code: 'already-member' });
      }
    });
  }

  /** Makes an account a member in the caller's transaction, which has made sure that it may be. @returns false when it is one */
  async join(em: EntityManager, id: string, accountId: string, role: MemberRole, cause: Cause): Promise<boolean> {
    const rows = await em.execute<object[]>(
      `insert into membership (organization_id, account_id, role, created_at) values (?, ?, ?, now())
       on conflict do nothing returning account_id`,
      [id, accountId, role],
    );
    if (rows.length === 0) return false;
    const target = { kind: 'account', id: accountId } as const;
    await this.#audit.record({ ...cause, action: 'membership.create', target, reason: `${id}:${role}` }, em);
    return true;
  }

  /** At the first sign-in of an account: the organization whose domain its proven address has, if that takes people in. */
  async joinByDomain(accountId: string, cause: Cause): Promise<void> {
    const [found] = (await this.#database.sql.query<{ id: string }>(FIND_TAKING_IN, [accountId])).rows;
    if (!found) return;
    await this.#database.transaction(async (em) => {
      // Deleted, or closed, a moment ago.
      const rows = await em.execute<object[]>(
        'select 1 as one from organization where id = ? and domain_join for share',
        [found.id],
      );
      if (rows.length > 0) await this.join(em, found.id, accountId, 'member', cause);
    });
  }

  /** @throws NotFound, Forbidden, Conflict `last-organization-owner` */
  async setRole(id: string, accountId: string, role: MemberRole, by: Principal, cause: Cause): Promise<void> {
    await this.#changeMember(id, accountId, by, async (em, rank, current) => {
      if (rankOf(role) > rank) throw tooHigh();
      if (current === 'owner' && role !== 'owner') await this.#keepOwner(em, id, accountId);
      await em.execute('update membership set role = ? where organization_id = ? and account_id = ?', [
        role,
        id,
        accountId,
      ]);
      const target = { kind: 'account', id: accountId } as const;
      await this.#audit.record({ ...cause, action: 'membership.update', target, reason: `${id}:${role}` }, em);
    });
  }

  /** Takes an account out, which acts at once. @throws NotFound, Forbidden, Conflict `last-organization-owner` */
  async remove(id: string, accountId: string, by: Principal, cause: Cause): Promise<void> {
    await this.#changeMember(id, accountId, by, async (em, _rank, current) => {
      if (current === 'owner') await this.#keepOwner(em, id, accountId);
      await this.#delete(em, id, accountId, cause);
    });
  }

  /** A person takes themselves out. @throws NotFound for who does not belong to it, Conflict `last-organization-owner` */
  async leave(id: string, accountId: string, cause: Cause): Promise<void> {
    if (!UUID.test(id)) throw notFound();
    await this.#database.transaction(async (em) => {
      await em.execute('select 1 as one from organization where id = ? for update', [id]);
      const [row] = await em.execute<{ role: MemberRole }[]>(
        'select role from membership where organization_id = ? and account_id = ?',
        [id, accountId],
      );
      if (!row) throw notFound();
      if (row.role === 'owner') await this.#keepOwner(em, id, accountId);
      await this.#delete(em, id, accountId, cause);
    });
  }

  /**
   * Before an account is disabled or deleted, in that transaction: no organization is to be left without an owner who can sign in.
   * @throws Conflict `last-organization-owner`
   */
  async guardLastOwner(em: EntityManager, accountId: string): Promise<void> {
    const owned = await em.execute<{ id: string }[]>(
      `select o.id from organization o where o.id in
         (select m.organization_id from membership m join account a on a.id = m.account_id and a.status = 'active'
          where m.account_id = ? and m.role = 'owner') order by o.id for update`,
      [accountId],
    );
    for (const { id } of owned) await this.#keepOwner(em, id, accountId);
  }

  /**
   * What apps are told. Of several organizations the one chosen at the sign-in is `org_id`, as long as the account belongs to it.
   * @param chosen id @param signedInAt seconds since 1970; undefined where it is not known any more
   */
  async claimsFor(
    accountId: string,
    chosen: string | undefined,
    signedInAt?: number,
  ): Promise<Record<string, unknown>> {
    const all = await this.listOf(accountId);
    const [only] = all;
    const found = chosen === undefined ? (all.length === 1 ? only : undefined) : all.find(({ id }) => id === chosen);
    const isOver = (found?.sessionTtl ?? null) !== null && isPast(signedInAt, found?.sessionTtl ?? 0);
    const current = isOver ? undefined : found;
    return {
      organizations: all.map(({ id, slug, name, role, customRoles }) => ({
        ...{ id, slug, name },
        roles: [role, ...customRoles],
      })),
      ...(current ? { org_id: current.id } : {}),
    };
  }

  /**
   * What somebody may do in an organization now: the rank of their role in it, or more for who may write all of them.
   * @throws NotFound for who manages nothing here
   */
  async rankFor(id: string, by: Principal, em: EntityManager = this.#database.em()): Promise<number> {
    if (by.kind === 'cli') return GLOBAL_RANK;
    const { permissions } = await this.#roles.authority(by.id, em);
    if (permissions.has('organizations:write')) return GLOBAL_RANK;
    const role = await this.roleIn(id, by.id, em);
    if (role === null || role === 'member') throw notFound();
    return rankOf(role);
  }

  /**
   * Whoever administers all of Latchkey, or an owner or administrator of the organization, and these to no role above their own.
   * @throws NotFound for who manages nothing here, Forbidden
   */
  async checkMayInvite(
    id: string,
    role: MemberRole,
    by: Principal,
    em: EntityManager = this.#database.em(),
  ): Promise<void> {
    const { invitationsAllowed } = await this.get(id, em);
    if (by.kind === 'cli') return;
    const { permissions } = await this.#roles.authority(by.id, em);
    if (permissions.has('organizations:write') && permissions.has('invitations:write')) return;
    const own = await this.roleIn(id, by.id, em);
    if (own === null || own === 'member') throw notFound();
    if (!invitationsAllowed) {
      throw new Forbidden('This organization invites nobody.', { code: 'organization-invitations' });
    }
    if (rankOf(role) > rankOf(own)) throw tooHigh();
  }

  /** The highest role that somebody may invite to; null for who may not. */
  async highestInvited(id: string, by: Principal): Promise<MemberRole | null> {
    for (const role of MEMBER_ROLES.toReversed()) {
      try {
        await this.checkMayInvite(id, role, by);
        return role;
      } catch (error) {
        if (!(error instanceof Forbidden || error instanceof NotFound)) throw error;
      }
    }
    return null;
  }

  /** Of several changes of one organization at once each waits for the one before, so that two owners cannot both leave. */
  async #change(
    id: string,
    by: Principal,
    work: (em: EntityManager, rank: number, now: Organization) => Promise<void>,
  ): Promise<void> {
    if (!UUID.test(id)) throw notFound();
    await this.#database.transaction(async (em) => {
      await em.execute('select 1 as one from organization where id = ? for update', [id]);
      const now = await this.get(id, em);
      await work(em, await this.rankFor(id, by, em), now);
    });
  }

  async #changeMember(
    id: string,
    accountId: string,
    by: Principal,
    work: (em: EntityManager, rank: number, current: MemberRole) => Promise<void>,
  ): Promise<void> {
    await this.#change(id, by, async (em, rank) => {
      const [row] = UUID.test(accountId)
        ? await em.execute<{ role: MemberRole }[]>(
            'select role from membership where organization_id = ? and account_id = ?',
            [id, accountId],
          )
        : [];
      if (!row) throw new NotFound('This account does not belong to it.', { code: 'not-a-member' });
      if (rankOf(row.role) > rank) throw tooHigh();
      await work(em, rank, row.role);
    });
  }

  async #delete(em: EntityManager, id: string, accountId: string, cause: Cause): Promise<void> {
    await em.execute('delete from membership where organization_id = ? and account_id = ?', [id, accountId]);
    const target = { kind: 'account', id: accountId } as const;
    await this.#audit.record({ ...cause, action: 'membership.delete', target, reason: id }, em);
  }

  /** @throws Conflict when nobody else owns the organization, whose row the caller has locked */
  async #keepOwner(em: EntityManager, id: string, accountId: string): Promise<void> {
    const others = await em.execute<object[]>(
      `select 1 as one from membership m join account a on a.id = m.account_id and a.status = 'active'
       where m.organization_id = ? and m.role = 'owner' and m.account_id <> ? limit 1`,
      [id, accountId],
    );
    if (others.length === 0) {
      const message = 'This is the last owner of an organization: make another one first.';
      throw new Conflict(message, { code: 'last-organization-owner' });
    }
  }

  async #requireGlobal(em: EntityManager, by: Principal): Promise<void> {
    if (by.kind === 'cli') return;
    const { permissions } = await this.#roles.authority(by.id, em);
    if (!permissions.has('organizations:write')) throw tooHigh();
  }
}

async function writeDomains(em: EntityManager, id: string, domains: readonly string[]): Promise<void> {
  await em.execute('delete from organization_domain where organization_id = ?', [id]);
  for (const domain of new Set(domains)) {
    await em.execute('insert into organization_domain (domain, organization_id) values (?, ?)', [domain, id]);
  }
}

/** @throws Conflict when that is why */
function refuseTakenDomain(error: unknown): void {
  if (!isUniqueViolation(error, 'organization_domain_unique')) return;
  throw new Conflict('Another organization has one of these domains.', { code: 'domain-taken', cause: error });
}

/** @param since seconds since 1970 @param ttl seconds */
function isPast(since: number | undefined, ttl: number): boolean {
  return since !== undefined && Date.now() / 1000 - since > ttl;
}

function jsonOrNull(value: readonly string[] | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

export function rankOf(role: MemberRole): number {
  return MEMBER_ROLES.indexOf(role);
}

/** @throws InvalidRequest with the field */
function check(input: OrganizationInput): void {
  const refuse = (field: string, message: string): never => {
    throw new InvalidRequest(message, { code: `organization-${field}`, field });
  };
  if (!SLUG.test(input.slug)) refuse('slug', 'A slug has up to 32 of a-z, 0-9 and -, beginning with a letter.');
  if (input.name.trim() === '' || input.name.length > 200) refuse('name', 'An organization has a name.');
  if (!input.domains.every((one) => DOMAIN.test(one))) refuse('domains', 'These are not all names of domains.');
  const { ways = null, sessionTtl = null } = input;
  const areWays = ways === null || (ways.length > 0 && ways.length <= 100 && ways.every((one) => WAY.test(one)));
  if (!areWays) refuse('ways', 'Choose at least one way to sign in.');
  const isLife =
    sessionTtl === null || (Number.isInteger(sessionTtl) && sessionTtl >= SESSION.least && sessionTtl <= SESSION.most);
  if (!isLife) refuse('session', 'A sign-in lives for 5 minutes to a year.');
}

function targetOf(id: string) {
  return { kind: 'organization', id } as const;
}

function notFound(): NotFound {
  return new NotFound('There is no such organization.', { code: 'organization-not-found' });
}

function tooHigh(): Forbidden {
  return new Forbidden('Your role in this organization does not allow this.', { code: 'organization-rank' });
}
