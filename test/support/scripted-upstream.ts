// An OpenID provider on loopback that does what a test tells it: honest unless a script changes a claim, a signature or a whole answer. It
// keeps to the protocol on its own side (PKCE, redirect URI, client authentication), so that a lazy adapter fails against it.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';

export type Claims = Record<string, unknown>;
export type Signature = 'good' | 'none' | 'hs256-public-key' | 'unknown-key' | 'broken';
type Answer = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

/** What the upstream does differently from an honest one. */
export interface Script {
  /** Added to the ID token; `undefined` takes a claim away. */
  claims: Claims;
  userinfo: Claims;
  signature: Signature;
  /** The authorization endpoint answers with these instead of a code. */
  callback: Record<string, string | undefined>;
  /** By path: answers instead of ours. */
  readonly answers: Map<string, Answer>;
}

export interface UpstreamPerson {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

interface Grant {
  readonly nonce: string;
  readonly challenge: string;
  readonly redirectUri: string;
  readonly person: UpstreamPerson;
}

export const UPSTREAM_CLIENT = { id: 'latchkey', secret: 'secret of latchkey at the upstream' };

export class ScriptedUpstream {
  person: UpstreamPerson = {
    ...{ sub: 'person-1', email: 'ann@example.com', email_verified: true, name: 'Ann Example', locale: 'en-GB' },
    picture: 'https://pictures.example.com/ann.png',
  };
  script: Script = newScript();
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  readonly issuer: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #grants = new Map<string, Grant>();
  readonly #profiles = new Map<string, UpstreamPerson>();
  #key: { readonly kid: string; readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
  /** Told in discovery; the address itself unless a test changes it. */
  toldIssuer: string;
  /** The paths of a provider that has others than ours. */
  readonly paths = { authorization: '/authorize', token: '/token', userinfo: '/userinfo', jwks: '/jwks' };
  metadata: Record<string, unknown> = {};
  /** An OAuth 2.0 provider: no ID token, and an API at these paths, for who has an access token. */
  readonly api = new Map<string, (person: UpstreamPerson) => unknown>();
  clientId = UPSTREAM_CLIENT.id;
  /** How this provider wants its clients to prove themselves, where the common ways are not it. */
  isClient: (req: IncomingMessage, form: URLSearchParams) => boolean | Promise<boolean> = isOurClient;

  private constructor(server: ReturnType<typeof createServer>, key: Awaited<ReturnType<typeof newKey>>) {
    this.#server = server;
    this.#key = key;
    this.issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
    this.toldIssuer = this.issuer;
    server.on('request', (req, res) => {
      this.#answer(req, res).catch(() => res.destroy());
    });
  }

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedUpstream(server, await newKey());
  }

  reset(): void {
    this.script = newScript();
    this.asked.length = 0;
  }

  /** New keys at once, the old ones gone. */
  async rotate(): Promise<void> {
    this.#key = await newKey();
  }

