// Every page of both portals in a real browser, as the owner of an installation that is in use: with and without scripts, in light and dark, wide and
// narrow, in English, Russian and Arabic. A new page comes along by itself or fails the first case (portal-pages.ts says what to do then).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { assertNoBarrier } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { backends } from '../support/server.ts';
import { type Populated, startPopulated } from './populated.ts';
import { findPortalPages, type PortalPage, type PortalPages } from './portal-pages.ts';

const launched = await launchChromium();
const missing =
  launched.browser === null ? launched.missing : backends.find(({ backend }) => backend === 'postgres+redis')?.missing;

const LOCALES = ['en', 'ru', 'ar'] as const;
type Locale = (typeof LOCALES)[number];
const LOOKS = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 1280 },
  { colorScheme: 'light', width: 320 },
  { colorScheme: 'dark', width: 320 },
] as const;
/** In which of the looks axe is asked, with scripts. Russian differs from English by the length of its words only: one of them for each page. */
const BARRIERS: Readonly<Record<Locale, readonly (readonly string[])[]>> = {
  en: [['light 1280', 'dark 320']],
  ru: [['dark 1280'], ['light 320']],
  ar: [['light 1280', 'dark 320']],
};
/** Cases for each language, so that each takes seconds and not minutes. */
const PORTIONS = 8;

type Sentences = Readonly<Record<string, string>>;
const sentences = Object.fromEntries(
  LOCALES.map((locale) => {
    const file = join(import.meta.dirname, '..', '..', 'views', 'locales', `${locale}.json`);
    return [locale, JSON.parse(readFileSync(file, 'utf8')) as Sentences];
  }),
) as Readonly<Record<Locale, Sentences>>;
const namespaces = new Set(Object.keys(sentences.en).map((key) => key.split('.')[0] ?? ''));

/** English sentences that this language has other words for, wherever they stand. Of a single word nobody can tell whether it is a name. */
function translated(locale: Locale): ReadonlySet<string> {
  const all = Object.entries(sentences.en).filter(([, text]) => text.includes(' ') && !text.includes('{{'));
  const same = new Set(all.filter(([key, text]) => (sentences[locale][key] ?? text) === text).map(([, text]) => text));
  return new Set(all.map(([, text]) => text).filter((text) => !same.has(text)));
}

