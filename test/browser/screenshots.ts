// `npm run screenshots`: the pictures of the README and the documentation, and one of every page in every state, light and dark, wide and narrow,
// in test/.artifacts/pages, all taken in a real browser. The sign-in page is the real one, the others show sample data. `-- --docs` takes the first
// ones only.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launchChromium } from '../support/chromium.ts';
import { startLatchkey } from '../support/server.ts';
import { startPreview } from '../views/preview.ts';
import { samples } from '../views/samples.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'images');
const EVERY_PAGE = join(import.meta.dirname, '..', '.artifacts', 'pages');
const SCHEMES = ['light', 'dark'] as const;
const shown = process.argv.includes('--docs') ? [] : samples;

interface Shown {
  readonly sample: string;
  readonly picture: string;
  readonly viewport: { readonly width: number; readonly height: number };
  readonly schemes: readonly ('light' | 'dark')[];
  readonly locale?: string;
}

const WIDE = { width: 1100, height: 900 };
const NARROW = { width: 320, height: 640 };
/** Samples that stand for what is told of them. */
const SHOWN: readonly Shown[] = [
  { sample: 'admin-overview', picture: 'admin', viewport: WIDE, schemes: SCHEMES },
  { sample: 'account-security', picture: 'account', viewport: WIDE, schemes: SCHEMES },
  { sample: 'admin-client', picture: 'app', viewport: WIDE, schemes: ['light'] },
  { sample: 'admin-audit', picture: 'audit', viewport: WIDE, schemes: ['light'] },
  { sample: 'account-sessions-several', picture: 'narrow', viewport: NARROW, schemes: ['dark'] },
  { sample: 'account-sessions-several', picture: 'arabic', viewport: NARROW, schemes: ['light'], locale: 'ar' },
];

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
    for (const colorScheme of SCHEMES) {
      const context = await launched.browser.newContext({ viewport: { width: 800, height: 760 }, colorScheme });
      const page = await context.newPage();
      await page.goto(url.href);
      await page.screenshot({ path: join(FOLDER, `sign-in-${colorScheme}.png`) });
      await context.close();
    }
    const preview = await startPreview({ port: 0, isLive: false });
    mkdirSync(EVERY_PAGE, { recursive: true });
    for (const colorScheme of SCHEMES) {
      for (const width of [1280, 320]) {
        const context = await launched.browser.newContext({ viewport: { width, height: 800 }, colorScheme });
        const page = await context.newPage();
        for (const { name } of shown) {
          await page.goto(`${preview.origin}/${name}`);
          await page.screenshot({ path: join(EVERY_PAGE, `${name}-${colorScheme}-${width}.png`), fullPage: true });
        }
        await context.close();
      }
    }
    for (const { sample, picture, viewport, schemes, locale = 'en' } of SHOWN) {
      for (const colorScheme of schemes) {
        const context = await launched.browser.newContext({ viewport, colorScheme });
        const page = await context.newPage();
        await page.goto(`${preview.origin}/${sample}?locale=${locale}`);
        await page.screenshot({ path: join(FOLDER, `${picture}-${colorScheme}.png`) });
        await context.close();
      }
    }
    await preview.close();
  } finally {
    await latchkey.stop();
    await launched.browser.close();
  }
}
