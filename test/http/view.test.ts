import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'node-html-parser';
import { createAssets } from '../../src/http/asset.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createView, type PageContext } from '../../src/http/view.ts';

const VIEWS = join(import.meta.dirname, '..', '..', 'views');
const parts = {
  locales: createLocales(),
  assets: createAssets(),
  productName: 'Latchkey',
  issuer: 'https://id.example.com:8443/tenant',
};
const context: PageContext = { locale: 'en', csrf: 'form-token', requestId: 'request-1', path: '/somewhere' };
const message = { pageId: 'error', title: 'A title', text: 'A text', nextSteps: [] };

describe('a page', () => {
  const view = createView(parts);

  it('is in the language of the request, with its direction', () => {
    const html = parse(view.render('message', message, { ...context, locale: 'ar' }));
    assert.equal(html.querySelector('html')?.getAttribute('lang'), 'ar');
    assert.equal(html.querySelector('html')?.getAttribute('dir'), 'rtl');
    assert.equal(html.querySelector('.trouble summary')?.text, parts.locales.t('ar')('layout.help'));
  });

  it('carries its id on the main element, and an error its code', () => {
    const main = parse(view.render('message', message, context)).querySelector('main');
    assert.equal(main?.getAttribute('data-page'), 'error');
    assert.equal(main?.hasAttribute('data-error'), false);
    const error = { code: 'page-not-found', nextSteps: [], details: null };
    const faulty = parse(view.render('error', error, context)).querySelector('main');
    assert.equal(faulty?.getAttribute('data-page'), 'error');
    assert.equal(faulty?.getAttribute('data-error'), 'page-not-found');
  });

  it('says in its title that something is wrong with a form', () => {
    const title = (errors: object) =>
      parse(view.render('message', { ...message, errors }, context)).querySelector('title')?.text;
    assert.equal(title({ fields: {} }), 'A title · Latchkey');
    assert.equal(title({ summary: 'form.problem', fields: {} }), 'Error: A title · Latchkey');
    assert.equal(title({ fields: { email: '' } }), 'Error: A title · Latchkey');
  });

  it('has a switch of languages that comes back to where one is', () => {
    const html = parse(view.render('message', message, context));
    const form = html.querySelector('form[action="/language"]');
    assert.equal(form?.getAttribute('method'), 'post');
    const field = (name: string) => form?.querySelector(`input[name=${name}]`)?.getAttribute('value');
    assert.equal(field('return_to'), '/somewhere');
    assert.equal(field('csrf'), 'form-token');
    const choices = form?.querySelectorAll('button[name=locale]') ?? [];
    assert.deepEqual(
      choices.map((choice) => [choice.getAttribute('value'), choice.getAttribute('lang')]),
      parts.locales.available.map(({ tag }) => [tag, tag]),
    );
    assert.equal(html.querySelector('[aria-current]')?.getAttribute('value'), 'en');
  });

  it('tells whoever needs help which address is ours and which number to name', () => {
    const help = parse(view.render('message', message, context)).querySelector('.trouble')?.text ?? '';
    assert.match(help, /begins with id\.example\.com:8443\./);
    assert.match(help, /request-1/);
    assert.match(parse(view.render('message', message, { locale: 'en', path: '/' })).text, /people who run Latchkey\./);
  });

  it('without a template is a mistake of ours', () => {
    assert.throws(() => view.render('nowhere', {}, context), /no page nowhere/);
    assert.throws(() => view.render('../layout', {}, context), /no page/);
    assert.throws(() => view.render('constructor', {}, context), /no page/);
  });

  it('cannot be changed by names in the model that mean something elsewhere', () => {
    const odd = {
      ...message,
      settings: { 'view options': { escape: 'x' } },
      constructor: 1,
      toString: 2,
      escape: 3,
      t: 4,
    };
    assert.equal(view.render('message', odd, context), view.render('message', message, context));
  });

  it('that reads what the model does not have is an error, not an empty place', () => {
    assert.throws(() => view.render('login', { errors: { fields: {} } }, context));
  });
});

