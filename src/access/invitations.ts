// Invitations: for one address, with what the account gets, used once (requirements R2). The link in the mail opens the form; the address has to be
// proven all the same, so a link that went astray gives nobody an account or a role. Who may invite, and to what, is checked when an invitation
// is made and again when it is used: somebody who lost their rights meanwhile has invited nobody.
import { randomUUID } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { hashToken, randomToken } from '../crypto/random.ts';
import { AppError, Conflict, InvalidRequest, NotFound, TooManyRequests } from '../errors.ts';
import type { Notifications } from '../notification/notifications.ts';
import { type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import { requirePermission, requireRoleRank } from './authority.ts';
import { Invitation } from './invitation.entity.ts';
import type { MemberRole, Organizations } from './organizations.ts';
import { withInherited } from './permission.ts';
import type { Roles } from './roles.ts';

const KIND = 'invitation';
/** Seconds between two mails to one address. */
const APART = 30;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Neither used nor taken back nor too old. */
const IS_OPEN = 'used_at is null and revoked_at is null and expires_at > now()';
const GRANT = `roles, organization_id as "organizationId", organization_role as "organizationRole", inviter_id as "inviterId",
  by_account as "byAccount"`;
const FIND = {
  name: 'invitation_find',
  text: `select id, email, ${GRANT} from invitation where token_hash = $1 and ${IS_OPEN}`,
};
const TAKE = `update invitation set used_at = now(), account_id = ? where id = ? and ${IS_OPEN}
  returning email, ${GRANT}`;
const MEMBER_OF = `select 1 as one from membership m join account a on a.id = m.account_id
  where m.organization_id = ? and lower(a.email) = lower(?)`;

/** Who invites. The machine's owner may invite to everything. */
export type Inviter = { readonly kind: 'cli' } | { readonly kind: 'account'; readonly id: string };

export interface NewInvitation {
  /** In its strict form. */
  readonly email: string;
  readonly roles: readonly string[];
  readonly organizationId?: string | undefined;
  /** Inside of the organization; a member when nothing is said. */
  readonly organizationRole?: MemberRole | undefined;
  /** Language of the mail. */
  readonly locale: string;
  /** What the mail says who invites. */
  readonly inviterName?: string | null;
}

/** What the form shows. */
export interface OpenInvitation {
  readonly id: string;
  readonly email: string;
  /** What it leads into; null for an account alone. */
  readonly organization: { readonly id: string; readonly name: string; readonly role: MemberRole } | null;
}

interface Grant {
  readonly roles: readonly string[];
  readonly organizationId: string | null;
  readonly organizationRole: MemberRole | null;
  readonly inviterId: string | null;
  readonly byAccount: boolean;
}

export type InvitationState = 'open' | 'used' | 'revoked' | 'expired';

export class Invitations {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #roles: Roles;
  readonly #organizations: Organizations;
  readonly #notifications: Notifications;
  readonly #ttl: number;

  constructor(parts: {
    readonly database: Database;
    readonly audit: Audit;
    readonly roles: Roles;
    readonly organizations: Organizations;
    readonly notifications: Notifications;
    /** Seconds. */
    readonly ttl: number;
  }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#roles = parts.roles;
    this.#organizations = parts.organizations;
    this.#notifications = parts.notifications;
    this.#ttl = parts.ttl;
  }

  /**
   * Writes an invitation and its mail. An open one for the same address ends. Into an organization an address is invited whether it has an account
   * or not, and nobody is told which.
   * @throws Forbidden, InvalidRequest `unknown-role`, Conflict `email-taken` for an account alone, `already-member` or when two invite it at once
   */
  async create(input: NewInvitation, inviter: Inviter, cause: Cause): Promise<Invitation> {
    const { organizationId = null, organizationRole = null } = input;
    await this.#checkMayInvite(inviter, { roles: input.roles, organizationId, organizationRole });
    const token = randomToken();
    const expiresAt = this.#newExpiry();
    const now = new Date();
    const { email, locale } = input;
    try {
      return await this.#database.transaction(async (em) => {
        await checkAddress(em, email, organizationId);
        await em.execute(
          `update invitation set revoked_at = now() where id in (select id from invitation
            where lower(email) = lower(?) and organization_id is not distinct from ?::text
              and used_at is null and revoked_at is null order by id for update)`,
          [email, organizationId],
        );
        const invitation = em.create(Invitation, {
          ...{ id: randomUUID(), email, locale, organizationId, organizationRole, roles: [...new Set(input.roles)] },
          ...{ tokenHash: hashToken(KIND, token), byAccount: inviter.kind === 'account', expiresAt },
          ...{ inviterId: inviter.kind === 'account' ? inviter.id : null, createdAt: now, sentAt: now },
          ...{ usedAt: null, accountId: null, revokedAt: null },
        });
        await em.persist(invitation).flush();
        await this.#audit.record({ ...cause, action: 'invitation.create', target: targetOf(invitation) }, em);
        await this.#send(em, invitation, token, input.inviterName ?? null, false);
        return invitation;
      });
    } catch (error) {
      if (!isUniqueViolation(error, 'invitation_open_unique')) throw error;
      throw new Conflict('Somebody else has just invited this address.', { code: 'already-invited', cause: error });
    }
  }

  /** In the order of creation, the newest first. */
  async list(limit = 100): Promise<readonly Invitation[]> {
    const orderBy = { createdAt: 'desc', id: 'desc' } as const;
    return this.#database.em().find(Invitation, {}, { orderBy, limit });
  }

  /**
   * As `list`, a page of them.
   * @param page.after the id that the page before ended with; nothing for the first, and for an id that is gone
   * @param page.organizationId those into this organization only
   */
  async page(page: {
    readonly after: string;
    readonly limit: number;
    readonly organizationId?: string;
  }): Promise<readonly Invitation[]> {
    const last = UUID.test(page.after) ? await this.#database.em().findOne(Invitation, { id: page.after }) : null;
    const { createdAt, id } = last ?? {};
    const where = {
      ...(page.organizationId === undefined ? {} : { organizationId: page.organizationId }),
      ...(last ? { $or: [{ createdAt: { $lt: createdAt } }, { createdAt, id: { $lt: id } }] } : {}),
    };
    const orderBy = { createdAt: 'desc', id: 'desc' } as const;
    return this.#database.em().find(Invitation, where, { orderBy, limit: page.limit });
  }

  /** @param organizationId into no other organization than this one @throws NotFound */
  async get(id: string, organizationId?: string): Promise<Invitation> {
    const found = UUID.test(id) ? await this.#database.em().findOne(Invitation, { id }) : null;
    if (!found || (organizationId !== undefined && found.organizationId !== organizationId)) throw notFound();
    return found;
  }

  /** Its link ends at once. @throws NotFound, Conflict when it was used or taken back before */
  async revoke(id: string, by: Inviter, cause: Cause): Promise<void> {
    const invitation = await this.get(id);
    await this.#checkMayInvite(by, grantOf(invitation));
    await this.#database.transaction(async (em) => {
      const rows = await em.execute<object[]>(
        'update invitation set revoked_at = now() where id = ? and used_at is null and revoked_at is null returning id',
        [id],
      );
      if (rows.length === 0) throw over();
      await this.#audit.record({ ...cause, action: 'invitation.revoke', target: targetOf(invitation) }, em);
    });
  }

  /** A new mail with a new link, which lives as long as the first did; the old link ends. @throws NotFound, Conflict, TooManyRequests */
  async resend(id: string, by: Inviter, cause: Cause): Promise<Invitation> {
    const invitation = await this.get(id);
    await this.#checkMayInvite(by, grantOf(invitation));
    const token = randomToken();
    const expiresAt = this.#newExpiry();
    await this.#database.transaction(async (em) => {
      const [row] = await em.execute<{ wait: number }[]>(
        `select greatest(0, ceil(extract(epoch from sent_at - now()) + ?::float8))::float8 as wait from invitation
          where id = ? and used_at is null and revoked_at is null for update`,
        [APART, id],
      );
      if (!row) throw over();
      if (row.wait > 0) throw new TooManyRequests(row.wait, 'This invitation has just been sent.');
      await em.execute('update invitation set token_hash = ?, expires_at = ?, sent_at = now() where id = ?', [
        hashToken(KIND, token),
        expiresAt,
        id,
      ]);
      await this.#audit.record({ ...cause, action: 'invitation.resend', target: targetOf(invitation) }, em);
      const { email, locale, organizationId } = invitation;
      await this.#send(em, { email, locale, organizationId, expiresAt }, token, null, true);
    });
    return this.get(id);
  }

  /** What a link leads to, without taking it. */
  async find(token: string): Promise<OpenInvitation | null> {
    const { rows } = await this.#database.sql.query<OpenInvitation & Grant>(FIND, [hashToken(KIND, token)]);
    const [row] = rows;
    if (!row || !(await this.#isStillGood(row))) return null;
    const { id, email, organizationId, organizationRole } = row;
    const organization = organizationId === null ? null : await this.#organizations.get(organizationId);
    const role = organizationRole ?? 'member';
    return { id, email, organization: organization && { id: organization.id, name: organization.name, role } };
  }

  /**
   * Takes it, once, in the transaction that makes the account or takes the proof of one that is there, and gives the account what it is for.
   * Whoever belongs to the organization already stays what they are in it.
   * @param account with the address that was proven @returns false when it is worth nothing: then nothing else may come of the transaction
   */
  async take(
    em: EntityManager,
    id: string,
    account: { readonly id: string; readonly email: string },
    cause: Cause,
  ): Promise<boolean> {
    const [row] = await em.execute<(Grant & { email: string })[]>(TAKE, [account.id, id]);
    if (!row || row.email.toLowerCase() !== account.email.toLowerCase()) return false;
    if (!(await this.#isStillGood(row, em))) return false;
    for (const role of row.roles) await this.#roles.assign(em, account.id, role, cause);
    if (row.organizationId !== null) {
      await this.#organizations.join(em, row.organizationId, account.id, row.organizationRole ?? 'member', cause);
    }
    await this.#audit.record({ ...cause, action: 'invitation.use', target: { kind: 'invitation', id } }, em);
    return true;
  }

  async #send(
    em: EntityManager,
    invitation: Pick<Invitation, 'email' | 'locale' | 'organizationId' | 'expiresAt'>,
    token: string,
    inviter: string | null,
    isResend: boolean,
  ): Promise<void> {
    const { email, locale, organizationId, expiresAt } = invitation;
    const organization = organizationId ? (await this.#organizations.get(organizationId, em)).name : null;
    await this.#notifications.send(em, {
      ...({ kind: 'invitation', to: email, locale, expiresAt, isResend } as const),
      model: { path: `/invitation/${token}`, inviter, organization },
    });
  }

  async #isStillGood({ byAccount, inviterId, ...grant }: Grant, em?: EntityManager): Promise<boolean> {
    if (byAccount && inviterId === null) return false;
    try {
      await this.#checkMayInvite(inviterId === null ? { kind: 'cli' } : { kind: 'account', id: inviterId }, grant, em);
      return true;
    } catch (error) {
      // Whoever invited may not do so any more, or the role is gone.
      if (error instanceof AppError && error.status < 500) return false;
      throw error;
    }
  }

  /**
   * Whoever may not give a role may not invite to it: the rule of ranks is the one of roles.
   * @throws Forbidden, NotFound for who administers nothing, InvalidRequest `unknown-role`
   */
  async #checkMayInvite(
    inviter: Inviter,
    { roles, organizationId, organizationRole }: Pick<Grant, 'roles' | 'organizationId' | 'organizationRole'>,
    em?: EntityManager,
  ): Promise<void> {
    const all = await this.#roles.definitions(em);
    const authority = inviter.kind === 'account' ? await this.#roles.authority(inviter.id, em) : null;
    if (organizationId !== null) {
      await this.#organizations.checkMayInvite(organizationId, organizationRole ?? 'member', inviter, em);
    }
    // Inside of an organization its own administrators invite; what counts outside of it is not theirs.
    if (authority && (organizationId === null || roles.length > 0)) requirePermission(authority, 'invitations:write');
    for (const id of roles) {
      const role = all.get(id);
      if (!role) {
        const message = `There is no role ${id}. Roles: ${[...all.keys()].join(', ')}.`;
        throw new InvalidRequest(message, { code: 'unknown-role' });
      }
      const permissions = withInherited([id], all).flatMap((one) => one.permissions);
      if (authority) requireRoleRank(authority, role, permissions);
    }
  }

  #newExpiry(): Date {
    return new Date(Date.now() + this.#ttl * 1000);
  }
}

