// Notices on their way to chats, against a Bot API on loopback: each is sent once, Telegram's wishes are obeyed, an outage is waited out, and what
// a chat cannot be told goes out as a mail where the owner wanted no other.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, it } from 'node:test';
import { Seal } from '../../src/crypto/seal.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createLog } from '../../src/log.ts';
import { CHAT_RETRY_SECONDS, type ChatNotice, ChatOutbox } from '../../src/notification/chat-outbox.ts';
import type { Message } from '../../src/notification/message.ts';
import type { Database } from '../../src/storage/database.ts';
import { Lease } from '../../src/storage/lease.ts';
import { createBotApi } from '../../src/telegram/bot-api.ts';
import { Chats } from '../../src/telegram/chats.ts';
import { NoticeWorker } from '../../src/telegram/notice-worker.ts';
import { seal } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { BOT_TOKEN, startTelegramApi, type TelegramApi } from '../support/telegram-api.ts';
import { newTelegramPerson } from '../support/telegram-stage.ts';

const ISSUER = 'https://id.example.com';
const TOKEN = 'B'.repeat(43);

interface Row {
  readonly state: string;
  readonly attempts: number;
  readonly code: string | null;
  readonly hasContent: boolean;
  /** Seconds until it is due. */
  readonly wait: number;
}

interface Desk {
  readonly outbox: ChatOutbox;
  readonly worker: NoticeWorker;
  readonly lines: readonly string[];
}

