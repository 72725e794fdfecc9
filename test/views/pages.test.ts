import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { type HTMLElement, parse } from 'node-html-parser';
import { createAssets } from '../../src/http/asset.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createView } from '../../src/http/view.ts';
import { findSamplePlace, type Sample } from './sample.ts';
import { ada, everyAdminPage, samples } from './samples.ts';

const VIEWS = join(import.meta.dirname, '..', '..', 'views');
/** Bytes of a first visit: page, style sheet and scripts, uncompressed. */
const MOST_BYTES = 40_000;
const MOST_SCRIPT_BYTES = 3000;

const locales = createLocales();
const view = createView({
  ...{ locales, assets: createAssets(), productName: 'Latchkey', issuer: 'https://id.example.com' },
  findPlace: findSamplePlace,
});

function render(sample: Sample, locale = 'en', model: object = sample.model): string {
  return view.render(sample.page, model, {
    locale,
    csrf: 'form-token',
    requestId: 'request-1',
    path: `/${sample.name}`,
    account: sample.isSignedIn ? ada : null,
    navigation: sample.isAdmin ? everyAdminPage(`/${sample.name}`) : null,
  });
}

const rendered = samples.map((sample) => {
  const html = render(sample);
  return { ...sample, html, root: parse(html, { blockTextElements: { script: true, style: true } }) };
});

function find(name: string): HTMLElement {
  const found = rendered.find((one) => one.name === name);
  assert.ok(found, name);
  return found.root;
}

/** What a page is made of, without its words: elements and the names of their attributes. */
function skeleton(html: string): readonly string[] {
  return parse(html)
    .querySelectorAll('*')
    .map((element) => `${element.rawTagName} ${Object.keys(element.attributes).toSorted().join(' ')}`);
}

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(1)'>{{client}}$t(login.title)<%= 1 %>`;
/** Fields whose words a template compares with its own, and scopes that have a place of their own. */
const FIXED_FIELDS = new Set([
  'bulkActions',
  'refusal',
  'theme',
  'channels',
  'recovery',
  'from',
  'done',
  'activeAt',
  'part',
  'step',
  'happenedAt',
  'result',
  'stops',
  'takes',
  'members',
  'when',
  'step',
  'problem',
  'failedAt',
  'steps',
  'reason',
  'format',
  'status',
  'statuses',
  'createdAt',
  'lastSignInAt',
  'at',
  'section',
  'act',
  'actorKind',
  'result',
  'done',
  'stage',
  'templates',
  'template',
  'requiredAcr',
  'rank',
  'memberRole',
  'memberRoles',
  'givenBy',
  'way',
  'ways',
  'ownWays',
  'expiresAt',
  'done',
  'source',
  'emailUse',
  'usernameUse',
  'state',
  'changed',
  'method',
  'purpose',
  'group',
  'icon',
  'applicationType',
  'code',
  'kind',
  'methods',
  'firstSeen',
  'lastSeen',
  'firstUsedAt',
  'purgeAt',
  'what',
  'kinds',
  'at',
  'linkedAt',
  'lastUsedAt',
  'state',
]);
const FIXED_WORDS = new Set(['email', 'offline_access']);

function hostile(value: unknown): unknown {
  if (typeof value === 'string') {
    if (value === '' || FIXED_WORDS.has(value)) return value;
    return URL.canParse(value) ? `${value}?${HOSTILE}` : `${value}${HOSTILE}`;
  }
  if (Array.isArray(value)) return value.map(hostile);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, FIXED_FIELDS.has(name) ? inner : hostile(inner)]),
  );
}

