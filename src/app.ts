// The composition root: builds every collaborator by hand and mounts every room. The only file that knows all rooms below it; what it wires
// is all there is.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type Router from '@koa/router';
import type { Middleware } from 'koa';
import { ensureSecret } from '../config/generated-secret.ts';
import { explainSettings } from '../config/print.ts';
import type { LoadedSettings, Settings } from '../config/settings.ts';
import { migrations } from '../migrations/list.ts';
import { HeldInvitations } from './access/held-invitation.ts';
import { Invitations } from './access/invitations.ts';
import { OrganizationRoles } from './access/organization-roles.ts';
import { type Membership, Organizations } from './access/organizations.ts';
import { BUILT_IN_ROLES } from './access/permission.ts';
import { type RoleInput, Roles, rankOf } from './access/roles.ts';
import { Accounts } from './account/accounts.ts';
import { EmailChanges } from './account/email-changes.ts';
import { LinkedIdentities, sealedUpstreamTokens, TELEGRAM_ISSUER } from './account/linked-identities.ts';
import { Pictures } from './account/pictures.ts';
import { ProvenPhones } from './account/proven-phones.ts';
import { UsernameReservations } from './account/username-reservations.ts';
import { Audit } from './audit/audit.ts';
import { AuditChain } from './audit/chain.ts';
import { DayCounts } from './audit/day-counts.ts';
import { History } from './audit/history.ts';
import { Brand } from './brand/brand.ts';
import { Clients } from './client/clients.ts';
import type { Acr } from './credential/assurance.ts';
import { BreachedPasswords } from './credential/breached-password.ts';
import { Budgets } from './credential/budget.ts';
import { Factors, type OtherWay, type OtherWays } from './credential/factors.ts';
import { HashQueue } from './credential/hash-queue.ts';
import { Lockout } from './credential/lockout.ts';
import { MailedSecrets, sealedMailedSecrets } from './credential/mailed-secret.ts';
import { Passkeys } from './credential/passkey.ts';
import { Passwords } from './credential/password.ts';
import { PhoneCodes, sealedPhoneCodes } from './credential/phone-code.ts';
import { RecoveryCodes } from './credential/recovery-code.ts';
import { ShortCodes } from './credential/short-code.ts';
import { TelegramFactors } from './credential/telegram-factor.ts';
import { sealedPendingTotp, sealedTotp, Totp } from './credential/totp.ts';
import { TrustedDevices } from './credential/trusted-device.ts';
import { Seal } from './crypto/seal.ts';
import { entities } from './entities.ts';
import { NotFound, Unavailable } from './errors.ts';
import { deviceOf } from './http/asker.ts';
import { createAssets } from './http/asset.ts';
import type { CookieNaming } from './http/browser.ts';
import { Csrf } from './http/csrf.ts';
import { errorPages } from './http/error-page.ts';
import { createGuardedFetch } from './http/guarded-fetch.ts';
import { securityHeaders } from './http/headers.ts';
import { createLocales } from './http/locale.ts';
import { viaProxy } from './http/outgoing-proxy.ts';
import { Pages } from './http/page.ts';
import { pageRoutes } from './http/page-routes.ts';
import { createFindPlace } from './http/place.ts';
import { requestLog } from './http/request-log.ts';
import { requestMetrics } from './http/request-metrics.ts';
import { trafficLimits } from './http/traffic.ts';
import { createView } from './http/view.ts';
import { KnownAccounts } from './interaction/known-accounts.ts';
import { linkRoutes } from './interaction/link.ts';
import { createLoginPath, miniAppRoutes } from './interaction/mini-app.ts';
import { notMeRoutes } from './interaction/not-me.ts';
import { resetRoutes } from './interaction/reset.ts';
import { interactionRoutes } from './interaction/routes.ts';
import { type Log, serializeError } from './log.ts';
import { Metrics } from './metrics.ts';
import { ChatOutbox, sealedChatNotices } from './notification/chat-outbox.ts';
import { OWN_ACCENT } from './notification/mail-templates.ts';
import { Notices } from './notification/notices.ts';
import { createNotifications } from './notification/notifications.ts';
import { sealedMails } from './notification/outbox.ts';
import { AccountDeletions } from './oidc/account-deletions.ts';
import { reaches } from './oidc/acr.ts';
import { AppUses, followAppUses } from './oidc/app-uses.ts';
import { Apps } from './oidc/apps.ts';
import { BrowserSessions } from './oidc/browser-sessions.ts';
import { ClaimPreviews } from './oidc/claim-preview.ts';
import { ClientGuesses } from './oidc/client-guesses.ts';
import { Consents } from './oidc/consents.ts';
import { constantAnswers, constantRoute } from './oidc/constant-answers.ts';
import { createDevicePages } from './oidc/device-pages.ts';
import { Engine } from './oidc/engine.ts';
import { recordEvents } from './oidc/events.ts';
import { GrantStorage } from './oidc/grant-adapter.ts';
import { Keys, type KeyTimes, sealedSecrets, sealedSigningKeys } from './oidc/keys.ts';
import { LogoutDeliveries } from './oidc/logout-deliveries.ts';
import { createEnginePages } from './oidc/pages.ts';
import { loadPairwiseSalt } from './oidc/pairwise.ts';
import { PersonalData } from './oidc/personal-data.ts';
import { checkClientMetadata, createProvider, SCOPES } from './oidc/provider.ts';
import { grantScripts, RedisArtifacts } from './oidc/redis-grants.ts';
import { Resources } from './oidc/resources.ts';
import { SealedRedisArtifacts } from './oidc/sealed-redis-artifacts.ts';
import { followSessions } from './oidc/session-trail.ts';
import { SessionsAndGrants } from './oidc/sessions-and-grants.ts';
import { SignInPolicy } from './oidc/sign-in-policy.ts';
import { SqlArtifacts, sealedArtifacts } from './oidc/sql-grants.ts';
import { trafficRules } from './oidc/traffic-rules.ts';
import { Trail } from './oidc/trail.ts';
import { wellKnownRoutes } from './oidc/well-known.ts';
import { activityRoutes } from './portal/activity.ts';
import { adminAccountRoutes } from './portal/admin/account.ts';
import { adminAccountsRoutes } from './portal/admin/accounts.ts';
import { adminAccountsBulkRoutes } from './portal/admin/accounts-bulk.ts';
import { adminAuditRoutes } from './portal/admin/audit.ts';
import { adminBrandRoutes } from './portal/admin/brand.ts';
import { adminClaimsRoutes } from './portal/admin/claims.ts';
import { adminClientsRoutes } from './portal/admin/clients.ts';
import { adminInvitationsRoutes } from './portal/admin/invitations.ts';
import { organizationInvitationsRoutes } from './portal/admin/organization-invitations.ts';
import { organizationLogoRoutes } from './portal/admin/organization-logo.ts';
import { organizationRolesRoutes } from './portal/admin/organization-roles.ts';
import { adminOrganizationsRoutes } from './portal/admin/organizations.ts';
import { adminOverviewRoutes } from './portal/admin/overview.ts';
import { adminRolesRoutes } from './portal/admin/roles.ts';
import { adminSettingsRoutes } from './portal/admin/settings.ts';
import { adminUpstreamRoutes } from './portal/admin/upstream.ts';
import { adminUpstreamsRoutes } from './portal/admin/upstreams.ts';
import { appsRoutes } from './portal/apps.ts';
import { emailUndoRoutes } from './portal/email-undo.ts';
import { homeRoutes } from './portal/home.ts';
import { identitiesRoutes } from './portal/identities.ts';
import { invitationRoutes } from './portal/invitation.ts';
import { membershipRoutes } from './portal/membership.ts';
import { ownDataRoutes } from './portal/own-data.ts';
import { PORTAL_CLIENT_ID, PortalSessions, portalClient } from './portal/portal-session.ts';
import { profileRoutes } from './portal/profile.ts';
import { securityRoutes } from './portal/security.ts';
import { sessionsRoutes } from './portal/sessions.ts';
import { createSetupLink, setupRoutes } from './portal/setup.ts';
import { asUnavailable, Database, type EntityManager, isOutage } from './storage/database.ts';
import { loadKeptSecret } from './storage/kept-secret.ts';
import { Lease } from './storage/lease.ts';
import { OneTime, sealedOneTimeValues } from './storage/one-time.ts';
import { openRedis, type RedisConnection } from './storage/redis.ts';
import { SealedStores, type SealedTable } from './storage/sealed-stores.ts';
import { Approvals, sealedApprovals } from './telegram/approvals.ts';
import { Chats } from './telegram/chats.ts';
import { CodeDelivery } from './telegram/code-delivery.ts';
import { GATEWAY_ROOT, Gateway } from './telegram/gateway.ts';
import type { NoticeWorker } from './telegram/notice-worker.ts';
import { Pace } from './telegram/pace.ts';
import { type InitDataKey, readMiniAppKey } from './telegram/signed-data.ts';
import type { Telegram } from './telegram/telegram.ts';
import { unlinkTelegram } from './telegram/unlinking.ts';
import { UsedData } from './telegram/used-data.ts';
import { webhookRoutes } from './telegram/webhook.ts';
import { KeptUpstreams, sealedUpstreamSecrets } from './upstream/kept-upstreams.ts';
import { Linking } from './upstream/linking.ts';
import { upstreamRoutes } from './upstream/routes.ts';
import { Transactions } from './upstream/transaction.ts';
import { botDoor, TELEGRAM_IDENTITIES, Upstreams, widgetDoor } from './upstream/upstreams.ts';