export function invitationState(invitation: Invitation, now = new Date()): InvitationState {
  if (invitation.usedAt) return 'used';
  if (invitation.revokedAt) return 'revoked';
  return invitation.expiresAt <= now ? 'expired' : 'open';
}

function grantOf({ roles, organizationId, organizationRole }: Invitation) {
  return {
    roles,
    organizationId: organizationId ?? null,
    organizationRole: (organizationRole ?? null) as MemberRole | null,
  };
}

/** The addresses of members are known to whoever invites; whether there is an account elsewhere is not. @throws Conflict */
async function checkAddress(em: EntityManager, email: string, organizationId: string | null): Promise<void> {
  if (organizationId !== null) {
    const members = await em.execute<object[]>(MEMBER_OF, [organizationId, email]);
    if (members.length > 0) throw new Conflict('This account belongs to it already.', { code: 'already-member' });
    return;
  }
  const owners = await em.execute<object[]>('select 1 as one from account where lower(email) = lower(?)', [email]);
  if (owners.length > 0) throw new Conflict('There is an account with this address.', { code: 'email-taken' });
}

function targetOf({ id }: { readonly id: string }) {
  return { kind: 'invitation', id } as const;
}

function notFound(): NotFound {
  return new NotFound('There is no such invitation.', { code: 'invitation-not-found' });
}

function over(): Conflict {
  return new Conflict('This invitation was used or taken back.', { code: 'invitation-over' });
}
