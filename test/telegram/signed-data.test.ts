// Known answers were computed apart from our code, with Python's hmac and OpenSSL, from the texts of core.telegram.org; everything else
// changes them by one thing and must fail.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkInitData, checkWidget, readMiniAppKey } from '../../src/telegram/signed-data.ts';

const BOT_TOKEN = '4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcK';
const BOT_ID = '4839574812';
const SIGNED_AT = 1_790_000_000;
const NOW = (SIGNED_AT + 60) * 1000;
const PUBLIC_KEY = readMiniAppKey('03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8');
const OTHER_KEY = readMiniAppKey('e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d');
const WIDGET = {
  id: '6123456789012',
  first_name: 'Zoë',
  last_name: "O'Neil",
  username: 'zoe_n',
  photo_url: 'https://t.me/i/userpic/320/zoe.jpg',
  auth_date: String(SIGNED_AT),
  hash: 'efaf86e68fdb5fb1099fe8184b370f21a7cde2042130f76ab2bd2fec6cbe6826',
};
const INIT_DATA =
  'query_id=AAHdF6IQAAAAAN0XohDhrOrc&user=%7B%22id%22%3A6123456789012%2C%22first_name%22%3A%22Zo%C3%AB+%5Cu0026+Co%22%2C' +
  '%22last_name%22%3A%22%22%2C%22username%22%3A%22zoe_n%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%2C' +
  '%22photo_url%22%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320%5C%2Fzoe.svg%22%7D&auth_date=1790000000' +
  '&start_param=c-4fGh_1' +
  '&signature=itzjY7KkvARtXQT8XeJl1I5Iay4mVdXRcXHOPrjKeMcN2XyRfMs6-7KwLGDPKKeRprDOE8sfoaEqfX4M_34uAw' +
  '&hash=f181a3ceb8c5161c353cffc5a7c46efcdf6ded3705a8958f52f6d3ef172df495';
const BY_TOKEN = { kind: 'token', botToken: BOT_TOKEN } as const;
const BY_KEY = { kind: 'key', botId: BOT_ID, publicKeys: [OTHER_KEY, PUBLIC_KEY] } as const;

const widget = (changes: Record<string, string | undefined> = {}): URLSearchParams =>
  new URLSearchParams(
    Object.entries<string | undefined>({ ...WIDGET, ...changes }).filter(
      (one): one is [string, string] => one[1] !== undefined,
    ),
  );

describe('the legacy widget', () => {
  test('the known answer is accepted and names the person by the numeric id', () => {
    const outcome = checkWidget(widget(), BOT_TOKEN, NOW);
    assert.equal(outcome.kind, 'valid');
    assert.deepEqual(outcome.kind === 'valid' && outcome.person, {
      ...{ id: '6123456789012', username: 'zoe_n', firstName: 'Zoë', lastName: "O'Neil" },
      ...{ picture: 'https://t.me/i/userpic/320/zoe.jpg', locale: null },
    });
  });

  test('the order of the fields does not matter', () => {
    const reversed = new URLSearchParams([...widget()].toReversed());
    const [one, other] = [checkWidget(widget(), BOT_TOKEN, NOW), checkWidget(reversed, BOT_TOKEN, NOW)];
    assert.equal(one.kind, 'valid');
    assert.deepEqual(other, one);
  });

  for (const [what, fields, problem] of [
    ['a changed id', widget({ id: '6123456789013' }), 'signature'],
    ['a field taken away', widget({ username: undefined }), 'signature'],
    ['an empty field taken for none', widget({ last_name: '' }), 'signature'],
    ['no hash', widget({ hash: undefined }), 'signature'],
    ['a hash in capitals', widget({ hash: WIDGET.hash.toUpperCase() }), 'signature'],
    ['a short hash', widget({ hash: WIDGET.hash.slice(0, 63) }), 'signature'],
    ['a field that the widget does not have', widget({ phone_number: '79001234567' }), 'malformed'],
    ['two ids', new URLSearchParams([...widget(), ['id', '1']]), 'malformed'],
    ['nothing at all', new URLSearchParams(), 'signature'],
  ] as const) {
    test(`${what} is refused`, () => assert.deepEqual(checkWidget(fields, BOT_TOKEN, NOW), { kind: problem }));
  }

  test('the token of another bot is refused', () => {
    assert.deepEqual(checkWidget(widget(), `${BOT_TOKEN.slice(0, -1)}L`, NOW), { kind: 'signature' });
  });
});

