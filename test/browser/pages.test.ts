import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { assertNoBarrier } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Preview, startPreview } from '../views/preview.ts';
import { samples } from '../views/samples.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('pages in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let preview: Preview;

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    preview = await startPreview({ port: 0, isLive: false });
  });
  after(async () => {
    await browser.close();
    await preview.close();
  });

  async function withPage(options: BrowserContextOptions, use: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(`${preview.origin}/`)) complaints.push(`asked for ${request.url()}`);
    });
    try {
      await use(page);
      assert.deepEqual(complaints, [], 'nothing blocked, nothing failed, nothing loaded from elsewhere');
    } finally {
      await context.close();
    }
  }

  const open = (page: Page, sample: string, locale = 'en') => page.goto(`${preview.origin}/${sample}?locale=${locale}`);

  const looks = [
    { locale: 'en', colorScheme: 'light', width: 1280 },
    { locale: 'ar', colorScheme: 'dark', width: 320 },
  ] as const;
  /** Enough for a few seconds of work each: there are too many samples for one case. */
  const PORTIONS = 6;
  for (const { locale, colorScheme, width } of looks) {
    for (let portion = 0; portion < PORTIONS; portion += 1) {
      it(`nobody is kept out: ${locale}, ${colorScheme}, ${width} px (${portion + 1} of ${PORTIONS})`, async () => {
        await withPage({ colorScheme, viewport: { width, height: 800 } }, async (page) => {
          for (const { name } of samples.filter((_, index) => index % PORTIONS === portion)) {
            await open(page, name, locale);
            await assertNoBarrier(page, name);
          }
        });
      });
    }
  }

  for (const locale of ['en', 'ru', 'ar']) {
    it(`nothing has to be scrolled sideways at 320 px in ${locale}, also with wide text`, async () => {
      await withPage({ viewport: { width: 320, height: 640 } }, async (page) => {
        for (const { name } of samples) {
          await open(page, name, locale);
          const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          assert.equal(await overflow(), 0, name);
          await page.evaluate(() => {
            // WCAG 1.4.12, through the object model: the policy of the page forbids style elements.
            for (const element of document.querySelectorAll<HTMLElement>('body, body *')) {
              element.style.lineHeight = '1.5';
              element.style.letterSpacing = '0.12em';
              element.style.wordSpacing = '0.16em';
            }
          });
          assert.equal(await overflow(), 0, `${name} with wide text`);
        }
      });
    });
  }

  it('in a language from right to left, addresses, names and numbers keep their direction', async () => {
    await withPage({ viewport: { width: 1280, height: 800 } }, async (page) => {
      let seen = 0;
      for (const { name } of samples) {
        await open(page, name, 'ar');
        const found = await page.evaluate(() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const texts: { text: string; direction: string }[] = [];
          while (walker.nextNode()) {
            const text = walker.currentNode.textContent?.trim() ?? '';
            const parent = walker.currentNode.parentElement;
            // A mark at an end jumps to the other one in a word that has the direction of the sentence.
            if (!parent?.checkVisibility() || !/^[@#+/]\S*[A-Za-z0-9]|^https?:\S+$/.test(text)) continue;
            texts.push({ text, direction: getComputedStyle(parent).direction });
          }
          return { direction: getComputedStyle(document.body).direction, texts };
        });
        assert.equal(found.direction, 'rtl', name);
        assert.deepEqual(
          found.texts.filter(({ direction }) => direction !== 'ltr'),
          [],
          name,
        );
        seen += found.texts.length;
      }
      assert.ok(seen > 5, 'there are some');
    });
  });

  it('controls are large enough to hit', async () => {
    await withPage({ viewport: { width: 320, height: 640 } }, async (page) => {
      for (const { name } of samples) {
        await open(page, name);
        const small = await page.evaluate(() =>
          [
            ...document.querySelectorAll<HTMLElement>(
              'button, .button, .button-quiet, input:not([type=hidden]), summary',
            ),
          ]
            .filter((element) => element.checkVisibility())
            // A box to tick is hit by its label as well; what is measured of a field is the frame around it.
            .map((element) => element.closest<HTMLElement>('.control, .choice, .account-choice') ?? element)
            .filter((element) => element.getBoundingClientRect().height < 43.5)
            .map((element) => element.outerHTML.slice(0, 80)),
        );
        assert.deepEqual(small, [], name);
      }
    });
  });

  it('the focus can be seen on everything that takes it', async () => {
    await withPage({}, async (page) => {
      for (const name of ['login-everything', 'consent', 'select-account', 'setup', 'setup-created']) {
        await open(page, name);
        await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
        const seen = new Set<string>();
        for (let step = 0; step < 40; step += 1) {
          await page.keyboard.press('Tab');
          const state = await page.evaluate(() => {
            const element = document.activeElement;
            if (!element || element === document.body) return null;
            const frames = [element, element.closest('.control')].filter((one) => one !== null);
            const isSeen = frames.some((one) => {
              const { outlineStyle, outlineWidth } = getComputedStyle(one);
              return outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1;
            });
            return { html: element.outerHTML.slice(0, 100), isSeen };
          });
          if (state === null) break;
          assert.ok(state.isSeen, `${name}: ${state.html}`);
          seen.add(state.html);
        }
        assert.ok(seen.size > 5, name);
      }
    });
  });

  it('a password can be shown, and is hidden again before it is sent', async () => {
    await withPage({}, async (page) => {
      await open(page, 'login');
      const field = page.locator('#password');
      const button = page.getByRole('button', { name: 'Show password' });
      await field.fill('correct horse');
      assert.equal(await button.getAttribute('aria-pressed'), 'false');
      await button.click();
      assert.equal(await field.getAttribute('type'), 'text');
      assert.equal(await button.getAttribute('aria-pressed'), 'true');
      assert.equal(await field.inputValue(), 'correct horse');
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'password');
      const typeWhenSent = await page.evaluate(() => {
        const form = document.querySelector('form') as HTMLFormElement;
        form.addEventListener('submit', (event) => event.preventDefault());
        (document.querySelector('#login') as HTMLInputElement).value = 'ada';
        form.requestSubmit();
        return document.querySelector('#password')?.getAttribute('type');
      });
      assert.equal(typeWhenSent, 'password');
    });
  });

  it('the keyboard goes from name to password to sign-in, and shows the password only after the field', async () => {
    await withPage({}, async (page) => {
      await open(page, 'login');
      const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.className);
      // `autofocus` is obeyed when the page is painted, which may be after it was loaded.
      await page.locator('#login:focus').waitFor();
      const way = [await focused()];
      for (let step = 0; step < 4; step += 1) {
        await page.keyboard.press('Tab');
        way.push(await focused());
      }
      assert.deepEqual(way, ['login', 'password', 'reveal', 'remember', 'submit']);
    });
  });

  it('a time to wait counts down in the language of the page and says when it is over', async () => {
    await withPage({}, async (page) => {
      await page.clock.install({ time: 1_700_000_000_000 });
      await open(page, 'login-locked', 'ru');
      const line = page.locator('.wait');
      assert.equal(await line.textContent(), 'Осталось подождать: 2 минуты 45 секунд');
      await page.clock.runFor(46_000);
      assert.equal(await line.textContent(), 'Осталось подождать: 1 минута 59 секунд');
      assert.equal(await page.locator('[role=status]').textContent(), 'Осталось подождать: 1 минута 59 секунд');
      await page.clock.runFor(30_000);
      assert.equal(
        await page.locator('[role=status]').textContent(),
        'Осталось подождать: 1 минута 59 секунд',
        'read out once a minute',
      );
      await page.clock.runFor(90_000);
      assert.equal(await line.textContent(), 'Можно попробовать снова.');
    });
  });

  it('an id is copied with one press, and that is said', async () => {
    await withPage({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
      await open(page, 'setup-created');
      await page.locator('[data-copy=client_id]').click();
      await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor({ state: 'attached' });
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'photo-album');
    });
  });

  it('a summary of mistakes takes the focus and leads to the field', async () => {
    await withPage({}, async (page) => {
      await open(page, 'setup-problems');
      await page.locator('#problems:focus').waitFor();
      await page.locator('#problems a').first().click();
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'username');
    });
  });

  it('without scripts nothing is shown that needs them', async () => {
    await withPage({ javaScriptEnabled: false }, async (page) => {
      await open(page, 'login-everything');
      assert.equal(await page.locator('.reveal').isVisible(), false);
      assert.equal(await page.locator('[data-passkey]').isVisible(), false);
      assert.equal(await page.locator('#submit').isVisible(), true);
      await open(page, 'setup-created');
      assert.equal(await page.locator('[data-copy]').first().isVisible(), false);
      assert.match((await page.locator('#client_id').textContent()) ?? '', /photo-album/);
    });
  });

  it('with forced colours every control keeps an edge', async () => {
    await withPage({ forcedColors: 'active' }, async (page) => {
      for (const name of ['login-everything', 'consent', 'select-account']) {
        await open(page, name);
        const bare = await page.evaluate(() =>
          [...document.querySelectorAll('.button, .control, .card, .account-choice')]
            .filter((element) => element.checkVisibility())
            .filter((element) => Number.parseFloat(getComputedStyle(element).borderBlockStartWidth) === 0)
            .map((element) => element.className),
        );
        assert.deepEqual(bare, [], name);
      }
    });
  });
});
