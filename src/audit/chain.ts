// The chain that shows whether audit rows were changed or taken away. Rows are written by many at once and chained a moment later, one batch at
// a time, in an order of their own; each hash covers the row and the hash before it, under a key that is not in the database in clear.
// Whoever can write to the database alone can therefore not make it fit again. What was never chained (the last seconds) and a whole
// database put back to an earlier state are not seen by it: for those the head goes to the log now and then.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Database, EntityManager } from '../storage/database.ts';
import { countChained, forgetDays } from './day-counts.ts';

/** Rows in one transaction. */
const BATCH = 500;

interface Head {
  readonly seq: string;
  readonly hash: Uint8Array;
  readonly mac: Uint8Array;
  readonly baseSeq: string;
  readonly baseHash: Uint8Array;
  readonly baseMac: Uint8Array;
}

/** Everything that is covered, as text: a driver's idea of a date or a number must not change a hash. */
const COVERED = `id::text, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, actor_kind, actor_id, action,
  target_kind, target_id, network, user_agent, client_id, request_id, result, reason, note`;
const NAMES = [
  ...['id', 'at', 'actor_kind', 'actor_id', 'action', 'target_kind', 'target_id', 'network', 'user_agent'],
  ...['client_id', 'request_id', 'result', 'reason'],
] as const;

type Row = Readonly<Record<(typeof NAMES)[number] | 'note', string | null>>;
type ChainedRow = Row & { readonly seq: string; readonly hash: Uint8Array };

export type ChainVerdict =
  | {
      readonly isWhole: true;
      readonly rows: number;
      readonly unchained: number;
      readonly head: string;
      readonly seq: string;
    }
  /** `seq` is the place in the chain where it does not fit. */
  | { readonly isWhole: false; readonly seq: string; readonly problem: 'changed' | 'missing' | 'ends' };

export class AuditChain {
  readonly #database: Database;
  readonly #loadKey: () => Promise<string>;
  #key: Promise<string> | undefined;

  /** @param parts.loadKey the key, the same for ever */
  constructor(parts: { readonly database: Database; readonly loadKey: () => Promise<string> }) {
    this.#database = parts.database;
    this.#loadKey = parts.loadKey;
  }

  /** Chains what is not chained yet. @returns how many rows */
  async extend(): Promise<number> {
    let count = 0;
    for (;;) {
      const done = await this.#extendOnce();
      count += done;
      if (done < BATCH) return count;
    }
  }

  /** Goes through the whole chain. */
  async verify(): Promise<ChainVerdict> {
    const key = await this.#findKey();
    const head = await findHead(this.#database.em());
    // Without it rows could be cut off at either end, and the end moved.
    if (!areEndsGenuine(key, head)) return { isWhole: false, seq: head.seq, problem: 'ends' };
    let previous = Buffer.from(head.baseHash);
    let seq = BigInt(head.baseSeq);
    let rows = 0;
    for (;;) {
      const batch = await this.#database
        .em()
        .execute<ChainedRow[]>(
          `select ${COVERED}, seq::text, hash from audit_event where seq > ? and seq <= ? order by audit_event.seq limit ${BATCH}`,
          [seq.toString(), head.seq],
        );
      for (const row of batch) {
        seq += 1n;
        if (row.seq !== seq.toString()) return { isWhole: false, seq: seq.toString(), problem: 'missing' };
        const expected = hashOf(key, previous, seq, row);
        if (!isSame(expected, row.hash)) return { isWhole: false, seq: seq.toString(), problem: 'changed' };
        previous = expected;
        rows += 1;
      }
      if (batch.length < BATCH) break;
    }
    if (seq.toString() !== head.seq) return { isWhole: false, seq: (seq + 1n).toString(), problem: 'missing' };
    if (!isSame(previous, head.hash)) return { isWhole: false, seq: head.seq, problem: 'ends' };
    const [left] = await this.#database
      .em()
      .execute<{ count: number }[]>('select count(*)::int as count from audit_event where seq is null');
    return { isWhole: true, rows, unchained: left?.count ?? 0, head: previous.toString('base64url'), seq: head.seq };
  }

  /** The newest hash, to be kept where nobody who writes to the database can reach it. */
  async head(): Promise<{ readonly seq: string; readonly hash: string }> {
    const { seq, hash } = await findHead(this.#database.em());
    return { seq, hash: Buffer.from(hash).toString('base64url') };
  }

  /**
   * Deletes a bounded batch of rows that are older than the retention; the chain begins after them.
   * @param days how long rows are kept
   */
  async prune(days: number): Promise<number> {
    const key = await this.#findKey();
    return this.#database.transaction(async (em) => {
      const head = await findHead(em, 'for update');
      const rows = await em.execute<{ seq: string; hash: Uint8Array }[]>(
        `select seq::text, hash from audit_event where seq > ? and at < now() - make_interval(days => ?)
         order by audit_event.seq limit ${BATCH}`,
        [head.baseSeq, days],
      );
      // Only what is next in the chain: a younger row in between keeps what follows it.
      const run = rows.filter(({ seq }, index) => BigInt(seq) === BigInt(head.baseSeq) + BigInt(index) + 1n);
      const last = run.at(-1);
      if (!last) return 0;
      await em.execute('update audit_chain set base_seq = ?, base_hash = ?, base_mac = ?', [
        ...[last.seq, Buffer.from(last.hash), endMac(key, 'base', last.seq, last.hash)],
      ]);
      await em.execute('delete from audit_event where seq > ? and seq <= ?', [head.baseSeq, last.seq]);
      await forgetDays(em, days);
      return run.length;
    });
  }