/** Every table with something sealed in it: whoever adds one adds a line here, or a test fails. */
const SEALED_TABLES: readonly SealedTable[] = [
  sealedApprovals,
  sealedSigningKeys,
  sealedSecrets,
  sealedTotp,
  sealedPendingTotp,
  sealedMailedSecrets,
  sealedPhoneCodes,
  sealedOneTimeValues,
  sealedMails,
  sealedChatNotices,
  sealedArtifacts,
  sealedUpstreamTokens,
  sealedUpstreamSecrets,
];

const VIEWS = join(import.meta.dirname, '..', 'views');
/** Milliseconds between two rounds of deleting what has expired. */
const SWEEP_EVERY = 60_000;
/** Milliseconds: within a minute every process has noticed a new key, which is published for longer before it signs. */
const KEYS_EVERY = 20_000;
/** Milliseconds between two looks for audit events that are not in the chain yet. */
const CHAIN_EVERY = 2000;
/** Milliseconds between two notes of the chain's newest hash in the log, where nobody who writes to the database can reach it. */
const HEAD_EVERY = 3_600_000;
/** Milliseconds until another process shows a changed name, colour or logo. */
const BRAND_EVERY = 2000;
/** Milliseconds until another process has heard of a change to upstreams, with time left to answer within a second. */
const UPSTREAMS_EVERY = 500;
/** Milliseconds between two counts of the sessions that live. */
const DAY_EVERY = 600_000;
const AUDIT_KEY_LOCK = 5_203_618_005;
/** Milliseconds that the last use of a session may be late. */
const USES_EVERY = 5000;
/** Seconds by which clocks of clients may be wrong. */
const CLOCK_SLACK = 60;

