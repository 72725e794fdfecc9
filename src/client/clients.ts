// Registered relying parties, from the settings, the command line and the database. Secrets are kept as hashes only; they are random with 256
// bits when we make them, and at least 16 characters when an operator brings one. The protocol's rules for metadata are the engine's:
// it is asked through `validate` before anything is stored.
import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { hashToken, randomToken } from '../crypto/random.ts';
import { Conflict, InvalidRequest, NotFound } from '../errors.ts';
import { asUnavailable, type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import { wordQuery, wordsOf } from '../storage/words.ts';
import { Client } from './client.entity.ts';
import { CLIENT_ID, type ClientMetadata, clientMetadataSchema } from './client-metadata.ts';

export interface RegisteredClient {
  readonly clientId: string;
  readonly metadata: ClientMetadata;
  readonly source: 'database' | 'yaml';
  /** Of every secret that still works. */
  readonly secretHashes: readonly string[];
}

/** Asks the engine whether it accepts the metadata. @throws with a message for the person who registers the client */
export type MetadataCheck = (metadata: ClientMetadata & { client_id: string; client_secret?: string }) => Promise<void>;

const FIND = {
  name: 'client_find',
  text: `select c.client_id as "clientId", c.metadata, c.source,
      coalesce((select json_agg(s.hash order by s.created_at desc) from client_secret s
        where s.client_id = c.client_id and (s.expires_at is null or s.expires_at > now())), '[]') as "secretHashes"
    from client c where c.client_id = $1`,
};
/** As in the index. */
const WORDS = wordsOf(`client_id || ' ' || coalesce(metadata->>'client_name', '')`);
/** How long a process may answer from memory (milliseconds): short enough that a change is felt at once. */
const CACHE_MS = 1000;
const CACHE_MOST = 1000;
const SHORTEST_SECRET = 16;
/** Of members that are ours and no registered names. */
const OWN_PREFIX = 'latchkey_';

export class Clients {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #cache = new Map<string, { readonly until: number; readonly found: Promise<RegisteredClient | null> }>();
  #validate: MetadataCheck | undefined;

  constructor(parts: { readonly database: Database; readonly audit: Audit }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
  }

  /** The engine is built after the clients it serves, so its check is handed in later. */
  setMetadataCheck(check: MetadataCheck): void {
    this.#validate = check;
  }

  find(clientId: string): Promise<RegisteredClient | null> {
    const now = Date.now();
    const cached = this.#cache.get(clientId);
    if (cached && cached.until > now) return cached.found;
    // What cannot be an id is not asked for: a database refuses some of it, and that would be our error.
    if (!CLIENT_ID.test(clientId)) return Promise.resolve(null);
    // Without the pause a stranger could fill the memory with names of clients that do not exist.
    if (this.#cache.size >= CACHE_MOST) this.#cache.clear();
    const found = this.#database.sql.query<RegisteredClient>(FIND, [clientId]).then(({ rows }) => rows[0] ?? null);
    this.#cache.set(clientId, { until: now + CACHE_MS, found });
    found.catch(() => this.#cache.delete(clientId));
    return found;
  }

  /** @throws NotFound */
  async get(clientId: string): Promise<RegisteredClient> {
    const found = await this.find(clientId);
    if (!found) throw noSuchClient();
    return found;
  }

  async list(): Promise<readonly RegisteredClient[]> {
    const rows = await this.#database.em().find(Client, {}, { orderBy: { clientId: 'asc' }, limit: 1000 });
    return rows.map((row) => ({
      clientId: row.clientId,
      metadata: row.metadata,
      source: row.source,
      secretHashes: [],
    }));
  }

  /**
   * A page of the list in the order of their ids, which an index has.
   * @param after the last id of the page before
   * @param query beginnings of words of the id or the name; what has no words in it finds nothing
   */
  async page(input: {
    readonly query: string;
    readonly after: string;
    readonly limit: number;
  }): Promise<readonly Pick<RegisteredClient, 'clientId' | 'metadata' | 'source'>[]> {
    const { after, limit } = input;
    const typed = input.query.trim();
    const words = wordQuery(typed);
    if (typed !== '' && words === null) return [];
    return this.#database.em().execute(
      `select client_id as "clientId", metadata, source from client where client_id > ?
         ${words === null ? '' : `and ${WORDS} @@ to_tsquery('simple', ?)`} order by client_id limit ?`,
      [after, ...(words === null ? [] : [words]), limit],
    );
  }

  /**
   * Registers a client. ES256 is what our own clients sign with unless they name something else.
   * @returns the secret in clear, this once; undefined for a client that needs none
   * @throws InvalidRequest when the metadata is wrong, Conflict when the client_id is taken
   */
  async create(input: unknown, cause: Cause): Promise<{ readonly client: RegisteredClient; readonly secret?: string }> {
    const parsed = parseMetadata(input);
    const clientId = parsed.client_id ?? newClientId();
    const metadata: ClientMetadata = { id_token_signed_response_alg: 'ES256', ...parsed, client_id: clientId };
    const secret = needsSecret(metadata) ? randomToken() : undefined;
    await this.#check(metadata, clientId);
    await this.#database.transaction(async (em) => {
      const now = new Date();
      try {
        await em
          .persist(em.create(Client, { clientId, metadata, source: 'database', createdAt: now, updatedAt: now }))
          .flush();
      } catch (error) {
        if (isUniqueViolation(error)) {
          throw new Conflict('This client_id is taken.', { code: 'client-id-taken', field: 'client_id', cause: error });
        }
        throw asUnavailable(error);
      }
      await refuseDeleted(em, clientId);
      if (secret !== undefined) await addSecret(em, clientId, secret);
      await this.#audit.record({ ...cause, action: 'client.create', target: { kind: 'client', id: clientId } }, em);
    });
    this.#cache.delete(clientId);
    const client = await this.get(clientId);
    return secret === undefined ? { client } : { client, secret };
  }

  /** Replaces the named members and leaves the others. A member given as null is removed. */
  async update(clientId: string, change: unknown, cause: Cause): Promise<RegisteredClient> {
    const client = await this.#getOwn(clientId);
    if (typeof change !== 'object' || change === null || Array.isArray(change)) {
      throw new InvalidRequest('The metadata must be a JSON object.', { code: 'invalid-client-metadata' });
    }
    const merged = Object.entries({ ...client.metadata, ...change }).filter(([, value]) => value !== null);
    const metadata = parseMetadata(Object.fromEntries(merged));
    if (metadata.client_id !== undefined && metadata.client_id !== clientId) {
      throw new InvalidRequest('The client_id cannot change.', { code: 'invalid-client-metadata', field: 'client_id' });
    }
    await this.#check(metadata, clientId);
    await this.#database.transaction(async (em) => {
      await em.nativeUpdate(
        Client,
        { clientId },
        { metadata: { ...metadata, client_id: clientId }, updatedAt: new Date() },
      );
      await this.#audit.record({ ...cause, action: 'client.update', target: { kind: 'client', id: clientId } }, em);
    });
    this.#cache.delete(clientId);
    return this.get(clientId);
  }

  /**
   * Stores a client that registers or changes itself by the protocol (RFC 7591, RFC 7592). Members of ours are neither taken from it nor
   * lost by it.
   * @param registered as the engine has checked it, without the secret
   * @throws InvalidRequest when a member is too long, Conflict for a client of the settings
   */
  async saveRegistered(
    clientId: string,
    registered: unknown,
    options: { readonly secret: string | undefined; readonly isQuarantined: boolean },
    cause: Cause,
  ): Promise<void> {
    const parsed = parseMetadata(registered);
    const metadata = Object.fromEntries(Object.entries(parsed).filter(([name]) => !name.startsWith(OWN_PREFIX)));
    await this.#database.transaction(async (em) => {
      const row = await em.findOne(Client, { clientId });
      if (row?.source === 'yaml') throw declaredConflict();
      const own: ClientMetadata = row
        ? Object.fromEntries(Object.entries(row.metadata).filter(([name]) => name.startsWith(OWN_PREFIX)))
        : { latchkey_registered: true, ...(options.isQuarantined ? { latchkey_quarantined: true } : {}) };
      const whole: ClientMetadata = { ...metadata, ...own, client_id: clientId };
      const now = new Date();
      if (row) await em.nativeUpdate(Client, { clientId }, { metadata: whole, updatedAt: now });
      else {
        await em
          .persist(em.create(Client, { clientId, metadata: whole, source: 'database', createdAt: now, updatedAt: now }))
          .flush();
        await refuseDeleted(em, clientId);
      }
      if (options.secret !== undefined) {
        await em.execute('delete from client_secret where client_id = ?', [clientId]);
        await addSecret(em, clientId, options.secret);
      }
      const action = row ? 'client.update' : 'client.register';
      await this.#audit.record({ ...cause, action, target: { kind: 'client', id: clientId } }, em);
    });
    this.#cache.delete(clientId);
  }

  /** A new secret. The old ones go on working for `overlap` seconds. @returns the secret in clear, this once */
  async rotateSecret(clientId: string, overlap: number, cause: Cause): Promise<string> {
    const client = await this.#getOwn(clientId);
    if (!needsSecret(client.metadata)) {
      throw new InvalidRequest('This client does not sign in with a secret.', { code: 'client-without-secret' });
    }
    const secret = randomToken();
    await this.#database.transaction(async (em) => {
      await em.execute(
        `update client_secret set expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => ?))
         where client_id = ?`,
        [overlap, clientId],
      );
      await addSecret(em, clientId, secret);
      await this.#audit.record(
        { ...cause, action: 'client.rotate-secret', target: { kind: 'client', id: clientId } },
        em,
      );
    });
    this.#cache.delete(clientId);
    return secret;
  }

  /**
   * What it holds ends with it: the engine answers nobody for a client that is not there, and its id is never given again.
   */
  async delete(clientId: string, cause: Cause): Promise<void> {
    await this.#getOwn(clientId);
    await this.#database.transaction(async (em) => {
      await em.execute(
        'insert into deleted_client (client_id, deleted_at) values (?, now()) on conflict (client_id) do nothing',
        [clientId],
      );
      // Asked again, in the statement that decides: the settings of another process may declare it at this moment.
      const count = await em.nativeDelete(Client, { clientId, source: 'database' });
      if (count === 0) throw (await em.count(Client, { clientId })) > 0 ? declaredConflict() : noSuchClient();
      await this.#audit.record({ ...cause, action: 'client.delete', target: { kind: 'client', id: clientId } }, em);
    });
    this.#cache.delete(clientId);
  }

  /**
   * Brings the database to what the settings declare, at start. Two processes that start together write the same.
   * @throws InvalidRequest naming the client whose declaration is wrong, Conflict naming one that was deleted
   */
  async declare(
    declarations: readonly { readonly client_id: string }[],
    secrets: Readonly<Record<string, string>>,
  ): Promise<void> {
    for (const declaration of declarations) {
      const clientId = declaration.client_id;
      const metadata = parseMetadata(declaration, `client ${clientId}: `);
      const secret = secrets[clientId];
      if (secret !== undefined && secret.length < SHORTEST_SECRET) {
        throw new InvalidRequest(`client ${clientId}: the secret needs at least ${SHORTEST_SECRET} characters.`);
      }
      if (needsSecret(metadata) && secret === undefined) {
        throw new InvalidRequest(`client ${clientId}: give client_secret_file, or token_endpoint_auth_method: none.`);
      }
      await this.#check(metadata, clientId, `client ${clientId}: `);
      await this.#database.transaction(async (em) => {
        await em.execute(
          `insert into client (client_id, metadata, source, created_at, updated_at) values (?, ?::jsonb, 'yaml', now(), now())
           on conflict (client_id) do update set metadata = excluded.metadata, source = 'yaml', updated_at = now()`,
          [clientId, JSON.stringify(metadata)],
        );
        await refuseDeleted(em, clientId, `client ${clientId}: `);
        if (secret === undefined) return;
        const hash = hashSecret(clientId, secret);
        await em.execute('delete from client_secret where client_id = ? and hash <> ?', [clientId, hash]);
        await em.execute(
          `insert into client_secret (id, client_id, hash, created_at) select ?, ?, ?, now()
           where not exists (select from client_secret where client_id = ? and hash = ?)`,
          [randomUUID(), clientId, hash, clientId, hash],
        );
      });
      this.#cache.delete(clientId);
    }
    // What the settings no longer declare may be edited and deleted like any other client.
    await this.#database
      .em()
      .execute(`update client set source = 'database' where source = 'yaml' and client_id <> all (?::text[])`, [
        `{${declarations.map((one) => JSON.stringify(one.client_id)).join(',')}}`,
      ]);
    this.#cache.clear();
  }

  async #getOwn(clientId: string): Promise<RegisteredClient> {
    const client = await this.get(clientId);
    if (client.source === 'yaml') throw declaredConflict();
    return client;
  }

  async #check(metadata: ClientMetadata, clientId: string, prefix = ''): Promise<void> {
    if (!this.#validate) throw new Error('no metadata check was set');
    try {
      await this.#validate({ ...metadata, client_id: clientId });
    } catch (cause) {
      const { error_description: description, message } = cause as { error_description?: string; message: string };
      throw new InvalidRequest(`${prefix}${description ?? message}`, { code: 'invalid-client-metadata', cause });
    }
  }
}

