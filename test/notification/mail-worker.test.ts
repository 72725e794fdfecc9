import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { migrations } from '../../migrations/list.ts';
import { randomDigits, randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { entities } from '../../src/entities.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createLog } from '../../src/log.ts';
import type { Message } from '../../src/notification/message.ts';
import { createNotifications, type Notifications } from '../../src/notification/notifications.ts';
import { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';
import { deadMailServer, type Mailbox, startMailbox } from '../support/mailbox.ts';
import { createTestDatabase, postgresMissing } from '../support/postgres.ts';

const SECRET = 'a secret that is thirty-two bytes long';
const asked = { browser: 'Firefox', system: 'Linux', network: null };
const locales = createLocales();

interface Row {
  readonly state: string;
  readonly attempts: number;
  readonly has_content: boolean;
  readonly last_error_code: string | null;
  readonly is_claimed: boolean;
}

function message(extra: Partial<Message> = {}): Message {
  return {
    kind: 'sign-in',
    to: 'ada@example.com',
    locale: 'en',
    model: { path: `/link/${randomToken()}`, code: randomDigits(6), asked },
    expiresAt: new Date(Date.now() + 600_000),
    ...extra,
  } as Message;
}

interface Desk {
  readonly notifications: Notifications;
  /** What was logged, line by line. */
  readonly lines: readonly string[];
}

function open(database: Database, smtpUrl: string, smtpFallbackUrl?: string, secret = SECRET): Desk {
  const lines: string[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(line) });
  const notifications = createNotifications({
    ...{ database, locales, log, smtpUrl, smtpFallbackUrl },
    seal: new Seal(secret),
    issuer: 'http://localhost:3000',
    productName: 'Latchkey',
    from: 'Latchkey <no-reply@id.example.com>',
    dataDir: '/nowhere',
  });
  return { notifications, lines };
}

async function rows(database: Database): Promise<Row[]> {
  return database.em().execute<Row[]>(
    `select state, attempts, sealed is not null as has_content, last_error_code, claimed_until is not null as is_claimed
     from outbox_mail order by created_at, id`,
  );
}

/** Waits until the rows are as they should be: their outcome is written a moment after the mail has left. */
async function until(database: Database, isTrue: (found: readonly Row[]) => boolean): Promise<readonly Row[]> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await rows(database);
    if (isTrue(found)) return found;
    if (Date.now() > deadline) assert.fail(`waited too long; the rows are ${JSON.stringify(found)}`);
    await wait(20);
  }
}

const areAll = (state: string) => (found: readonly Row[]) =>
  found.length > 0 && found.every((row) => row.state === state);

/** As if the time of the next attempt had come. */
async function makeDue(database: Database, notifications: Notifications): Promise<void> {
  await database.em().execute('update outbox_mail set next_attempt_at = now()');
  notifications.wake();
}

