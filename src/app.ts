// The composition root: builds every collaborator by hand and mounts every room. The only file that knows all rooms below it; what it wires
// is all there is.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Middleware } from 'koa';
import { ensureSecret } from '../config/generated-secret.ts';
import type { LoadedSettings } from '../config/settings.ts';
import { migrations } from '../migrations/list.ts';
import { Roles } from './access/roles.ts';
import { Accounts } from './account/accounts.ts';
import { Audit } from './audit/audit.ts';
import { Clients } from './client/clients.ts';
import { BreachedPasswords } from './credential/breached-password.ts';
import { Budgets } from './credential/budget.ts';
import { Factors, type OtherWay } from './credential/factors.ts';
import { HashQueue } from './credential/hash-queue.ts';
import { Lockout } from './credential/lockout.ts';
import { MailedSecrets } from './credential/mailed-secret.ts';
import { Passkeys } from './credential/passkey.ts';
import { Passwords } from './credential/password.ts';
import { RecoveryCodes } from './credential/recovery-code.ts';
import { ShortCodes } from './credential/short-code.ts';
import { Totp } from './credential/totp.ts';
import { Seal } from './crypto/seal.ts';
import { entities } from './entities.ts';
import { Unavailable } from './errors.ts';
import { createAssets } from './http/asset.ts';
import type { CookieNaming } from './http/browser.ts';
import { Csrf } from './http/csrf.ts';
import { errorPages } from './http/error-page.ts';
import { createGuardedFetch } from './http/guarded-fetch.ts';
import { securityHeaders } from './http/headers.ts';
import { createLocales } from './http/locale.ts';
import { Pages } from './http/page.ts';
import { requestLog } from './http/request-log.ts';
import { createView } from './http/view.ts';
import { KnownAccounts } from './interaction/known-accounts.ts';
import { linkRoutes } from './interaction/link.ts';
import { notMeRoutes } from './interaction/not-me.ts';
import { resetRoutes } from './interaction/reset.ts';
import { interactionRoutes } from './interaction/routes.ts';
import { type Log, serializeError } from './log.ts';
import { createNotifications } from './notification/notifications.ts';
import { reaches } from './oidc/acr.ts';
import { Consents } from './oidc/consents.ts';
import { createDevicePages } from './oidc/device-pages.ts';
import { Engine } from './oidc/engine.ts';
import { recordEvents } from './oidc/events.ts';
import { GrantStorage } from './oidc/grant-adapter.ts';
import { Keys } from './oidc/keys.ts';
import { LogoutDeliveries } from './oidc/logout-deliveries.ts';
import { createEnginePages } from './oidc/pages.ts';
import { loadPairwiseSalt } from './oidc/pairwise.ts';
import { checkClientMetadata, createProvider, SCOPES } from './oidc/provider.ts';
import { grantScripts, RedisArtifacts } from './oidc/redis-grants.ts';
import { Resources } from './oidc/resources.ts';
import { SessionsAndGrants } from './oidc/sessions-and-grants.ts';
import { SqlArtifacts } from './oidc/sql-grants.ts';
import { Trail } from './oidc/trail.ts';
import { wellKnownRoutes } from './oidc/well-known.ts';
import { homeRoutes } from './portal/home.ts';
import { PortalSessions, portalClient } from './portal/portal-session.ts';
import { securityRoutes } from './portal/security.ts';
import { createSetupLink, setupRoutes } from './portal/setup.ts';
import { asUnavailable, Database, type EntityManager, isOutage } from './storage/database.ts';
import { OneTime } from './storage/one-time.ts';
import { openRedis, type RedisConnection } from './storage/redis.ts';

const VIEWS = join(import.meta.dirname, '..', 'views');
/** Milliseconds between two rounds of deleting what has expired. */
const SWEEP_EVERY = 60_000;
/** Milliseconds: within a minute every process has noticed a new key, which is published for longer before it signs. */
const KEYS_EVERY = 20_000;
/** Seconds by which clocks of clients may be wrong. */
const CLOCK_SLACK = 60;

