// `npm run screenshots`: the pictures of the README, taken from the real sign-in page in a real browser.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launchChromium } from '../support/chromium.ts';
import { startLatchkey } from '../support/server.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'images');

const launched = await launchChromium();
if (launched.browser === null) {
  process.stderr.write(`screenshots: ${launched.missing}\n`);
  process.exitCode = 1;
} else {
  const latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost' });
  try {
    mkdirSync(FOLDER, { recursive: true });
    const client = await latchkey.createClient({
      client_name: 'Photo Album',
      redirect_uris: ['https://photos.example.com/callback'],
    });
    const url = new URL('/auth', latchkey.issuer);
    url.search = new URLSearchParams({
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    }).toString();
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await launched.browser.newContext({ viewport: { width: 800, height: 760 }, colorScheme });
      const page = await context.newPage();
      await page.goto(url.href);
      await page.screenshot({ path: join(FOLDER, `sign-in-${colorScheme}.png`) });
      await context.close();
    }
  } finally {
    await latchkey.stop();
    await launched.browser.close();
  }
}