describeOnEachDatabase('the mail worker', (database) => {
  async function withMail(
    work: (parts: Desk & { readonly mailbox: Mailbox; readonly second: Mailbox }) => Promise<void>,
    transports: (mailbox: Mailbox, second: Mailbox) => readonly [string] | readonly [string, string] = (first) => [
      first.url,
    ],
  ): Promise<void> {
    await database().em().execute('delete from outbox_mail');
    const [mailbox, second] = [await startMailbox(), await startMailbox()];
    const [smtpUrl, fallbackUrl] = transports(mailbox, second);
    const desk = open(database(), smtpUrl, fallbackUrl);
    desk.notifications.start();
    try {
      await work({ ...desk, mailbox, second });
    } finally {
      await desk.notifications.stop();
      await Promise.all([mailbox.stop(), second.stop()]);
    }
  }

  it('sends a mail once its transaction has committed', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      const sent = message();
      await database().transaction(async (em) => {
        assert.equal(await notifications.send(em, sent), true);
      });
      const [mail] = await mailbox.arrived(1);
      assert.ok(mail?.email.text?.includes(`http://localhost:3000${sent.model.path}\n`));
      const [row] = await until(database(), areAll('sent'));
      assert.deepEqual(row, {
        state: 'sent',
        attempts: 1,
        has_content: false,
        last_error_code: null,
        is_claimed: false,
      });
    });
  });

  it('tells the log neither code nor link nor address', async () => {
    await withMail(async ({ notifications, mailbox, lines }) => {
      mailbox.refuse('recipient', 451, 1);
      const sent = message();
      await notifications.send(null, sent);
      await until(database(), (found) => found[0]?.last_error_code === 'smtp-451');
      await makeDue(database(), notifications);
      await until(database(), areAll('sent'));
      mailbox.refuse('recipient', 550, 1);
      await notifications.send(null, message(sent));
      await until(database(), (found) => found.length === 2 && found.some((row) => row.state === 'failed'));
      const said = lines.join('');
      assert.match(said, /smtp-451/);
      assert.match(said, /smtp-550/);
      const { code, path } = sent.model as { code: string; path: string };
      for (const secret of [code, path, 'ada@example.com']) assert.equal(said.includes(secret), false, secret);
    });
  });

  it('waits after a temporary answer and then succeeds', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      mailbox.refuse('recipient', 451, 1);
      await notifications.send(null, message());
      const [waiting] = await until(database(), (found) => found[0]?.last_error_code === 'smtp-451');
      assert.deepEqual(waiting, {
        state: 'queued',
        attempts: 1,
        has_content: true,
        last_error_code: 'smtp-451',
        is_claimed: false,
      });
      assert.equal(mailbox.mails.length, 0);
      await makeDue(database(), notifications);
      await mailbox.arrived(1);
      const [row] = await until(database(), areAll('sent'));
      assert.equal(row?.attempts, 2);
      assert.equal(mailbox.attempts, 2);
    });
  });

  it('writes down a permanent answer and does not try again', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      mailbox.refuse('recipient', 550, 1);
      await notifications.send(null, message());
      const [row] = await until(database(), areAll('failed'));
      assert.deepEqual(row, {
        state: 'failed',
        attempts: 1,
        has_content: false,
        last_error_code: 'smtp-550',
        is_claimed: false,
      });
      assert.equal((await notifications.findRefusal('ada@example.com'))?.code, 'smtp-550');
      await makeDue(database(), notifications);
      await notifications.send(null, message({ to: 'bob@example.com' }));
      await mailbox.arrived(1);
      assert.equal(mailbox.attempts, 2);
      assert.deepEqual(mailbox.mails[0]?.envelope.to, ['bob@example.com']);
    });
  });

  it('keeps trying over a server that refuses us rather than the recipient', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      mailbox.refuse('sender', 550, 1);
      await notifications.send(null, message());
      await until(database(), (found) => found[0]?.last_error_code === 'smtp-550');
      await makeDue(database(), notifications);
      await until(database(), areAll('sent'));
      assert.equal(mailbox.mails.length, 1);
    });
  });

  it('uses the second transport at once when the first is dead', async () => {
    const dead = await deadMailServer();
    await withMail(
      async ({ notifications, second, lines }) => {
        await notifications.send(null, message());
        await second.arrived(1);
        const [row] = await until(database(), areAll('sent'));
        assert.equal(row?.attempts, 1);
        assert.equal(second.mails.length, 1);
        assert.match(lines.join(''), /a mail transport cannot be used/);
      },
      (_first, second) => [dead, second.url],
    );
  });

  it('comes back to a mail when both transports are dead', async () => {
    const [dead, gone] = [await deadMailServer(), await deadMailServer()];
    await withMail(
      async ({ notifications }) => {
        await notifications.send(null, message());
        const [row] = await until(database(), (found) => found[0]?.last_error_code === 'ESOCKET');
        assert.equal(row?.state, 'queued');
        assert.equal(row?.attempts, 1);
      },
      () => [dead, gone],
    );
  });

  it('sends first tries by the first transport, and what a person asked for again by the second', async () => {
    await withMail(
      async ({ notifications, mailbox, second }) => {
        await notifications.send(null, message({ to: 'first@example.com' }));
        await notifications.send(null, message({ to: 'again@example.com', isResend: true }));
        await until(database(), areAll('sent'));
        assert.deepEqual(
          mailbox.mails.map((mail) => mail.envelope.to),
          [['first@example.com']],
        );
        assert.deepEqual(
          second.mails.map((mail) => mail.envelope.to),
          [['again@example.com']],
        );
      },
      (first, second) => [first.url, second.url],
    );
  });

  it('repeats by the second transport what the first put off', async () => {
    await withMail(
      async ({ notifications, mailbox, second }) => {
        mailbox.refuse('recipient', 451);
        await notifications.send(null, message());
        await until(database(), (found) => found[0]?.last_error_code === 'smtp-451');
        assert.equal(second.attempts, 0);
        await makeDue(database(), notifications);
        await second.arrived(1);
        await until(database(), areAll('sent'));
        assert.equal(mailbox.attempts, 1);
      },
      (first, second) => [first.url, second.url],
    );
  });

  it('does not give to the second transport at once what the first may have taken', async () => {
    await withMail(
      async ({ notifications, mailbox, second }) => {
        const release = mailbox.hold();
        await notifications.send(null, message());
        await mailbox.holding();
        mailbox.hangUp();
        const [row] = await until(database(), (found) => found[0]?.last_error_code != null);
        assert.equal(row?.state, 'queued');
        assert.equal(second.attempts, 0);
        release();
      },
      (first, second) => [first.url, second.url],
    );
  });

  it('does not send what is too late', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      mailbox.refuse('recipient', 451, 1);
      await notifications.send(null, message({ to: 'late@example.com' }));
      await until(database(), (found) => found[0]?.last_error_code === 'smtp-451');
      await database().em().execute('update outbox_mail set expires_at = now()');
      await makeDue(database(), notifications);
      await notifications.send(null, message({ to: 'bob@example.com' }));
      await mailbox.arrived(1);
      assert.deepEqual(mailbox.mails[0]?.envelope.to, ['bob@example.com']);
      await notifications.sweep();
      const found = await until(database(), (all) => all.every((row) => row.state !== 'queued'));
      assert.deepEqual(found.map((row) => row.state).toSorted(), ['expired', 'sent']);
      assert.equal(
        found.some((row) => row.has_content),
        false,
      );
    });
  });

  it('writes down a mail that nobody can open any more', async () => {
    await withMail(async ({ notifications, lines }) => {
      const elsewhere = open(
        database(),
        'smtp://127.0.0.1:9',
        undefined,
        'another secret of at least thirty-two bytes',
      );
      await elsewhere.notifications.send(null, message());
      notifications.wake();
      const [row] = await until(database(), areAll('failed'));
      assert.equal(row?.last_error_code, 'cannot-open');
      assert.match(lines.join(''), /cannot be written/);
      await elsewhere.notifications.stop();
    });
  });

  it('has no more than five under way at once', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      const release = mailbox.hold();
      await database().transaction(async (em) => {
        for (let made = 0; made < 12; made += 1) await notifications.send(em, message());
      });
      await mailbox.attempted(5);
      assert.equal((await rows(database())).filter((row) => row.attempts > 0).length, 5);
      release();
      await mailbox.arrived(12);
      await until(database(), areAll('sent'));
    });
  });

  it('stops only after what is under way has been written down', async () => {
    await withMail(async ({ notifications, mailbox }) => {
      const release = mailbox.hold();
      await notifications.send(null, message());
      await mailbox.holding();
      const stopping = notifications.stop();
      const first = await Promise.race([stopping, rows(database())]);
      assert.equal(first?.[0]?.is_claimed, true);
      release();
      await stopping;
      assert.deepEqual(
        (await rows(database())).map((row) => row.state),
        ['sent'],
      );
      await notifications.send(null, message());
      assert.equal((await rows(database())).filter((row) => row.state === 'queued').length, 1);
    });
  });

  it('cuts off at its stop what hangs, and neither loses it nor gives it to the second transport', async () => {
    await withMail(
      async ({ notifications, mailbox, second }) => {
        mailbox.hold();
        await notifications.send(null, message());
        await mailbox.holding();
        await notifications.stop(1);
        const [row] = await rows(database());
        assert.equal(row?.state, 'queued');
        assert.equal(row?.has_content, true);
        assert.equal(row?.is_claimed, false);
        assert.equal(second.attempts, 0);
      },
      (first, second) => [first.url, second.url],
    );
  });

  it('does not send again what it could not write down for a while', async () => {
    await withMail(async ({ notifications, mailbox, lines }) => {
      const release = mailbox.hold();
      await notifications.send(null, message());
      await mailbox.holding();
      await database().em().execute('alter table outbox_mail rename to outbox_mail_away');
      release();
      await mailbox.arrived(1);
      for (
        let tries = 0;
        tries < 500 && !lines.some((line) => line.includes('the outcome of a mail has to wait'));
        tries += 1
      ) {
        await wait(20);
      }
      assert.match(lines.join(''), /the outcome of a mail has to wait/);
      await database().em().execute('alter table outbox_mail_away rename to outbox_mail');
      await until(database(), areAll('sent'));
      assert.equal(mailbox.mails.length, 1);
    });
  });
});