describe('every page', () => {
  it('has a sample', () => {
    const pages = readdirSync(join(VIEWS, 'pages')).map((file) => basename(file, '.ejs'));
    assert.deepEqual([...new Set(samples.map(({ page }) => page))].toSorted(), pages.toSorted());
  });

  for (const sample of samples) {
    it(`speaks each language: ${sample.name}`, () => {
      for (const { tag } of locales.available) {
        const html = render(sample, tag);
        const main = parse(html).querySelector('main');
        assert.ok(main, tag);
        assert.ok(main.getAttribute('data-page'), tag);
        assert.equal(main.querySelectorAll('h1').length, 1, tag);
        assert.ok((main.querySelector('h1')?.text.trim() ?? '') !== '', tag);
        // A key in the text would be a sentence that is not there; keys have no spaces around their dots.
        const words = parse(html).querySelector('body')?.structuredText ?? '';
        for (const section of ['login', 'consent', 'error', 'setup', 'layout', 'home', 'logout', 'scope', 'password']) {
          assert.doesNotMatch(words, new RegExp(`(?<![/\\w-])${section}\\.[a-z_]+`), `${tag} ${section}`);
        }
      }
    });

    it(`escapes hostile values: ${sample.name}`, () => {
      const attacked = render(sample, 'en', hostile(sample.model) as object);
      assert.deepEqual(skeleton(attacked), skeleton(render(sample)));
      assert.doesNotMatch(attacked, /<script>|onerror='/);
    });
  }

  it('prints what it is given, so that the escaping is tried at all', () => {
    const reached = samples.filter((sample) =>
      render(sample, 'en', hostile(sample.model) as object).includes('alert(1)'),
    );
    assert.ok(reached.length > samples.length * 0.8, `${reached.length} of ${samples.length}`);
  });

  it('has no inline script, style or handler, and loads only our own files', () => {
    for (const { name, html, root } of rendered) {
      assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/i, name);
      for (const script of root.querySelectorAll('script')) {
        assert.equal(script.textContent.trim(), '', name);
        assert.match(script.getAttribute('src') ?? '', /^\/assets\//, name);
      }
      for (const file of root.querySelectorAll('link, img')) {
        const url = file.getAttribute('href') ?? file.getAttribute('src') ?? '';
        assert.match(url, /^(?:\/assets\/|\/pictures\/|\/organization-logos\/|data:image\/svg\+xml,)/, name);
      }
    }
  });

  it('gives every id once, and every reference leads somewhere', () => {
    for (const { name, root } of rendered) {
      const ids = root.querySelectorAll('[id]').map((element) => element.id);
      assert.deepEqual(
        ids.filter((id, index) => ids.indexOf(id) !== index),
        [],
        name,
      );
      for (const attribute of [
        'for',
        'form',
        'aria-describedby',
        'aria-labelledby',
        'aria-controls',
        'data-copy',
        'data-reveal',
      ]) {
        for (const element of root.querySelectorAll(`[${attribute}]`)) {
          for (const id of (element.getAttribute(attribute) ?? '').split(' '))
            assert.ok(ids.includes(id), `${name}: ${id}`);
        }
      }
      for (const link of root.querySelectorAll('a[href^="#"]')) {
        assert.ok(ids.includes((link.getAttribute('href') ?? '').slice(1)), name);
      }
    }
  });

  it('has links that leave our origin only without a way back into our page', () => {
    for (const { name, root } of rendered) {
      for (const link of root.querySelectorAll('a[href^="http"]')) {
        assert.equal(link.getAttribute('rel'), 'noopener', name);
        assert.match(link.getAttribute('href') ?? '', /^https:/, name);
      }
    }
  });
});

describe('every form', () => {
  const forms = rendered.flatMap(({ name, root }) =>
    root.querySelectorAll('form').map((form) => ({ name, root, form })),
  );

  it('is posted to our own origin and carries a token', () => {
    assert.ok(forms.length > samples.length);
    for (const { name, form } of forms) {
      // A search changes nothing, and its address can be kept.
      if (form.getAttribute('role') === 'search') continue;
      assert.equal(form.getAttribute('method'), 'post', name);
      assert.match(form.getAttribute('action') ?? '', /^\/(?!\/)/, name);
      const tokens = form.querySelectorAll('input[type=hidden][name=csrf], input[type=hidden][name=xsrf]');
      assert.equal(tokens.length, 1, name);
      assert.ok(tokens[0]?.getAttribute('value'), name);
    }
  });

  it('has a visible label for each field', () => {
    for (const { name, root, form } of forms) {
      for (const input of form.querySelectorAll('input')) {
        if (input.getAttribute('type') === 'hidden') continue;
        // A box in a table is called what its row is called.
        const row = input.getAttribute('aria-labelledby');
        const label = root.querySelector(row === undefined ? `label[for="${input.id}"]` : `[id="${row}"]`);
        assert.notEqual(label?.text.trim() ?? '', '', `${name}: ${input.id}`);
        assert.equal(input.hasAttribute('placeholder'), false, name);
      }
    }
  });

  it('never turns autocompletion off, and never cuts what is pasted as a password or a code', () => {
    for (const { name, form } of forms) {
      assert.equal(form.hasAttribute('autocomplete'), false, name);
      for (const input of form.querySelectorAll('input')) {
        // What a device shows is new each time and nobody's: nothing to be filled in.
        const isDeviceCode = name.startsWith('device') && input.id === 'code';
        assert.equal(input.getAttribute('autocomplete') === 'off', isDeviceCode, name);
        if (input.getAttribute('type') === 'password' || input.getAttribute('name') === 'code') {
          assert.equal(input.hasAttribute('maxlength'), false, name);
        }
      }
    }
  });

  it('gives back what was typed, but for secrets', () => {
    assert.equal(find('login-mismatch').querySelector('#login')?.getAttribute('value'), 'ada@example.com');
    assert.ok(find('login-mismatch').querySelector('#remember')?.hasAttribute('checked'));
    assert.equal(find('setup-problems').querySelector('#email')?.getAttribute('value'), 'ada@');
    assert.ok(find('setup-done-problem').querySelector('#application_type-native')?.hasAttribute('checked'));
    for (const { name, root } of rendered) {
      for (const secret of root.querySelectorAll('input[type=password]')) {
        assert.equal(secret.hasAttribute('value'), false, name);
      }
    }
  });

  it('names a yes and a no the same everywhere', () => {
    const decisions = (name: string) =>
      find(name)
        .querySelectorAll('button[name=decision]')
        .map((button) => [button.getAttribute('value'), button.id]);
    assert.deepEqual(decisions('consent'), [
      ['deny', ''],
      ['allow', 'submit'],
    ]);
    assert.deepEqual(decisions('logout'), [
      ['allow', 'submit'],
      ['deny', ''],
    ]);
    assert.deepEqual(decisions('select-account'), [['other', '']]);
  });
});

describe('the fields', () => {
  const table: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'login login': {
      type: 'text',
      autocomplete: 'username webauthn',
      autocapitalize: 'none',
      spellcheck: 'false',
      dir: 'auto',
      required: '',
      autofocus: '',
    },
    'login password': { type: 'password', autocomplete: 'current-password', required: '' },
    'reauthenticate login': {
      type: 'text',
      autocomplete: 'username',
      autocapitalize: 'none',
      spellcheck: 'false',
      dir: 'auto',
      required: '',
      readonly: '',
    },
    'reauthenticate password': { type: 'password', autocomplete: 'current-password', required: '' },
    'setup email': {
      type: 'email',
      autocomplete: 'username',
      inputmode: 'email',
      autocapitalize: 'none',
      spellcheck: 'false',
      dir: 'ltr',
      required: '',
    },
    'setup name': { type: 'text', autocomplete: 'name', dir: 'auto' },
    'setup username': {
      type: 'text',
      autocomplete: 'username',
      autocapitalize: 'none',
      spellcheck: 'false',
      maxlength: '50',
      pattern: '[A-Za-z0-9_]{3,50}',
    },
    'setup new_password': {
      type: 'password',
      autocomplete: 'new-password',
      minlength: '12',
      passwordrules: 'minlength: 12;',
      required: '',
    },
  };

  for (const [place, wanted] of Object.entries(table)) {
    it(`tell browsers and password managers what they are for: ${place}`, () => {
      const [sample = '', name = ''] = place.split(' ');
      const field = find(sample).querySelector(`main input[name=${name}]`);
      assert.ok(field);
      assert.equal(field.id, name);
      const { id: _id, name: _name, value: _value, 'aria-describedby': _described, ...attributes } = field.attributes;
      assert.deepEqual(attributes, wanted);
    });
  }
});

