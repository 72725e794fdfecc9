import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { folder, load, OTHER_SECRET, PRODUCTION, refusal, refusedNames, SECRET } from './loading.ts';

/** The one problem of these settings. */
function only(env: NodeJS.ProcessEnv): string {
  const { problems } = refusal(env);
  assert.equal(problems.length, 1, problems.map((problem) => problem.name).join());
  return `${problems[0]?.name}: ${problems[0]?.wrong}`;
}

describe('a public deployment', () => {
  test('needs no more than issuer, database, secret and mail', () => {
    assert.equal(load(PRODUCTION).settings.issuer, 'https://id.example.com');
  });

  test('is refused over http', () => {
    assert.match(only({ ...PRODUCTION, LATCHKEY_ISSUER: 'http://id.example.com' }), /^LATCHKEY_ISSUER: must use https/);
  });

  test('is refused with file mails', () => {
    const { LATCHKEY_SMTP_URL: _, ...env } = PRODUCTION;
    assert.match(only(env), /^LATCHKEY_SMTP_URL: is needed/);
  });

  test('is refused with a mail server and no sender', () => {
    const { LATCHKEY_MAIL_FROM: _, ...env } = PRODUCTION;
    assert.match(only(env), /^LATCHKEY_MAIL_FROM: is needed/);
  });

  test('is refused with PostgreSQL and no secret', () => {
    const { LATCHKEY_SECRET: _, ...env } = PRODUCTION;
    assert.match(only(env), /^LATCHKEY_SECRET: is needed with PostgreSQL/);
  });

  test('is refused with limits switched off or answers that tell by their time', () => {
    assert.match(only({ ...PRODUCTION, LATCHKEY_LIMITS_OFF: 'true' }), /^LATCHKEY_LIMITS_OFF: must be false/);
    assert.match(
      only({ ...PRODUCTION, LATCHKEY_ANSWER_FLOOR_MS: '99' }),
      /^LATCHKEY_ANSWER_FLOOR_MS: must be at least 100/,
    );
    assert.equal(
      load({ LATCHKEY_LIMITS_OFF: 'true', LATCHKEY_ANSWER_FLOOR_MS: '0' }).settings.limits.switchedOff,
      true,
    );
  });
});

describe('secrets', () => {
  test('that are short, repeated or copied from an example are refused, with every database', () => {
    for (const secret of ['short', 'a'.repeat(64), 'changeme-changeme-changeme-changeme!', SECRET.slice(0, 31)]) {
      assert.match(only({ LATCHKEY_SECRET: secret }), /^LATCHKEY_SECRET: /);
      assert.match(only({ ...PRODUCTION, LATCHKEY_SECRET: secret }), /^LATCHKEY_SECRET: /);
      assert.match(only({ LATCHKEY_PASSWORD_PEPPER: secret }), /^LATCHKEY_PASSWORD_PEPPER: /);
      assert.ok(!refusal({ LATCHKEY_SECRET: secret }).message.includes(secret));
    }
  });

  test('rotate: the previous one needs the current one and differs from it', () => {
    assert.equal(load({ ...PRODUCTION, LATCHKEY_SECRET_PREVIOUS: OTHER_SECRET }).secrets.previousSecret, OTHER_SECRET);
    assert.match(only({ ...PRODUCTION, LATCHKEY_SECRET_PREVIOUS: SECRET }), /^LATCHKEY_SECRET_PREVIOUS: is the same/);
    assert.match(only({ LATCHKEY_SECRET_PREVIOUS: OTHER_SECRET }), /^LATCHKEY_SECRET_PREVIOUS: .*is not set/);
    assert.match(only({ ...PRODUCTION, LATCHKEY_SECRET_PREVIOUS: 'short' }), /^LATCHKEY_SECRET_PREVIOUS: has 5 bytes/);
  });
});

test('several workers are refused with the embedded database', () => {
  assert.match(only({ LATCHKEY_WORKERS: '2' }), /^LATCHKEY_WORKERS: must be 1/);
  assert.equal(load({ ...PRODUCTION, LATCHKEY_WORKERS: '2' }).settings.workers, 2);
});

