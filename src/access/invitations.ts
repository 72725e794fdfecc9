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
import type { Organizations } from './organizations.ts';
import { withInherited } from './permission.ts';
import type { Roles } from './roles.ts';

const KIND = 'invitation';
/** Seconds between two mails to one address. */
const APART = 30;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Neither used nor taken back nor too old. */
const IS_OPEN = 'used_at is null and revoked_at is null and expires_at > now()';
const FIND = {
  name: 'invitation_find',
  text: `select id, email, inviter_id as "inviterId", by_account as "byAccount", roles, organization_id as "organizationId"
    from invitation
    where token_hash = $1 and ${IS_OPEN}`,
};
const TAKE = `update invitation set used_at = now(), account_id = ? where id = ? and ${IS_OPEN}
  returning email, roles, organization_id as "organizationId", inviter_id as "inviterId", by_account as "byAccount"`;

/** Who invites. The machine's owner may invite to everything. */
export type Inviter = { readonly kind: 'cli' } | { readonly kind: 'account'; readonly id: string };

export interface NewInvitation {
  /** In its strict form. */
  readonly email: string;
  readonly roles: readonly string[];
  readonly organizationId?: string | undefined;
  /** Language of the mail. */
  readonly locale: string;
  /** What the mail says who invites. */
  readonly inviterName?: string | null;
}

/** What the form shows. */
export interface OpenInvitation {
  readonly id: string;
  readonly email: string;
}

interface Grant {
  readonly roles: readonly string[];
  readonly organizationId: string | null;
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
   * Writes an invitation and its mail. An open one for the same address ends.
   * @throws Forbidden, InvalidRequest `unknown-role`, Conflict `email-taken` for an address that has an account, or when two invite it at once
   */
  async create(input: NewInvitation, inviter: Inviter, cause: Cause): Promise<Invitation> {
    const { organizationId = null } = input;
    await this.#checkMayInvite(inviter, { roles: input.roles, organizationId });
    const token = randomToken();
    const expiresAt = this.#newExpiry();
    const now = new Date();
    const { email, locale } = input;
    try {
      return await this.#database.transaction(async (em) => {
        const owners = await em.execute<object[]>('select 1 as one from account where lower(email) = lower(?)', [
          email,
        ]);
        if (owners.length > 0) throw new Conflict('There is an account with this address.', { code: 'email-taken' });
        await em.execute(
          `update invitation set revoked_at = now() where id in (select id from invitation
            where lower(email) = lower(?) and organization_id is not distinct from ?::text
              and used_at is null and revoked_at is null order by id for update)`,
          [email, organizationId],
        );
        const invitation = em.create(Invitation, {
          ...{ id: randomUUID(), email, locale, organizationId, roles: [...new Set(input.roles)], expiresAt },
          ...{ tokenHash: hashToken(KIND, token), byAccount: inviter.kind === 'account' },
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

  /** As `list`, a page of them. @param page.after the id that the page before ended with; nothing for the first, and for an id that is gone */
  async page(page: { readonly after: string; readonly limit: number }): Promise<readonly Invitation[]> {
    const last = UUID.test(page.after) ? await this.#database.em().findOne(Invitation, { id: page.after }) : null;
    const { createdAt, id } = last ?? {};
    const where = last ? { $or: [{ createdAt: { $lt: createdAt } }, { createdAt, id: { $lt: id } }] } : {};
    const orderBy = { createdAt: 'desc', id: 'desc' } as const;
    return this.#database.em().find(Invitation, where, { orderBy, limit: page.limit });
  }

  /** @throws NotFound */
  async get(id: string): Promise<Invitation> {
    const found = UUID.test(id) ? await this.#database.em().findOne(Invitation, { id }) : null;
    if (!found) throw notFound();
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
    return { id: row.id, email: row.email };
  }

  /**
   * Takes it, once, in the transaction that makes the account, and gives the account its roles.
   * @param email the address that was proven @returns false when it is worth nothing: then there must be no account either
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
    if (row.organizationId !== null)
      await this.#organizations.join(em, row.organizationId, account.id, 'member', cause);
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
    { roles, organizationId }: Pick<Grant, 'roles' | 'organizationId'>,
    em?: EntityManager,
  ): Promise<void> {
    const all = await this.#roles.definitions(em);
    const authority = inviter.kind === 'account' ? await this.#roles.authority(inviter.id, em) : null;
    if (authority) requirePermission(authority, 'invitations:write');
    if (organizationId !== null) {
      await this.#organizations.get(organizationId, em);
      if (authority) requirePermission(authority, 'organizations:write');
    }
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

function grantOf({ roles, organizationId }: Invitation): Pick<Grant, 'roles' | 'organizationId'> {
  return { roles, organizationId: organizationId ?? null };
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
