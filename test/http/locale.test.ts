import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { createLocales } from '../../src/http/locale.ts';

const locales = createLocales();

describe('the languages', () => {
  it('name themselves in their own words and know their direction', () => {
    assert.deepEqual(
      locales.available.filter(({ tag }) => ['en', 'ru', 'ar'].includes(tag)),
      [
        { tag: 'ar', name: 'العربية', dir: 'rtl' },
        { tag: 'en', name: 'English', dir: 'ltr' },
        { tag: 'ru', name: 'Русский', dir: 'ltr' },
      ],
    );
    assert.equal(locales.dir('ar'), 'rtl');
  });
});

describe('choosing a language', () => {
  it('asks the request first, then the cookie, the account and the browser', () => {
    const all = { uiLocales: 'ar', cookie: 'ru', account: 'en', acceptLanguage: 'en' };
    assert.equal(locales.pick(all), 'ar');
    assert.equal(locales.pick({ ...all, uiLocales: '' }), 'ru');
    assert.equal(locales.pick({ account: 'ru', acceptLanguage: 'ar' }), 'ru');
    assert.equal(locales.pick({ acceptLanguage: 'ar' }), 'ar');
    assert.equal(locales.pick({}), 'en');
  });

  it('takes the next wish when nobody speaks the first', () => {
    assert.equal(locales.pick({ uiLocales: 'fi ru', acceptLanguage: 'ar' }), 'ru');
    assert.equal(locales.pick({ uiLocales: 'fi', cookie: 'sv', acceptLanguage: 'nb, ar;q=0.5' }), 'ar');
    assert.equal(locales.pick({ acceptLanguage: 'fi, sv' }), 'en');
  });

  it('weighs the header by its q values', () => {
    assert.equal(locales.pick({ acceptLanguage: 'en;q=0.3, ru;q=0.9, ar;q=0.5' }), 'ru');
  });

  it('finds a regional form', () => {
    assert.equal(locales.pick({ uiLocales: 'ru-RU' }), 'ru');
    assert.equal(locales.pick({ acceptLanguage: 'en-GB,en;q=0.8' }), 'en');
  });

  it('does not take a neighbouring language for another', () => {
    for (const tag of ['uk', 'be', 'kk', 'he', 'fa']) assert.equal(locales.pick({ acceptLanguage: tag }), 'en', tag);
  });

  it('skips malformed tags and stars', () => {
    assert.equal(locales.pick({ uiLocales: '* @@ -ru ru_RU toolongtobeatag ru' }), 'ru');
    assert.equal(locales.pick({ cookie: '../../etc', acceptLanguage: '*;q=0.1, ???, ru;q=0.01' }), 'ru');
  });

  it('never throws and always answers a language that it speaks', () => {
    const tags = new Set(locales.available.map(({ tag }) => tag));
    const hint = fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-zA-Z*,;=.0-9 -]{0,80}$/)), {
      nil: undefined,
    });
    fc.assert(
      fc.property(hint, hint, hint, hint, (uiLocales, cookie, account, acceptLanguage) => {
        const hints = { uiLocales, cookie, account, acceptLanguage };
        const given = Object.fromEntries(Object.entries(hints).filter(([, value]) => value !== undefined));
        assert.ok(tags.has(locales.pick(given)));
      }),
    );
  });

  it('reads only the beginning of a very long wish', () => {
    const long = 'fi,'.repeat(30_000);
    assert.equal(locales.pick({ acceptLanguage: `${long}ru` }), 'en');
    assert.equal(locales.pick({ uiLocales: `${'fi '.repeat(30_000)}ru`, cookie: 'ar' }), 'ar');
  });
});

describe('a sentence', () => {
  it('takes the plural form of its language', () => {
    const hint = (tag: string, count: number) => locales.t(tag)('login.remember_hint', { count });
    assert.match(hint('en', 1), /^1 day\./);
    assert.match(hint('en', 30), /^Up to 30 days\./);
    assert.match(hint('ru', 21), /^До 21 дня\./);
    assert.match(hint('ru', 3), /^До 3 дней\./);
    assert.match(hint('ar', 2), /^لمدة يومين\./);
    assert.match(hint('ar', 3), /^حتى 3 أيام\./);
    assert.match(hint('ar', 11), /^حتى 11 يومًا\./);
    assert.match(hint('ar', 100), /^حتى 100 يوم\./);
  });

  it('prints values as they are and never reads them as sentences', () => {
    const client = '{{host}} $t(login.title) <b>&';
    assert.equal(locales.t('en')('login.client', { client, host: 'x' }), `to continue to ${client} (x)`);
  });

  it('is known or is not', () => {
    assert.equal(locales.has('login.title'), true);
    assert.equal(locales.has('login.remember_hint_one'), true);
    assert.equal(locales.has('redirect_uris must be https'), false);
  });

  it('is refused in a language that nobody speaks', () => {
    assert.throws(() => locales.t('tlh'), /no language tlh/);
  });
});

describe('a folder of languages', () => {
  const dir = mkdtempSync(join(tmpdir(), 'latchkey-locales-'));
  after(() => rmSync(dir, { recursive: true }));
  for (const tag of ['en', 'pt-BR', 'zh-Hant', 'zh-Hans']) {
    const own = tag === 'en' ? { 'page.other': 'in English only' } : {};
    writeFileSync(join(dir, `${tag}.json`), JSON.stringify({ 'page.place': tag, ...own }));
  }

  it('is offered whole, and the nearest form of a language is found', () => {
    const other = createLocales(dir);
    assert.deepEqual(
      other.available.map(({ tag }) => tag),
      ['en', 'pt-BR', 'zh-Hans', 'zh-Hant'],
    );
    assert.equal(other.pick({ acceptLanguage: 'pt-PT' }), 'pt-BR');
    assert.equal(other.pick({ acceptLanguage: 'zh-TW' }), 'zh-Hant');
    assert.equal(other.t('zh-Hant')('page.place'), 'zh-Hant');
  });

  it('is completed sentence by sentence from English', () => {
    const t = createLocales(dir).t('pt-BR');
    assert.equal(t('page.place'), 'pt-BR');
    assert.equal(t('page.other'), 'in English only');
  });
});
