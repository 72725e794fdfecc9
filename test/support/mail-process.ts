// A process that does nothing but send what waits in the outbox, for tests that kill it: `node mail-process.ts DATABASE_URL SMTP_URL SECRET`.
import { Seal } from '../../src/crypto/seal.ts';
import { entities } from '../../src/entities.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createLog } from '../../src/log.ts';
import { createNotifications } from '../../src/notification/notifications.ts';
import { Database } from '../../src/storage/database.ts';

const [url = '', smtpUrl = '', secret = ''] = process.argv.slice(2);
const log = createLog('warn');
const target = { kind: 'postgres', url, poolSize: 2 } as const;
const database = await Database.open({ target, entities, migrations: [], log });

createNotifications({
  ...{ database, log, smtpUrl },
  seal: new Seal(secret),
  locales: createLocales(),
  issuer: 'http://localhost:3000',
  productName: 'Latchkey',
  from: 'no-reply@id.example.com',
  smtpFallbackUrl: undefined,
  dataDir: '.',
}).start();