test('a second mail server needs a first one', () => {
  assert.match(only({ LATCHKEY_SMTP_FALLBACK_URL: 'smtp://b.example' }), /^LATCHKEY_SMTP_FALLBACK_URL: /);
});

test('the two listeners need two ports', () => {
  assert.match(only({ LATCHKEY_PORT: '3001' }), /^LATCHKEY_INTERNAL_PORT: must differ/);
  assert.equal(load({ LATCHKEY_PORT: '3001', LATCHKEY_INTERNAL_PORT: '0' }).settings.internalPort, 0);
});

test('a password policy can be made stricter and not weaker', () => {
  const policy = (name: string, length?: string) => ({
    LATCHKEY_PASSWORD_POLICY: name,
    LATCHKEY_PASSWORD_MIN_LENGTH: length,
  });
  assert.match(only(policy('nist', '14')), /^LATCHKEY_PASSWORD_MIN_LENGTH: must be at least 15/);
  assert.match(only(policy('strict', '11')), /^LATCHKEY_PASSWORD_MIN_LENGTH: must be at least 12/);
  assert.match(only(policy('length', '7')), /^LATCHKEY_PASSWORD_MIN_LENGTH: must be a whole number from 8/);
  assert.equal(load(policy('length', '8')).settings.password.minLength, 8);
  assert.equal(load(policy('nist', '20')).settings.password.minLength, 20);
  assert.deepEqual(
    ['length', 'strict', 'classic', 'nist'].map((name) => load(policy(name)).settings.password.minLength),
    [12, 12, 8, 15],
  );
  const never = { LATCHKEY_SECOND_FACTOR_REQUIRED: 'true' };
  assert.equal(load({ ...policy('nist'), ...never }).settings.password.minLength, 8);
  assert.equal(load({ ...policy('nist', '10'), ...never }).settings.password.minLength, 10);
  assert.equal(load({ ...policy('strict'), ...never }).settings.password.minLength, 12);
});

test('what ends unused must not outlive what ends in any case', () => {
  const pairs = [
    ['LATCHKEY_LOCK_FOR', 'LATCHKEY_LOCK_FOR_AT_MOST'],
    ['LATCHKEY_REFRESH_TOKEN_IDLE_TTL', 'LATCHKEY_REFRESH_TOKEN_FAMILY_TTL'],
    ['LATCHKEY_REFRESH_TOKEN_IDLE_REMEMBERED_TTL', 'LATCHKEY_REFRESH_TOKEN_FAMILY_REMEMBERED_TTL'],
    ['LATCHKEY_SESSION_IDLE_TTL', 'LATCHKEY_SESSION_ABSOLUTE_TTL'],
    ['LATCHKEY_SESSION_IDLE_REMEMBERED_TTL', 'LATCHKEY_SESSION_ABSOLUTE_REMEMBERED_TTL'],
  ] as const;
  for (const [shorter, longer] of pairs) {
    assert.equal(only({ [shorter]: '7201', [longer]: '2h' }), `${shorter}: must not be longer than ${longer}`);
    load({ [shorter]: '7200', [longer]: '2h' });
  }
});

test('a setting that is wrong itself causes no second complaint about what depends on it', () => {
  assert.deepEqual(refusedNames({ ...PRODUCTION, LATCHKEY_SMTP_URL: 'nonsense' }), ['LATCHKEY_SMTP_URL']);
  assert.deepEqual(refusedNames({ ...PRODUCTION, LATCHKEY_DATABASE_URL: 'nonsense', LATCHKEY_WORKERS: '4' }), [
    'LATCHKEY_DATABASE_URL',
  ]);
  assert.deepEqual(refusedNames({ ...PRODUCTION, LATCHKEY_SECRET: undefined, LATCHKEY_SECRET_FILE: '/nonexistent' }), [
    'LATCHKEY_SECRET',
  ]);
});

test('a YAML file that cannot be read causes no complaint about what may stand in it', (context) => {
  const cwd = folder(context, { 'config/latchkey.yaml': 'smtpUrl: [\n' });
  assert.deepEqual(refusedNames({ LATCHKEY_ISSUER: 'https://id.example.com', LATCHKEY_WORKERS: '2' }, cwd), [
    'LATCHKEY_CONFIG',
  ]);
});
