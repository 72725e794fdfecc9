import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { randomToken } from '../../src/crypto/random.ts';
import { Seal, SealError } from '../../src/crypto/seal.ts';
import type { Message } from '../../src/notification/message.ts';
import { LEASE, Outbox, RETRY_MINUTES } from '../../src/notification/outbox.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const asked = { browser: 'Firefox', system: 'Linux', network: null };
const CODE = '493817';

interface Row {
  readonly state: string;
  readonly attempts: number;
  readonly has_content: boolean;
  readonly last_error_code: string | null;
  readonly server_message_id: string | null;
  /** Seconds. */
  readonly wait: number;
  readonly lease: number | null;
  readonly finished: boolean;
}

function signIn(extra: Partial<Message> = {}): Message {
  return {
    kind: 'sign-in',
    to: 'ada@example.com',
    locale: 'en',
    model: { path: `/link/${randomToken()}`, code: CODE, asked },
    expiresAt: new Date(Date.now() + 600_000),
    ...extra,
  } as Message;
}

describeOnEachDatabase('the outbox', (database) => {
  const seal = new Seal('a secret that is thirty-two bytes long');

  async function emptyOutbox(): Promise<Outbox> {
    await run(database(), 'delete from outbox_mail');
    return new Outbox({ database: database(), seal });
  }

  describe('a queued mail', () => {
    it('appears with the transaction that caused it', async () => {
      const outbox = await emptyOutbox();
      await database().transaction(async (em) => {
        await outbox.enqueue(em, signIn());
        await em.execute(`insert into setup_state (id, completed_at) values (true, now())`);
      });
      assert.equal((await list(database())).length, 1);
      await run(database(), 'delete from setup_state');
    });

    it('disappears with the transaction that failed', async () => {
      const outbox = await emptyOutbox();
      const failing = database().transaction(async (em) => {
        await outbox.enqueue(em, signIn());
        throw new Error('the cause did not happen');
      });
      await assert.rejects(failing, /the cause did not happen/);
      assert.deepEqual(await list(database()), []);
    });

    it('wakes the worker after the commit, and not after a rollback', async () => {
      const outbox = await emptyOutbox();
      const visible: number[] = [];
      const looks: Promise<void>[] = [];
      outbox.onQueued(() => looks.push(list(database()).then((rows) => void visible.push(rows.length))));
      await database().transaction(async (em) => {
        await outbox.enqueue(em, signIn());
        await outbox.enqueue(em, signIn());
        assert.equal(looks.length, 0);
      });
      await Promise.all(looks);
      assert.deepEqual(visible, [2]);
      const failing = database().transaction(async (em) => {
        await outbox.enqueue(em, signIn());
        throw new Error('no');
      });
      await assert.rejects(failing);
      assert.equal(looks.length, 1);
      await outbox.enqueue(null, signIn());
      assert.equal(looks.length, 2);
      await Promise.all(looks);
    });

    it('does not tell its code or link to who reads the database', async () => {
      const outbox = await emptyOutbox();
      const message = signIn();
      await outbox.enqueue(null, message);
      const [row] = await run<{ text: string; sealed: Uint8Array }>(
        database(),
        'select row_to_json(outbox_mail)::text as text, sealed from outbox_mail',
      );
      const stored = `${row?.text} ${Buffer.from(row?.sealed ?? []).toString('latin1')}`;
      for (const secret of [CODE, message.model.path.slice('/link/'.length)]) {
        assert.equal(stored.includes(secret), false);
        assert.equal(stored.includes(Buffer.from(secret).toString('hex')), false);
        assert.equal(stored.includes(Buffer.from(secret).toString('base64').replace(/=*$/, '')), false);
      }
      const [mail] = await outbox.claim(1);
      assert.ok(mail);
      assert.deepEqual(outbox.open(mail).model, message.model);
    });

    it('does not open in another row or for another address', async () => {
      const outbox = await emptyOutbox();
      await outbox.enqueue(null, signIn());
      const [mail] = await outbox.claim(1);
      assert.ok(mail);
      assert.throws(() => outbox.open({ ...mail, recipient: 'eve@evil.example' }), SealError);
      assert.throws(() => outbox.open({ ...mail, id: randomUUID() }), SealError);
    });

    it('is refused for an address that is not exactly one, with nothing stored', async () => {
      const outbox = await emptyOutbox();
      for (const to of ['ada@example.com, eve@evil.example', 'ada@example.com\r\nBcc: eve@evil.example']) {
        await assert.rejects(outbox.enqueue(null, signIn({ to })), { code: 'invalid-recipient' });
      }
      await assert.rejects(outbox.enqueue(null, signIn({ model: { path: '//evil.example', code: CODE, asked } })));
      assert.deepEqual(await list(database()), []);
    });

    it('goes with its account', async () => {
      const outbox = await emptyOutbox();
      const accountId = randomUUID();
      await database().transaction(async (em) => {
        // The mail first: the account is checked at the end of the transaction.
        await outbox.enqueue(em, signIn({ accountId }));
        await em.execute(
          `insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'active', now(), now())`,
          [accountId, randomToken()],
        );
      });
      assert.equal((await list(database())).length, 1);
      await run(database(), `delete from account where id = '${accountId}'`);
      assert.deepEqual(await list(database()), []);
    });

    it('is left out when ten thousand wait already, unless it is a security message', async () => {
      const outbox = await emptyOutbox();
      await run(
        database(),
        `insert into outbox_mail (id, kind, recipient, locale, sealed, is_resend, next_attempt_at, expires_at, created_at)
         select gen_random_uuid(), 'sign-in', 'x@example.com', 'en', ''::bytea, false, now(), now() + interval '1 hour', now()
         from generate_series(1, 9999)`,
      );
      assert.equal(await outbox.enqueue(null, signIn()), true);
      assert.equal(await outbox.enqueue(null, signIn()), false);
      await database().transaction(async (em) => assert.equal(await outbox.enqueue(em, signIn()), false));
      const notice: Message = {
        kind: 'notice',
        to: 'ada@example.com',
        locale: 'en',
        model: { what: 'password-changed', path: '/not-me/x', asked },
        expiresAt: new Date(Date.now() + 600_000),
      };
      assert.equal(await outbox.enqueue(null, notice), true);
      assert.equal((await run<{ n: number }>(database(), 'select count(*)::int as n from outbox_mail'))[0]?.n, 10_001);
    });
  });

  describe('a claim', () => {
    it('gives each mail to one of many who ask at once', async () => {
      const outbox = await emptyOutbox();
      for (let made = 0; made < 10; made += 1) await outbox.enqueue(null, signIn());
      const claims = await Promise.all(Array.from({ length: 30 }, () => outbox.claim(1)));
      const ids = claims.flat().map((mail) => mail.id);
      assert.equal(ids.length, 10);
      assert.equal(new Set(ids).size, 10);
    });

    it('is ours until the lease is over, then anybody’s', async () => {
      const outbox = await emptyOutbox();
      await outbox.enqueue(null, signIn());
      const [first] = await outbox.claim(5);
      assert.equal(first?.attempts, 1);
      assert.equal((await list(database()))[0]?.lease, LEASE);
      assert.deepEqual(await outbox.claim(5), []);
      await run(database(), "update outbox_mail set claimed_until = now() - interval '1 millisecond'");
      const [second] = await outbox.claim(5);
      assert.equal(second?.id, first?.id);
      assert.equal(second?.attempts, 2);
      // Whoever lost the lease can no longer say what became of it.
      assert.ok(first && second);
      assert.equal(await outbox.markSent(first, 'late'), false);
      assert.equal(await outbox.markFailed(first, 'late'), false);
      assert.equal(await outbox.retryLater(first, 'late'), null);
      assert.equal(await outbox.markSent(second, 'id-2'), true);
    });

    it('leaves alone what is too late', async () => {
      const outbox = await emptyOutbox();
      await outbox.enqueue(null, signIn());
      await run(database(), 'update outbox_mail set expires_at = now()');
      assert.deepEqual(await outbox.claim(5), []);
    });
  });

  describe('an outcome', () => {
    async function claimed(extra: Partial<Message> = {}) {
      const outbox = await emptyOutbox();
      await outbox.enqueue(null, signIn(extra));
      const [mail] = await outbox.claim(1);
      assert.ok(mail);
      return { outbox, mail };
    }

    it('drops the content of what was sent and keeps the server’s name for it', async () => {
      const { outbox, mail } = await claimed();
      await outbox.markSent(mail, '250 queued as 1');
      const [row] = await list(database());
      assert.equal(row?.state, 'sent');
      assert.equal(row?.has_content, false);
      assert.equal(row?.server_message_id, '250 queued as 1');
      assert.equal(row?.finished, true);
    });

    it('drops the content of what was refused and marks the address until a mail gets through', async () => {
      const { outbox, mail } = await claimed();
      await outbox.markFailed(mail, 'smtp-550');
      const [row] = await list(database());
      assert.equal(row?.state, 'failed');
      assert.equal(row?.has_content, false);
      assert.equal((await outbox.findRefusal('ADA@example.com'))?.code, 'smtp-550');
      assert.equal(await outbox.findRefusal('bob@example.com'), null);
      await outbox.enqueue(null, signIn());
      const [next] = await outbox.claim(1);
      assert.ok(next);
      await outbox.markSent(next, null);
      assert.equal(await outbox.findRefusal('ada@example.com'), null);
    });

    it('waits 1, 2, 5 and 10 minutes after failures, then longer', async () => {
      const { outbox, mail } = await claimed({ expiresAt: new Date(Date.now() + 86_400_000) });
      const waits: number[] = [];
      for (let next: typeof mail | undefined = mail; next && waits.length < RETRY_MINUTES.length + 1; ) {
        assert.equal(await outbox.retryLater(next, 'smtp-451'), 'queued');
        waits.push(((await list(database()))[0]?.wait ?? 0) / 60);
        assert.deepEqual(await outbox.claim(1), []);
        await run(database(), 'update outbox_mail set next_attempt_at = now()');
        [next] = await outbox.claim(1);
      }
      assert.deepEqual(waits, [1, 2, 5, 10, 20, 40, 60, 60]);
    });

    it('gives up when the next attempt would be too late, and drops the content', async () => {
      const { outbox, mail } = await claimed({ expiresAt: new Date(Date.now() + 50_000) });
      assert.equal(await outbox.retryLater(mail, 'smtp-451'), 'expired');
      const [row] = await list(database());
      assert.equal(row?.state, 'expired');
      assert.equal(row?.has_content, false);
      assert.equal(row?.last_error_code, 'smtp-451');
    });

    it('ends a mail before its link ends', async () => {
      const expiresAt = new Date(Date.now() + 3_600_000);
      await claimed({ expiresAt });
      const [row] = await run<{ at: number }>(
        database(),
        'select extract(epoch from expires_at)::float8 * 1000 as at from outbox_mail',
      );
      assert.equal(Math.round(expiresAt.getTime() - (row?.at ?? 0)), 60_000);
    });
  });

  describe('the sweep', () => {
    it('gives up what is too late, except what is just being sent', async () => {
      const outbox = await emptyOutbox();
      await outbox.enqueue(null, signIn());
      await outbox.enqueue(null, signIn());
      const [underWay] = await outbox.claim(1);
      assert.ok(underWay);
      await run(database(), 'update outbox_mail set expires_at = now()');
      assert.equal(await outbox.sweep(), 1);
      assert.deepEqual((await list(database())).map((row) => row.state).toSorted(), ['expired', 'queued']);
      assert.equal(await outbox.markSent(underWay, null), true);
    });

    it('deletes what ended thirty days ago and nothing younger', async () => {
      const outbox = await emptyOutbox();
      for (let made = 0; made < 2; made += 1) await outbox.enqueue(null, signIn());
      for (const mail of await outbox.claim(2)) await outbox.markSent(mail, null);
      const old = '(select id from outbox_mail limit 1)';
      await run(database(), "update outbox_mail set finished_at = now() - interval '29 days'");
      await run(database(), `update outbox_mail set finished_at = now() - interval '31 days' where id = ${old}`);
      await outbox.sweep();
      assert.equal((await list(database())).length, 1);
    });
  });
});

async function run<Row extends object>(database: Database, statement: string): Promise<Row[]> {
  return database.em().execute<Row[]>(statement);
}

async function list(database: Database): Promise<Row[]> {
  return run<Row>(
    database,
    `select state, attempts, sealed is not null as has_content, last_error_code, server_message_id,
       extract(epoch from next_attempt_at - attempted_at)::float8 as wait,
       extract(epoch from claimed_until - attempted_at)::float8 as lease, finished_at is not null as finished
     from outbox_mail order by created_at`,
  );
}