  async #extendOnce(): Promise<number> {
    const key = await this.#findKey();
    return this.#database.transaction(async (em) => {
      // The head is held while a batch is added: two processes take turns.
      const head = await findHead(em, 'for update');
      const rows = await em.execute<Row[]>(
        `select ${COVERED} from audit_event where seq is null order by audit_event.id limit ${BATCH}`,
      );
      if (rows.length === 0) return 0;
      let previous = Buffer.from(head.hash);
      let seq = BigInt(head.seq);
      const places = rows.map((row) => {
        seq += 1n;
        previous = hashOf(key, previous, seq, row);
        return { id: row.id, seq: seq.toString(), hash: previous.toString('hex') };
      });
      await em.execute(
        `update audit_event e set seq = p.seq, hash = decode(p.hash, 'hex')
         from jsonb_to_recordset(?::jsonb) as p (id bigint, seq bigint, hash text)
         where e.id = p.id and e.seq is null`,
        [JSON.stringify(places)],
      );
      await countChained(em, head.seq, seq.toString());
      const end = [seq.toString(), previous, endMac(key, 'head', seq.toString(), previous)];
      await em.execute('update audit_chain set seq = ?, hash = ?, mac = ?', end);
      return rows.length;
    });
  }

  #findKey(): Promise<string> {
    this.#key ??= this.#loadKey().catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }
}

async function findHead(em: EntityManager, lock = ''): Promise<Head> {
  const rows = await em.execute<Head[]>(
    `select seq::text, hash, mac, base_seq::text as "baseSeq", base_hash as "baseHash", base_mac as "baseMac"
     from audit_chain ${lock}`,
  );
  const [head] = rows;
  if (!head) throw new Error('the audit chain has no head');
  return head;
}

function hashOf(key: string, previous: Uint8Array, seq: bigint, row: Row): Buffer<ArrayBuffer> {
  // Rows from before there were notes keep their hash.
  const note = row.note === null ? [] : [row.note];
  const text = JSON.stringify([seq.toString(), ...NAMES.map((name) => row[name]), ...note]);
  return Buffer.from(createHmac('sha256', key).update(previous).update('\0').update(text).digest());
}

function endMac(key: string, end: 'head' | 'base', seq: string, hash: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${end} ${seq} `).update(hash).digest();
}

function areEndsGenuine(key: string, head: Head): boolean {
  const isEnd = (end: 'head' | 'base', seq: string, hash: Uint8Array, mac: Uint8Array): boolean =>
    seq === '0' ? hash.length === 0 : isSame(endMac(key, end, seq, hash), mac);
  return isEnd('head', head.seq, head.hash, head.mac) && isEnd('base', head.baseSeq, head.baseHash, head.baseMac);
}

function isSame(expected: Uint8Array, found: Uint8Array | null): boolean {
  return found !== null && expected.length === found.length && timingSafeEqual(expected, found);
}