/** Whether the client proves itself with a secret (RFC 6749, 2.3.1). */
export function needsSecret(metadata: ClientMetadata): boolean {
  return ['client_secret_basic', 'client_secret_post'].includes(
    metadata.token_endpoint_auth_method ?? 'client_secret_basic',
  );
}

/** Whether a presented secret is one of those that still work; every hash is compared, so time does not tell which. */
export function isClientSecret(clientId: string, hashes: readonly string[], presented: string): boolean {
  const hash = Buffer.from(hashSecret(clientId, presented));
  return hashes.map((known) => isSame(Buffer.from(known), hash)).includes(true);
}

/** The length of a hash is no secret. */
function isSame(known: Buffer, hash: Buffer): boolean {
  return known.length === hash.length && timingSafeEqual(known, hash);
}

/** Never with a hyphen in front, which every command line would take for an option. */
function newClientId(): string {
  const id = randomToken(16);
  return id.startsWith('-') ? newClientId() : id;
}

function noSuchClient(): NotFound {
  return new NotFound('There is no such client.', { code: 'client-not-found' });
}

function declaredConflict(): Conflict {
  return new Conflict('This client is declared in the settings and changes there only.', { code: 'client-declared' });
}

/**
 * Consents, tokens and subjects of a deleted client would be good for another one of its id. To be asked after the row is written: a deletion
 * at the same moment is waited for there, and seen here.
 * @throws Conflict
 */