export interface App {
  readonly engine: Engine;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly factors: Factors;
  readonly mailed: MailedSecrets;
  readonly lockout: Lockout;
  readonly roles: Roles;
  readonly clients: Clients;
  readonly keys: Keys;
  /** Seconds for `keys.rotate`. */
  readonly keyTimes: { readonly ahead: number; readonly keep: number };
  /** Notices new keys at once instead of at the next look. */
  followKeys(): Promise<void>;
  readonly audit: Audit;
  readonly database: Database;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly grants: GrantStorage;
  readonly loaded: LoadedSettings;
  readonly log: Log;
  /** A fresh link for the first administrator. @throws Conflict when there is one */
  setupLink(): Promise<string>;
  /** Builds keys and engine, declares the clients of the settings; before it nothing can be served. */
  prepare(): Promise<void>;
  /** Keys and engine alone: a command, whose settings may lack the server's YAML, must not touch what that declares. */
  prepareEngine(): Promise<void>;
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
  const audit = new Audit({ database });
  const oneTime = new OneTime({ sql: database.sql, seal });
  const accounts = new Accounts({ database, audit, reservedUsernames: settings.usernames.reserved });
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
  const { switchedOff } = settings.limits;
  const budgets = new Budgets({ database, switchedOff });
  const shortCodes = new ShortCodes(queue);
  const totp = new Totp({ database, seal, issuer: settings.factors.totpIssuer });
  const recoveryCodes = new RecoveryCodes({ database, shortCodes, perSet: settings.factors.recoveryCodes });
  const { issuer, productName } = settings;
  const passkeys = new Passkeys({ database, oneTime, issuer, productName });
  const mailed = new MailedSecrets({
    ...{ database, seal, lockout, shortCodes },
    settings: { ...settings.mailed, switchedOff },
  });
  const otherWays = mailAsWayIn;
  const factors = new Factors({ database, passwords, totp, passkeys, recoveryCodes, mailed, otherWays });
  const roles = new Roles({ database, audit });
  const clients = new Clients({ database, audit });
  const consents = new Consents({ database, audit });
  const resources = new Resources(settings.resources);
  const keys = new Keys({ database, audit, seal });
  const artifacts = redis
    ? new RedisArtifacts(redis)
    : new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
  const grants = new GrantStorage({ artifacts, seal, refreshGrace: settings.refreshGrace, log });

  const locales = createLocales(join(VIEWS, 'locales'));
  const assets = createAssets(join(VIEWS, 'assets'));
  const view = createView({ locales, assets, productName: settings.productName, issuer: settings.issuer });
  const csrf = new Csrf({ key: seal.deriveKey('form token'), issuer: settings.issuer, naming });
  const pages = new Pages({ view, locales, csrf, naming });
  const trail = new Trail({ seal, naming });
  const knownAccounts = new KnownAccounts({ seal, naming });
  const enginePages = createEnginePages({ pages, accounts, trail, log, retryAfter: retryAfterOf });

