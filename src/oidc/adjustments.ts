// Where the engine has no setting for what we need, its own classes are told: addresses from the issuer alone, secrets compared by their hash,
// `acr` in levels, and the life of a pushed request. Each says why; all of them are covered by tests that run the real engine.
import type { IncomingMessage } from 'node:http';
import { type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { isClientSecret } from '../client/clients.ts';
import { RequestNote } from '../http/request-note.ts';
import { requestedAcr, statedAcr } from './acr.ts';
import type { ClientGuesses } from './client-guesses.ts';
import { readDeviceForm } from './device-flow.ts';

type Context = KoaContextWithOIDC['oidc'];

interface Parts {
  readonly clientGuesses: ClientGuesses;
  /** Tells an app that a session ended, off the request path. */
  readonly notifyLogout: (clientId: string, subject: string, sid: string | undefined) => Promise<void>;
  /** Seconds. */
  readonly pushedRequestTtl: number;
  /** As the engine sets it itself. */
  readonly sessionCookie: NonNullable<NonNullable<Configuration['cookies']>['long']>;
  /** Seconds, for a session of nobody. */
  readonly anonymousSessionTtl: number;
}

export function adjustEngine(provider: Provider, parts: Parts): void {
  const context = provider.OIDCContext.prototype;
  // The engine builds addresses from the request's Host header, which is the sender's word. Expected audiences and proofs (`htu`) follow.
  Object.defineProperty(context, 'urlFor', {
    value: (name: string, options?: object) => provider.urlFor(name, { ...options }),
  });
  Object.defineProperty(context, 'acr', {
    get(this: Context) {
      return statedAcr(this.session?.acr, requestedAcr(this.params ?? {}));
    },
  });
  adjustBodies(context);

  Object.defineProperty(provider.Client.prototype, 'compareClientSecret', {
    value(this: { clientId: string; clientSecret?: string; clientAuthMethod?: string }, presented: string) {
      // The engine takes header and body for one method; a client is held to the one that it registered.
      const isInHeader = Provider.ctx?.headers.authorization !== undefined;
      if (isInHeader !== (this.clientAuthMethod === 'client_secret_basic')) return false;
      if (parts.clientGuesses.isFull(this.clientId)) return false;
      const isRight = isClientSecret(this.clientId, secretHashes(this.clientSecret), presented);
      if (!isRight) parts.clientGuesses.note(this.clientId);
      return isRight;
    },
  });
  Object.defineProperty(provider.Client.prototype, 'backchannelLogout', {
    value(this: { clientId: string }, subject: string, sid: string | undefined) {
      return parts.notifyLogout(this.clientId, subject, sid);
    },
  });
  markTokens(provider);
  shortenPushedRequests(provider, parts.pushedRequestTtl);
  keepNewSessions(provider, parts);
}

interface TokenClass {
  find(value: unknown, options?: object): Promise<object | undefined>;
  readonly prototype: { generateTokenId(): string };
}

/**
 * A token says of which kind it is. Introspection and revocation look for what they are given among all three, and find it with one question
 * instead of three.
 */
function markTokens(provider: Provider): void {
  const marks = { AccessToken: 'at_', ClientCredentials: 'cc_', RefreshToken: 'rt_' } as const;
  for (const [name, mark] of Object.entries(marks)) {
    const model = (provider as unknown as Record<string, TokenClass>)[name];
    if (!model) continue;
    const { find, prototype } = model;
    const { generateTokenId } = prototype;
    prototype.generateTokenId = function generateMarked(this: unknown) {
      return mark + generateTokenId.call(this as never);
    };
    model.find = async (value, options) => {
      return typeof value === 'string' && !value.startsWith(mark) ? undefined : find.call(model, value, options);
    };
  }
}

/** What the client adapter gives the engine in the place of a secret. */
function secretHashes(stored: string | undefined): readonly string[] {
  return (stored ?? '').split(' ');
}

const bodies = new RequestNote<Record<string, unknown>>();

/** The engine assigns the parsed body in one place for all routes; two of them are given in other words. */
function adjustBodies(context: Context): void {
  Object.defineProperty(context, 'body', {
    get(this: Context) {
      return bodies.get(requestOf(this));
    },
    set(this: Context, body: Record<string, unknown>) {
      bodies.set(requestOf(this), translate(this, body));
    },
  });
}

function requestOf(context: Context): IncomingMessage {
  return (context as unknown as { ctx: KoaContextWithOIDC }).ctx.req;
}

function translate(context: Context, body: Record<string, unknown>): Record<string, unknown> {
  if (context.route === 'code_verification') return readDeviceForm(body);
  const { client_secret: secret } = body ?? {};
  const { client } = context;
  if (context.route !== 'client_update' || secret === undefined || !client?.clientSecret) return body;
  // The engine compares with what it has, and it has hashes (RFC 7592, 2.2).
  const isOwn =
    typeof secret === 'string' && isClientSecret(client.clientId, secretHashes(client.clientSecret), secret);
  if (!isOwn) throw new errors.InvalidRequest("provided client_secret does not match the authenticated client's one");
  return { ...body, client_secret: client.clientSecret };
}

/** The engine's 60 seconds are fixed; the setting can only shorten them. */
function shortenPushedRequests(provider: Provider, ttl: number): void {
  const { prototype } = provider.PushedAuthorizationRequest as unknown as {
    prototype: { save(ttl: number): Promise<string> };
  };
  const { save } = prototype;
  prototype.save = function saveShortened(this: unknown, wanted: number) {
    return save.call(this as never, Math.min(wanted, ttl));
  };
  provider.on('pushed_authorization_request.success', (ctx) => {
    const answer = ctx.body as { expires_in: number };
    answer.expires_in = Math.min(answer.expires_in, ttl);
  });
}

interface StoredSession {
  readonly id: string;
  readonly exp?: number;
  save(ttl: number): Promise<string>;
}

/**
 * The device page gives a form back together with a new token in the session. For a browser that came without a session the engine then
 * wants to write one that it never wrote before, and fails.
 */
function keepNewSessions(provider: Provider, { sessionCookie, anonymousSessionTtl }: Parts): void {
  const prototype = provider.Session.prototype as unknown as { persist(this: StoredSession): Promise<string> };
  const { persist } = prototype;
  prototype.persist = async function persistOrSave(this: StoredSession) {
    if (this.exp !== undefined) return persist.call(this);
    Provider.ctx?.oidc.cookies.set(provider.cookieName('session'), this.id, sessionCookie);
    return this.save(anonymousSessionTtl);
  };
}