async function refuseDeleted(em: EntityManager, clientId: string, prefix = ''): Promise<void> {
  const gone = await em.execute<object[]>('select 1 as one from deleted_client where client_id = ?', [clientId]);
  if (gone.length === 0) return;
  throw new Conflict(`${prefix}A client with this client_id was deleted: take another id.`, {
    code: 'client-id-taken',
    field: 'client_id',
  });
}

function hashSecret(clientId: string, secret: string): string {
  return hashToken(`client-secret:${clientId}`, secret);
}

async function addSecret(em: EntityManager, clientId: string, secret: string): Promise<void> {
  await em.execute('insert into client_secret (id, client_id, hash, created_at) values (?, ?, ?, now())', [
    randomUUID(),
    clientId,
    hashSecret(clientId, secret),
  ]);
}

function parseMetadata(input: unknown, prefix = ''): ClientMetadata {
  const parsed = clientMetadataSchema.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new InvalidRequest(`${prefix}${where === '' ? '' : `${where}: `}${issue?.message ?? 'wrong metadata'}`, {
      code: 'invalid-client-metadata',
      ...(where === '' ? {} : { field: where }),
    });
  }
  const { data } = parsed;
  if (data.latchkey_pkce_optional && data.token_endpoint_auth_method === 'none') {
    throw new InvalidRequest(`${prefix}latchkey_pkce_optional: a public client always needs PKCE (RFC 9700, 2.1.1).`, {
      code: 'invalid-client-metadata',
    });
  }
  // It would match nothing but itself; whoever writes one expects otherwise (RFC 9700, 2.1).
  if (data.redirect_uris?.some((uri) => uri.includes('*'))) {
    throw new InvalidRequest(`${prefix}redirect_uris: list each address in full, there are no wildcards.`, {
      code: 'invalid-client-metadata',
      field: 'redirect_uris',
    });
  }
  for (const origin of data.latchkey_cors_origins ?? []) {
    if (URL.parse(origin)?.origin !== origin || !/^https?:/.test(origin)) {
      throw new InvalidRequest(
        `${prefix}latchkey_cors_origins: ${origin} is not an origin such as https://app.example.com.`,
        {
          code: 'invalid-client-metadata',
        },
      );
    }
  }
  return data;
}
