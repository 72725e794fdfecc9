import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLocales } from '../../src/http/locale.ts';
import { createFindPlace, type FindPlace, findNoPlace } from '../../src/http/place.ts';
import { cityRecord, placeDatabase, SOME_PLACES, writePlaceFile } from '../support/place-database.ts';

const locales = createLocales();
const hamburg = { en: 'Hamburg' };

function places(...database: Parameters<typeof placeDatabase>): FindPlace {
  const file = writePlaceFile(placeDatabase(...database));
  try {
    return createFindPlace(file.path, locales);
  } finally {
    // It is read at start only.
    file.remove();
  }
}

/** The city's name as a file has it, told in English. */
function nameOf(name: string): string | null {
  return places({ '81.2.69.0/24': cityRecord('DE', { en: name }) })('81.2.69.7', 'en');
}

describe('the place of an address', () => {
  const find = places({
    ...SOME_PLACES,
    '89.160.20.128/25': { city: { names: { en: 'Nowhere' } }, country: { iso_code: 'ZZ' } },
    '10.0.0.0/8': cityRecord('DE', hamburg),
    '192.168.0.0/16': cityRecord('DE', hamburg),
    '127.0.0.0/8': cityRecord('DE', hamburg),
    'fd00::/8': cityRecord('DE', hamburg),
    '1.1.1.0/24': { continent: { code: 'OC' } },
  });

  it('is city and country, or the country where no city is known', () => {
    assert.equal(find('81.2.69.7', 'en'), 'Hamburg, Germany');
    assert.equal(find('81.2.69.255', 'en'), 'Hamburg, Germany');
    assert.equal(find('89.160.20.1', 'en'), 'Sweden');
  });

  it('is told in the language of its reader, the city in English where the file has no other name', () => {
    assert.equal(find('81.2.69.7', 'ru'), 'Гамбург, Германия');
    assert.equal(find('81.2.69.7', 'ar'), 'Hamburg، ألمانيا');
    assert.equal(find('89.160.20.1', 'ru'), 'Швеция');
    assert.equal(find('2a02:6b8::1', 'ru'), 'Алматы, Казахстан');
  });

  it('is found by the forms in which addresses are kept: an IPv4 address, one written as IPv6, and a /64', () => {
    assert.equal(find('::ffff:81.2.69.7', 'en'), 'Hamburg, Germany');
    assert.equal(find('2a02:6b8:0:7::/64', 'en'), 'Almaty, Kazakhstan');
    assert.equal(find('2a02:6b8:0:7::25', 'en'), 'Almaty, Kazakhstan');
  });

  it('is not told of networks that are private, whatever the file says of them', () => {
    for (const network of [
      '10.1.2.3',
      '192.168.0.7',
      '127.0.0.1',
      'fd00::/64',
      '::/64',
      '::1',
      '169.254.1.1',
      'fe80::/64',
    ])
      assert.equal(find(network, 'en'), null, network);
  });

  it('is not told where it is not known', () => {
    for (const network of [
      '8.8.8.8',
      '81.2.70.1',
      '2a03::/64',
      '1.1.1.1',
      'unknown',
      '',
      '<b>',
      '81.2.69',
      null,
      undefined,
    ])
      assert.equal(find(network, 'en'), null, String(network));
  });

  it('is the city alone for a country that is no country', () => {
    assert.equal(find('89.160.20.200', 'en'), 'Nowhere');
  });

  it('is nothing without a database', () => {
    assert.equal(findNoPlace('81.2.69.7', 'en'), null);
    assert.equal(createFindPlace(null, locales)('81.2.69.7', 'en'), null);
  });

  it('of an IPv6 address is not looked for in a file of IPv4 addresses', () => {
    // 42.2.6.184, as the first bits of the other would be read.
    const old = places({ '42.2.0.0/16': cityRecord('DE', hamburg) }, { ipVersion: 4 });
    assert.equal(old('42.2.6.184', 'en'), 'Hamburg, Germany');
    assert.equal(old('2a02:6b8::/64', 'en'), null);
  });
});

describe('what a file says', () => {
  it('is one short line without characters that steer', () => {
    assert.equal(nameOf('\u202eEvil\u2066 \u0000city\r\n\u2028x\u200b'), 'Evil city x, Germany');
    assert.equal(nameOf('a'.repeat(5000)), `${'a'.repeat(59)}…, Germany`);
    assert.equal(nameOf('\u200b \u202e'), 'Germany');
  });

  it('is text, and never part of a sentence of ours', () => {
    for (const name of ['<b>x</b>', '{{country}}', '$t(mail.footer)', '%s'])
      assert.equal(nameOf(name), `${name}, Germany`);
  });

  it('is nothing where it is not what it should be', () => {
    const find = places({
      '81.2.69.0/26': { city: 'Hamburg', country: 'DE' },
      '81.2.69.64/26': { city: { names: ['Hamburg'] }, country: { iso_code: 7 } },
      '81.2.69.128/26': { country: { iso_code: 'not a code' } },
      '81.2.69.192/26': 'Hamburg',
    });
    for (const last of [1, 65, 129, 193]) assert.equal(find(`81.2.69.${last}`, 'en'), null, String(last));
  });

  it('is nothing where the file is damaged', () => {
    // A pointer to itself, a type that does not exist, and a map that goes on after the end.
    const pointer = Buffer.from([0x20, 0x00]);
    const find = places({
      '81.2.69.0/25': pointer,
      '81.2.69.128/25': Buffer.from([0x00, 0x30]),
      '81.2.70.0/24': Buffer.from([0xff, 0xff, 0xff, 0xff]),
    });
    for (const address of ['81.2.69.1', '81.2.69.129', '81.2.70.1']) assert.equal(find(address, 'en'), null, address);
  });
});