export interface App {
  readonly engine: Engine;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly identities: LinkedIdentities;
  readonly keptUpstreams: KeptUpstreams;
  readonly factors: Factors;
  readonly mailed: MailedSecrets;
  readonly lockout: Lockout;
  readonly roles: Roles;
  readonly invitations: Invitations;
  readonly organizations: Organizations;
  readonly organizationRoles: OrganizationRoles;
  readonly clients: Clients;
  readonly keys: Keys;
  /** Seconds for `keys.rotate`. */
  readonly keyTimes: KeyTimes;
  /** What a change of the master secret is about. */
  readonly sealedStores: SealedStores;
  /** Notices new keys at once instead of at the next look. */
  followKeys(): Promise<void>;
  readonly audit: Audit;
  readonly auditChain: AuditChain;
  readonly history: History;
  readonly database: Database;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly deletions: AccountDeletions;
  readonly grants: GrantStorage;
  readonly loaded: LoadedSettings;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A fresh link for the first administrator. @throws Conflict when there is one */
  setupLink(): Promise<string>;
  /** Builds keys and engine, declares the clients of the settings; before it nothing can be served. */
  prepare(): Promise<void>;
  /** Keys and engine alone: a command, whose settings may lack the server's YAML, must not touch what that declares. */
  prepareEngine(): Promise<void>;
  /** Every address of the pages, as the routers know it. */
  routes(): readonly { readonly method: string; readonly path: string }[];
  /** For node:http. */
  handle(req: IncomingMessage, res: ServerResponse): unknown;
  /** Whether storage answers. */
  isHealthy(): Promise<boolean>;
  /** Starts the work behind the requests: deliveries, and now and then deleting what has expired. */
  startWorkers(): void;
  close(): Promise<void>;
}

interface CreateOptions {
  /** Migrations run at start of a server; commands that only look refuse to. */
  readonly migrate: boolean;
}

/**
 * Opens storage and wires everything up.
 * @throws Unavailable when storage is away, AppError `schema-newer` and others for what an operator must mend
 */
