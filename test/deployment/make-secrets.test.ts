// deploy/make-secrets, run for real: what it writes is random, readable where it must be, never overwritten, and accepted by the settings.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadSettings } from '../../config/settings.ts';

const SCRIPT = join(import.meta.dirname, '../../deploy/make-secrets');
const folders: string[] = [];

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function make(folder = join(mkdtempSync(join(tmpdir(), 'latchkey-secrets-')), 'secrets')): string {
  folders.push(join(folder, '..'));
  execFileSync('sh', [SCRIPT, folder], { stdio: 'pipe' });
  return folder;
}

const read = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8').trimEnd();

describe('deploy/make-secrets', () => {
  it('writes secrets of 256 random bits, different each time', () => {
    const [one, two] = [make(), make()];
    for (const name of ['latchkey_secret', 'postgres_password', 'demo_client_secret']) {
      assert.match(read(one, name), /^[\w-]{43}$/);
      assert.notEqual(read(one, name), read(two, name));
    }
    assert.notEqual(read(one, 'latchkey_secret'), read(one, 'postgres_password'));
  });

  it('writes the password of the database into its URL', () => {
    const folder = make();
    const url = new URL(read(folder, 'database_url'));
    assert.equal(url.password, read(folder, 'postgres_password'));
    assert.equal(url.host, 'postgres:5432');
  });

  it('lets only the owner enter the folder, and the accounts of the containers read the files', () => {
    const folder = make();
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o644);
  });

  it('never overwrites a file', () => {
    const folder = make();
    writeFileSync(join(folder, 'smtp_url'), 'smtp://mail.example.com:587');
    const secret = read(folder, 'latchkey_secret');
    make(folder);
    assert.equal(read(folder, 'latchkey_secret'), secret);
    assert.equal(read(folder, 'smtp_url'), 'smtp://mail.example.com:587');
  });

  it('writes what the settings accept, given as docker-compose.yml gives it', () => {
    const folder = make();
    const { settings, secrets } = loadSettings({
      cwd: folder,
      env: {
        LATCHKEY_ISSUER: 'https://id.example.com',
        LATCHKEY_MAIL_FROM: 'Latchkey <no-reply@example.com>',
        LATCHKEY_DATABASE_URL_FILE: join(folder, 'database_url'),
        LATCHKEY_REDIS_URL: 'redis://valkey:6379',
        LATCHKEY_SECRET_FILE: join(folder, 'latchkey_secret'),
        LATCHKEY_SMTP_URL_FILE: join(folder, 'smtp_url'),
        LATCHKEY_TRUSTED_PROXIES: '1',
        LATCHKEY_WORKERS: '1',
        LATCHKEY_LOG_LEVEL: 'info',
        LATCHKEY_CONFIG: '',
      },
    });
    assert.equal(settings.database.kind, 'postgres');
    assert.equal(secrets.masterSecret, read(folder, 'latchkey_secret'));
    assert.equal(secrets.smtpUrl, 'smtp://mailpit:1025');
  });
});
