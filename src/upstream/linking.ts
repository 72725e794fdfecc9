// To whom an identity belongs, and what has to be proven before it becomes somebody's. The key is upstream, issuer and subject; an address is
// never one, it only says whom to ask (requirements U2 to U4, R11; threats: auto-linking, pre-hijacking, a proof used for another identity).
import type { Context } from 'koa';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { IdentityDetails, IdentityKey, LinkedIdentities } from '../account/linked-identities.ts';
import { parseEmail } from '../account/sign-in-name.ts';
import { type ChangeNoticeParts, tellOfChange } from '../credential/change-notice.ts';
import { lockCredentials } from '../credential/credential-version.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { UpstreamIdentity } from './adapter.ts';
import type { Upstream } from './upstreams.ts';

const PENDING = 'pending-link';
/** Seconds within which the account has to be proven. */
const PENDING_TTL = 900;

export type Decision =
  /** Linked already. */
  | { readonly kind: 'known'; readonly account: AccountRow }
  /** Not linked, and the upstream is trusted to have proven the address of this account. */
  | { readonly kind: 'automatic'; readonly account: AccountRow }
  /** Not linked, and its address is this account's, which has to be proven. */
  | { readonly kind: 'prove'; readonly account: AccountRow }
  /** Not linked. What it says about its address is not worth an answer: whether it has an account is not told. */
  | { readonly kind: 'unproven' }
  /** Not linked, with an address that nobody here has, or none. */
  | { readonly kind: 'new' };

/** What waits for the proof of an account. It names all that the proof is for. */
export interface PendingLink {
  readonly upstream: string;
  readonly identity: UpstreamIdentity;
  /** The only account that it may become part of; null for the one that is proven. */
  readonly accountId: string | null;
}

export interface LinkingParts extends ChangeNoticeParts {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly identities: LinkedIdentities;
  readonly oneTime: OneTime;
  readonly naming: CookieNaming;
}

export class Linking {
  readonly #parts: LinkingParts;

  constructor(parts: LinkingParts) {
    this.#parts = parts;
  }

  async decide(upstream: Upstream, identity: UpstreamIdentity): Promise<Decision> {
    const { accounts, identities } = this.#parts;
    const known = await this.#findKnown(upstream, identity);
    if (known) return known;
    const email = provenEmail(identity);
    if (email === null) return identity.email === null ? { kind: 'new' } : { kind: 'unproven' };
    const account = await accounts.findBySignInName(email);
    if (!account) return { kind: 'new' };
    // It may have come with this very identity since the first look.
    const meanwhile = await this.#findKnown(upstream, identity);
    if (meanwhile) return meanwhile;
    // A second person at this upstream with the address of the first is somebody else: addresses are handed on.
    const isSecond = (await identities.list(account.id)).some((one) => one.upstream === upstream.identities);
    const isTrusted = upstream.settings.trustEmail === true && account.emailVerified && !isSecond;
    return { kind: isTrusted ? 'automatic' : 'prove', account };
  }

  async findAccountId(key: IdentityKey): Promise<string | null> {
    return this.#parts.identities.findAccountId(key);
  }