describe('initData of a Mini App', () => {
  for (const [how, key] of [
    ["the bot's token", BY_TOKEN],
    ["Telegram's key", BY_KEY],
  ] as const) {
    test(`the known answer is accepted by ${how}`, () => {
      const outcome = checkInitData(INIT_DATA, key, NOW);
      assert.equal(outcome.kind, 'valid');
      assert.deepEqual(outcome.kind === 'valid' && [outcome.person, outcome.startParam], [
        {
          ...{ id: '6123456789012', username: 'zoe_n', firstName: 'Zoë & Co', lastName: '' },
          ...{ picture: 'https://t.me/i/userpic/320/zoe.svg', locale: 'ru' },
        },
        'c-4fGh_1',
      ]);
    });

    test(`what was changed, added, taken away or doubled is refused by ${how}`, () => {
      for (const raw of [
        INIT_DATA.replace('6123456789012', '6123456789013'),
        `${INIT_DATA}&receiver=%7B%22id%22%3A1%7D`,
        INIT_DATA.replace('&start_param=c-4fGh_1', ''),
        INIT_DATA.replace('start_param=c-4fGh_1', 'start_param=c-4fGh_2'),
        INIT_DATA.replace('auth_date=1790000000', 'auth_date=1790000001'),
      ]) {
        assert.deepEqual(checkInitData(raw, key, NOW), { kind: 'signature' }, raw.slice(-120));
      }
      assert.deepEqual(checkInitData(`${INIT_DATA}&auth_date=1790000000`, key, NOW), { kind: 'malformed' });
      assert.deepEqual(checkInitData('', key, NOW), { kind: 'signature' });
      assert.deepEqual(checkInitData(`${INIT_DATA}&x=${'y'.repeat(9000)}`, key, NOW), { kind: 'malformed' });
    });
  }

  test('another spelling of the same fields is the same data: it cannot be used again', () => {
    const respelled = INIT_DATA.replace('Zo%C3%AB+', 'Zo%c3%ab%20').split('&').toReversed().join('&');
    const [one, other] = [checkInitData(INIT_DATA, BY_TOKEN, NOW), checkInitData(respelled, BY_TOKEN, NOW)];
    const byKey = checkInitData(INIT_DATA.replace('&hash=', '%3D%3D&hash='), BY_KEY, NOW);
    assert.ok(one.kind === 'valid' && other.kind === 'valid' && byKey.kind === 'valid');
    assert.equal(other.fingerprint, one.fingerprint);
    assert.equal(byKey.fingerprint, one.fingerprint);
  });

  test('a key that is not trusted, another bot and a missing signature are refused', () => {
    const refused = { kind: 'signature' };
    assert.deepEqual(checkInitData(INIT_DATA, { ...BY_KEY, publicKeys: [OTHER_KEY] }, NOW), refused);
    assert.deepEqual(checkInitData(INIT_DATA, { ...BY_KEY, botId: '4839574813' }, NOW), refused);
    assert.deepEqual(checkInitData(INIT_DATA.replace(/&signature=[^&]*/, ''), BY_KEY, NOW), refused);
    assert.deepEqual(checkInitData(INIT_DATA.replace(/&hash=.*/, ''), BY_TOKEN, NOW), refused);
  });
});

test('data of the widget is no initData, and the reverse', () => {
  assert.deepEqual(checkInitData(widget().toString(), BY_TOKEN, NOW), { kind: 'signature' });
  const asWidget = new URLSearchParams(INIT_DATA);
  assert.deepEqual(checkWidget(asWidget, BOT_TOKEN, NOW), { kind: 'malformed' });
  for (const key of ['query_id', 'user', 'start_param', 'signature']) asWidget.delete(key);
  assert.deepEqual(checkWidget(asWidget, BOT_TOKEN, NOW), { kind: 'signature' });
});

test('five minutes old is too old, thirty seconds ahead is too far ahead, and the edges are not', () => {
  const at = (seconds: number): readonly string[] => {
    const now = (SIGNED_AT + seconds) * 1000;
    return [checkWidget(widget(), BOT_TOKEN, now).kind, checkInitData(INIT_DATA, BY_TOKEN, now).kind];
  };
  assert.deepEqual(at(300), ['valid', 'valid']);
  assert.deepEqual(at(301), ['stale', 'stale']);
  assert.deepEqual(at(-30), ['valid', 'valid']);
  assert.deepEqual(at(-31), ['future', 'future']);
});

test('what was used is remembered for longer than it could be used again', () => {
  const outcome = checkInitData(INIT_DATA, BY_TOKEN, NOW);
  assert.ok(outcome.kind === 'valid');
  assert.ok(outcome.expiresAt.getTime() >= (SIGNED_AT + 300) * 1000);
});
