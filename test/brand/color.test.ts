import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { contrast, LEAST_CONTRAST, paletteOf, parseColor, styleOf } from '../../src/brand/color.ts';

it('a colour is # and six digits, and nothing else', () => {
  assert.equal(parseColor(' #0B6857 '), '#0b6857');
  for (const text of ['', 'green', '#fff', '#0b68571', '#0b685g', '#0b6857;}body{display:none', 'rgb(1,2,3)']) {
    assert.equal(parseColor(text), null, text);
  }
});

it('contrast is that of WCAG', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.equal(contrast('#777777', '#777777'), 1);
  assert.ok(Math.abs(contrast('#767676', '#ffffff') - 4.54) < 0.01);
});

it('whatever somebody likes can be read, in light and in dark, and on what it colours itself', () => {
  const colors = fc.integer({ min: 0, max: 0xff_ff_ff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);
  const check = (color: string): void => {
    const { light, dark } = paletteOf(color);
    for (const [shades, page, text, muted] of [
      [light, '#ffffff', '#16201c', '#55625c'],
      [dark, '#181e1c', '#e9eeeb', '#a5b2ac'],
    ] as const) {
      for (const one of [page, shades.soft, shades.glow, shades.on]) {
        assert.ok(contrast(shades.accent, one) >= LEAST_CONTRAST, `${color} ${shades.accent} on ${one}`);
      }
      for (const one of [page, shades.soft, shades.on]) {
        assert.ok(contrast(shades.strong, one) >= LEAST_CONTRAST, `${color} ${shades.strong} on ${one}`);
      }
      for (const one of [text, muted]) {
        assert.ok(contrast(one, shades.soft) >= LEAST_CONTRAST, `${one} on ${shades.soft}`);
        assert.ok(contrast(one, shades.glow) >= LEAST_CONTRAST, `${one} on ${shades.glow}`);
      }
    }
  };
  for (const color of ['#000000', '#ffffff', '#ffff00', '#0000ff', '#ff0000', '#00ff00', '#808080']) check(color);
  fc.assert(fc.property(colors, check));
});

it('a colour that can be read already is left as it is', () => {
  assert.equal(paletteOf('#0b6857').light.accent, '#0b6857');
  assert.equal(paletteOf('#6bd6ba').dark.accent, '#6bd6ba');
  assert.match(styleOf(paletteOf('#0b6857'), ':root'), /^:root\{--accent:light-dark\(#0b6857,#[\da-f]{6}\);/);
});
