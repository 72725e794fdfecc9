// Clients that register themselves (RFC 7591), manage their registration (RFC 7592) or are described by a document at their own address
// (client ID metadata documents, a draft). All of it is off unless the settings say otherwise; what such clients may be is client-policy.ts.
import type { Context, Middleware, Next } from 'koa';
import { type Configuration, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Budgets } from '../credential/budget.ts';
import { randomToken } from '../crypto/random.ts';
import { clientNetwork } from '../http/client-address.ts';

/** The draft that the engine's pinned version implements; another one is refused at start instead of being half understood. */
const DOCUMENT_DRAFT = 'draft-02';
/** Seconds for which a document may be remembered. */
const DOCUMENT_CACHE = { min: 60, max: 3600 };
const HOUR = 3600;
const ONCE = 'once';
const REGISTRATION_PATH = '/reg';

export interface RegistrationSettings {
  readonly clientRegistration: 'off' | 'token' | 'open';
  readonly clientRegistrationApproval: boolean;
  readonly clientRegistrationLimit: number;
  readonly clientDocumentHosts: readonly string[];
}

type Features = NonNullable<Configuration['features']>;

/** What the engine is told of it. @param budgets count the registrations of a network */
export function registrationFeatures(
  settings: RegistrationSettings,
  budgets: Budgets,
): Pick<Features, 'registration' | 'registrationManagement' | 'clientIdMetadataDocument'> {
  const isOn = settings.clientRegistration !== 'off';
  const needsToken = settings.clientRegistration === 'token';
  const hosts = new Set(settings.clientDocumentHosts);
  return {
    registration: {
      enabled: isOn,
      initialAccessToken: needsToken,
      idFactory: () => randomToken(16),
      secretFactory: () => randomToken(),
      // Asked before anything is fetched or stored.
      issueRegistrationAccessToken: async (ctx) => {
        const budget = { limit: settings.clientRegistrationLimit, window: HOUR };
        const spending = await budgets.spendNetwork('client-registration', clientNetwork(ctx), budget);
        if (spending.isAllowed) return true;
        ctx.set('Retry-After', String(spending.retryAfter));
        throw tooManyRequests('too many registrations from this network');
      },
      ...(needsToken ? { policies: { [ONCE]: useOnce } } : {}),
    },
    registrationManagement: { enabled: isOn, rotateRegistrationAccessToken: true },
    ...(hosts.size === 0
      ? {}
      : {
          clientIdMetadataDocument: {
            enabled: true,
            ack: DOCUMENT_DRAFT,
            allowFetch: (_ctx, clientId) => hosts.has(URL.parse(clientId)?.hostname ?? ''),
            // Its sector document was not looked at: it would be another fetch on a stranger's word.
            allowClient: (_ctx, client) => client.sectorIdentifierUri === undefined,
            cacheDuration: DOCUMENT_CACHE,
          },
        }),
  };
}

/** A token that lets one client register. @param ttl seconds @returns the token in clear, this once */
export async function createInitialAccessToken(provider: Provider, ttl: number): Promise<string> {
  const { InitialAccessToken } = provider;
  return new InitialAccessToken({ expiresIn: ttl, policies: [ONCE] }).save();
}

/** One insert decides which of several registrations had the token. */
async function useOnce(ctx: KoaContextWithOIDC): Promise<void> {
  const { InitialAccessToken: token, RegistrationAccessToken: management } = ctx.oidc.entities;
  if (!token) return;
  // It belongs to the registration alone: left to the engine the token for later changes would carry this policy as well, and be refused
  // by a deployment that does without initial access tokens one day.
  if (management) management.policies = undefined;
  const inAYear = Math.floor(Date.now() / 1000) + 365 * 24 * HOUR;
  let isFirst = false;
  try {
    isFirst = await ctx.oidc.provider.ReplayDetection.unique('initial-access-token ', token.jti, token.exp ?? inAYear);
  } catch (error) {
    if (!(error instanceof errors.InvalidRequest)) throw error;
  }
  if (!isFirst) throw new errors.InvalidToken('initial access token was already used');
}

/** Secrets that were made in this request, by its context. */
const newSecrets = new WeakMap<object, string>();

export function noteNewSecret(ctx: object, secret: string): void {
  newSecrets.set(ctx, secret);
}

/** The engine answers with what it has: hashes in the place of secrets, and members of ours. Neither leaves the house. */
export function cleanRegistrationAnswers(): Middleware {
  return (ctx, next) => (ctx.path.startsWith(REGISTRATION_PATH) ? clean(ctx, next) : next());
}

async function clean(ctx: Context, next: Next): Promise<void> {
  await next();
  if (ctx.path !== REGISTRATION_PATH && !ctx.path.startsWith(`${REGISTRATION_PATH}/`)) return;
  const body = ctx.body as Record<string, unknown> | null | undefined;
  if (typeof body !== 'object' || body === null || !('client_id' in body)) return;
  const answer = Object.fromEntries(Object.entries(body).filter(([name]) => !name.startsWith('latchkey_')));
  const secret = newSecrets.get(ctx);
  if (secret === undefined) {
    delete answer['client_secret'];
    delete answer['client_secret_expires_at'];
  } else {
    answer['client_secret'] = secret;
  }
  ctx.body = answer;
}

/** The engine's JSON error with status 429. */
export function tooManyRequests(description: string): Error {
  const error = new errors.CustomOIDCProviderError('too_many_requests', description);
  return Object.assign(error, { status: 429, statusCode: 429 });
}