describe('mail workers of several processes', { skip: (await postgresMissing()) ?? false }, () => {
  it('send two hundred mails exactly once, and all of them', async () => {
    const made = await createTestDatabase();
    const log = createLog('silent');
    const target = { kind: 'postgres', url: made.url, poolSize: 4 } as const;
    const database = await Database.open({ target, entities, migrations, log });
    await database.migrate();
    const mailbox = await startMailbox();
    const { notifications } = open(database, mailbox.url);
    const children = [startProcess(made.url, mailbox.url), startProcess(made.url, mailbox.url)];
    try {
      // The processes are at work, with their hands full, before the two hundred come.
      const release = mailbox.hold();
      for (let made = 0; made < 10; made += 1) await notifications.send(null, message({ to: 'first@example.com' }));
      await mailbox.attempted(10);
      const names = Array.from({ length: 200 }, (_, index) => `person-${index}@example.com`);
      await Promise.all(names.map((to) => notifications.send(null, message({ to }))));
      notifications.start();
      release();
      await mailbox.arrived(210);
      const found = await until(database, areAll('sent'));
      assert.equal(found.length, 210);
      assert.ok(found.every((row) => row.attempts === 1));
      const sent = mailbox.mails.map((mail) => mail.envelope.to.join()).filter((to) => to.startsWith('person-'));
      assert.deepEqual(sent.toSorted(), names.toSorted());
      assert.equal(new Set(mailbox.mails.map((mail) => mail.email.messageId)).size, 210);
    } finally {
      for (const child of children) child.kill('SIGKILL');
      await notifications.stop();
      await mailbox.stop();
      await database.close();
      await made.drop();
    }
  });

  it('send the mail of a process that was killed over it, once its lease is over', async () => {
    const made = await createTestDatabase();
    const log = createLog('silent');
    const target = { kind: 'postgres', url: made.url, poolSize: 4 } as const;
    const database = await Database.open({ target, entities, migrations, log });
    await database.migrate();
    const [stalled, mailbox] = [await startMailbox(), await startMailbox()];
    stalled.hold();
    const { notifications } = open(database, mailbox.url);
    await notifications.send(null, message());
    const child = startProcess(made.url, stalled.url);
    try {
      await stalled.holding();
      child.kill('SIGKILL');
      await once(child, 'exit');
      notifications.start();
      // While the lease runs the mail is nobody else's: the next one overtakes it.
      await notifications.send(null, message({ to: 'bob@example.com' }));
      await mailbox.arrived(1);
      assert.deepEqual(mailbox.mails[0]?.envelope.to, ['bob@example.com']);
      await database.em().execute(`update outbox_mail set claimed_until = now() where recipient = 'ada@example.com'`);
      notifications.wake();
      await mailbox.arrived(2);
      assert.deepEqual(mailbox.mails[1]?.envelope.to, ['ada@example.com']);
      const found = await until(database, areAll('sent'));
      assert.deepEqual(found.map((row) => row.attempts).toSorted(), [1, 2]);
    } finally {
      child.kill('SIGKILL');
      await notifications.stop();
      await Promise.all([stalled.stop(), mailbox.stop()]);
      await database.close();
      await made.drop();
    }
  });
});

function startProcess(databaseUrl: string, smtpUrl: string): ChildProcess {
  const script = join(import.meta.dirname, '..', 'support', 'mail-process.ts');
  return spawn(process.execPath, [script, databaseUrl, smtpUrl, SECRET], { stdio: ['ignore', 'ignore', 'inherit'] });
}