describe('a form with mistakes', () => {
  it('opens with a summary that takes the focus and leads to each field, in the order of the page', () => {
    const summary = find('setup-problems').querySelector('#problems');
    assert.equal(summary?.getAttribute('role'), 'alert');
    assert.ok(summary.hasAttribute('autofocus'));
    assert.deepEqual(
      summary.querySelectorAll('a').map((link) => link.getAttribute('href')),
      ['#username', '#email', '#new_password'],
    );
    assert.match(summary.text, /at least 12 characters/);
  });

  it('marks each faulty field and says beside it what to do', () => {
    const root = find('setup-problems');
    for (const name of ['username', 'email', 'new_password']) {
      const field = root.querySelector(`#${name}`);
      assert.equal(field?.getAttribute('aria-invalid'), 'true', name);
      assert.ok(field.getAttribute('aria-describedby')?.split(' ').includes(`${name}-problem`), name);
      assert.ok(root.querySelector(`#${name}-problem svg`), name);
    }
    assert.equal(root.querySelector('#name')?.hasAttribute('aria-invalid'), false);
  });

  it('does not tell which of name and password was wrong', () => {
    const root = find('login-mismatch');
    for (const name of ['login', 'password']) {
      const field = root.querySelector(`#${name}`);
      assert.equal(field?.getAttribute('aria-invalid'), 'true');
      assert.equal(field.getAttribute('aria-describedby'), 'problems');
      assert.equal(root.querySelector(`#${name}-problem`), null);
    }
    assert.equal(root.querySelector('#login')?.hasAttribute('autofocus'), false, 'one thing takes the focus');
  });

  it('shows how long to wait', () => {
    const wait = find('login-locked').querySelector('#problems time');
    assert.equal(wait?.getAttribute('data-countdown'), '165');
    assert.equal(wait.text, '2 minutes 45 seconds');
  });

  it('prints a problem that is no key as it came', () => {
    assert.match(find('setup-done-problem').querySelector('#redirect_uri-problem')?.text ?? '', /must be https/);
  });
});

