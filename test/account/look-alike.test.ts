import assert from 'node:assert/strict';
import { it } from 'node:test';
import { usernameSkeleton } from '../../src/account/look-alike.ts';
import { UsernameReservations } from '../../src/account/username-reservations.ts';
import { describeOnEachDatabase } from '../support/database.ts';

it('sees that names look alike which people cannot tell apart', () => {
  for (const [one, other] of [
    ['admin', 'ADMIN'],
    ['admin', 'adm1n'],
    ['Ian', 'lan'],
    ['root', 'r00t'],
    ['modern', 'modem'],
    ['vvilma', 'wilma'],
    ['ada__l', 'ada_l'],
    ['_ada', 'ada_'],
    ['___', '_____'],
  ] as const) {
    assert.equal(usernameSkeleton(one), usernameSkeleton(other), `${one} ${other}`);
  }
});

it('keeps apart what looks different', () => {
  const names = ['ada', 'adam', 'ada_l', 'adal', 'ada2', 'bob', 'mila', 'milla', '___'];
  assert.equal(new Set(names.map(usernameSkeleton)).size, names.length);
});

describeOnEachDatabase('the migration', (database) => {
  it('fills the look of names in as the code does', async () => {
    const names = ['Admin_1', 'r00t', 'modern', 'VVilma__', '___', '_a_B_', 'I1l0'];
    // Its expression, on values instead of rows.
    const text = `select replace(replace(translate(
        coalesce(nullif(btrim(regexp_replace(lower(name), '_+', '_', 'g'), '_'), ''), '_'),
        '01i', 'oll'), 'rn', 'm'), 'vv', 'w') as look from unnest($1::text[]) with ordinality as n (name, place) order by place`;
    const { rows } = await database().sql.query<{ look: string }>({ name: 'test_looks', text }, [names]);
    assert.deepEqual(
      rows.map(({ look }) => look),
      names.map(usernameSkeleton),
    );
  });
});

describeOnEachDatabase('a username of a registration whose address is not proven', (database) => {
  const reserve = (name: string, browser: string, ttl = 60) =>
    database().transaction((em) => new UsernameReservations({ database: database() }).reserve(em, name, browser, ttl));

  it('is kept for the browser that asked, by its look, until its time is over', async () => {
    const names = new UsernameReservations({ database: database() });
    assert.equal(await names.isFree('Grace', 'first'), true);
    assert.equal(await reserve('Grace', 'first'), true);
    assert.equal(await names.isFree('grace', 'second'), false);
    assert.equal(await reserve('GRACE', 'second'), false);
    assert.equal(await names.isFree('grace', 'first'), true);
    assert.equal(await reserve('grace', 'first', -1), true, 'asked for again');
    assert.equal(await names.isFree('Grace', 'second'), true, 'its time is over');
    assert.equal(await reserve('Grace', 'second'), true);
    await database().transaction((em) => names.release(em, 'grace'));
    assert.equal(await names.isFree('Grace', 'first'), true);
  });

  it('goes to one of twenty who ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => reserve('hopper', `browser ${index}`)));
    assert.equal(answers.filter(Boolean).length, 1);
  });

  it('is swept away when its time is over', async () => {
    await reserve('lovelace', 'first', -1);
    await new UsernameReservations({ database: database() }).sweep();
    const text = `select count(*)::int as count from username_reservation where expires_at <= now()`;
    const { rows } = await database().sql.query<{ count: number }>({ name: 'test_left', text }, []);
    assert.equal(rows[0]?.count, 0);
  });
});
