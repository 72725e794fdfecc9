// The device authorization grant (RFC 8628) where the engine leaves it to us: how often a device may ask (`slow_down`), how many codes may be
// guessed, that of two browsers with one code one decides, and what our form's fields are called. That a person always compares the code and
// clicks is the engine's doing and that of oidc/device-pages.ts.
import type { Context, Middleware } from 'koa';
import { type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Accounts } from '../account/accounts.ts';
import type { Budgets } from '../credential/budget.ts';
import type { Lockout } from '../credential/lockout.ts';
import { hashToken } from '../crypto/random.ts';
import { TooManyRequests } from '../errors.ts';
import { type CookieNaming, ensureBrowserId } from '../http/browser.ts';
import { clientAddress, clientNetwork } from '../http/client-address.ts';

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const DEVICE_PATH = '/device';
/** Seconds that a device may be early: networks are not punctual. */
const POLL_SLACK = 1;
const MOST_USER_AGENT = 120;
const MOST_CODE = 30;

/** What is remembered of the request that made a code, for the person who is asked to approve it. */
export interface DeviceInfo {
  readonly network: string;
  readonly userAgent: string;
}

/** `form` is the engine's own form, of which we need its address and its token. */
export interface DevicePages {
  enterCode(ctx: KoaContextWithOIDC, form: string, code: string, error?: Error): Promise<void>;
  confirm(ctx: KoaContextWithOIDC, form: string, info: DeviceInfo, code: string): Promise<void>;
  done(ctx: KoaContextWithOIDC): Promise<void>;
}

interface Parts {
  readonly accounts: Accounts;
  readonly lockout: Lockout;
  readonly budgets: Budgets;
  readonly naming: CookieNaming;
  /** Seconds. */
  readonly pollInterval: number;
  /** Of a device code, in seconds. */
  readonly ttl: number;
}

/** What the engine is told of it. */
export function deviceFlow(pages: DevicePages): NonNullable<NonNullable<Configuration['features']>['deviceFlow']> {
  return {
    enabled: true,
    charset: 'base-20',
    mask: '****-****',
    deviceInfo: (ctx) => ({ ...deviceInfo(ctx) }),
    userCodeInputSource: (ctx, form, _out, error) => pages.enterCode(ctx, form, typed.get(ctx) ?? '', error),
    userCodeConfirmSource: (ctx, form, _client, info, code) =>
      pages.confirm(ctx, form, info as unknown as DeviceInfo, code),
    successSource: (ctx) => pages.done(ctx),
  };
}

/** Codes from the complete address (RFC 8628, 3.3.1): filled in, and nothing more. */
const typed = new WeakMap<Context, string>();

/**
 * Opening the complete address only fills the field in. Left to the engine it would post the code by itself, and a link would use up
 * somebody's guesses.
 */
export function prefillUserCode(): Middleware {
  return (ctx, next) => {
    if (ctx.path === DEVICE_PATH && ctx.method !== 'POST') {
      const { user_code: code } = ctx.query;
      if (typeof code === 'string') typed.set(ctx, code.slice(0, MOST_CODE));
      ctx.querystring = '';
    }
    return next();
  };
}

/** The fields of our device pages under the names that the engine reads. */
export function readDeviceForm(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { xsrf, code, decision } = body;
  return {
    xsrf,
    user_code: code,
    ...(decision === 'allow' ? { confirm: 'yes' } : {}),
    ...(decision === 'deny' ? { abort: 'yes' } : {}),
  };
}

/** The code was decided about, or is being decided about, in another browser. */
export class DeviceCodeTaken extends errors.InvalidRequest {
  constructor() {
    super('the code is being used in another browser');
  }
}

/** Puts the limits in place. @throws from within requests: TooManyRequests, errors.SlowDown, DeviceCodeTaken, Unavailable */
export function guardDeviceFlow(provider: Provider, parts: Parts): void {
  const { DeviceCode } = provider as unknown as { DeviceCode: DeviceCodeClass };
  const { find, findByUserCode } = DeviceCode;

  DeviceCode.findByUserCode = async (userCode, options) => {
    const ctx = Provider.ctx;
    if (!ctx) return findByUserCode.call(DeviceCode, userCode, options);
    const attempt = await parts.lockout.attemptCode(await guesser(ctx, parts), clientNetwork(ctx));
    if (!attempt.isAllowed) throw new TooManyRequests(attempt.retryAfter ?? parts.ttl);
    const code = await findByUserCode.call(DeviceCode, userCode, options);
    if (code) await attempt.succeed();
    return code;
  };

  DeviceCode.find = async (value, options) => {
    const code = await find.call(DeviceCode, value, options);
    if (code && Provider.ctx?.oidc.route === 'token' && isPending(code)) await countPoll(value, parts);
    return code;
  };

  const { save } = DeviceCode.prototype;
  DeviceCode.prototype.save = async function saveOnce(this: StoredDeviceCode) {
    const { jti, exp } = this;
    if (jti !== undefined && exp !== undefined) {
      const step = isDecided(this) ? 'decided' : 'in-flight';
      if (!(await isFirst(provider, step, jti, exp))) throw new DeviceCodeTaken();
    }
    return save.call(this);
  };

  provider.on('device_authorization.success', (_ctx, response: object) => {
    Object.assign(response, { interval: parts.pollInterval });
  });
}

interface StoredDeviceCode {
  /** Undefined until it is saved for the first time. */
  readonly jti?: string;
  readonly exp?: number;
  readonly isExpired: boolean;
  readonly accountId?: string;
  readonly error?: string;
}

interface FindOptions {
  readonly ignoreExpiration?: boolean;
}

interface DeviceCodeClass {
  find(value: string, options?: FindOptions): Promise<StoredDeviceCode | undefined>;
  findByUserCode(userCode: string, options?: FindOptions): Promise<StoredDeviceCode | undefined>;
  readonly prototype: { save(this: StoredDeviceCode): Promise<string> };
}

function deviceInfo(ctx: KoaContextWithOIDC): DeviceInfo {
  return {
    network: clientAddress(ctx),
    userAgent: ctx
      .get('user-agent')
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
      .slice(0, MOST_USER_AGENT),
  };
}

/** Whose budget a guess is taken from: the account's that is signed in (requirements L4), else the browser's. */
async function guesser(ctx: KoaContextWithOIDC, { accounts, naming }: Parts): Promise<string> {
  const subject = ctx.oidc.session?.accountId;
  const account = subject === undefined ? null : await accounts.findBySubject(subject);
  return account?.id ?? hashToken('device-guess', ensureBrowserId(ctx, naming));
}

async function countPoll(deviceCode: string, { budgets, pollInterval, ttl }: Parts): Promise<void> {
  const apart = Math.max(pollInterval - POLL_SLACK, 0.5);
  const key = `device-poll:${hashToken('device-poll', deviceCode)}`;
  const spending = await budgets.spend(key, { limit: ttl * 2, window: ttl, apart });
  if (!spending.isAllowed) throw new errors.SlowDown();
}

function isPending(code: StoredDeviceCode): boolean {
  return !code.isExpired && !isDecided(code);
}

function isDecided(code: StoredDeviceCode): boolean {
  return code.accountId !== undefined || code.error !== undefined;
}

/** One insert decides: of any number of browsers one takes the step. */
async function isFirst(provider: Provider, step: string, jti: string, exp: number): Promise<boolean> {
  try {
    return await provider.ReplayDetection.unique(`device-code ${step} `, jti, exp);
  } catch (error) {
    // What the storage answers when the mark is there already.
    if (error instanceof errors.InvalidRequest) return false;
    throw error;
  }
}
