import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { moment } from '../../src/http/moment.ts';

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