describe('the login page', () => {
  it('shows only the ways in that there are', () => {
    const plain = find('login');
    for (const absent of [
      '[data-passkey]',
      '[name=method]',
      '[data-upstream]',
      'a[href="/register"]',
      'a[href="/reset"]',
    ]) {
      assert.equal(plain.querySelector(absent), null, absent);
    }
    const full = find('login-everything');
    assert.deepEqual(
      full.querySelectorAll('[data-upstream]').map((button) => button.getAttribute('data-upstream')),
      ['google', 'apple', 'microsoft', 'github', 'discord', 'x', 'telegram-bot', 'company'],
    );
    assert.match(full.querySelector('[data-upstream=google]')?.text ?? '', /Continue with Google\s+Last used/);
    assert.doesNotMatch(full.querySelector('[data-upstream=company]')?.text ?? '', /Last used/);
    assert.ok(full.querySelector('[data-passkey]')?.hasAttribute('hidden'), 'shown by its script');
    assert.equal(find('login-plain').querySelector('#remember'), null);
  });

  it('names the app and its host, and lets one go back to it', () => {
    assert.match(
      find('login').querySelector('.lead')?.text ?? '',
      /^to continue to Photo Album \(photos\.example\.com\)$/,
    );
    assert.ok(find('login').querySelector('form[action="/interaction/abc/abort"] button'));
  });

  it('says who has to prove themselves again, and offers another account', () => {
    const root = find('reauthenticate');
    assert.equal(root.querySelector('main')?.getAttribute('data-page'), 'reauthenticate');
    assert.match(root.querySelector('.account-row')?.text ?? '', /Ada Lovelace/);
    assert.ok(root.querySelector('form#switch[action="/interaction/abc/switch"]'));
    assert.ok(root.querySelector('button[form=switch]'));
  });
});

describe('the consent page', () => {
  it('says what the app sees, what it can do, and what not, and marks what is new', () => {
    const text = find('consent').querySelector('main')?.structuredText ?? '';
    assert.match(
      text,
      /will see[\s\S]*your name[\s\S]*will be able to[\s\S]*keep its access[\s\S]*will not[\s\S]*see your password/,
    );
    assert.equal(find('consent').querySelectorAll('.badge').length, 0);
    assert.equal(find('consent-again').querySelectorAll('.badge').length, 3);
  });

  it('gives yes and no the same weight', () => {
    const [deny, allow] = find('consent').querySelectorAll('button[name=decision]');
    assert.equal(deny?.getAttribute('class'), allow?.getAttribute('class'));
  });

  it('does not speak of lasting access that is not asked for', () => {
    assert.doesNotMatch(find('consent-first-party').text, /keep its access/);
  });
});

describe('the account chooser', () => {
  it('has the account that is signed in chosen, and tells who is not', () => {
    const root = find('select-account');
    const chosen = root.querySelectorAll('input[name=account]').filter((radio) => radio.hasAttribute('checked'));
    assert.deepEqual(
      chosen.map((radio) => radio.getAttribute('value')),
      ['handle-1'],
    );
    assert.equal(root.querySelectorAll('.person-note').filter(({ text }) => text === 'Signed out').length, 2);
  });

  it('chooses on Enter and does not remove', () => {
    const root = find('select-account');
    const form = root.querySelectorAll('main form')[0];
    const first = root
      .querySelectorAll('main button')
      .find((button) => button.getAttribute('form') === undefined && button.closest('form') === form);
    assert.equal(first?.id, 'submit');
    for (const button of root.querySelectorAll('button[name=remove]'))
      assert.equal(button.getAttribute('form'), 'remove');
  });
});