  async #findKnown(upstream: Upstream, identity: UpstreamIdentity): Promise<Decision | null> {
    const accountId = await this.#parts.identities.findAccountId(keyOf(upstream, identity));
    const account = accountId === null ? null : await this.#parts.accounts.findById(accountId);
    return account && { kind: 'known', account };
  }

  /** Links in a transaction of its own. @returns whether the identity is this account's now */
  async link(ctx: Context, upstream: Upstream, identity: UpstreamIdentity, account: AccountRow): Promise<boolean> {
    return this.#parts.database.transaction((em) => this.linkWithin(ctx, em, upstream, identity, account));
  }

  /** Links, records and tells the owner, who did not necessarily do it. */
  async linkWithin(
    ctx: Context,
    em: EntityManager,
    upstream: Upstream,
    identity: UpstreamIdentity,
    account: AccountRow,
  ): Promise<boolean> {
    if (!(await lockCredentials(em, account.id))) return false;
    const key = keyOf(upstream, identity);
    if (!(await this.#parts.identities.link(em, account.id, key, detailsOf(upstream, identity)))) return false;
    await tellOfChange(ctx, this.#parts, em, account, {
      ...{ action: 'identity.link', what: 'identity-linked', name: upstream.label },
    });
    return true;
  }

  /**
   * The id of the account's own identity. One that is nobody's becomes it where it may, unless the account has another at this upstream: whose
   * that is was proven before.
   */
  async findOwnWithin(
    ctx: Context,
    em: EntityManager,
    upstream: Upstream,
    identity: UpstreamIdentity,
    account: AccountRow,
    mayLink: boolean,
  ): Promise<string | null> {
    const { identities } = this.#parts;
    const key = keyOf(upstream, identity);
    const own = await identities.findId(em, account.id, key);
    if (own !== null || !mayLink) return own;
    const others = await identities.list(account.id, em);
    if (others.some((one) => one.upstream === upstream.identities)) return null;
    const isLinked = await this.linkWithin(ctx, em, upstream, identity, account);
    return isLinked ? identities.findId(em, account.id, key) : null;
  }

  /** An account that did not exist, with its identity, in one transaction; null when the identity got an account meanwhile. */
  async create(
    upstream: Upstream,
    identity: UpstreamIdentity,
    make: (em: EntityManager) => Promise<AccountRow>,
  ): Promise<AccountRow | null> {
    const { database, identities } = this.#parts;
    const key = keyOf(upstream, identity);
    try {
      return await database.transaction(async (em) => {
        const account = await make(em);
        if (!(await identities.link(em, account.id, key, detailsOf(upstream, identity)))) throw new Taken();
        const actor = { kind: 'account', id: account.id } as const;
        await this.#parts.audit.record({ actor, action: 'identity.link', target: actor, reason: upstream.id }, em);
        return account;
      });
    } catch (error) {
      if (error instanceof Taken) return null;
      throw error;
    }
  }

  /** A sign-in with a linked identity. Its address changes nothing of ours (U7); names and picture do where the settings say so. */
  async noteUse(upstream: Upstream, identity: UpstreamIdentity, account: AccountRow): Promise<void> {
    await this.#parts.identities.noteUse(keyOf(upstream, identity), detailsOf(upstream, identity));
    if (upstream.settings.refreshProfile !== true) return;
    const { name, givenName, familyName, picture } = identity;
    await this.#parts.accounts.refreshProfile(account.id, { name, givenName, familyName, picture });
  }

  /** Keeps an identity until an account has been proven in this interaction of this browser; a new one takes the place of an old one. */
  async putPending(ctx: Context, interaction: string, pending: PendingLink): Promise<void> {
    const key = pendingKey(interaction, ensureBrowserId(ctx, this.#parts.naming));
    await this.#parts.oneTime.take(PENDING, key);
    await this.#parts.oneTime.putUnder(PENDING, key, pending, { ttl: PENDING_TTL });
  }

  async findPending(ctx: Context, interaction: string): Promise<PendingLink | null> {
    const browser = findBrowserId(ctx, this.#parts.naming);
    return browser === undefined ? null : this.#parts.oneTime.find(PENDING, pendingKey(interaction, browser));
  }

  /**
   * After the account was proven, with everything that it owes.
   * @param upstreams those that may be used here
   */
  async linkPending(
    ctx: Context,
    pending: PendingLink,
    account: AccountRow,
    upstreams: readonly Upstream[],
  ): Promise<void> {
    const upstream = upstreams.find((one) => one.id === pending.upstream);
    // Another account than the one whose proof was asked for.
    const isMeant = pending.accountId === null || pending.accountId === account.id;
    if (upstream && isMeant && (await this.link(ctx, upstream, pending.identity, account))) return;
    // A second factor that was set up on the way may have linked it.
    const owner = upstream && (await this.#parts.identities.findAccountId(keyOf(upstream, pending.identity)));
    if (isMeant && owner === account.id) return;
    const reason = upstream ? (isMeant ? 'identity-taken' : 'other-account') : 'upstream-off';
    await this.#parts.audit.record({
      actor: { kind: 'account', id: account.id },
      ...{ action: 'identity.link', target: { kind: 'account', id: account.id } },
      ...{ result: 'failure', reason },
    });
  }

  /** Once, whatever comes of it. */
  async takePending(ctx: Context, interaction: string): Promise<PendingLink | null> {
    const browser = findBrowserId(ctx, this.#parts.naming);
    return browser === undefined ? null : this.#parts.oneTime.take(PENDING, pendingKey(interaction, browser));
  }
}

/** Takes the transaction back. */
class Taken extends Error {}

function keyOf({ identities }: Upstream, { issuer, subject }: UpstreamIdentity): IdentityKey {
  return { upstream: identities, issuer, subject };
}

function detailsOf(upstream: Upstream, identity: UpstreamIdentity): IdentityDetails {
  const { username, email, picture, tokens, upstreamSubject = null } = identity;
  return { username, email, picture, upstreamSubject, tokens: upstream.settings.keepTokens === true ? tokens : null };
}

/** Its address, if the upstream says that it was proven and it is in our strict form. */
export function provenEmail({ email, emailVerified }: UpstreamIdentity): string | null {
  return email !== null && emailVerified ? parseEmail(email) : null;
}

/** The interaction's id is as secret as the browser's, which alone has more than enough bits. */
function pendingKey(interaction: string, browser: string): string {
  return `${interaction} ${browser}`;
}
