// Whether a page keeps nobody out, in light and in dark, as axe sees it.
import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';

const STANDARD = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Leaves the page in light. */
export async function assertAccessible(page: Page): Promise<void> {
  // A page that goes on by itself may be between two documents, and half of one has no title yet.
  await page.waitForLoadState('load');
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await assertNoBarrier(page, colorScheme);
  }
}

/** In the colours that the page has now. */
export async function assertNoBarrier(page: Page, name = ''): Promise<void> {
  // A colour on its way to another has the contrast of neither.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).withTags(STANDARD);
  // In one go within the page: no page of ours has frames.
  const { violations, passes } = await axe.setLegacyMode().analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  assert.deepEqual(found, [], `${name} ${page.url()}`);
  assert.ok(
    passes.some(({ id }) => id === 'color-contrast'),
    `contrast was measured at ${name} ${page.url()}`,
  );
}
