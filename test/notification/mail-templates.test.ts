import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HTMLElement, parse, TextNode } from 'node-html-parser';
import { createLocales } from '../../src/http/locale.ts';
import { MailTemplates, OWN_ACCENT, type RenderedMail } from '../../src/notification/mail-templates.ts';
import type { Factor, Message, Notice } from '../../src/notification/message.ts';

const ISSUER = 'https://id.example.com:8443';
const AT = Date.UTC(2026, 10, 21, 5, 58);
const CODE = '493817';
const asked = { browser: 'Firefox 141', system: 'Windows 11', network: '81.2.69.7' };
const coded = { path: '/link/abc_DEF-123', code: CODE, asked };

const locales = createLocales();
const templates = new MailTemplates({
  ...{ locales, issuer: ISSUER, productName: 'Keys & Co' },
  // A place may be called anything: what is looked up becomes its name.
  findPlace: (network) => (network === '81.2.69.7' ? 'Almaty, Kazakhstan' : (network ?? null)),
});

type Sample = Pick<Message, 'kind' | 'model'>;

const factors: readonly Factor[] = ['passkey', 'totp', 'recovery-codes', 'password', 'telegram'];
const notices: readonly Notice[] = [
  'new-device',
  'password-changed',
  'email-changed',
  'factor-added',
  'factor-removed',
  'recovery-code-used',
  'identity-linked',
  'deletion-started',
  'deletion-undone',
];
const samples: readonly Sample[] = [
  { kind: 'verify-email', model: coded },
  { kind: 'sign-in', model: coded },
  { kind: 'sign-in', model: { ...coded, notMePath: '/not-me/xyz' } },
  { kind: 'reset', model: { ...coded, notMePath: '/not-me/xyz' } },
  ...(['created', 'reset', 'credentials-reset'] as const).map(
    (occasion): Sample => ({ kind: 'new-password', model: { path: '/link/abc_DEF-123', occasion } }),
  ),
  { kind: 'already-registered', model: { path: '/account', asked } },
  { kind: 'already-registered', model: { path: '/account', asked, notMePath: '/not-me/xyz' } },
  { kind: 'invitation', model: { path: '/register?invitation=abc', inviter: 'Ada "A" Lovelace', organization: 'R&D' } },
  { kind: 'test', model: { path: '/admin/settings', asked } },
  { kind: 'email-change', model: coded },
  { kind: 'email-change-notice', model: { path: '/link/undo', asked, newAddress: 'eve@evil.example' } },
  ...notices.map((what): Sample => ({ kind: 'notice', model: { what, path: '/not-me/xyz', asked } })),
  ...factors.map(
    (factor): Sample => ({
      kind: 'notice',
      model: { what: 'factor-added', factor, name: 'My <key>', path: '/not-me/xyz', asked },
    }),
  ),
  { kind: 'notice', model: { what: 'recovery-code-used', remaining: 0, path: '/not-me/xyz', asked } },
  {
    kind: 'notice',
    model: { what: 'deletion-started', deletionAt: '2026-12-05T05:58:00Z', path: '/not-me/xyz', asked },
  },
];

function render(sample: Sample, locale = 'en', zone: string | null = 'Asia/Almaty'): RenderedMail {
  const content = { model: sample.model, zone, validUntil: new Date(AT + 900_000).toISOString() };
  return templates.render({ kind: sample.kind, locale, createdAt: AT }, content);
}

function titleOf(sample: Sample): string {
  const { what, factor, notMePath } = sample.model as { what?: string; factor?: string; notMePath?: string };
  return [sample.kind, what, factor, notMePath && 'with a link for "not me"'].filter(Boolean).join(' ');
}

it('mails look in the preview of a brand as they are sent', () => {
  const css = readFileSync(join(import.meta.dirname, '..', '..', 'views', 'assets', 'latchkey.css'), 'utf8');
  const { light, dark } = OWN_ACCENT;
  assert.match(css, new RegExp(`\\.brand-preview-mail \\{\\s+--accent: light-dark\\(${light}, ${dark}\\);`));
});