  /** Seconds: a published key stays until the last token that it signed has expired. */
  const { ttl } = settings;
  const keyTimes = {
    ahead: settings.keys.publishAhead,
    keep:
      Math.max(
        ...[ttl.idToken, ttl.accessToken, ttl.clientCredentials],
        ...settings.resources.map((resource) => resource.accessTokenTtl ?? 0),
      ) + CLOCK_SLACK,
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
      ...{ accounts, clients, consents, resources, grants, lockout, budgets, naming, log },
      pages: enginePages,
      devicePages: createDevicePages({ pages, enginePages, resources, ownScopes: SCOPES }),
      interactionPolicy: { canReach },
      notifyLogout,
      fetch: guardedFetch,
    });
    provider.proxy = settings.trustedProxies > 0;
    provider.maxIpsCount = settings.trustedProxies;
    recordEvents(provider, { audit, log, retryAfter: retryAfterOf });
    for (const middleware of front()) provider.use(middleware);
    return provider;
  };
  const engine = new Engine(buildProvider);
  const logoutDeliveries = new LogoutDeliveries({ sql: database.sql, engine, fetch: guardedFetch, log });
  const sessionsAndGrants = new SessionsAndGrants({ accounts, audit, grants, notifyLogout });

  /** Whether an account has what it takes to sign in at one of these levels. */
  async function canReach(subject: string, levels: readonly string[]): Promise<boolean> {
    const account = await accounts.findBySubject(subject);
    if (!account) return false;
    const { strongest } = await factors.overview(account.id);
    return levels.some((level) => reaches(strongest, level));
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
  const notifications = createNotifications({
    ...{ database, seal, locales, log, issuer: settings.issuer, productName: settings.productName },
    ...{ from: settings.mail.from, dataDir: settings.dataDir },
    ...{ smtpUrl: secrets.smtpUrl, smtpFallbackUrl: secrets.smtpFallbackUrl },
  });
  const interactionParts = {
    ...{ engine, pages, csrf, accounts, passwords, lockout, consents, audit, trail, knownAccounts, naming },
    ...{
      resources,
      database,
      oneTime,
      mailed,
      notifications,
      budgets,
      sessionsAndGrants,
      factors,
      totp,
      recoveryCodes,
    },
    ...{ issuer: settings.issuer, registration: settings.registration },
    answerFloorMs: settings.limits.answerFloorMs,
    answerJitterMs: settings.limits.answerJitterMs,
    rememberDays: Math.round(settings.ttl.sessionIdleRemembered / 86_400),
  };

  const sessions = new PortalSessions({ engine, accounts, oneTime, naming, issuer });
  const securityParts = {
    ...{ sessions, accounts, passwords, totp, recoveryCodes, factors, grants, notifications, oneTime, audit, database },
    ...{ pages, csrf, freshProof: settings.ttl.freshProof },
  };

  /** In this order in front of the engine's routes. */
  function front(): readonly Middleware[] {
    const routers = [
      homeRoutes({ engine, pages, csrf, accounts, roles, issuer: settings.issuer }),
      setupRoutes(setupParts),
      interactionRoutes(interactionParts),
      resetRoutes(interactionParts),
      linkRoutes(interactionParts),
      notMeRoutes(interactionParts),
      securityRoutes(securityParts),
      wellKnownRoutes(),
    ];
    return [
      requestLog(log),
      securityHeaders(),
      errorPages({ pages, log, asUnavailable, trustedProxies: settings.trustedProxies }),
      assets.middleware,
      probes(isHealthy),
      ...routers.flatMap((router) => [router.routes() as Middleware, router.allowedMethods() as Middleware]),
    ];
  }

  async function isHealthy(): Promise<boolean> {
    const [isDatabaseUp, areGrantsUp] = await Promise.all([database.isHealthy(), grants.isHealthy()]);
    return isDatabaseUp && areGrantsUp;
  }

  async function prepareEngine(): Promise<void> {
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
  const sweepers = [grants, oneTime, lockout, logoutDeliveries, mailed, notifications, totp];
  return {
    ...{
      engine,
      followKeys,
      keyTimes,
      accounts,
      passwords,
      factors,
      mailed,
      lockout,
      roles,
      clients,
      keys,
      audit,
      database,
      sessionsAndGrants,
      grants,
      loaded,
      log,
    },
    setupLink: () => createSetupLink(setupParts, settings.ttl.setupLink),
    prepareEngine,
    async prepare() {
      await prepareEngine();
      await clients.declare([...settings.clients, portalClient(issuer)], secrets.clientSecrets);
    },
    handle: engine.handle,
    isHealthy,
    startWorkers() {
      logoutDeliveries.start();
      notifications.start();
      timers.push(
        everySoOften(SWEEP_EVERY, 'delete what has expired', () => Promise.all(sweepers.map((one) => one.sweep()))),
        everySoOften(KEYS_EVERY, 'look for new keys', followKeys),
      );
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([logoutDeliveries.stop(), notifications.stop()]);
      await redis?.close();
      await database.close();
    },
  };
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
  return async (ctx, next) => {
    if ((ctx.path !== '/livez' && ctx.path !== '/readyz') || !['GET', 'HEAD'].includes(ctx.method)) {
      await next();
      return;
    }
    const isGood = ctx.path === '/livez' || (await isReady());
    ctx.status = isGood ? 200 : 503;
    if (!isGood) ctx.set('Retry-After', '5');
    ctx.body = { status: isGood ? 'ok' : 'unavailable' };
  };
}

function retryAfterOf(error: unknown): number | undefined {
  if (error instanceof Unavailable) return error.retryAfter ?? 5;
  return isOutage(error) ? 5 : undefined;
}
