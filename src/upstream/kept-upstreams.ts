// Upstreams that administrators add, change, order, turn off and delete, kept in the database and read again every moment by each process. They
// follow the same rules as those of the settings, which go before them. A secret is sealed for the address it was given for: an upstream that
// moves elsewhere does not take it along (requirements U1, U8; threats: secret sent to a changed URL).
import { randomUUID } from 'node:crypto';
import { readUpstream, type UpstreamDeclaration } from '../../config/declarations.ts';
import type { Audit, AuditRecord, Cause } from '../audit/audit.ts';
import { hashToken } from '../crypto/random.ts';
import { type Seal, SealError } from '../crypto/seal.ts';
import { NotFound } from '../errors.ts';
import { serializeError } from '../log.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import {
  createUpstream,
  identitiesOf,
  TELEGRAM_IDENTITIES,
  type Upstream,
  type UpstreamParts,
  type Upstreams,
} from './upstreams.ts';

/** As many as the settings may declare. */
const MOST = 50;
/** Has a page of its own. */
const NEW = 'new';

const purpose = (id: string, target = ''): string => `upstream-secret:${id}:${target}`;
export const sealedUpstreamSecrets: SealedTable = {
  ...{ table: 'upstream_secret', key: 'upstream_id', columns: ['target'] },
  purpose,
};

const READ = {
  name: 'upstream_read',
  text: `select u.id, u.declaration, u.is_on as "isOn", u.place, u.revision, s.target, s.sealed
    from upstream u left join upstream_secret s on s.upstream_id = u.id order by u.place, u.id`,
};

interface Row {
  readonly id: string;
  readonly declaration: UpstreamDeclaration;
  readonly isOn: boolean;
  readonly place: number;
  readonly revision: string;
  readonly target: string | null;
  readonly sealed: Uint8Array | null;
}

export interface KeptUpstream {
  readonly id: string;
  readonly declaration: UpstreamDeclaration;
  readonly isOn: boolean;
  /** Where it stands among its kind; says whether somebody moved it meanwhile. */
  readonly place: number;
  readonly hasSecret: boolean;
  /** Null for one that lacks something, as a secret that cannot be opened. */
  readonly upstream: Upstream | null;
}

/** Whom it would concern if an upstream were not there. */
export interface Reliance {
  /** Accounts with an identity there. */
  readonly people: number;
  /** Those of them with no other way in. */
  readonly stranded: number;
}

export type Saving =
  | { readonly kind: 'saved'; readonly isSecretDropped: boolean }
  /** `wrong`: by place in the declaration; `id-taken` and `too-many` beside them. */
  | { readonly kind: 'refused'; readonly wrong: readonly string[]; readonly isSecretDropped: boolean };