describe('the pages of the portals in Chromium', { skip: missing ?? false }, () => {
  let browser: Browser;
  let stage: Populated;
  let found: PortalPages;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    stage = await startPopulated('postgres+redis');
    found = await findPortalPages(stage);
  });
  after(async () => {
    await browser.close();
    await stage.stop();
  });

  async function signedIn(locale: Locale, javaScriptEnabled: boolean): Promise<BrowserContext> {
    const context = await browser.newContext({ locale, javaScriptEnabled, reducedMotion: 'reduce' });
    const cookies = await stage.browser.cookies();
    await context.addCookies(cookies.map((one) => ({ ...one, domain: 'localhost' })));
    return context;
  }

  it('are all looked at', () => {
    const advice =
      'A page of the portals is not looked at. Put what stands for its parameter in `ids` of test/browser/populated.ts; ' +
      'if it shows no page, put its address in NO_PAGE of test/browser/portal-pages.ts.';
    assert.deepEqual(found.unknown, [], advice);
    assert.deepEqual(found.gone, [], 'lines about routes that are not there any more (portal-pages.ts, populated.ts)');
    assert.ok(found.pages.length > 70, `only ${found.pages.length}`);
  });

  for (const locale of LOCALES) {
    for (const hasScripts of [true, false]) {
      for (let portion = 0; portion < PORTIONS; portion += 1) {
        const how = `${locale}, ${hasScripts ? 'with' : 'without'} scripts`;
        it(`are as they should be: ${how} (${portion + 1} of ${PORTIONS})`, async () => {
          const context = await signedIn(locale, hasScripts);
          try {
            const page = await context.newPage();
            const complaints = listen(page, stage.latchkey.issuer);
            const part = found.pages.filter((_, index) => index % PORTIONS === portion);
            assert.ok(part.length > 0, 'there are pages to look at');
            // All of them, so that one run tells everything.
            const problems: string[] = [];
            for (const one of part) {
              // Axe is a script itself.
              const asked = BARRIERS[locale][found.pages.indexOf(one) % BARRIERS[locale].length] ?? [];
              await look(page, one, locale, hasScripts ? asked : []).catch((error: unknown) =>
                problems.push(String(error)),
              );
              problems.push(...complaints.splice(0).map((text) => `${one.path}: ${text}`));
            }
            assert.equal(problems.join('\n\n'), '');
          } finally {
            await context.close();
          }
        });
      }
    }
  }

  async function look(page: Page, { path, name }: PortalPage, locale: Locale, axeIn: readonly string[]): Promise<void> {
    const answer = await page.goto(`${stage.latchkey.issuer}${path}`, { waitUntil: 'load' });
    assert.equal(answer?.status(), 200, path);
    assert.equal(new URL(page.url()).pathname, path.split('?')[0], 'led nowhere else');
    const read = await page.evaluate(readPage);
    assert.match(read.name, name, path);
    assert.deepEqual([read.lang, read.dir], [locale, locale === 'ar' ? 'rtl' : 'ltr'], path);
    assert.equal(read.headings, 1, `${path} has one h1`);
    assertSaid(read.texts, locale, path);
    const grounds = new Map<string, string>();
    for (const { colorScheme, width } of LOOKS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      const { overflow, ground } = await page.evaluate(() => ({
        overflow: document.documentElement.scrollWidth - window.innerWidth,
        ground: getComputedStyle(document.body).backgroundColor,
      }));
      assert.equal(overflow, 0, `${path} is no wider than ${width} px in ${locale}`);
      grounds.set(colorScheme, ground);
      if (axeIn.includes(`${colorScheme} ${width}`))
        await assertNoBarrier(page, `${path} in ${locale}, ${colorScheme}, ${width} px:`);
    }
    assert.notEqual(grounds.get('light'), grounds.get('dark'), `${path} is dark where dark is asked for`);
  }
});

/** Whatever the browser complains about, and every request that is not answered well or goes elsewhere. */
function listen(page: Page, issuer: string): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${issuer}/`)) complaints.push(`asked for ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`);
  });
  page.on('requestfailed', (request) => {
    // A stream of events ends with its page.
    if (request.resourceType() !== 'eventsource') complaints.push(`no answer from ${request.url()}`);
  });
  return complaints;
}

/** Runs in the page. Values that people or machines have chosen stand in elements of their own and are left out. */
function readPage() {
  const own = 'code, pre, bdi, script, style, [lang]:not(html)';
  const texts = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const { parentElement: parent, textContent } = node;
    const isValue = parent instanceof HTMLOptionElement && [parent.value, `${parent.value}*`].includes(parent.text);
    if (parent !== null && !isValue && parent.closest(own) === null) texts.push(textContent?.trim() ?? '');
  }
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]')) {
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) texts.push(element.getAttribute(name) ?? '');
  }
  return {
    name: document.querySelector('[data-page]')?.getAttribute('data-page') ?? '',
    lang: document.documentElement.lang,
    dir: document.documentElement.dir,
    headings: document.querySelectorAll('h1').length,
    texts: texts.filter((text) => text !== ''),
  };
}

function assertSaid(texts: readonly string[], locale: Locale, path: string): void {
  const isKey = (word: string): boolean =>
    /^[a-z_]+(?:\.[a-z0-9_-]+)+$/.test(word) && namespaces.has(word.split('.')[0] ?? '');
  const strange = texts.filter(
    (text) =>
      text.split(/[\s(),:]+/).some(isKey) || /\{\{|\}\}|\bundefined\b|\bNaN\b|\[object |Invalid Date/.test(text),
  );
  assert.deepEqual(strange, [], `${path} has a sentence for everything in ${locale}`);
  if (locale === 'en') return;
  const english = translated(locale);
  assert.deepEqual(
    texts.filter((text) => english.has(text)),
    [],
    `${path} is in ${locale}`,
  );
}