  /** What the browser does there: signs in and comes back with these parameters. */
  authorize(url: URL, person: UpstreamPerson = this.person): URLSearchParams {
    const { searchParams } = url;
    const value = (name: string): string => searchParams.get(name) ?? '';
    const code = randomBytes(16).toString('base64url');
    this.#grants.set(code, {
      nonce: value('nonce'),
      challenge: value('code_challenge_method') === 'S256' ? value('code_challenge') : 'none was sent',
      redirectUri: value('redirect_uri'),
      person,
    });
    const answer = new URLSearchParams();
    const params = { code, state: value('state'), ...this.script.callback };
    for (const [name, one] of Object.entries(params)) if (one !== undefined) answer.set(name, one);
    return answer;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', this.issuer);
    this.asked.push(url.pathname);
    const scripted = this.script.answers.get(url.pathname);
    if (scripted) return scripted(req, res);
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json(res, this.#document());
      case this.paths.jwks:
        return json(res, { keys: [{ ...(await exportJWK(this.#key.publicKey)), ...this.#keyNames() }] });
      case this.paths.authorization: {
        const target = new URL(url.searchParams.get('redirect_uri') ?? '');
        if (url.searchParams.get('response_mode') === 'form_post') return formPost(res, target, this.authorize(url));
        target.search = this.authorize(url).toString();
        res.writeHead(303, { location: target.href }).end();
        return;
      }
      case this.paths.token:
        return this.#token(req, res);
      case this.paths.userinfo: {
        const person = this.#profiles.get((req.headers.authorization ?? '').replace(/^Bearer /, ''));
        return person ? json(res, withChanges({ ...person }, this.script.userinfo)) : json(res, {}, 401);
      }
      default: {
        const resource = this.api.get(url.pathname);
        if (!resource) {
          res.writeHead(404).end();
          return;
        }
        const person = this.#profiles.get((req.headers.authorization ?? '').replace(/^Bearer /, ''));
        return person ? json(res, resource(person)) : json(res, {}, 401);
      }
    }
  }

  async #token(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(req));
    if (!(await this.isClient(req, form))) return json(res, { error: 'invalid_client' }, 401);
    const grant = this.#grants.get(form.get('code') ?? '');
    this.#grants.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (!grant || grant.challenge !== challenge || grant.redirectUri !== form.get('redirect_uri')) {
      return json(res, { error: 'invalid_grant' }, 400);
    }
    const accessToken = randomBytes(16).toString('base64url');
    this.#profiles.set(accessToken, grant.person);
    if (this.api.size > 0) return json(res, { access_token: accessToken, token_type: 'bearer', scope: 'profile' });
    const now = Math.floor(Date.now() / 1000);
    const claims = withChanges(
      { iss: this.toldIssuer, aud: this.clientId, iat: now, exp: now + 300, nonce: grant.nonce, ...grant.person },
      this.script.claims,
    );
    const idToken = await this.#sign(claims);
    json(res, { access_token: accessToken, token_type: 'Bearer', expires_in: 300, id_token: idToken });
  }

  async #sign(claims: Claims): Promise<string> {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    switch (this.script.signature) {
      case 'none':
        return `${encode({ alg: 'none' })}.${encode(claims)}.`;
      case 'hs256-public-key': {
        // What a careless verifier takes for the shared secret.
        const secret = Buffer.from(await exportSPKI(this.#key.publicKey));
        return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: this.#key.kid }).sign(secret);
      }
      case 'unknown-key': {
        const { privateKey } = await newKey();
        return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'unknown' }).sign(privateKey);
      }
      case 'broken': {
        const { privateKey } = await newKey();
        return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: this.#key.kid }).sign(privateKey);
      }
      default:
        return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: this.#key.kid }).sign(this.#key.privateKey);
    }
  }

  #keyNames(): JWK {
    return { kid: this.#key.kid, alg: 'RS256', use: 'sig' };
  }

  #document(): Record<string, unknown> {
    const { authorization, token, userinfo, jwks } = this.paths;
    return {
      issuer: this.toldIssuer,
      authorization_endpoint: `${this.issuer}${authorization}`,
      token_endpoint: `${this.issuer}${token}`,
      userinfo_endpoint: `${this.issuer}${userinfo}`,
      jwks_uri: `${this.issuer}${jwks}`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
      ...this.metadata,
    };
  }
}

/** Answers more than anybody should read, until the other side hangs up. @param isPacked a few bytes that unpack to as much */
export function endless(isPacked = false): Answer {
  return async (_req, res) => {
    const { gzipSync } = await import('node:zlib');
    const block = Buffer.alloc(1024 * 1024, 0x20);
    if (isPacked) {
      const packed = gzipSync(Buffer.alloc(100 * 1024 * 1024, 0x20));
      res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(packed);
      return;
    }
    res.writeHead(200, { 'content-type': 'application/json' });
    for (let count = 0; count < 100 && !res.destroyed; count += 1) {
      if (!res.write(block)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
    }
    res.end();
  };
}

/** Takes the request and says nothing. */
export const silence: Answer = () => undefined;

export function html(status: number): Answer {
  return (_req, res) => {
    res.writeHead(status, { 'content-type': 'text/html' }).end('<html><body>Bad gateway</body></html>');
  };
}

export function json(res: ServerResponse, body: unknown, status = 200): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** OAuth 2.0 Form Post Response Mode, with a button of its own, so that it needs no script. */
function formPost(res: ServerResponse, target: URL, answer: URLSearchParams): void {
  const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
  const fields = [...answer].map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`);
  const head = '<!doctype html><html lang="en"><title>Upstream</title><link rel="icon" href="data:,">';
  const form = `<form method="post" action="${escaped(target.href)}">${fields.join('')}<button>Continue</button></form>`;
  res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`${head}${form}`);
}

/** By header or by body, as the client of RFC 6749, 2.3.1. */
function isOurClient(req: IncomingMessage, form: URLSearchParams): boolean {
  const [scheme, pair = ''] = (req.headers.authorization ?? '').split(' ');
  if (scheme === 'Basic') {
    const [id, secret] = Buffer.from(pair, 'base64').toString().split(':');
    const plain = (one = ''): string => decodeURIComponent(one.replaceAll('+', ' '));
    return plain(id) === UPSTREAM_CLIENT.id && plain(secret) === UPSTREAM_CLIENT.secret;
  }
  return form.get('client_id') === UPSTREAM_CLIENT.id && form.get('client_secret') === UPSTREAM_CLIENT.secret;
}

function withChanges(claims: Claims, changes: Claims): Claims {
  const changed = Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(changed);
}

async function newKey() {
  const pair = await generateKeyPair('RS256', { extractable: true });
  return { kid: randomBytes(6).toString('hex'), ...pair };
}

function newScript(): Script {
  return { claims: {}, userinfo: {}, signature: 'good', callback: {}, answers: new Map() };
}
