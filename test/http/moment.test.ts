import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instantOf, moment } from '../../src/http/moment.ts';

const LATE = new Date('2026-03-01T22:30:00.000Z');

describe('a point in time on a page', () => {
  it('is the day where its reader lives, with the exact time behind it', () => {
    const there = moment(LATE, 'en', 'Asia/Tokyo');
    assert.equal(there.iso, '2026-03-01T22:30:00.000Z');
    assert.match(there.day, /Mar 2, 2026/);
    assert.match(there.exact, /Monday, March 2, 2026.*7:30:00/);
  });

  it('is in UTC, and says so, for somebody whose zone is not known', () => {
    assert.match(moment(LATE, 'en', null).exact, /March 1, 2026.*10:30:00.*UTC/);
  });

  it('speaks the language of the page', () => {
    assert.match(moment(LATE, 'ru', 'UTC').day, /1 мар/);
  });
});

describe('a day and a time that somebody writes', () => {
  it('is meant in their own zone, also around a change of the clocks', () => {
    for (const [text, zone, iso] of [
      ['2026-11-21T08:00', null, '2026-11-21T08:00:00.000Z'],
      ['2026-11-21', 'Asia/Tokyo', '2026-11-20T15:00:00.000Z'],
      ['2026-03-29T01:59:30', 'Europe/Berlin', '2026-03-29T00:59:30.000Z'],
      ['2026-03-29T03:00', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
      ['2026-11-21T08:00', 'No/Where', '2026-11-21T08:00:00.000Z'],
    ] as const) {
      assert.equal(instantOf(text, zone)?.toISOString(), iso, text);
    }
  });

  it('is none when it is not written so', () => {
    for (const text of ['', 'yesterday', '2026-13-01', '2026-11-21T25:00', '21.11.2026']) {
      assert.equal(instantOf(text, null), null, text);
    }
  });
});