describe('the sign-out page', () => {
  it('asks the engine in two small forms, with the engine’s own token', () => {
    const forms = find('logout').querySelectorAll('main form');
    const fields = forms.map((form) =>
      form.querySelectorAll('input').map((input) => [input.getAttribute('name'), input.getAttribute('value')]),
    );
    assert.deepEqual(fields, [
      [
        ['xsrf', 'engine-token'],
        ['logout', 'yes'],
      ],
      [['xsrf', 'engine-token']],
    ]);
    assert.match(forms[1]?.text ?? '', /Only Photo Album/);
    assert.match(find('logout-without-client').querySelectorAll('main form')[1]?.text ?? '', /Stay signed in/);
  });
});

describe('an error page', () => {
  it('has a title, a way on and the request id', () => {
    for (const { name, root } of rendered.filter(({ page }) => page === 'error')) {
      assert.ok(root.querySelector('main a.button[href]'), name);
      assert.ok(
        root.querySelectorAll('main code').some(({ text }) => text === 'request-1'),
        name,
      );
    }
  });

  it('folds what only developers read', () => {
    const details = find('error-redirect').querySelector('details.developer');
    assert.equal(details?.hasAttribute('open'), false);
    assert.match(details?.text ?? '', /invalid_redirect_uri/);
    assert.equal(find('error-expired').querySelector('details.developer'), null);
  });

  it('offers to try again at the same place when waiting helps', () => {
    const [again] = find('error-unavailable').querySelectorAll('main a.button');
    assert.equal(again?.getAttribute('href'), '');
    assert.ok(find('error-unavailable').querySelector('time[data-countdown="5"]'));
  });

  it('has general words for a code that it does not know', () => {
    const root = find('error-unknown-code');
    assert.equal(root.querySelector('main')?.getAttribute('data-error'), 'something-new');
    assert.equal(root.querySelector('h1')?.text, 'This did not work');
  });
});

describe('the set-up page', () => {
  it('says before typing what a password needs', () => {
    const rules = find('setup').querySelector('#new_password-hint');
    assert.match(rules?.text ?? '', /Between 12 and 256 characters/);
  });

  it('warns when its address is not the issuer, with the exact fix', () => {
    assert.match(find('setup-problems').text, /LATCHKEY_ISSUER=http:\/\/192\.0\.2\.7:3000/);
    assert.doesNotMatch(find('setup').text, /LATCHKEY_ISSUER/);
  });

  it('shows the secret of the first client, if it has one', () => {
    assert.equal(find('setup-created').querySelector('#client_secret')?.text.length, 43);
    assert.equal(find('setup-created-public').querySelector('#client_secret'), null);
    assert.match(find('setup-created').querySelector('pre code')?.text ?? '', /^import \* as oidc/);
  });
});

describe('templates', () => {
  const templates = readdirSync(VIEWS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ejs'))
    .map((path) => ({ path, content: readFileSync(join(VIEWS, path), 'utf8') }));

  it('hold no words of their own', () => {
    for (const { path, content } of templates) {
      const markup = content.replaceAll(/<%[\s\S]*?%>/g, '');
      for (const [, name, text] of markup.matchAll(/\s(aria-label|title|alt|placeholder)="([^"]*)"/g)) {
        assert.doesNotMatch(text ?? '', /\p{L}/u, `${path}: ${name}`);
      }
      assert.doesNotMatch(markup.replaceAll(/<style>[\s\S]*?<\/style>|<[^>]*>/g, ''), /\p{L}/u, path);
    }
  });

  it('print without escaping only other templates', () => {
    for (const { path, content } of templates) {
      for (const [, expression] of content.matchAll(/<%-([\s\S]*?)%>/g)) {
        assert.match((expression ?? '').trim(), /^(?:include\('[\w./-]+'|body$)/, path);
      }
    }
  });
});

describe('the weight of a first visit', () => {
  it('stays small, for the fullest sign-in page', () => {
    const html = render({ ...samples.find(({ name }) => name === 'login-everything') } as Sample, 'ru');
    const files = ['latchkey.css', 'favicon.svg', 'password.js', 'countdown.js'];
    const sizes = files.map((name) => readFileSync(join(VIEWS, 'assets', name)).byteLength);
    const total = sizes.reduce((sum, size) => sum + size, Buffer.byteLength(html));
    assert.ok(total <= MOST_BYTES, `${total} bytes`);
  });

  it('has no script that is larger than it should be', () => {
    for (const name of readdirSync(join(VIEWS, 'assets')).filter((file) => file.endsWith('.js'))) {
      const size = readFileSync(join(VIEWS, 'assets', name)).byteLength;
      assert.ok(size <= MOST_SCRIPT_BYTES, `${name}: ${size} bytes`);
    }
  });
});
