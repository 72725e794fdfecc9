import assert from 'node:assert/strict';
import { it } from 'node:test';
import { randomToken } from '../../src/crypto/random.ts';
import type { Database } from '../../src/storage/database.ts';
import { type ApprovalQuestion, Approvals } from '../../src/telegram/approvals.ts';
import type { TelegramPerson } from '../../src/telegram/signed-data.ts';
import { dump, readings, seal, together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const QUESTION: ApprovalQuestion = {
  ...{ purpose: 'sign-in', client: 'Wiki', browser: 'Firefox', system: 'Linux', network: '192.0.2.7' },
  context: 'interaction:one',
};
let counter = 6_000_000_000_000;

function somebody(): TelegramPerson {
  counter += 1;
  return { id: String(counter), username: 'zoe_n', firstName: 'Zoë', lastName: null, picture: null, locale: 'ru' };
}

async function asked(database: Database) {
  const approvals = new Approvals({ sql: database.sql, seal });
  const browser = randomToken();
  const begun = await approvals.begin(QUESTION, browser);
  assert.ok(begun.handle !== null);
  return { ...{ approvals, browser, ...begun }, handle: begun.handle };
}

async function approved(database: Database) {
  const one = await asked(database);
  const person = somebody();
  assert.ok(await one.approvals.claim(one.handle, person));
  assert.equal((await one.approvals.decide(one.id, person.id, one.number))?.isApproved, true);
  return { ...one, person };
}

describeOnEachDatabase('an approval in the bot', (database) => {
  it('goes to the browser that asked after the number that it shows was chosen', async () => {
    const { approvals, id, browser, handle, number } = await asked(database());
    const person = somebody();
    assert.match(number, /^\d{2}$/);
    const found = await approvals.find(id, browser);
    assert.equal(found?.state, 'open');
    assert.ok(Math.abs((found?.expiresAt.getTime() ?? 0) - Date.now() - 300_000) < 60_000);
    const question = await approvals.claim(handle, person);
    assert.deepEqual(question?.question, QUESTION);
    assert.equal(new Set(question?.choices).size, 3);
    assert.ok(question?.choices.includes(number));
    assert.equal(await approvals.take(id, browser, QUESTION), null, 'pressing Start signs nobody in');
    assert.equal((await approvals.decide(id, person.id, number))?.isApproved, true);
    assert.deepEqual(await approvals.take(id, browser, QUESTION), { telegramId: person.id, person, trustDays: null });
  });

  it('offers the number at every place among the three', async () => {
    const places = new Set<number>();
    for (let round = 0; round < 60; round += 1) {
      const { asked: question, number } = await asked(database());
      places.add(question.choices.indexOf(number));
    }
    assert.deepEqual([...places].toSorted(), [0, 1, 2]);
  });

  it('is dead after a wrong number: there is no second guess', async () => {
    const { approvals, id, browser, handle, number, asked: question } = await asked(database());
    const person = somebody();
    await approvals.claim(handle, person);
    const wrong = question.choices.find((one) => one !== number) ?? '';
    assert.equal((await approvals.decide(id, person.id, wrong))?.isApproved, false);
    assert.equal(await approvals.decide(id, person.id, number), null);
    assert.equal(await approvals.take(id, browser, QUESTION), null);
    assert.equal((await approvals.find(id, browser))?.state, 'denied');
  });

  it('is dead after a no', async () => {
    const { approvals, id, browser, handle, number } = await asked(database());
    const person = somebody();
    await approvals.claim(handle, person);
    assert.equal((await approvals.decide(id, person.id, null))?.isApproved, false);
    assert.equal(await approvals.decide(id, person.id, number), null);
    assert.equal(await approvals.take(id, browser, QUESTION), null);
  });

  it('belongs to who pressed Start first, who may press again; nobody else can claim or answer it', async () => {
    const { approvals, id, handle, number } = await asked(database());
    const [first, second] = [somebody(), somebody()];
    assert.ok(await approvals.claim(handle, first));
    assert.equal(await approvals.claim(handle, second), null);
    assert.ok(await approvals.claim(handle, first));
    assert.equal(await approvals.decide(id, second.id, number), null);
    assert.equal((await approvals.decide(id, first.id, number))?.isApproved, true);
    assert.equal(await approvals.claim(handle, first), null, 'an answered question is not asked again');
  });

  it('belongs to one of twenty who press Start together', async () => {
    const { approvals, handle } = await asked(database());
    const claims = await together(20, () => approvals.claim(handle, somebody()));
    assert.equal(claims.filter((one) => one !== null).length, 1);
  });

  it('is decided once by twenty answers together', async () => {
    const { approvals, id, handle, number } = await asked(database());
    const person = somebody();
    await approvals.claim(handle, person);
    const answers = await together(20, (index) => approvals.decide(id, person.id, index % 2 === 0 ? number : null));
    assert.equal(answers.filter((one) => one !== null).length, 1);
  });

  it('is taken once by twenty requests together', async () => {
    const { approvals, id, browser } = await approved(database());
    const taken = await together(20, () => approvals.take(id, browser, QUESTION));
    assert.equal(taken.filter((one) => one !== null).length, 1);
    assert.equal((await approvals.find(id, browser))?.state, 'taken');
  });

  it('is worth nothing to another browser, for another interaction, and under its handle', async () => {
    const { approvals, id, browser, handle } = await approved(database());
    assert.equal(await approvals.find(id, randomToken()), null);
    assert.equal(await approvals.find(id, undefined), null);
    assert.equal(await approvals.take(id, randomToken(), QUESTION), null);
    assert.equal(await approvals.take(id, browser, { ...QUESTION, context: 'interaction:other' }), null);
    for (const purpose of ['second-factor', 'fresh-proof', 'link', 'enrolment'] as const) {
      assert.equal(await approvals.take(id, browser, { ...QUESTION, purpose }), null, purpose);
    }
    assert.equal(await approvals.take(handle, browser, QUESTION), null);
    assert.ok(await approvals.take(id, browser, QUESTION));
  });

  it('is over after five minutes at every step', async () => {
    const end = (id: string) =>
      database()
        .em()
        .execute("update telegram_approval set expires_at = now() - interval '1 second' where id = ?", [id]);
    const open = await asked(database());
    await end(open.id);
    assert.equal(await open.approvals.claim(open.handle, somebody()), null);
    assert.equal((await open.approvals.find(open.id, open.browser))?.state, 'expired');
    const claimed = await asked(database());
    const person = somebody();
    await claimed.approvals.claim(claimed.handle, person);
    await end(claimed.id);
    assert.equal(await claimed.approvals.decide(claimed.id, person.id, claimed.number), null);
    const late = await approved(database());
    await end(late.id);
    assert.equal(await late.approvals.take(late.id, late.browser, QUESTION), null);
  });

  it('that goes to a known chat has no link and only that person can answer', async () => {
    const approvals = new Approvals({ sql: database().sql, seal });
    const browser = randomToken();
    const [linked, other] = [somebody(), somebody()];
    const begun = await approvals.begin({ ...QUESTION, purpose: 'second-factor', trustDays: 30 }, browser, linked.id);
    assert.equal(begun.handle, null);
    assert.equal((await approvals.find(begun.id, browser))?.handle, null);
    assert.equal(await approvals.decide(begun.id, other.id, begun.number), null);
    assert.equal((await approvals.decide(begun.id, linked.id, begun.number))?.isApproved, true);
    assert.equal(await approvals.take(begun.id, browser, QUESTION), null, 'not what it was asked for');
    const taken = await approvals.take(begun.id, browser, { ...QUESTION, purpose: 'second-factor' });
    assert.deepEqual(taken, { telegramId: linked.id, person: null, trustDays: 30 });
  });

  it('leaves neither handle, browser nor names in clear in the database', async () => {
    const { approvals, handle, browser } = await asked(database());
    await approvals.claim(handle, { ...somebody(), lastName: 'Unmistakable' });
    const text = await dump(database());
    for (const secret of [handle, browser, 'Unmistakable', 'interaction:one']) {
      for (const reading of readings(secret)) assert.ok(!text.includes(reading), secret);
    }
  });
});
