import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeSettings } from '../../config/print.ts';
import { folder, load, PRODUCTION, SECRET } from './loading.ts';

test('every setting is there with the value in force and its source', (context) => {
  const cwd = folder(context, {
    'config/latchkey.yaml': 'accessTokenTtl: 5m\nclients: [{ client_id: demo }, { client_id: shop }]\n',
  });
  const described = describeSettings(load({ LATCHKEY_PORT: '4000', LATCHKEY_RESERVED_USERNAMES: 'a,b' }, cwd));
  const find = (name: string) => described.find((one) => one.name === name);
  assert.deepEqual(find('LATCHKEY_PORT'), { name: 'LATCHKEY_PORT', value: '4000', source: 'environment' });
  assert.deepEqual(find('LATCHKEY_ISSUER'), {
    name: 'LATCHKEY_ISSUER',
    value: 'http://localhost:4000',
    source: 'default',
  });
  assert.deepEqual(find('LATCHKEY_ACCESS_TOKEN_TTL'), {
    name: 'LATCHKEY_ACCESS_TOKEN_TTL',
    value: '300',
    source: 'yaml',
  });
  assert.deepEqual(find('LATCHKEY_PASSWORD_MIN_LENGTH')?.value, '12');
  assert.deepEqual(find('LATCHKEY_RESERVED_USERNAMES')?.value, 'a, b');
  assert.deepEqual(find('LATCHKEY_CONFIG')?.value, join(cwd, 'config/latchkey.yaml'));
  assert.deepEqual(find('LATCHKEY_DATA_DIR')?.value, join(cwd, 'data'));
  assert.deepEqual(find('clients'), { name: 'clients', value: 'demo, shop', source: 'yaml' });
});

test('a secret is a mask when it is set, and empty when it is not', () => {
  const described = describeSettings(
    load({
      ...PRODUCTION,
      LATCHKEY_REDIS_URL: 'redis://hunter2@r',
      LATCHKEY_SMTP_URL: 'smtps://u:hunter2@mail.example.com',
    }),
  );
  const text = JSON.stringify(described);
  for (const secret of [SECRET, 'hunter2', 'postgres://', 'smtps://', 'redis://'])
    assert.ok(!text.includes(secret), secret);
  const value = (name: string) => described.find((one) => one.name === name)?.value;
  for (const name of ['SECRET', 'DATABASE_URL', 'REDIS_URL', 'SMTP_URL'])
    assert.equal(value(`LATCHKEY_${name}`), '••••••••');
  for (const name of ['SECRET_PREVIOUS', 'PASSWORD_PEPPER', 'SMTP_FALLBACK_URL'])
    assert.equal(value(`LATCHKEY_${name}`), '');
});