describeOnEachDatabase('notices for chats', (database) => {
  let api: TelegramApi;
  let accountId: string;
  let desks: Desk[] = [];
  before(async () => {
    api = await startTelegramApi();
  });
  after(() => api.close());
  afterEach(() => Promise.all(desks.map(({ worker }) => worker.stop())));
  beforeEach(async () => {
    api.setFault(null);
    api.blockedBy.clear();
    await run(database(), 'delete from outbox_chat');
    await run(database(), 'delete from lease');
    accountId = await newAccount(database());
    desks = [];
  });

  const mails: Message[] = [];
  /** A process of its own, as far as rows and lease go. */
  function open(secret: Seal = seal): Desk {
    const lines: string[] = [];
    const outbox = new ChatOutbox({
      ...{ database: database(), seal: secret },
      mail: async (_em, message) => void mails.push(message),
    });
    const desk = {
      outbox,
      worker: new NoticeWorker({
        bot: createBotApi({ token: BOT_TOKEN, apiRoot: api.url, proxy: undefined, isQueued: true }),
        ...{ outbox, chats: new Chats({ sql: database().sql }), locales: createLocales(), issuer: ISSUER, away: 20 },
        productName: () => 'Keys & Co',
        lease: new Lease({ sql: database().sql, name: 'telegram-notices' }),
        log: createLog('debug', { write: (line: string) => void lines.push(line) }),
      }),
      lines,
    };
    desks.push(desk);
    return desk;
  }

  async function reachable(): Promise<number> {
    const { id } = newTelegramPerson();
    await new Chats({ sql: database().sql }).meet(String(id), null);
    return id;
  }

  function notice(telegramId: number, change: Partial<ChatNotice> = {}): ChatNotice {
    return {
      ...{ accountId, telegramId: String(telegramId), locale: 'en', zone: 'Europe/Berlin', fallback: null },
      model: {
        what: 'password-changed',
        asked: { browser: 'Firefox', system: 'Linux', network: null },
        path: `/not-me/${TOKEN}`,
      },
      expiresAt: new Date(Date.now() + 3_600_000),
      ...change,
    };
  }

  const queue = (desk: Desk, one: ChatNotice): Promise<void> =>
    database().transaction((em) => desk.outbox.enqueue(em, one));

  const sentTo = (id: number) => api.notices.filter(({ chatId }) => chatId === id);
  const triesFor = (id: number) =>
    api.calls.filter(({ method, payload }) => method === 'sendMessage' && payload['chat_id'] === id).length;

  it('arrive in plain words, with one button that leads to a page of ours; the row keeps no link', async () => {
    const id = await reachable();
    const desk = open();
    desk.worker.start();
    await queue(desk, notice(id));
    const [message] = await eventually(() => {
      assert.equal(sentTo(id).length, 1);
      return sentTo(id);
    });
    assert.match(
      message?.text ?? '',
      /^Your password for Keys & Co was changed\n\nThe password of .*\n\nBrowser: Firefox\nSystem: Linux\nTime: /,
    );
    assert.deepEqual(message?.buttons, [{ text: 'This was not me', url: `${ISSUER}/not-me/${TOKEN}` }]);
    assert.ok(!message?.text.includes(TOKEN));
    await eventually(async () => {
      assert.deepEqual(await rows(database()), [
        { state: 'sent', attempts: 1, code: null, hasContent: false, wait: 0 },
      ]);
    });
  });

  it('speak the language of the row, and cut what somebody typed to one plain line', async () => {
    const id = await reachable();
    const desk = open();
    await queue(
      desk,
      notice(id, {
        locale: 'ru',
        model: {
          ...notice(id).model,
          ...{ what: 'factor-added', factor: 'passkey', name: `<b>my\nkey</b> ${'x'.repeat(100)}` },
        },
      }),
    );
    desk.worker.start();
    const [message] = await eventually(() => {
      assert.equal(sentTo(id).length, 1);
      return sentTo(id);
    });
    assert.match(message?.text ?? '', /Ключ доступа|Способ|способ/);
    assert.match(message?.text ?? '', /<b>my key<\/b> x{40,}…/);
    const call = api.calls.findLast(({ method }) => method === 'sendMessage');
    assert.equal(call?.payload['parse_mode'], undefined, 'nothing is markup');
  });

  it('exist with the change that caused them, or not at all', async () => {
    const id = await reachable();
    const desk = open();
    const failing = database().transaction(async (em) => {
      await desk.outbox.enqueue(em, notice(id));
      throw new Error('the cause did not happen');
    });
    await assert.rejects(failing, /did not happen/);
    assert.deepEqual(await rows(database()), []);
  });

  it('lie in the database without their link', async () => {
    const desk = open();
    await queue(desk, notice(await reachable()));
    const [row] = await database().em().execute<{ text: string }[]>('select o::text as text from outbox_chat o');
    assert.ok(row && !row.text.includes(TOKEN) && !row.text.includes(Buffer.from(TOKEN).toString('hex')));
  });

  it('are sent once by two processes, one of which sends at a time', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => reachable()));
    const [first, second] = [open(), open()];
    first.worker.start();
    second.worker.start();
    await Promise.all(ids.map((id, index) => queue(index % 2 === 0 ? first : second, notice(id))));
    await eventually(() => {
      for (const id of ids) assert.equal(sentTo(id).length, 1);
    });
    const [lease] = await database()
      .em()
      .execute<{ count: number }[]>("select count(*)::int as count from lease where name = 'telegram-notices'");
    assert.equal(lease?.count, 1);
    await eventually(async () => assert.ok((await rows(database())).every(({ state }) => state === 'sent')));
    for (const id of ids) assert.equal(triesFor(id), 1);
  });

  it('go on in another process when the one that sent is gone', async () => {
    const id = await reachable();
    const [first, second] = [open(), open()];
    first.worker.start();
    await queue(first, notice(id));
    await eventually(() => assert.equal(sentTo(id).length, 1));
    second.worker.start();
    await first.worker.stop();
    const other = await reachable();
    await queue(first, notice(other));
    await eventually(() => assert.equal(sentTo(other).length, 1));
  });

  it('keep a second between two to one chat', async () => {
    const id = await reachable();
    const desk = open();
    await queue(desk, notice(id));
    await queue(desk, notice(id));
    const at: number[] = [];
    desk.worker.start();
    for (const count of [1, 2]) {
      await eventually(() => assert.equal(sentTo(id).length, count));
      at.push(performance.now());
    }
    assert.ok((at[1] ?? 0) - (at[0] ?? 0) > 900, String(at));
  });

  it('wait as long as Telegram asks for, all of them, also in another process', async () => {
    const [id, other] = [await reachable(), await reachable()];
    const desk = open();
    api.setFault({ code: 429, retryAfter: 600, times: 1 });
    await queue(desk, notice(id));
    desk.worker.start();
    await eventually(() => assert.equal(triesFor(id), 1));
    const [row] = await eventually(async () => {
      const found = await rows(database());
      assert.equal(found[0]?.code, 'telegram-429');
      return found;
    });
    assert.ok((row?.wait ?? 0) > 590 && (row?.wait ?? 0) <= 600, String(row?.wait));
    const second = open();
    second.worker.start();
    await queue(second, notice(other));
    // Whoever keeps the lease has renewed it meanwhile: it had every chance to send.
    const renewed = await leaseEnd(database());
    await eventually(async () => assert.ok((await leaseEnd(database())) > renewed));
    await eventually(async () => assert.ok((await leaseEnd(database())) > renewed + 2000));
    assert.equal(triesFor(other), 0);
    assert.equal(triesFor(id), 1);
  });

  it('come as soon as a short wait is over', async () => {
    const id = await reachable();
    const desk = open();
    api.setFault({ code: 429, retryAfter: 1, times: 1 });
    await queue(desk, notice(id));
    const begun = performance.now();
    desk.worker.start();
    await eventually(() => assert.equal(sentTo(id).length, 1));
    assert.ok(performance.now() - begun >= 1000);
    assert.equal(triesFor(id), 2);
  });

  it('stop for a chat that is blocked, all that wait for it, and it is not written to again', async () => {
    const id = await reachable();
    const desk = open();
    api.blockedBy.add(id);
    await queue(desk, notice(id));
    await queue(desk, notice(id));
    desk.worker.start();
    await eventually(async () => {
      const found = await rows(database());
      assert.deepEqual(
        found.map(({ state, code }) => [state, code]),
        [
          ['failed', 'telegram-403'],
          ['failed', 'telegram-403'],
        ],
      );
    });
    assert.equal(triesFor(id), 1);
    assert.equal((await new Chats({ sql: database().sql }).find(String(id)))?.isReachable, false);
    await queue(desk, notice(id));
    await eventually(async () =>
      assert.deepEqual(
        (await rows(database())).map(({ code }) => code),
        ['telegram-403', 'telegram-403', 'chat-left'],
      ),
    );
    assert.equal(triesFor(id), 1);
  });

  it('go out as a mail where the owner had chosen the chat and it is blocked, with the time of what happened', async () => {
    const id = await reachable();
    const desk = open();
    api.blockedBy.add(id);
    await queue(desk, notice(id, { fallback: { email: 'ada@example.com', locale: 'ru' } }));
    mails.length = 0;
    desk.worker.start();
    const [mail] = await eventually(() => {
      assert.equal(mails.length, 1);
      return mails;
    });
    assert.deepEqual(
      [mail?.kind, mail?.to, mail?.locale, mail?.accountId],
      ['notice', 'ada@example.com', 'ru', accountId],
    );
    const model = mail?.model as ChatNotice['model'];
    assert.deepEqual([model.what, model.path], ['password-changed', `/not-me/${TOKEN}`]);
    assert.ok(Math.abs(Date.parse(model.at ?? '') - Date.now()) < 60_000);
  });

  it('come after an outage, whatever kind it is, and a fault of the token is one', async () => {
    for (const fault of ['cut', { code: 502 }, { code: 401 }] as const) {
      const id = await reachable();
      const desk = open();
      api.setFault(fault);
      await queue(desk, notice(id));
      desk.worker.start();
      await eventually(async () => {
        const row = (await rows(database())).find(({ state }) => state === 'queued');
        assert.ok(row && row.attempts >= 1 && row.code !== null);
        assert.ok(row.wait > 0 && row.wait <= CHAT_RETRY_SECONDS[0]);
      });
      api.setFault(null);
      await run(database(), "update outbox_chat set next_attempt_at = now() where state = 'queued'");
      await eventually(() => assert.equal(sentTo(id).length, 1));
      await desk.worker.stop();
    }
  });

  it('are given up when they are too old, and go out as a mail where that was their only way', async () => {
    const id = await reachable();
    const desk = open();
    await queue(desk, notice(id, { fallback: { email: 'late@example.com', locale: 'en' } }));
    await run(database(), "update outbox_chat set expires_at = now() - interval '1 second'");
    mails.length = 0;
    await Promise.all([desk.outbox.sweep(), open().outbox.sweep()]);
    assert.equal((await rows(database()))[0]?.state, 'expired');
    assert.deepEqual(
      mails.map(({ to }) => to),
      ['late@example.com'],
    );
    desk.worker.start();
    assert.equal(triesFor(id), 0);
  });

  it('that cannot be opened, or that Telegram refuses for good, are given up and said so', async () => {
    const [unread, refused] = [await reachable(), await reachable()];
    const [desk, stranger] = [open(), open(new Seal('another secret that is long enough for this'))];
    await queue(stranger, notice(unread));
    api.setFaultFor({ code: 400 }, ({ payload }) => payload['chat_id'] === refused);
    await queue(desk, notice(refused));
    desk.worker.start();
    await eventually(async () => {
      assert.deepEqual((await rows(database())).map(({ state, code }) => `${state} ${code}`).toSorted(), [
        'failed cannot-open',
        'failed telegram-400',
      ]);
    });
    assert.equal(triesFor(unread), 0);
    const log = desk.lines.join('\n');
    assert.match(log, /did not reach its chat/);
    for (const secret of [BOT_TOKEN, TOKEN]) assert.ok(!log.includes(secret));
  });

  it('go with their account', async () => {
    const desk = open();
    await queue(desk, notice(await reachable()));
    await run(database(), 'delete from account where id = ?', [accountId]);
    assert.deepEqual(await rows(database()), []);
  });
});

async function run(database: Database, text: string, values: readonly unknown[] = []): Promise<void> {
  await database.em().execute(text, [...values]);
}

async function rows(database: Database): Promise<readonly Row[]> {
  return database.em().execute<Row[]>(
    `select state, attempts, last_error_code as "code", sealed is not null as "hasContent",
      greatest(0, case when state = 'queued' then extract(epoch from next_attempt_at - now()) else 0 end)::float8 as "wait"
     from outbox_chat order by created_at, id`,
  );
}

/** Milliseconds. */
async function leaseEnd(database: Database): Promise<number> {
  const [row] = await database
    .em()
    .execute<{ at: number }[]>(
      "select (extract(epoch from expires_at) * 1000)::float8 as at from lease where name = 'telegram-notices'",
    );
  return row?.at ?? 0;
}

async function newAccount(database: Database): Promise<string> {
  const id = randomUUID();
  await run(
    database,
    "insert into account (id, subject, status, created_at, updated_at) values (?, ?, 'active', now(), now())",
    [id, id],
  );
  return id;
}
