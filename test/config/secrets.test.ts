import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { pino } from 'pino';
import { Secrets, type SecretValues } from '../../config/secrets.ts';

const VALUES: SecretValues = {
  masterSecret: 'hunter2-master',
  previousSecret: 'hunter2-previous',
  databaseUrl: 'postgres://hunter2',
  redisUrls: ['redis://hunter2'],
  smtpUrl: 'smtp://hunter2',
  smtpFallbackUrl: 'smtp://hunter2-fallback',
  pepper: 'hunter2-pepper',
  clientSecrets: { demo: 'hunter2-client' },
  upstreamSecrets: { google: 'hunter2-upstream' },
  telegramBotToken: 'hunter2-bot',
  telegramGatewayToken: 'hunter2-gateway',
  telegramProxy: 'socks5://hunter2',
};

test('every secret can be read by its name', () => {
  const secrets = new Secrets(VALUES);
  for (const [name, value] of Object.entries(VALUES))
    assert.deepEqual(secrets[name as keyof SecretValues], value, name);
});

test('no way of printing them shows one', () => {
  const secrets = new Secrets(VALUES);
  const lines: string[] = [];
  const log = pino({}, { write: (text: string) => lines.push(text) });
  log.info(secrets, 'alone');
  log.info({ secrets }, 'as a field');
  log.info('%o %s %j', secrets, secrets, secrets);
  const printed = [
    ...lines,
    String(secrets),
    `${secrets}`,
    JSON.stringify(secrets),
    JSON.stringify({ deep: [{ secrets }] }),
    inspect(secrets, { depth: null, showHidden: true }),
    inspect({ secrets }, { depth: null, getters: true }),
    format('%s %o %O %j', secrets, secrets, secrets, secrets),
    JSON.stringify({ ...secrets }),
    JSON.stringify(Object.entries(secrets)),
    JSON.stringify(structuredClone({ ...secrets })),
  ];
  for (const text of printed) assert.ok(!text.includes('hunter2'), text);
  assert.ok(lines.length === 3 && lines.every((text) => text.includes('"msg"')));
});

test('they cannot be changed', () => {
  const secrets = new Secrets(VALUES);
  assert.throws(() => Object.assign(secrets, { masterSecret: 'other' }), TypeError);
  assert.throws(() => Object.assign(secrets, { extra: 'other' }), TypeError);
  assert.equal(secrets.masterSecret, 'hunter2-master');
});
