// The Compose profile "demo" without containers: the provider with the profile's settings, and the app that the profile starts beside it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { startLatchkey, temporaryFolder, until, watch } from '../support/process.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples/compose');

describe('the demo of docker-compose.yml', () => {
  it('is known to the provider by its settings file and leads to the sign-in page', async () => {
    const folder = temporaryFolder();
    const port = await freePort();
    const secret = join(folder, 'demo_client_secret');
    writeFileSync(secret, `${randomBytes(32).toString('base64url')}\n`);
    // The paths and the port of the containers become those of this test.
    const declared = readFileSync(join(EXAMPLES, 'demo.yaml'), 'utf8');
    const settings = declared.replaceAll('/run/secrets', folder).replaceAll('localhost:3002', `localhost:${port}`);
    assert.ok(settings.includes(secret) && settings.includes(`http://localhost:${port}/callback`));
    writeFileSync(join(folder, 'demo.yaml'), settings);

    const provider = await startLatchkey({
      LATCHKEY_CONFIG: join(folder, 'demo.yaml'),
      LATCHKEY_DATA_DIR: join(folder, 'data'),
    });
    const env = {
      DEMO_ISSUER: provider.issuer,
      DEMO_PORT: String(port),
      DEMO_HOST: '127.0.0.1',
      DEMO_CLIENT_SECRET_FILE: secret,
    };
    const demo = watch(spawn(process.execPath, [join(EXAMPLES, 'demo.ts')], { env, stdio: 'pipe' }));
    let isGone = false;
    void demo.finished.then(() => {
      isGone = true;
    });
    await until(() => {
      assert.equal(isGone, false, demo.output.stderr);
      return demo.output.stdout.includes('The demo is ready');
    });

    const start = await fetch(`http://127.0.0.1:${port}/sign-in`, { redirect: 'manual' });
    const authorization = start.headers.get('location') ?? '';
    assert.ok(authorization.startsWith(`${provider.issuer}/auth?`), authorization);
    const asked = await fetch(authorization, { redirect: 'manual' });
    const cookie = asked.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ');
    const page = await fetch(new URL(asked.headers.get('location') ?? '', provider.issuer), { headers: { cookie } });
    assert.match(await page.text(), /data-page="login"/);

    demo.child.kill('SIGTERM');
    assert.equal((await demo.finished).code, 0);
    assert.equal((await provider.stop()).code, 0);
  });
});