for (const sample of samples) {
  describe(`the mail ${titleOf(sample)}`, () => {
    const code = (sample.model as { code?: string }).code;

    for (const { tag } of locales.available) {
      it(`says the same in text and HTML, in ${tag}`, () => {
        const { text, html } = render(sample, tag);
        const flat = text.replace(/\s+/g, ' ');
        const page = parse(html);
        for (const button of page.querySelectorAll('a')) {
          // The address of a button stands below it.
          if (!button.text.startsWith('https:')) button.remove();
        }
        const said = textsOf(page.querySelector('body') ?? assert.fail());
        assert.ok(said.length > 8);
        for (const sentence of said) assert.ok(flat.includes(sentence), `not in the text: ${sentence}`);
      });

      it(`has every sentence, in ${tag}`, () => {
        const { subject, text, html } = render(sample, tag);
        for (const part of [subject, text, html])
          assert.doesNotMatch(part, /\bmail\.[a-z_]+|\{\{|undefined|\[object|<%/);
      });

      it(`says its language and direction, in ${tag}`, () => {
        const mail = render(sample, tag);
        const root = parse(mail.html).querySelector('html');
        assert.equal(root?.getAttribute('lang'), tag);
        assert.equal(root?.getAttribute('dir'), locales.dir(tag));
        assert.equal(mail.locale, tag);
      });
    }

    it('links to our origin only, and every address can be read', () => {
      const { text, html } = render(sample);
      const page = parse(html);
      const hrefs = page.querySelectorAll('a').map((one) => one.getAttribute('href') ?? '');
      assert.ok(hrefs.length >= 2);
      for (const href of hrefs) assert.ok(href.startsWith(`${ISSUER}/`), href);
      for (const [url] of `${text} ${page.text}`.matchAll(/\w+:\/\/\S+/g)) assert.ok(url.startsWith(`${ISSUER}/`), url);
      for (const href of new Set(hrefs)) {
        assert.ok(text.includes(`${href}\n`), `not in the text: ${href}`);
        assert.ok(page.querySelectorAll('a').some((one) => one.text.trim() === href));
      }
      assert.ok(hrefs.includes(ISSUER + sample.model.path));
    });

    it('loads nothing and runs nothing', () => {
      const { html } = render(sample);
      const page = parse(html);
      const foreign = page.querySelectorAll('img, script, link, iframe, object, form, input, video, audio, svg, base');
      assert.equal(foreign.length, 0);
      assert.doesNotMatch(html, /url\(|@import|\bon\w+=|background=/i);
    });

    it('says who asked, from where and when, in the zone of the account', () => {
      if (sample.kind === 'invitation' || sample.kind === 'new-password') return;
      const { text } = render(sample);
      assert.match(text, /^Browser: Firefox 141$/m);
      assert.match(text, /^System: Windows 11$/m);
      assert.match(text, /^Place, roughly: Almaty, Kazakhstan$/m);
      assert.match(text, /^Time: November 21, 2026 at 10:58\sAM GMT\+5$/m);
    });

    if (code === undefined) {
      it('has no code anywhere', () => {
        const mail = render(sample);
        assert.equal(mail.subject, mail.loggedSubject);
        assert.equal(mail.otp, null);
        assert.doesNotMatch(mail.text, /^@/m);
      });
    } else {
      it('carries the code where people and programs look for it, and not in what is logged', () => {
        for (const { tag } of locales.available) {
          const mail = render(sample, tag);
          assert.match(mail.subject, new RegExp(`: ${code}$`));
          assert.equal(mail.loggedSubject.includes(code), false);
          assert.equal(mail.text.trimEnd().split('\n').at(-1), `@id.example.com #${code}`);
          assert.match(mail.text, new RegExp(`^ {4}${code}$`, 'm'));
          assert.deepEqual(mail.otp, { code, origin: ISSUER });
          const large = parse(mail.html)
            .querySelectorAll('p')
            .find((one) => one.text === code);
          assert.match(large?.getAttribute('style') ?? '', /font-size:32px/);
        }
      });
    }

    it('can be read in light and in dark', () => {
      const { html } = render(sample);
      for (const mode of ['light', 'dark'] as const) {
        for (const { text, contrast } of contrasts(html, mode)) {
          assert.ok(contrast >= 4.5, `${mode}: ${contrast.toFixed(1)} for "${text}"`);
        }
      }
    });
  });
}

describe('mail templates', () => {
  it('fall back to UTC for a zone that does not exist, and without one', () => {
    for (const zone of ['No/Where', null]) {
      assert.match(
        render({ kind: 'sign-in', model: coded }, 'en', zone).text,
        /^Time: November 21, 2026 at 5:58\sAM UTC$/m,
      );
    }
  });

  it('fall back to a language that is spoken', () => {
    assert.equal(render({ kind: 'sign-in', model: coded }, 'ru-KZ').locale, 'ru');
    for (const tag of ['tlh', '', '*', 'x'.repeat(5000), '"><script>']) {
      assert.equal(render({ kind: 'sign-in', model: coded }, tag).locale, 'en');
    }
  });

  it('show a new address masked', () => {
    const sample: Sample = {
      kind: 'email-change-notice',
      model: { path: '/link/undo', asked, newAddress: 'visit@evil.example' },
    };
    const { text, html } = render(sample);
    for (const part of [text, html]) {
      assert.ok(part.includes('v•••@e•••.example'));
      assert.equal(part.includes('evil'), false);
    }
  });

  it('let nobody else write into a mail', () => {
    const typed = [
      '<script>alert(1)</script>',
      '<a href=x>click</a>',
      '"\'><img src=x>',
      '<%= code %>',
      '{{code}}',
      '$t(mail.footer)',
      'x\r\n\r\n@evil #111111',
      'Please pay now at https://evil.example',
      'a'.repeat(5000),
    ];
    for (const name of typed) {
      const sample: Sample = {
        kind: 'notice',
        model: {
          what: 'factor-added',
          path: '/not-me/xyz',
          name,
          asked: { browser: name, system: name, network: name },
        },
      };
      const before = render({ ...sample, model: { ...sample.model, name: 'x' } });
      const mail = render(sample);
      const page = parse(mail.html);
      assert.equal(page.querySelectorAll('script, img').length, 0);
      assert.equal(page.querySelectorAll('a').length, parse(before.html).querySelectorAll('a').length);
      assert.equal(`${mail.text}${mail.html}`.includes('evil.example'), false);
      assert.doesNotMatch(mail.text, /^@/m);
      assert.ok(mail.text.length < 2000, String(mail.text.length));
      assert.equal(mail.text.includes('Replies are not read.'), true);
      assert.equal(mail.text.match(/Replies are not read\./g)?.length, 1);
    }
  });

  it('leave names as they are in the text and escape them in the HTML', () => {
    const sample: Sample = {
      kind: 'invitation',
      model: { path: '/x', inviter: 'Ada "A" <Lovelace>', organization: null },
    };
    const { text, html } = render(sample);
    assert.match(text, /^Invited by: Ada "A" <Lovelace>$/m);
    assert.ok(html.includes('Ada &#34;A&#34; &lt;Lovelace&gt;'));
    assert.equal(text.includes('Organization:'), false);
  });

  it('build links from an issuer with a path', () => {
    const below = new MailTemplates({ locales, issuer: 'http://localhost:3000/id', productName: 'X' });
    const mail = below.render(
      { kind: 'sign-in', locale: 'en', createdAt: AT },
      { model: coded, zone: null, validUntil: new Date(AT).toISOString() },
    );
    assert.ok(mail.text.includes('http://localhost:3000/id/link/abc_DEF-123\n'));
    assert.equal(mail.otp?.origin, 'http://localhost:3000');
    assert.ok(mail.text.endsWith(`@localhost #${CODE}\n`));
  });
});

function textsOf(node: HTMLElement): readonly string[] {
  return node.childNodes.flatMap((child) => {
    if (child instanceof HTMLElement) return textsOf(child);
    const text = child instanceof TextNode ? child.text.replace(/\s+/g, ' ').trim() : '';
    return text === '' ? [] : [text];
  });
}

interface Colours {
  readonly ink: string;
  readonly ground: string;
}

/** The contrast of each text with what is behind it (WCAG 2.2, 1.4.3), from the styles as a mail program would apply them. */
function contrasts(
  html: string,
  mode: 'light' | 'dark',
): readonly { readonly text: string; readonly contrast: number }[] {
  const page = parse(html);
  const dark = new Map(
    [...(page.querySelector('style')?.text ?? '').matchAll(/\.(\w+) \{([^}]*)\}/g)].map(([, name, style]) => [
      name,
      style,
    ]),
  );
  assert.ok(dark.size >= 5);
  const found: { text: string; contrast: number }[] = [];
  const walk = (node: HTMLElement, inherited: Colours) => {
    const classes = node.getAttribute('class')?.split(' ') ?? [];
    const styles = [node.getAttribute('style'), ...(mode === 'dark' ? classes.map((name) => dark.get(name)) : [])];
    const last = (property: RegExp) => styles.flatMap((style) => [...(style ?? '').matchAll(property)]).at(-1)?.[1];
    const colours = {
      ink: last(/(?<![-\w])color:\s*(#\w{6})/g) ?? inherited.ink,
      ground: last(/background-color:\s*(#\w{6})/g) ?? inherited.ground,
    };
    for (const child of node.childNodes) {
      if (child instanceof HTMLElement) walk(child, colours);
      else if (child instanceof TextNode && child.text.trim() !== '') {
        const [light = 0, dim = 0] = [luminance(colours.ink), luminance(colours.ground)].toSorted((a, b) => b - a);
        found.push({ text: child.text.trim(), contrast: (light + 0.05) / (dim + 0.05) });
      }
    }
  };
  walk(page.querySelector('body') ?? assert.fail(), { ink: '#000000', ground: '#ffffff' });
  assert.ok(found.length > 8);
  return found;
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