export async function createApp(loaded: LoadedSettings, log: Log, options: CreateOptions): Promise<App> {
  const { settings, secrets } = loaded;
  const seal = new Seal(secrets.masterSecret ?? ensureSecret(settings.dataDir), secrets.previousSecret);
  const target =
    settings.database.kind === 'embedded'
      ? ({ kind: 'embedded', dataDir: settings.dataDir } as const)
      : ({
          kind: 'postgres',
          url: secrets.databaseUrl ?? '',
          poolSize: settings.database.poolSize,
          timeout: settings.storageTimeoutMs,
        } as const);
  const database = await Database.open({ target, entities, migrations, log });
  let redis: RedisConnection | undefined;
  try {
    if (options.migrate) {
      const done = await database.migrate();
      if (done.length > 0) log.info({ migrations: done }, 'migrated the database');
    }
    if (settings.redis.kind !== 'none') {
      const { keyPrefix, allowVolatile } = settings.redis;
      redis = openRedis({
        ...{ url: secrets.redisUrls.join(','), keyPrefix, allowVolatile, log, scripts: grantScripts },
        timeout: settings.storageTimeoutMs,
      });
      await redis.checkPersistence();
    }
  } catch (error) {
    await redis?.close();
    await database.close();
    throw error;
  }

  const naming: CookieNaming = { isSecure: settings.issuer.startsWith('https:') };
  const metrics = new Metrics();
  const audit = new Audit({ database, onRecord: (event) => metrics.noteEvent(event) });
  const auditChain = new AuditChain({
    database,
    loadKey: () => loadKeptSecret({ database, seal, purpose: 'audit-chain', lock: AUDIT_KEY_LOCK }),
  });
  const history = new History({ database });
  const dayCounts = new DayCounts({ database });
  const oneTime = new OneTime({ sql: database.sql, seal });
  const accounts = new Accounts({ database, audit, reservedUsernames: settings.usernames.reserved });
  const usernames = new UsernameReservations({ database });
  const pictures = new Pictures({ database, accounts, audit, issuer: settings.issuer });
  const emailChanges = new EmailChanges({ database, audit, oneTime });
  const queue = new HashQueue(settings.password.hashConcurrency, settings.password.hashQueue);
  const guardedFetch = createGuardedFetch({ privateNetworkHosts: settings.privateNetworkHosts });
  const { breachedUrl } = settings.password;
  const passwords = new Passwords({
    ...{ database, queue, settings: settings.password, pepper: secrets.pepper, productName: settings.productName },
    ...(breachedUrl === undefined
      ? {}
      : { breached: new BreachedPasswords({ url: breachedUrl, fetch: guardedFetch, log }) }),
  });
  const lockout = new Lockout({ database, settings: settings.limits });
  const { switchedOff, siteFactor } = settings.limits;
  const budgets = new Budgets({ database, switchedOff, siteFactor });
  const clientGuesses = new ClientGuesses({ budgets, audit, settings: settings.limits, log });
  const traffic = trafficLimits(switchedOff ? [] : trafficRules(settings.limits), { siteFactor });
  const shortCodes = new ShortCodes(queue);
  const totp = new Totp({ database, seal, issuer: settings.factors.totpIssuer });
  const recoveryCodes = new RecoveryCodes({ database, shortCodes, perSet: settings.factors.recoveryCodes });
  const { issuer, productName } = settings;
  const passkeys = new Passkeys({ database, oneTime, issuer, productName });
  const mailed = new MailedSecrets({
    ...{ database, seal, lockout, shortCodes, audit },
    settings: { ...settings.mailed, switchedOff },
  });
  const phoneCodes = new PhoneCodes({
    ...{ database, seal, lockout, shortCodes },
    settings: { ...settings.phoneCodes, switchedOff },
  });
  const identities = new LinkedIdentities({ database, seal });
  const provenPhones = new ProvenPhones({ database, accounts, audit, notices: () => notices });
  const upstreamParts = { fetch: guardedFetch, telegramProxy: secrets.telegramProxy, log };
  const upstreams = new Upstreams({
    ...upstreamParts,
    declarations: settings.upstreams,
    secrets: secrets.upstreamSecrets,
    doors:
      secrets.telegramBotToken === undefined ? [] : [botDoor(), ...(settings.telegram?.widget ? [widgetDoor()] : [])],
  });
  const keptUpstreams = new KeptUpstreams({ ...upstreamParts, database, audit, seal, upstreams });
  /** What was linked to an upstream that is not there any more leads nowhere. */
  const otherWays: OtherWays = async (accountId, em) => {
    const linked = (await identities.list(accountId, em)).flatMap(({ upstream }) => {
      const door = upstreams.findByIdentities(upstream);
      return door ? [{ kind: door.method }] : [];
    });
    return [...(await mailAsWayIn(accountId, em)), ...linked];
  };
  const telegramFactors = new TelegramFactors({ database });
  const factors = new Factors({
    database,
    passwords,
    totp,
    passkeys,
    recoveryCodes,
    mailed,
    telegram: telegramFactors,
    otherWays,
  });
  const roles = new Roles({ database, audit });
  const clients = new Clients({ database, audit });
  const organizations = new Organizations({ database, audit, roles });
  const organizationRoles = new OrganizationRoles({ database, audit, organizations });
  const signInPolicy = new SignInPolicy({ settings: settings.factors, roles, organizations, clients });
  const trustedDevices = new TrustedDevices({ database, settings: settings.factors });
  const consents = new Consents({ database, audit });
  const resources = new Resources(settings.resources);
  const browserSessions = new BrowserSessions({ sql: database.sql, log });
  const personalData = new PersonalData({ database, history });
  const appUses = new AppUses({ sql: database.sql });
  const keys = new Keys({ database, audit, seal });
  const artifacts = redis
    ? new RedisArtifacts(redis)
    : new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
  const sealedStores = new SealedStores({
    ...{ sql: database.sql, seal, tables: SEALED_TABLES },
    others: redis ? [new SealedRedisArtifacts({ redis, seal })] : [],
  });
  const grants = new GrantStorage({ artifacts, seal, refreshGrace: settings.refreshGrace, log });

  const locales = createLocales(join(VIEWS, 'locales'));
  const findPlace = createFindPlace(settings.placeDatabase, locales);
  const assets = createAssets(join(VIEWS, 'assets'));
  const brand = new Brand({
    ...{ database, audit, defaultName: settings.productName },
    fixed: {
      name: loaded.sources.get('LATCHKEY_PRODUCT_NAME') === 'default' ? null : settings.productName,
      accent: settings.accentColor,
    },
  });
  const notifications = createNotifications({
    ...{ database, seal, locales, log, issuer: settings.issuer, productName: settings.productName, findPlace },
    ...{ from: settings.mail.from, dataDir: settings.dataDir },
    plainHosts: settings.mail.plainHosts,
    look() {
      const { name, palette } = brand;
      return { name, accent: palette ? { light: palette.light.accent, dark: palette.dark.accent } : OWN_ACCENT };
    },
    ...{ smtpUrl: secrets.smtpUrl, smtpFallbackUrl: secrets.smtpFallbackUrl },
  });
  const chatOutbox = new ChatOutbox({ database, seal, mail: (em, message) => notifications.send(em, message) });
  const notices = new Notices({
    ...{ mails: notifications, chats: chatOutbox, oneTime, notMeTtl: settings.ttl.notMe },
    async findChats(em, accountId) {
      if (bot === null) return [];
      return bot.chats.listReachable(em, await identities.listSubjects(em, accountId, TELEGRAM_IDENTITIES));
    },
  });
  const view = createView({
    ...{ locales, assets, productName: settings.productName, issuer: settings.issuer, findPlace },
    brand: () => ({ name: brand.name, styleUrl: brand.styleUrl, logoUrl: brand.logoUrl }),
  });
  const csrf = new Csrf({ keys: seal.deriveKeys('form token'), issuer: settings.issuer, naming });
  const pages = new Pages({ view, locales, csrf, naming });
  const trail = new Trail({ seal, naming });
  const knownAccounts = new KnownAccounts({ seal, naming });
  const enginePages = createEnginePages({ pages, accounts, trail, log, retryAfter: retryAfterOf });

  /**
   * Seconds: a published key stays until the last token that it signed has expired. An ID token outlives its `exp` as a hint at sign-out
   * (OIDC RP-Initiated Logout 1.0, section 2): an app may send the one it got when the session began.
   */
  const { ttl } = settings;
  const keyTimes: KeyTimes = {
    ahead: settings.keys.publishAhead,
    keep:
      Math.max(
        ...[ttl.idToken, ttl.accessToken, ttl.clientCredentials],
        ...[ttl.sessionAbsolute, ttl.sessionAbsoluteRemembered],
        ...settings.resources.map((resource) => resource.accessTokenTtl ?? 0),
      ) + CLOCK_SLACK,
    keepCookies: Math.max(ttl.sessionAbsolute, ttl.sessionAbsoluteRemembered) + CLOCK_SLACK,
  };
  let keysInUse = '';

  const buildProvider = async () => {
    const provider = createProvider({
      issuer: settings.issuer,
      signingKeys: await keys.listSigningKeys(),
      cookieKeys: await keys.listCookieKeys(),
      pairwiseSalt: await loadPairwiseSalt({ database, seal }),
      dpopNonceSecret: seal.deriveKey('dpop nonce'),
      ttl: settings.ttl,
      protocol: settings.protocol,
      locales: locales.available.map((one) => one.tag),
      ...{ accounts, roles, clients, consents, resources, grants, lockout, budgets, clientGuesses, naming, log },
      pages: enginePages,
      devicePages: createDevicePages({ pages, enginePages, resources, ownScopes: SCOPES }),
      interactionPolicy: {
        ...{ canReach, requiredAcr, owedTerms, organizationsOf },
        findWay: (uid) => browserSessions.findWay(uid),
      },
      organizations,
      notifyLogout,
      fetch: guardedFetch,
    });
    provider.proxy = settings.trustedProxies > 0;
    provider.maxIpsCount = settings.trustedProxies;
    followSessions(provider, browserSessions);
    followAppUses(provider, appUses);
    recordEvents(provider, { audit, log, retryAfter: retryAfterOf });
    for (const middleware of front()) provider.use(middleware);
    return provider;
  };
  const engine = new Engine(buildProvider);
  const logoutDeliveries = new LogoutDeliveries({ sql: database.sql, engine, fetch: guardedFetch, log });
  const sessionsAndGrants = new SessionsAndGrants({
    ...{ database, accounts, identities, factors, lockout, roles, organizations, audit },
    ...{ browserSessions, grants, mailed, trustedDevices, notifyLogout, personalData, notices },
  });

  const deletions = new AccountDeletions({
    ...{ database, accounts, roles, organizations, mailed, oneTime, audit, sessionsAndGrants, personalData },
    lease: new Lease({ sql: database.sql, name: 'account-deletions' }),
    grace: settings.ttl.deletionGrace,
  });
  const apps = new Apps({ consents, grants, appUses, notifyLogout, hidden: [PORTAL_CLIENT_ID] });

  /** Whether an account has what it takes to sign in at one of these levels. */
  async function canReach(subject: string, levels: readonly string[]): Promise<boolean> {
    const account = await accounts.findBySubject(subject);
    if (!account) return false;
    const { strongest } = await factors.overview(account.id);
    return levels.some((level) => reaches(strongest, level));
  }

  async function requiredAcr(subject: string, clientId: string): Promise<Acr> {
    const account = await accounts.findBySubject(subject);
    return account ? signInPolicy.requiredAcr(account.id, clientId) : 'urn:latchkey:aal1';
  }

  async function organizationsOf(subject: string): Promise<readonly Membership[]> {
    const account = await accounts.findBySubject(subject);
    return account ? organizations.listOf(account.id) : [];
  }

  async function owedTerms(subject: string): Promise<string | null> {
    if (settings.terms === null) return null;
    const account = await accounts.findBySubject(subject);
    return account?.termsVersion === settings.terms.version ? null : settings.terms.version;
  }

  /** Apps without an address for it are not told. */
  async function notifyLogout(clientId: string, subject: string, sid: string | undefined): Promise<void> {
    const client = await clients.find(clientId);
    if (client?.metadata.backchannel_logout_uri === undefined) return;
    await logoutDeliveries.enqueue(clientId, subject, sid);
  }
  clients.setMetadataCheck(async (metadata) => checkClientMetadata(engine.provider, metadata));

  const setupParts = {
    ...{ database, oneTime, accounts, passwords, roles, clients, audit, pages, csrf, naming },
    issuer: settings.issuer,
  };
  const bot = secrets.telegramBotToken === undefined ? null : await openBot(secrets.telegramBotToken);

  async function openBot(token: string): Promise<{
    readonly telegram: Telegram;
    readonly approvals: Approvals;
    readonly chats: Chats;
    readonly noticeWorker: NoticeWorker;
    readonly secret: string;
  }> {
    // Whoever has no bot does without the ten megabytes of its framework.
    const [{ createBotApi }, { NoticeWorker }, { Telegram }] = await Promise.all([
      import('./telegram/bot-api.ts'),
      import('./telegram/notice-worker.ts'),
      import('./telegram/telegram.ts'),
    ]);
    const { sql } = database;
    const { mode = 'polling', apiRoot } = settings.telegram ?? {};
    const approvals = new Approvals({ sql, seal });
    const secret = seal.deriveKey('telegram webhook').toString('base64url');
    const chats = new Chats({ sql });
    const way = { token, apiRoot, proxy: secrets.telegramProxy, metrics };
    const noticeWorker = new NoticeWorker({
      ...{ bot: createBotApi({ ...way, isQueued: true }), outbox: chatOutbox, chats, locales, issuer, findPlace, log },
      lease: new Lease({ sql, name: 'telegram-notices' }),
      productName: () => brand.name,
    });
    const telegram = new Telegram({
      bot: createBotApi(way),
      metrics,
      ...{ sql, log, approvals, locales, audit, mode, productName, issuer, findPlace },
      ...{ chats, pace: new Pace(), webhookSecret: secret },
      phones: settings.telegram?.phone === false ? null : provenPhones,
      async findAccount(telegramId) {
        const key = { upstream: TELEGRAM_IDENTITIES, issuer: TELEGRAM_ISSUER, subject: telegramId };
        const accountId = await identities.findAccountId(key);
        return accountId === null ? null : accounts.findById(accountId);
      },
      async listSessions(account) {
        const rows = await sessionsAndGrants.list(account);
        return rows.map(({ id, userAgent, lastUsedAt }) => ({ id, lastUsedAt, ...deviceOf(userAgent) }));
      },
      async endSession(account, id) {
        const cause = { actor: { kind: 'account', id: account.id }, reason: 'telegram' } as const;
        try {
          return (await sessionsAndGrants.endSession(account, id, cause)) !== null;
        } catch (error) {
          if (error instanceof NotFound) return false;
          throw error;
        }
      },
      async unlink(account, telegramId, locale) {
        const key = { upstream: TELEGRAM_IDENTITIES, issuer: TELEGRAM_ISSUER, subject: telegramId };
        return unlinkTelegram({ factors, identities, audit, notices }, account, key, locale);
      },
      createLoginUrl: async (person) => `${issuer}${await createLoginPath(oneTime, person, PORTAL_CLIENT_ID)}`,
    });
    return { telegram, approvals, chats, noticeWorker, secret };
  }
  const gateway = openGateway();

  /** Only where numbers can be proven. */
  function openGateway(): Gateway | null {
    const token = secrets.telegramGatewayToken;
    const { telegram } = settings;
    if (token === undefined || telegram === undefined || bot === null || !telegram.phone) return null;
    const root = telegram.gatewayRoot ?? GATEWAY_ROOT;
    const { telegramProxy: proxy } = secrets;
    const fetch = proxy === undefined ? guardedFetch : viaProxy(proxy, new URL(root).host, guardedFetch);
    return new Gateway({
      ...{ token, root, dailyLimit: telegram.gatewayDailyLimit },
      ...{ fetch, sql: database.sql, budgets, log, metrics },
      reportUrl: issuer.startsWith('https:') ? `${issuer}/telegram/gateway` : undefined,
    });
  }
  const phones =
    bot === null || settings.telegram?.phone === false
      ? null
      : {
          ...{ proven: provenPhones, codes: phoneCodes },
          delivery: new CodeDelivery({ telegram: bot.telegram, gateway, log }),
        };
  const usedData = new UsedData({ sql: database.sql });
  const widget =
    settings.telegram?.widget && secrets.telegramBotToken !== undefined
      ? { botToken: secrets.telegramBotToken, usedData }
      : null;
  const miniAppKey = settings.telegram?.miniApp ? findMiniAppKey() : null;

  /** By the bot's token where we have it, else by Telegram's own key for the bot that people sign in with. */
  function findMiniAppKey(): InitDataKey | null {
    const botToken = secrets.telegramBotToken;
    if (botToken !== undefined) return { kind: 'token', botToken };
    const botId = settings.upstreams.find((one) => one.kind === 'telegram')?.clientId;
    const publicKeys = (settings.telegram?.miniAppKeys ?? []).map(readMiniAppKey);
    if (botId !== undefined) return { kind: 'key', botId, publicKeys };
    log.warn('telegram.miniApp needs telegram.botToken, or an upstream of kind telegram that names the bot');
    return null;
  }
  const transactions = new Transactions({ oneTime, naming, issuer, budgets, limit: settings.limits.upstreamSignIns });
  const linking = new Linking({
    database,
    accounts,
    identities,
    oneTime,
    naming,
    audit,
    notices,
    pages,
  });
  const invitationTtl = settings.registrationRules.invitationTtl;
  const invitations = new Invitations({ database, audit, roles, organizations, notifications, ttl: invitationTtl });
  const heldInvitations = new HeldInvitations({ invitations, seal, naming });
  const interactionParts = {
    ...{ upstreams, transactions, linking, bot, phones, widget },
    ...{ engine, pages, csrf, accounts, passwords, lockout, consents, audit, trail, knownAccounts, naming },
    ...{
      resources,
      database,
      oneTime,
      mailed,
      notifications,
      notices,
      budgets,
      sessionsAndGrants,
      factors,
      totp,
      telegramFactors,
      recoveryCodes,
      passkeys,
      trustedDevices,
      signInPolicy,
      totpIssuer: settings.factors.totpIssuer,
    },
    ...{ issuer: settings.issuer, registration: settings.registration, registrationRules: settings.registrationRules },
    organizations,
    ...{ terms: settings.terms, invitations, heldInvitations, usernames },
    verificationLinkTtl: settings.mailed.verificationLinkTtl,
    limits: settings.limits,
    notMeTtl: settings.ttl.notMe,
    tellsOfNewDevices: settings.newDeviceNotices,
    answerFloorMs: settings.limits.answerFloorMs,
    answerJitterMs: settings.limits.answerJitterMs,
    rememberDays: Math.round(settings.ttl.sessionIdleRemembered / 86_400),
  };

  const sessions = new PortalSessions({
    ...{ engine, accounts, browserSessions, oneTime, naming, pages, issuer, signInPolicy, owedTerms },
  });
  const profileParts = {
    ...{
      sessions,
      factors,
      csrf,
      accounts,
      emailChanges,
      provenPhones,
      phoneBot: () => (phones === null ? null : (bot?.telegram.username ?? null)),
      pictures,
      mailed,
      notifications,
      notices,
      audit,
      budgets,
      database,
      pages,
      naming,
    },
    ...{ freshProof: settings.ttl.freshProof, languages: locales.available, sessionsAndGrants },
    tellsOfNewDevices: settings.newDeviceNotices,
  };
  const securityParts = {
    ...{
      sessions,
      accounts,
      passwords,
      totp,
      recoveryCodes,
      factors,
      sessionsAndGrants,
      notifications,
      notices,
      oneTime,
      audit,
      database,
    },
    ...{ pages, csrf, passkeys, naming, signInPolicy, budgets, bot, identities },
    freshProof: settings.ttl.freshProof,
    passwordChanges: settings.limits.passwordChanges,
  };

  const adminAccountParts = { ...securityParts, roles, mailed, lockout, deletions };
  const claimPreviews = new ClaimPreviews({
    ...{
      engine,
      accounts,
      roles,
      organizations,
      factors,
      consents,
      resources,
      signInPolicy,
      organizationsOf,
      owedTerms,
    },
  });

  let routers: readonly Router[] = [];
  /** In this order in front of the engine's routes. */
  function front(): readonly Middleware[] {
    routers = [
      homeRoutes({ engine, pages, csrf, accounts, roles, issuer: settings.issuer }),
      setupRoutes(setupParts),
      interactionRoutes(interactionParts),
      resetRoutes(interactionParts),
      linkRoutes(interactionParts),
      upstreamRoutes({ upstreams, transactions, pages, audit, issuer }),
      miniAppRoutes({
        ...{ ...interactionParts, portalClientId: PORTAL_CLIENT_ID },
        miniApp: miniAppKey === null ? null : { key: miniAppKey, usedData },
      }),
      notMeRoutes(interactionParts),
      invitationRoutes({
        ...{ invitations, heldInvitations, sessions, pages, csrf, registration: settings.registration },
      }),
      securityRoutes(securityParts),
      profileRoutes(profileParts),
      emailUndoRoutes(profileParts),
      identitiesRoutes({ ...securityParts, upstreams, transactions, linking }),
      adminAccountsRoutes({ ...adminAccountParts, languages: locales.available }),
      adminAccountsBulkRoutes(adminAccountParts),
      adminAccountRoutes({ ...adminAccountParts, identities, upstreams, clients, consents, history }),
      adminClientsRoutes({ ...securityParts, roles, clients, issuer }),
      adminOverviewRoutes({
        ...{ ...securityParts, roles, clients, browserSessions, dayCounts, keys, issuer, upstreams },
        isMailSent: settings.mail.kind === 'smtp',
        isRedisUsed: settings.redis.kind !== 'none',
        areGrantsUp: () => grants.isHealthy(),
        bot: bot === null ? null : { isReady: () => bot.telegram.username !== null },
      }),
      adminBrandRoutes({ ...securityParts, roles, brand }),
      adminSettingsRoutes({
        ...{ ...securityParts, roles, identities },
        sections: explainSettings(loaded),
        bot: bot?.telegram ?? null,
      }),
      adminAuditRoutes({ ...securityParts, roles, history }),
      adminInvitationsRoutes({ ...securityParts, roles, invitations, languages: locales.available }),
      adminOrganizationsRoutes({ ...securityParts, roles, organizations, upstreams }),
      organizationLogoRoutes({ ...securityParts, roles, organizations }),
      organizationRolesRoutes({ ...securityParts, roles, organizations, organizationRoles }),
      organizationInvitationsRoutes({
        ...{ ...securityParts, roles, organizations, invitations, languages: locales.available },
      }),
      adminRolesRoutes({ ...securityParts, roles }),
      adminUpstreamRoutes({ ...securityParts, roles, upstreams, keptUpstreams, issuer }),
      adminUpstreamsRoutes({
        ...{ ...securityParts, roles, upstreams, keptUpstreams, identities, history },
        ...{ fetch: guardedFetch, issuer },
      }),
      adminClaimsRoutes({ ...securityParts, roles, clients, claimPreviews, resources: settings.resources }),
      membershipRoutes({ ...profileParts, organizations, invitations, heldInvitations }),
      sessionsRoutes({ sessions, browserSessions, sessionsAndGrants, clients, pages, csrf }),
      ownDataRoutes({ ...profileParts, personalData, deletions }),
      activityRoutes({ sessions, history, clients, oneTime, budgets, pages, csrf }),
      appsRoutes({ sessions, apps, clients, resources, ownScopes: SCOPES, pages, csrf }),
      webhookRoutes({
        secret: settings.telegram?.mode === 'webhook' ? bot?.secret : undefined,
        handle: async (update) => bot?.telegram.handle(update),
        gateway,
      }),
      wellKnownRoutes(),
    ];
    return [
      requestLog(log),
      requestMetrics(metrics, constantRoute),
      securityHeaders(),
      errorPages({ pages, log, asUnavailable, trustedProxies: settings.trustedProxies }),
      assets.middleware,
      brand.middleware,
      probes(isHealthy),
      traffic,
      constantAnswers(),
      pageRoutes(routers),
    ];
  }

  async function isHealthy(): Promise<boolean> {
    const [isDatabaseUp, areGrantsUp] = await Promise.all([database.isHealthy(), grants.isHealthy()]);
    return isDatabaseUp && areGrantsUp;
  }

  async function prepareEngine(): Promise<void> {
    await keptUpstreams.refresh();
    await keys.ensure();
    keysInUse = await keys.fingerprint();
    await engine.reload();
  }

  /** Puts an engine with the keys of now in place when they changed, here or in another process. */
  async function followKeys(): Promise<void> {
    await keys.rotateWhenDue(settings.keys.rotationPeriod, keyTimes);
    const current = await keys.fingerprint();
    if (current === keysInUse) return;
    await engine.reload();
    keysInUse = current;
    log.info('signing keys changed');
  }

  const everySoOften = (every: number, what: string, work: () => Promise<unknown>): NodeJS.Timeout =>
    setInterval(() => {
      work().catch((error: unknown) => log.warn({ err: serializeError(error) }, `could not ${what}`));
    }, every).unref();
  const timers: NodeJS.Timeout[] = [];
  const sweepers = [
    usernames,
    emailChanges,
    grants,
    oneTime,
    lockout,
    logoutDeliveries,
    mailed,
    phoneCodes,
    notifications,
    chatOutbox,
    totp,
    trustedDevices,
    browserSessions,
    deletions,
    usedData,
    ...(bot ? [bot.telegram, bot.approvals] : []),
    ...(gateway ? [gateway] : []),
  ];
  return {
    ...{
      engine,
      followKeys,
      keyTimes,
      sealedStores,
      accounts,
      passwords,
      identities,
      keptUpstreams,
      factors,
      mailed,
      lockout,
      roles,
      invitations,
      organizations,
      organizationRoles,
      clients,
      keys,
      audit,
      auditChain,
      history,
      database,
      sessionsAndGrants,
      deletions,
      grants,
      loaded,
      log,
      metrics,
    },
    setupLink: () => createSetupLink(setupParts, settings.ttl.setupLink),
    prepareEngine,
    async prepare() {
      await prepareEngine();
      await brand.refresh();
      await roles.declare(declaredRoles(settings.roles));
      await clients.declare([...settings.clients, portalClient(issuer)], secrets.clientSecrets);
    },
    routes: () =>
      routers.flatMap(({ stack }) =>
        stack.flatMap(({ methods, path }) => methods.map((method) => ({ method, path: String(path) }))),
      ),
    handle: engine.handle,
    isHealthy,
    startWorkers() {
      metrics.followProcess();
      metrics.followOutbox(() => notifications.backlog());
      if (bot) metrics.followChatOutbox(() => chatOutbox.countQueued());
      logoutDeliveries.start();
      notifications.start();
      bot?.telegram.start();
      bot?.noticeWorker.start();
      timers.push(
        everySoOften(SWEEP_EVERY, 'delete what has expired', () => Promise.all(sweepers.map((one) => one.sweep()))),
        everySoOften(BRAND_EVERY, 'look for another name or colour', () => brand.refresh()),
        everySoOften(UPSTREAMS_EVERY, 'look for changes of upstreams', () => keptUpstreams.watch()),
        everySoOften(DAY_EVERY, 'note how many sessions live', () => browserSessions.noteDay()),
        everySoOften(USES_EVERY, 'note which sessions were used', () => browserSessions.flush()),
        everySoOften(USES_EVERY, 'note which apps were used', () => appUses.flush()),
        everySoOften(KEYS_EVERY, 'look for new keys', followKeys),
        everySoOften(CHAIN_EVERY, 'chain audit events', () => auditChain.extend()),
        everySoOften(SWEEP_EVERY, 'delete old audit events', () => auditChain.prune(settings.auditRetentionDays)),
        everySoOften(HEAD_EVERY, 'note the head of the audit chain', async () => {
          log.info({ auditHead: await auditChain.head() }, 'newest hash of the audit chain');
        }),
      );
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([
        ...[logoutDeliveries.stop(), notifications.stop()],
        ...[bot?.telegram.stop(), bot?.noticeWorker.stop()],
      ]);
      await Promise.all([browserSessions.flush(), appUses.flush()]).catch((error: unknown) =>
        log.warn({ err: serializeError(error) }, 'uses of sessions and apps are lost'),
      );
      await redis?.close();
      await database.close();
    },
  };
}