export class KeptUpstreams {
  readonly #parts: UpstreamParts & {
    readonly database: Database;
    readonly audit: Audit;
    readonly seal: Seal;
    readonly upstreams: Upstreams;
  };
  #kept: ReadonlyMap<string, KeptUpstream & { readonly revision: string }> = new Map();
  #turn = 0;
  #isWatching = false;
  #shown = 0;

  constructor(
    parts: UpstreamParts & {
      readonly database: Database;
      readonly audit: Audit;
      readonly seal: Seal;
      /** Follow what is kept here. */
      readonly upstreams: Upstreams;
    },
  ) {
    this.#parts = parts;
  }

  /** In the order of the buttons. */
  list(): readonly KeptUpstream[] {
    return [...this.#kept.values()];
  }

  find(id: string): KeptUpstream | null {
    return this.#kept.get(id) ?? null;
  }

  /** Notices what another process has changed. */
  async refresh(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    const { rows } = await this.#parts.database.sql.query<Row>(READ);
    // An answer that was overtaken is older than what is shown.
    if (turn < this.#shown) return;
    this.#shown = turn;
    const before = this.#kept;
    this.#kept = new Map(
      rows.map((row) => {
        const known = before.get(row.id);
        // What did not change keeps what it knows of the other side, and its pause.
        const made = known?.revision === row.revision ? known : this.#make(row);
        return [row.id, { ...made, isOn: row.isOn, place: row.place }];
      }),
    );
    const made = this.list().filter((one) => one.upstream !== null);
    const those = (isOn: boolean) => made.flatMap((one) => (one.isOn === isOn && one.upstream ? [one.upstream] : []));
    this.#parts.upstreams.follow(those(true), those(false));
  }

  /** The same for a clock, which does not wait: one look at a time, however long the database takes. */
  async watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    try {
      await this.refresh();
    } finally {
      this.#isWatching = false;
    }
  }

  /** New ones are off until somebody turns them on, so that they can be registered there and tried first. */
  async create(raw: Readonly<Record<string, unknown>>, cause: Cause): Promise<Saving> {
    const { upstream, wrong } = readUpstream(raw, { hasSecret: false });
    const refuse = (...more: readonly string[]): Saving => ({
      ...{ kind: 'refused', isSecretDropped: false },
      wrong: [...wrong, ...more],
    });
    const id = String(raw['id']);
    if (this.#isReserved(id, raw['kind'])) return refuse('id-taken');
    if (!upstream) return refuse();
    const { declaration, secret } = upstream;
    const problem = await this.#change(async (em) => {
      const rows = await em.execute<{ id: string; place: number }[]>('select id, place from upstream');
      if (rows.some((row) => row.id === id)) return 'id-taken';
      if (rows.length >= MOST) return 'too-many';
      const place = 1 + Math.max(0, ...rows.map((row) => row.place));
      await em.execute(
        `insert into upstream (id, declaration, is_on, place, revision, created_at, updated_at)
         values (?, ?::jsonb, false, ?, ?, now(), now())`,
        [id, JSON.stringify(declaration), place, randomUUID()],
      );
      await this.#saveSecret(em, declaration, secret);
      await this.#record(em, id, cause, { action: 'upstream.create', reason: declaration.kind });
      return null;
    });
    return problem === null ? { kind: 'saved', isSecretDropped: false } : refuse(problem);
  }

  /**
   * Everything but the secret is replaced; that one only where a new one is given. Another address drops it.
   * @param raw its id and kind are those that it has
   * @throws NotFound
   */
  async update(id: string, raw: Readonly<Record<string, unknown>>, cause: Cause): Promise<Saving> {
    const found = await this.#change<Saving>(async (em) => {
      const [row] = await em.execute<{ declaration: UpstreamDeclaration; target: string | null }[]>(
        `select u.declaration, s.target from upstream u left join upstream_secret s on s.upstream_id = u.id
         where u.id = ?`,
        [id],
      );
      if (!row) throw noSuchUpstream();
      const typed = { ...raw, id, kind: row.declaration.kind };
      const first = readUpstream(typed, { hasSecret: true });
      const isSecretDropped =
        row.target !== null && first.upstream !== null && targetOf(first.upstream.declaration) !== row.target;
      const { upstream, wrong } = readUpstream(typed, { hasSecret: row.target !== null && !isSecretDropped });
      if (!upstream) return { kind: 'refused', wrong, isSecretDropped };
      const { declaration, secret } = upstream;
      await em.execute('update upstream set declaration = ?::jsonb, revision = ?, updated_at = now() where id = ?', [
        ...[JSON.stringify(declaration), randomUUID(), id],
      ]);
      if (isSecretDropped) await em.execute('delete from upstream_secret where upstream_id = ?', [id]);
      await this.#saveSecret(em, declaration, secret);
      const reason = secret === undefined ? (isSecretDropped ? 'secret-dropped' : undefined) : 'secret-replaced';
      await this.#record(em, id, cause, { action: 'upstream.update', reason });
      return { kind: 'saved', isSecretDropped: isSecretDropped && secret === undefined };
    });
    return found;
  }

  /**
   * Attempts that are on their way end with either.
   * @returns false for one that lacks something and cannot be turned on @throws NotFound
   */
  async turn(id: string, isOn: boolean, cause: Cause): Promise<boolean> {
    await this.refresh();
    const kept = this.find(id);
    if (!kept) throw noSuchUpstream();
    if (isOn && kept.upstream === null) return false;
    await this.#change(async (em) => {
      const changed = await em.execute<object[]>(
        `update upstream set is_on = ?, revision = ?, updated_at = now() where id = ? and is_on <> ?
         returning 1 as one`,
        [isOn, randomUUID(), id, isOn],
      );
      if (changed.length === 0) return;
      await this.#record(em, id, cause, { action: isOn ? 'upstream.enable' : 'upstream.disable' });
    });
    return true;
  }

  /**
   * One place up or down among those that are kept here.
   * @param seen the place it was shown at: a second click, or somebody who was faster, moves nothing
   */
  async move(id: string, direction: 'up' | 'down', seen: number, cause: Cause): Promise<void> {
    await this.#change(async (em) => {
      const rows = await em.execute<{ id: string; place: number }[]>(
        'select id, place from upstream order by place, id',
      );
      const from = rows.findIndex((row) => row.id === id);
      if (from === -1) throw noSuchUpstream();
      const to = direction === 'up' ? from - 1 : from + 1;
      const [one, other] = [rows[from], rows[to]];
      if (one === undefined || other === undefined || one.place !== seen) return;
      for (const [moved, place] of [
        [one.id, other.place],
        [other.id, one.place],
      ] as const) {
        await em.execute('update upstream set place = ?, updated_at = now() where id = ?', [place, moved]);
      }
      await this.#record(em, id, cause, { action: 'upstream.move', reason: direction });
    });
  }

  /** Whom it would concern if it were not there. @param em inside a transaction, its own */
  async reliance(id: string, em: EntityManager = this.#parts.database.em()): Promise<Reliance> {
    const kept = this.find(id);
    const identities = kept === null ? id : identitiesOf(kept.declaration);
    const { upstreams } = this.#parts;
    // What the settings declare under the same id stays.
    const others = upstreams.list().filter((one) => one.id !== id || upstreams.isFixed(id));
    const [row] = await em.execute<Reliance[]>(
      // As credential/factors.ts counts ways in.
      `with linked as (select distinct account_id as id from linked_identity where upstream = ?)
       select count(*)::int as people, count(*) filter (where
           not exists (select from password p where p.account_id = l.id)
           and not exists (select from passkey p where p.account_id = l.id and p.is_way_in)
           and not exists (select from account a where a.id = l.id and a.email is not null and a.email_verified_at is not null)
           and not exists (select from linked_identity o where o.account_id = l.id and o.upstream = any(?::text[]))
         )::int as stranded
       from linked l`,
      [
        identities,
        `{${[...new Set(others.map((one) => one.identities))].map((one) => JSON.stringify(one)).join(',')}}`,
      ],
    );
    return row ?? { people: 0, stranded: 0 };
  }

  /**
   * What people have linked stays theirs and leads nowhere.
   * @param agreed what the administrator was told
   * @returns null when it is done; else whom it would concern by now @throws NotFound
   */
  async delete(id: string, agreed: Reliance, cause: Cause): Promise<Reliance | null> {
    return this.#change(async (em) => {
      const now = await this.reliance(id, em);
      if (now.people > agreed.people || now.stranded > agreed.stranded) return now;
      const gone = await em.execute<object[]>('delete from upstream where id = ? returning 1 as one', [id]);
      if (gone.length === 0) throw noSuchUpstream();
      const reason = now.stranded > 0 ? 'last-way' : undefined;
      await this.#record(em, id, cause, { action: 'upstream.delete', reason });
      return null;
    });
  }

  /** The settings and the bot have names of their own; and identities of Telegram are kept under one that nobody else may answer for. */
  #isReserved(id: string, kind: unknown): boolean {
    if (id === NEW || ['telegram-bot', 'telegram-widget'].includes(id)) return true;
    return this.#parts.upstreams.isFixed(id) || (id === TELEGRAM_IDENTITIES && kind !== 'telegram');
  }

  /** One change at a time, over all processes; this one knows at once. */
  async #change<Result>(work: (em: EntityManager) => Promise<Result>): Promise<Result> {
    const result = await this.#parts.database.transaction(async (em) => {
      await em.execute('lock table upstream in share row exclusive mode');
      return work(em);
    });
    await this.refresh();
    return result;
  }

  async #saveSecret(em: EntityManager, declaration: UpstreamDeclaration, secret: string | undefined): Promise<void> {
    if (secret === undefined) return;
    const { id } = declaration;
    const target = targetOf(declaration);
    await em.execute(
      `insert into upstream_secret (upstream_id, target, sealed) values (?, ?, ?)
       on conflict (upstream_id) do update set target = excluded.target, sealed = excluded.sealed`,
      [id, target, this.#parts.seal.seal(purpose(id, target), secret)],
    );
  }

  async #record(
    em: EntityManager,
    id: string,
    cause: Cause,
    event: Pick<AuditRecord, 'action' | 'reason'>,
  ): Promise<void> {
    await this.#parts.audit.record({ ...cause, ...event, target: { kind: 'upstream', id } }, em);
  }

  #make(row: Row): KeptUpstream & { readonly revision: string } {
    const { id, revision, isOn, place } = row;
    const secret = this.#open(row);
    const base = { ...{ id, revision, isOn, place }, declaration: row.declaration, hasSecret: secret !== undefined };
    // Rules of a newer release hold for what an older one has stored.
    const { upstream: read } = readUpstream({ ...row.declaration }, { hasSecret: secret !== undefined });
    if (!read) return { ...base, upstream: null };
    try {
      return { ...base, upstream: createUpstream(read.declaration, { secret, revision }, this.#parts) };
    } catch (error) {
      this.#parts.log.warn({ upstream: id, err: serializeError(error) }, 'an upstream of the database cannot be used');
      return { ...base, upstream: null };
    }
  }

  /** Nothing for another address than the one it was given for. */
  #open({ id, declaration, target, sealed }: Row): string | undefined {
    if (sealed === null || target !== targetOf(declaration)) return undefined;
    try {
      return this.#parts.seal.openText(purpose(id, target), sealed);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      this.#parts.log.warn({ upstream: id }, 'the secret of an upstream cannot be opened; it has to be typed again');
      return undefined;
    }
  }
}

/** Who is given the secret: everything that says where it goes. */
function targetOf(declaration: UpstreamDeclaration): string {
  const { kind, endpoints = {} } = declaration;
  const tenant = 'tenant' in declaration ? declaration.tenant : null;
  const addresses = Object.entries(endpoints).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return hashToken('upstream-target', JSON.stringify([kind, tenant, addresses]));
}

function noSuchUpstream(): NotFound {
  return new NotFound('There is no such upstream.', { code: 'unknown-upstream' });
}
