import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import PostalMime from 'postal-mime';
import { Seal } from '../../src/crypto/seal.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createLog } from '../../src/log.ts';
import { createNotifications } from '../../src/notification/notifications.ts';
import { databaseKinds } from '../support/database.ts';
import { startMailbox } from '../support/mailbox.ts';

const asked = { browser: null, system: null, network: null };

describe('notifications without a mail server', () => {
  it('become files in the data folder, from the default settings', async () => {
    const opened = await databaseKinds[0]?.open();
    assert.ok(opened);
    const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-mail-'));
    const lines: string[] = [];
    const notifications = createNotifications({
      database: opened.database,
      seal: new Seal('a secret that is thirty-two bytes long'),
      locales: createLocales(),
      issuer: 'http://localhost:3000',
      productName: 'Latchkey',
      from: 'no-reply@localhost',
      smtpUrl: undefined,
      smtpFallbackUrl: undefined,
      dataDir,
      log: createLog('info', { write: (line) => void lines.push(line) }),
    });
    notifications.start();
    try {
      const expiresAt = new Date(Date.now() + 600_000);
      const model = { path: '/link/abc', code: '493817', asked };
      await notifications.send(null, { kind: 'reset', to: 'ada@example.com', locale: 'ru', model, expiresAt });
      for (let tries = 0; tries < 1000 && !lines.some((line) => line.includes('wrote a mail')); tries += 1)
        await wait(20);
      const [file = ''] = await readdir(join(dataDir, 'mail'));
      const email = await PostalMime.parse(await readFile(join(dataDir, 'mail', file)));
      assert.equal(email.subject, 'Новый пароль для Latchkey: 493817');
      assert.match(lines.join(''), /"subject":"Новый пароль для Latchkey"/);
      assert.equal(lines.join('').includes('493817'), false);
    } finally {
      await notifications.stop();
      await opened.close();
      await rm(dataDir, { recursive: true });
    }
  });
});

describe('notifications with a mail server that speaks no TLS', () => {
  for (const { plainHosts, isSent } of [
    { plainHosts: ['0.0.0.0'], isSent: true },
    { plainHosts: ['mailpit'], isSent: false },
  ]) {
    it(`${isSent ? 'go out to the host that is named' : 'stay here for any other host'}, with a public issuer`, async () => {
      const opened = await databaseKinds[0]?.open();
      assert.ok(opened);
      const mailbox = await startMailbox();
      const notifications = createNotifications({
        database: opened.database,
        seal: new Seal('a secret that is thirty-two bytes long'),
        locales: createLocales(),
        issuer: 'https://id.example.com',
        productName: 'Latchkey',
        from: 'no-reply@example.com',
        // Not a loopback name for the rule, although it leads here.
        smtpUrl: `smtp://0.0.0.0:${mailbox.port}`,
        smtpFallbackUrl: undefined,
        plainHosts,
        dataDir: '/nowhere',
        log: createLog('silent'),
      });
      notifications.start();
      try {
        const expiresAt = new Date(Date.now() + 600_000);
        const model = { path: '/link/abc', code: '493817', asked };
        await notifications.send(null, { kind: 'reset', to: 'ada@example.com', locale: 'en', model, expiresAt });
        if (isSent) await mailbox.arrived(1);
        else {
          const failed = { name: 'test_failed', text: 'select 1 from outbox_mail where last_error_code is not null' };
          while ((await opened.database.sql.query(failed, [])).rows.length === 0) await wait(20);
        }
        assert.equal(mailbox.mails.length, isSent ? 1 : 0);
      } finally {
        await notifications.stop();
        await mailbox.stop();
        await opened.close();
      }
    });
  }
});
