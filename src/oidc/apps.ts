// The apps that an account lets in: what each may see and do, when it was used, and how all of it ends. Whether an app is there for an account is
// said by a remembered consent or a living grant; the app of another account is not there.
import type { AccountRow } from '../account/accounts.ts';
import type { Cause } from '../audit/audit.ts';
import { NotFound } from '../errors.ts';
import type { AppUses } from './app-uses.ts';
import type { Consents } from './consents.ts';
import type { GrantStorage } from './grant-adapter.ts';

export interface AllowedApp {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds since 1970. */
  readonly firstUsedAt: number;
  readonly lastUsedAt: number;
}

/** Tells one app that a session of it ended. */
type NotifyLogout = (clientId: string, subject: string, sid: string | undefined) => Promise<void>;

interface Found {
  readonly scopes: Set<string>;
  readonly claims: Set<string>;
  readonly resources: Map<string, Set<string>>;
  firstUsedAt: number;
  lastUsedAt: number;
}

export class Apps {
  readonly #consents: Consents;
  readonly #grants: GrantStorage;
  readonly #uses: AppUses;
  readonly #notifyLogout: NotifyLogout;
  readonly #hidden: ReadonlySet<string>;

  /** @param parts.hidden ids of clients that are a part of the provider itself */
  constructor(parts: {
    readonly consents: Consents;
    readonly grants: GrantStorage;
    readonly appUses: AppUses;
    readonly notifyLogout: NotifyLogout;
    readonly hidden: readonly string[];
  }) {
    this.#consents = parts.consents;
    this.#grants = parts.grants;
    this.#uses = parts.appUses;
    this.#notifyLogout = parts.notifyLogout;
    this.#hidden = new Set(parts.hidden);
  }

  /** The last used first. */
  async list(account: AccountRow): Promise<readonly AllowedApp[]> {
    const [consents, grants, uses] = await Promise.all([
      this.#consents.list(account.id),
      this.#grants.listGrants(account.subject),
      this.#uses.list(account.id),
    ]);
    const found = new Map<string, Found>();
    for (const { clientId, scope, claims, resources, createdAt, updatedAt } of consents) {
      const app = appOf(found, clientId, createdAt);
      add(app.scopes, words(scope));
      add(app.claims, claims);
      for (const [indicator, scopes] of Object.entries(resources)) addResource(app, indicator, words(scopes));
      app.lastUsedAt = Math.max(app.lastUsedAt, updatedAt);
    }
    for (const grant of grants) {
      const app = appOf(found, grant.clientId, grant.issuedAt * 1000);
      add(app.scopes, grant.scopes);
      add(app.claims, grant.claims);
      for (const [indicator, scopes] of Object.entries(grant.resources)) addResource(app, indicator, scopes);
    }
    for (const { clientId, firstUsedAt, lastUsedAt } of uses) {
      const app = found.get(clientId);
      if (!app) continue;
      app.firstUsedAt = Math.min(app.firstUsedAt, firstUsedAt);
      app.lastUsedAt = Math.max(app.lastUsedAt, lastUsedAt);
    }
    return [...found]
      .filter(([clientId]) => !this.#hidden.has(clientId))
      .map(([clientId, { scopes, claims, resources, firstUsedAt, lastUsedAt }]) => ({
        ...{ clientId, firstUsedAt, lastUsedAt },
        scopes: [...scopes],
        claims: [...claims],
        resources: Object.fromEntries([...resources].map(([indicator, names]) => [indicator, [...names]])),
      }))
      .toSorted((left, right) => right.lastUsedAt - left.lastUsedAt);
  }

  /**
   * Takes back what an app was allowed, and ends its grants with every code and token, at once. Twice is harmless.
   * @throws NotFound when the account never had this app
   */
  async revoke(account: AccountRow, clientId: string, cause: Cause): Promise<void> {
    const [consents, uses] = [await this.#consents.list(account.id), await this.#uses.list(account.id)];
    const grants = await this.#grantsOf(account, clientId);
    const isAllowed = grants.length > 0 || consents.some((one) => one.clientId === clientId);
    const isKnown = isAllowed || uses.some((one) => one.clientId === clientId);
    if (!isKnown || this.#hidden.has(clientId)) throw new NotFound('There is no such app.', { code: 'page-not-found' });
    if (!isAllowed) return;
    // First the consent, then the grants: whoever makes a grant of a consent looks again whether it is still there.
    await this.#consents.revoke(account.id, clientId, cause);
    for (const { grantId } of await this.#grantsOf(account, clientId)) await this.#grants.revokeGrant(grantId);
    const sessions = await this.#grants.listSessions(account.subject);
    for (const { sid } of sessions.flatMap(({ clients }) => clients.filter((one) => one.clientId === clientId))) {
      await this.#notifyLogout(clientId, account.subject, sid);
    }
  }

  async #grantsOf(account: AccountRow, clientId: string) {
    return (await this.#grants.listGrants(account.subject)).filter((grant) => grant.clientId === clientId);
  }
}

function appOf(found: Map<string, Found>, clientId: string, at: number): Found {
  const known = found.get(clientId);
  if (known) {
    known.firstUsedAt = Math.min(known.firstUsedAt, at);
    known.lastUsedAt = Math.max(known.lastUsedAt, at);
    return known;
  }
  const app = {
    scopes: new Set<string>(),
    claims: new Set<string>(),
    resources: new Map(),
    firstUsedAt: at,
    lastUsedAt: at,
  };
  found.set(clientId, app);
  return app;
}

function addResource(app: Found, indicator: string, scopes: readonly string[]): void {
  const names = app.resources.get(indicator) ?? new Set();
  add(names, scopes);
  app.resources.set(indicator, names);
}

function add(set: Set<string>, values: readonly string[]): void {
  for (const value of values) set.add(value);
}

function words(scope: string): readonly string[] {
  return scope.split(' ').filter(Boolean);
}
