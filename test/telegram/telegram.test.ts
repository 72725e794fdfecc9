// The bot against a Bot API on loopback: what it says and to whom, that every update is handled once, and what it does while Telegram is away.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { randomToken } from '../../src/crypto/random.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createFindPlace } from '../../src/http/place.ts';
import { createLog } from '../../src/log.ts';
import type { Database } from '../../src/storage/database.ts';
import { type ApprovalQuestion, Approvals } from '../../src/telegram/approvals.ts';
import { createBotApi } from '../../src/telegram/bot-api.ts';
import { Chats } from '../../src/telegram/chats.ts';
import { Pace } from '../../src/telegram/pace.ts';
import { Telegram } from '../../src/telegram/telegram.ts';
import type { Update } from '../../src/telegram/updates.ts';
import { seal, together } from '../support/credentials.ts';
import { databaseKinds, describeOnEachDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { placeDatabase, SOME_PLACES, writePlaceFile } from '../support/place-database.ts';
import { BOT_TOKEN, startTelegramApi, type TelegramApi, type TestTelegramPerson } from '../support/telegram-api.ts';

const QUESTION: ApprovalQuestion = {
  ...{ purpose: 'sign-in', client: 'Wiki', browser: 'Firefox', system: 'Linux', network: '192.0.2.7' },
  context: 'interaction:one',
};
const DENY = 'No, this is not me';
const OVER = /^This question is over/;
let counter = 7_000_000_000_000;
const places = writePlaceFile(placeDatabase(SOME_PLACES));
const findPlace = createFindPlace(places.path, createLocales());
places.remove();

function somebody(language = 'en'): TestTelegramPerson {
  counter += 1;
  return { id: counter, username: `person${counter}`, firstName: 'Zoë', language };
}

interface Started {
  readonly api: TelegramApi;
  readonly telegram: Telegram;
  readonly approvals: Approvals;
  readonly chats: Chats;
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

interface Options {
  readonly api?: TelegramApi;
  readonly mode?: 'polling' | 'webhook';
  readonly token?: string;
}

async function startOn(database: Database, options: Options = {}): Promise<Started> {
  const api = options.api ?? (await startTelegramApi());
  const lines: string[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(line) });
  const { sql } = database;
  const approvals = new Approvals({ sql, seal });
  const chats = new Chats({ sql });
  const telegram = new Telegram({
    bot: createBotApi({
      token: options.token ?? BOT_TOKEN,
      apiRoot: api.url,
      proxy: undefined,
      pauses: [10, 10],
      halfOpenAfter: 100,
    }),
    ...{ sql, log, approvals, chats, locales: createLocales(), audit: new Audit({ database }), pace: new Pace() },
    ...{ productName: 'Latchkey', issuer: 'https://id.example.com', webhookSecret: 'hook-secret', retryMs: 50 },
    mode: options.mode ?? 'polling',
    findPlace,
    findAccount: async () => null,
    phones: null,
    listSessions: async () => [],
    endSession: async () => false,
    unlink: async () => 'not-found' as const,
    createLoginUrl: async () => 'https://id.example.com/telegram/login/x',
  });
  telegram.start();
  const stop = async (): Promise<void> => {
    await telegram.stop();
    if (!options.api) await api.close();
  };
  return { api, telegram, approvals, chats, lines, stop };
}

describeOnEachDatabase('the bot', (database) => {
  let one: Started;
  before(async () => {
    one = await startOn(database());
    await eventually(() => assert.equal(one.telegram.username, 'latchkey_test_bot'));
  });
  after(() => one.stop());

  async function asked(network = QUESTION.network) {
    const browser = randomToken();
    const begun = await one.approvals.begin({ ...QUESTION, network }, browser);
    return { ...begun, browser, link: `/start ${begun.handle}` };
  }

  it('says after Start who asks, from where and when, and offers three numbers and a no; that alone signs nobody in', async () => {
    const { id, browser, number, link } = await asked();
    const person = somebody();
    one.api.write(person, link);
    const message = await one.api.nextMessage(person);
    assert.match(
      message.text,
      /^Sign in to Wiki on id\.example\.com\?\n\nBrowser: Firefox on Linux\nFrom: 192\.0\.2\.7/,
    );
    assert.equal(message.buttons.length, 4);
    assert.ok(message.buttons.some((button) => button.text === number));
    assert.equal(message.buttons.at(-1)?.text, DENY);
    for (const button of message.buttons) assert.ok(Buffer.byteLength(button.callback_data ?? '') <= 64);
    assert.equal((await one.approvals.find(id, browser))?.state, 'claimed');
    one.api.press(person, message, number);
    await eventually(async () => assert.equal((await one.approvals.find(id, browser))?.state, 'approved'));
    await eventually(() => assert.match(message.text, /^Confirmed\./));
    assert.deepEqual(message.buttons, []);
    assert.ok(one.api.calls.some((call) => call.method === 'answerCallbackQuery'));
  });

  it('speaks the language of the person', async () => {
    const { link } = await asked();
    const person = somebody('ru-RU');
    one.api.write(person, link);
    assert.match((await one.api.nextMessage(person)).text, /^Войти в Wiki на id\.example\.com\?/);
    one.api.write(person, '/language');
    const offer = await one.api.nextMessage(person, 1);
    one.api.press(person, offer, 'English');
    await eventually(() => assert.equal(offer.text, 'From now on I write in English.'));
    one.api.write(person, '/help');
    assert.match((await one.api.nextMessage(person, 2)).text, /this text/);
  });

  it('says roughly where the network is, in that language', async () => {
    const { link } = await asked('81.2.69.7');
    for (const [language, told] of [
      ['en', 'From: 81.2.69.7 (place: Hamburg, Germany)'],
      ['ru', '81.2.69.7 (место: Гамбург, Германия)'],
    ] as const) {
      const person = somebody(language);
      one.api.write(person, language === 'en' ? link : (await asked('81.2.69.7')).link);
      const { text } = await one.api.nextMessage(person);
      assert.ok(text.includes(told), text);
    }
    const unknown = somebody();
    one.api.write(unknown, (await asked('192.0.2.7')).link);
    assert.match((await one.api.nextMessage(unknown)).text, /From: 192\.0\.2\.7 \(place: unknown\)/);
  });

  for (const [what, button] of [
    ['a wrong number', null],
    ['No', DENY],
  ] as const) {
    it(`takes ${what} as the end of it and writes it down`, async () => {
      const { id, browser, number, link, asked: question } = await asked();
      const person = somebody();
      one.api.write(person, link);
      const message = await one.api.nextMessage(person);
      one.api.press(person, message, button ?? question.choices.find((choice) => choice !== number) ?? '');
      await eventually(() => assert.match(message.text, /^Refused\./));
      assert.equal((await one.approvals.find(id, browser))?.state, 'denied');
      const [event] = await database()
        .em()
        .execute<{ reason: string; result: string }[]>(
          "select reason, result from audit_event where action = 'telegram.approve' order by id desc limit 1",
        );
      assert.deepEqual({ ...event }, { reason: button === null ? 'wrong-number' : 'denied', result: 'failure' });
    });
  }

  it('tells a second person with the same link that it is over, and takes no answer of theirs', async () => {
    const { id, browser, number, link } = await asked();
    const [first, second] = [somebody(), somebody()];
    one.api.write(first, link);
    const message = await one.api.nextMessage(first);
    one.api.write(second, link);
    assert.match((await one.api.nextMessage(second)).text, OVER);
    one.api.press(second, message, number);
    one.api.write(second, '/help');
    await one.api.nextMessage(second, 1);
    assert.equal((await one.approvals.find(id, browser))?.state, 'claimed');
  });

  it('does not listen in groups, to bots, to what was forwarded or sent through another bot', async () => {
    const { id, browser, link } = await asked();
    const person = somebody();
    const group = { chat: { id: -1001, type: 'supergroup', title: 'G' } };
    const forwarded = {
      forward_origin: { type: 'user', date: 1, sender_user: { id: 1, is_bot: false, first_name: 'X' } },
    };
    const viaBot = { via_bot: { id: 2, is_bot: true, first_name: 'B', username: 'other_bot' } };
    const fromBot = { from: { id: person.id, is_bot: true, first_name: 'B' } };
    for (const odd of [group, forwarded, viaBot, fromBot]) one.api.write(person, link, odd);
    one.api.push({
      edited_message: { message_id: 1, date: 1, edit_date: 2, chat: { id: person.id, type: 'private' }, text: link },
    });
    const last = somebody();
    one.api.write(last, '/help');
    await one.api.nextMessage(last);
    assert.equal((await one.approvals.find(id, browser))?.state, 'open');
    assert.equal(one.api.messages.filter((message) => message.chatId === person.id).length, 0);
  });

  it('takes no answer from a group, not even of the right person', async () => {
    const { id, browser, number, link } = await asked();
    const person = somebody();
    one.api.write(person, link);
    const message = await one.api.nextMessage(person);
    one.api.press(person, message, number, {
      message: {
        message_id: message.messageId,
        date: 1,
        chat: { id: -1001, type: 'supergroup', title: 'G' },
        text: 'x',
      },
    });
    const last = somebody();
    one.api.write(last, '/help');
    await one.api.nextMessage(last);
    assert.equal((await one.approvals.find(id, browser))?.state, 'claimed');
  });

  it('answers links that are no links and presses that are no answers without harm', async () => {
    const person = somebody();
    one.api.write(person, '/start nothing-like-a-handle');
    assert.match((await one.api.nextMessage(person)).text, OVER);
    one.api.write(person, `/start ${randomToken()}`);
    assert.match((await one.api.nextMessage(person, 1)).text, OVER);
    const message = await one.api.nextMessage(person, 1);
    one.api.push({
      callback_query: {
        ...{ id: '9', chat_instance: '1', from: { id: person.id, is_bot: false, first_name: 'Z' } },
        message: { message_id: message.messageId, date: 1, chat: { id: person.id, type: 'private' }, text: 'x' },
        data: "a:' or 1=1 --:42",
      },
    });
    await eventually(() => assert.equal(one.api.calls.at(-1)?.method === 'getUpdates', true));
    one.api.write(person, 'hello');
    assert.match((await one.api.nextMessage(person, 2)).text, /this text/);
  });

  it('handles an update once that arrives twenty times together', async () => {
    const person = somebody();
    const update = {
      update_id: 5_000_000 + (counter % 1_000_000),
      message: {
        ...{ message_id: 1, date: 1, text: 'hello', chat: { id: person.id, type: 'private' } },
        from: { id: person.id, is_bot: false, first_name: 'Z', language_code: 'en' },
      },
    } as unknown as Update;
    await together(20, () => one.telegram.handle(update));
    assert.equal(one.api.messages.filter((message) => message.chatId === person.id).length, 1);
  });

  it('asks in a chat that it knows, and says when it cannot', async () => {
    const [known, stranger] = [somebody(), somebody()];
    one.api.write(known, '/start');
    await one.api.nextMessage(known);
    const { asked: question } = await one.approvals.begin(
      { ...QUESTION, purpose: 'second-factor' },
      'b',
      String(known.id),
    );
    assert.equal(await one.telegram.ask(question, String(known.id)), true);
    assert.match((await one.api.nextMessage(known, 1)).text, /^Confirm your sign-in to Wiki/);
    assert.equal(await one.telegram.ask(question, String(stranger.id)), false);
    one.api.blockedBy.add(known.id);
    assert.equal(await one.telegram.ask(question, String(known.id)), false);
    assert.equal((await one.chats.find(String(known.id)))?.isReachable, false);
  });

  it('writes no more to who blocked it or asked for silence, until the next Start', async () => {
    const person = somebody();
    const isReachable = async () => (await one.chats.find(String(person.id)))?.isReachable;
    one.api.write(person, '/start');
    await eventually(async () => assert.equal(await isReachable(), true));
    one.api.push({
      my_chat_member: {
        ...{ chat: { id: person.id, type: 'private', first_name: 'Z' }, date: 1 },
        from: { id: person.id, is_bot: false, first_name: 'Z' },
        old_chat_member: { status: 'member', user: { id: 1, is_bot: true, first_name: 'B' } },
        new_chat_member: { status: 'kicked', until_date: 0, user: { id: 1, is_bot: true, first_name: 'B' } },
      },
    });
    await eventually(async () => assert.equal(await isReachable(), false));
    one.api.write(person, '/start');
    await eventually(async () => assert.equal(await isReachable(), true));
    one.api.write(person, '/stop');
    await eventually(async () => assert.equal(await isReachable(), false));
  });

  it('goes on after Telegram was away, without losing what was said meanwhile', async () => {
    const person = somebody();
    one.api.setFault({ code: 502 });
    one.api.write(person, '/help');
    await eventually(() => assert.ok(one.lines.some((line) => line.includes('have to wait'))));
    one.api.setFault(null);
    await one.api.nextMessage(person);
  });

  it('waits as long as Telegram asks for before it tries again', async () => {
    const person = somebody();
    one.api.write(person, '/start');
    await one.api.nextMessage(person);
    const { asked: question } = await one.approvals.begin(QUESTION, 'b', String(person.id));
    const seen = one.api.calls.length;
    const begun = performance.now();
    // Both the message and a question for updates may meet it.
    one.api.setFault({ code: 429, retryAfter: 1, times: 2 });
    assert.equal(await one.telegram.ask(question, String(person.id)), true);
    const sent = one.api.calls.slice(seen).filter((call) => call.method === 'sendMessage').length;
    if (sent > 1) assert.ok(performance.now() - begun >= 990 * (sent - 1));
    assert.match((await one.api.nextMessage(person, 1)).text, /^Sign in to Wiki/);
    one.api.setFault(null);
  });

  it('never writes the token to the log', () => {
    assert.ok(one.lines.length > 0);
    assert.ok(!one.lines.join('').includes(BOT_TOKEN.slice(11)));
  });
});

describe('several processes and one bot', () => {
  for (const kind of databaseKinds) {
    it(`on ${kind.name}, one asks for updates, another takes over, and each update is handled once`, {
      skip: kind.missing ?? false,
    }, async (t) => {
      const { database, close } = await kind.open();
      const api = await startTelegramApi();
      t.after(async () => {
        await api.close();
        await close();
      });
      const first = await startOn(database, { api });
      const second = await startOn(database, { api });
      const person = somebody();
      for (let index = 0; index < 5; index += 1) api.write(person, 'hello');
      const count = () => api.messages.filter((message) => message.chatId === person.id).length;
      await eventually(() => assert.equal(count(), 5));
      assert.ok(!api.calls.some((call) => call.method === 'getUpdates' && call.payload['conflict'] === true));
      await first.stop();
      api.write(person, 'hello again');
      await eventually(() => assert.equal(count(), 6));
      await second.stop();
    });
  }
});

describe('a bot that cannot begin', () => {
  const [kind] = databaseKinds;

  it('is offered by no page and says what to look at when the token is wrong', async (t) => {
    assert.ok(kind);
    const { database, close } = await kind.open();
    const started = await startOn(database, { token: '4839574812:wrong' });
    t.after(async () => {
      await started.stop();
      await close();
    });
    await eventually(() => assert.ok(started.lines.some((line) => line.includes('telegram.botToken is wrong'))));
    assert.equal(started.telegram.username, null);
    assert.ok(!started.lines.join('').includes('4839574812:wrong'));
  });

  it('begins when Telegram answers after all', async (t) => {
    assert.ok(kind);
    const { database, close } = await kind.open();
    const api = await startTelegramApi();
    api.setFault('cut');
    const started = await startOn(database, { api });
    t.after(async () => {
      await started.stop();
      await api.close();
      await close();
    });
    await eventually(() => assert.ok(started.lines.some((line) => line.includes('cannot be reached'))));
    api.setFault(null);
    await eventually(() => assert.equal(started.telegram.username, 'latchkey_test_bot'));
  });

  it('sets the webhook with its secret where updates are posted', async (t) => {
    assert.ok(kind);
    const { database, close } = await kind.open();
    const started = await startOn(database, { mode: 'webhook' });
    t.after(async () => {
      await started.stop();
      await close();
    });
    await eventually(() => assert.ok(started.api.webhook));
    assert.deepEqual(started.api.webhook, { url: 'https://id.example.com/telegram/webhook', secret: 'hook-secret' });
  });
});