describe('what templates can say', () => {
  const dir = mkdtempSync(join(tmpdir(), 'latchkey-views-'));
  after(() => rmSync(dir, { recursive: true }));
  cpSync(VIEWS, dir, { recursive: true });
  const write = (template: string) => writeFileSync(join(dir, 'pages', 'trial.ejs'), template);
  const show = (template: string, model: object = {}, locale = 'en'): string => {
    write(template);
    const html = createView({ ...parts, dir }).render('trial', model, { ...context, locale });
    return /<main[^>]*>([\s\S]*)<\/main>/.exec(html)?.[1]?.trim() ?? '';
  };

  it('everything printed is escaped', () => {
    assert.equal(
      show('<p title="<%= model.x %>"><%= model.x %></p>', { x: `<b a='"'>&` }),
      '<p title="&lt;b a=&#39;&#34;&#39;&gt;&amp;">&lt;b a=&#39;&#34;&#39;&gt;&amp;</p>',
    );
  });

  it('values inside of a sentence are isolated and never become part of it', () => {
    assert.equal(
      show(`<%= rich('error.client', { client: model.name }) %>`, {
        name: '<i>{{client}} $t(login.title) \uE0000\uE001',
      }),
      'You came from <bdi class="value">&lt;i&gt;{{client}} $t(login.title) \uE0000\uE001</bdi>.',
    );
    assert.equal(
      show(`<%= rich('login.client', { client: 'A', host: plain(model.host) }) %>`, { host: '&' }),
      'to continue to <bdi class="value">A</bdi> (<bdi>&amp;</bdi>)',
    );
  });

  it('a number among the values chooses the plural form', () => {
    assert.match(show(`<%= rich('login.remember_hint', { count: 3 }) %>`, {}, 'ru'), /^До 3 дней/);
  });

  it('links inside of a sentence are whole, and foreign ones get no way back into our page', () => {
    assert.equal(
      show(`<%= rich('login.register', { link: link('/register', t('login.register_link')) }) %>`),
      'No account yet? <a href="/register"><bdi>Create one</bdi></a>',
    );
    assert.equal(
      show(`<%= link(model.url, model.text) %>`, { url: 'https://example.com/?a="b"', text: '<' }),
      '<a href="https://example.com/?a=&#34;b&#34;" rel="noopener"><bdi>&lt;</bdi></a>',
    );
  });

  it('names stand in a row with what the language writes between them, each with its own direction', () => {
    const row = (locale: string) => show(`<%= list(['A', 'B', '<']) %>`, {}, locale);
    assert.equal(row('en'), '<bdi>A</bdi>, <bdi>B</bdi>, <bdi>&lt;</bdi>');
    assert.equal(row('ar'), '<bdi>A</bdi> و<bdi>B</bdi> و<bdi>&lt;</bdi>');
  });

  it('a time to wait is in words, in the two units that matter', () => {
    const wait = (seconds: number, locale = 'en') => show(`<%= countdown(${seconds}) %>`, {}, locale);
    assert.equal(wait(165), '<time datetime="PT165S" data-countdown="165">2 minutes 45 seconds</time>');
    assert.match(wait(1), />1 second</);
    assert.match(wait(0), />0 seconds</);
    assert.match(wait(900), />15 minutes</);
    assert.match(wait(3 * 3600 + 61), />3 hours 1 minute</);
    assert.match(wait(24 * 3600 + 59), />1 day</);
    assert.match(wait(4.2), />5 seconds</);
    assert.match(wait(165, 'ru'), />2 минуты 45 секунд</);
  });

  it('a problem is a sentence by its key, or the text that came', () => {
    assert.equal(show(`<%= problem('form.problem') %>`), 'Please check what is marked below.');
    assert.equal(show(`<%= problem(model.text) %>`, { text: 'must be <https>' }), 'must be &lt;https&gt;');
  });

  it('the round mark of an account is the first whole character of its name', () => {
    const mark = (name: string) => show('<%= initial(model.name) %>', { name });
    assert.equal(mark('  ада'), 'А');
    assert.equal(mark('👩‍🔬 Grace'), '👩‍🔬');
    assert.equal(mark(''), '');
  });

  it('a misspelt name, icon or asset is an error', () => {
    for (const template of ['<%= misspelt %>', "<%= icon('misspelt') %>", "<%= asset('misspelt.css') %>"]) {
      assert.throws(() => show(template), /misspelt/, template);
    }
  });

  it('a template that does not compile stops the start', () => {
    write('<% if (true) { %>');
    assert.throws(() => createView({ ...parts, dir }));
    write('');
  });
});