/** What the settings say of roles, with what they leave out. */
function declaredRoles(roles: Settings['roles']): readonly RoleInput[] {
  return roles.map(({ id, name, rank, inherits = [], permissions = [], audience = null }) => {
    const built = inherits.map((one) => BUILT_IN_ROLES.find((role) => role.id === one)?.rank ?? 0);
    const least = audience === null ? Math.max(rankOf(permissions), ...built) : 0;
    return { id, name, rank: rank ?? least, inherits, permissions, audience };
  });
}

/** Whoever reads the mail of a proven address can sign in with a mailed code. */
async function mailAsWayIn(accountId: string, em: EntityManager): Promise<readonly OtherWay[]> {
  const rows = await em.execute<object[]>(
    'select 1 as one from account where id = ? and email is not null and email_verified_at is not null',
    [accountId],
  );
  return rows.length === 1 ? [{ kind: 'mail' }] : [];
}

/** `/livez`: the process is up. `/readyz`: it can serve (requirements X8). */
function probes(isReady: () => Promise<boolean>): Middleware {
  const answer: Middleware = async (ctx) => {
    const isGood = ctx.path === '/livez' || (await isReady());
    ctx.status = isGood ? 200 : 503;
    if (!isGood) ctx.set('Retry-After', '5');
    ctx.body = { status: isGood ? 'ok' : 'unavailable' };
  };
  return (ctx, next): Promise<unknown> => {
    const isProbe = (ctx.path === '/livez' || ctx.path === '/readyz') && ['GET', 'HEAD'].includes(ctx.method);
    return isProbe ? (answer(ctx, next) as Promise<unknown>) : next();
  };
}

function retryAfterOf(error: unknown): number | undefined {
  if (error instanceof Unavailable) return error.retryAfter ?? 5;
  return isOutage(error) ? 5 : undefined;
}
