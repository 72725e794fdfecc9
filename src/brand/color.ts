// From one colour to everything that our style sheet calls accent, in light and in dark. The colour that somebody likes need not be readable: it is
// made darker for light pages and lighter for dark ones until text in it has a contrast of 4.5 to 1 with everything it stands on (WCAG 2.2, 1.4.3).

/** `#0b6857`, in lower case. */
const COLOR = /^#[\da-f]{6}$/;
export const LEAST_CONTRAST = 4.5;
const STEP = 0.04;

/** What text in the accent colour stands on: as `views/assets/latchkey.css` and the mails have it. */
const LIGHT_GROUNDS = ['#ffffff', '#f4f6f5'] as const;
const DARK_GROUNDS = ['#181e1c', '#111715', '#0f1412', '#1f2227'] as const;

export interface Shades {
  readonly accent: string;
  readonly strong: string;
  readonly soft: string;
  readonly glow: string;
  /** Of text on the accent colour. */
  readonly on: string;
}

export interface Palette {
  readonly light: Shades;
  readonly dark: Shades;
}

/** The colour as we write it; null when it is none. */
export function parseColor(text: string): string | null {
  const color = text.trim().toLowerCase();
  return COLOR.test(color) ? color : null;
}

/** @param color as `parseColor` gives it */
export function paletteOf(color: string): Palette {
  const light = settle(color, '#000000', LIGHT_GROUNDS, (accent) => ({
    ...{ accent, on: '#ffffff', strong: mix(accent, '#000000', 0.25) },
    ...{ soft: mix('#ffffff', accent, 0.1), glow: mix('#f4f6f5', accent, 0.1) },
  }));
  const dark = settle(color, '#ffffff', DARK_GROUNDS, (accent) => ({
    ...{ accent, on: '#0b0f0d', strong: mix(accent, '#ffffff', 0.3) },
    ...{ soft: mix('#181e1c', accent, 0.12), glow: mix('#0f1412', accent, 0.06) },
  }));
  return { light, dark };
}

function settle(
  color: string,
  towards: string,
  grounds: readonly string[],
  shadesOf: (accent: string) => Shades,
): Shades {
  for (let part = 0; part < 1; part += STEP) {
    const shades = shadesOf(mix(color, towards, part));
    const others = [...grounds, shades.soft, shades.glow, shades.on];
    if (others.every((one) => contrast(shades.accent, one) >= LEAST_CONTRAST)) return shades;
  }
  return shadesOf(towards);
}

/** Between 1 and 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
    const part = value / 255;
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mix(from: string, to: string, part: number): string {
  const [a, b] = [channels(from), channels(to)];
  const mixed = a.map((value, index) => Math.round(value + ((b[index] ?? 0) - value) * part));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

function channels(color: string): readonly number[] {
  return [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
}

/** What is put over the style sheet of every page. @param selector where it holds */
export function styleOf({ light, dark }: Palette, selector: ':root' | '.brand-preview'): string {
  const pair = (name: string, shade: keyof Shades): string => `--${name}:light-dark(${light[shade]},${dark[shade]});`;
  const pairs = [
    ...[pair('accent', 'accent'), pair('accent-strong', 'strong'), pair('on-accent', 'on')],
    ...[pair('accent-soft', 'soft'), pair('glow', 'glow')],
  ];
  return `${selector}{${pairs.join('')}}\n`;
}
