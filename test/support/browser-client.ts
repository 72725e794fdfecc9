// A browser without a screen: keeps cookies by the real rules, says where its requests come from as browsers do, follows redirects within the
// provider and stops where one leads to a client. Forms are filled by the names that people's password managers see.
import { type HTMLElement, parse } from 'node-html-parser';
import { CookieJar } from 'tough-cookie';
import { type PlainAnswer, type PlainRequest, send } from './web.ts';

export interface BrowserOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** `true` ticks a box, `false` unticks it. */
export type FormValues = Readonly<Record<string, string | boolean>>;

interface SubmitOptions {
  /** A CSS selector, for pages with several forms; without it the form that has the main submit button. */
  readonly form?: string;
  /** The button that is clicked, by its name and value; the main one otherwise. */
  readonly button?: readonly [name: string, value: string];
  readonly headers?: Readonly<Record<string, string>>;
}

const MOST_REDIRECTS = 20;

/** An answer together with where it was found. */
export class Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: PlainAnswer['headers'];
  readonly cookies: readonly string[];
  readonly text: string;
  #html: HTMLElement | undefined;

  constructor(url: URL, answer: PlainAnswer) {
    this.url = url;
    this.status = answer.status;
    this.headers = answer.headers;
    this.cookies = answer.cookies;
    this.text = answer.text;
  }

  get html(): HTMLElement {
    this.#html ??= parse(this.text);
    return this.#html;
  }

  /** The contract's id of the page, or null when this is no page of ours. */
  get id(): string | null {
    return this.html.querySelector('[data-page]')?.getAttribute('data-page') ?? null;
  }

  /** The stable code of an error page. */
  get error(): string | null {
    return this.html.querySelector('[data-error]')?.getAttribute('data-error') ?? null;
  }

  /** Where a redirect leads. */
  get location(): URL | null {
    const { location } = this.headers;
    return location === undefined ? null : new URL(location, this.url);
  }

  /** The query of where a redirect leads. */
  get params(): Record<string, string> {
    return Object.fromEntries(this.location?.searchParams ?? []);
  }

  /** @throws when there is no such element */
  element(selector: string): HTMLElement {
    const found = this.html.querySelector(selector);
    if (!found) throw new Error(`${this.describe()} has no ${selector}`);
    return found;
  }

  /** For messages of failed tests. */
  describe(): string {
    const what = [this.id, this.error].filter((one) => one !== null).join(' ');
    return `${this.status} ${this.url.pathname} [${what}]${this.location ? ` → ${this.location.href}` : ''}`;
  }
}

export class Browser {
  readonly jar = new CookieJar(undefined, { rejectPublicSuffixes: false });
  readonly #origin: string;
  readonly #headers: Record<string, string>;
  /** Every page seen, the last one at the end. */
  readonly visited: Page[] = [];

  constructor(issuer: string, options: BrowserOptions = {}) {
    this.#origin = new URL(issuer).origin;
    this.#headers = {
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      'accept-language': 'en',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      ...options.headers,
    };
  }

  /** Opens an address and follows where it leads within the provider. */
  async get(path: string | URL, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
    return this.#follow(await this.request(path, { headers: { 'sec-fetch-site': 'none', ...headers } }));
  }

  /** Fills in and sends a form of the page, and follows where it leads within the provider. */
  async submit(page: Page, values: FormValues = {}, options: SubmitOptions = {}): Promise<Page> {
    return this.#follow(await this.submitOnce(page, values, options));
  }

  /** The same without following: what the form itself answers. */
  async submitOnce(page: Page, values: FormValues = {}, options: SubmitOptions = {}): Promise<Page> {
    const { action, fields } = fillForm(page, values, options);
    return this.post(action, new URLSearchParams(fields).toString(), options.headers);
  }

  /** A post from a page of the provider. @param body urlencoded */
  async post(path: string | URL, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
    return this.request(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: this.#origin,
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
      body,
    });
  }

  /** One request with this browser's cookies, nothing followed. */
  async request(path: string | URL, options: PlainRequest = {}): Promise<Page> {
    const url = new URL(path, this.#origin);
    const cookie = await this.jar.getCookieString(url.href);
    const answer = await send(url.href, {
      ...options,
      headers: { ...this.#headers, ...(cookie === '' ? {} : { cookie }), ...options.headers },
    });
    for (const line of answer.cookies) await this.jar.setCookie(line, url.href);
    const page = new Page(url, answer);
    this.visited.push(page);
    return page;
  }

  async cookie(name: string, path = '/'): Promise<string | undefined> {
    const cookies = await this.jar.getCookies(new URL(path, this.#origin).href);
    return cookies.find((one) => one.key === name)?.value;
  }

  /** Every cookie it has ever been given that is still there. */
  async cookies(): Promise<readonly { readonly name: string; readonly value: string; readonly path: string }[]> {
    const { cookies } = await this.jar.serialize();
    // One that was taken back stays in the jar, empty, until somebody looks for it.
    return cookies
      .filter((one) => one.value)
      .map((one) => ({ name: String(one.key), value: String(one.value), path: String(one.path ?? '/') }));
  }

  async #follow(first: Page): Promise<Page> {
    let page = first;
    for (let count = 0; count < MOST_REDIRECTS; count += 1) {
      const { location } = page;
      const next = page.status === 200 ? selfSubmitting(page) : null;
      if (next?.action.origin === this.#origin) {
        page = await this.post(next.action, new URLSearchParams(next.fields).toString());
      } else if (page.status >= 300 && page.status < 400 && location?.origin === this.#origin) {
        page = await this.request(location, { headers: { 'sec-fetch-site': 'same-origin' } });
      } else {
        return page;
      }
    }
    throw new Error(`redirected in circles: ${page.describe()}`);
  }
}

/** The engine's page that sends itself: by script, or by its one button where there is none. */
export function selfSubmitting(page: Page): { readonly action: URL; readonly fields: [string, string][] } | null {
  const form = page.id === null ? page.html.querySelector('body > form[method=post]') : null;
  if (!form) return null;
  const fields = form
    .querySelectorAll('input[type=hidden]')
    .map((field): [string, string] => [field.getAttribute('name') ?? '', field.getAttribute('value') ?? '']);
  return { action: new URL(form.getAttribute('action') ?? '', page.url), fields };
}

/** What a browser would send. @throws when a value has no field in the form, or the form has no such button */
export function fillForm(
  page: Page,
  values: FormValues,
  options: SubmitOptions = {},
): { readonly action: URL; readonly fields: [string, string][] } {
  const button = findButton(page, options);
  const owner = button?.getAttribute('form');
  const own = owner === undefined ? button?.closest('form') : page.element(`form#${owner}`);
  const form = options.form === undefined ? own : page.element(options.form);
  if (!form) throw new Error(`${page.describe()} has no form to send`);
  const open = new Set(Object.keys(values));
  const fields: [string, string][] = [];
  for (const field of form.querySelectorAll('input, select, textarea')) {
    const name = field.getAttribute('name');
    if (name === undefined || field.hasAttribute('disabled')) continue;
    const given = open.delete(name) || name in values ? values[name] : undefined;
    const type = field.getAttribute('type') ?? 'text';
    if (type === 'submit' || type === 'button' || type === 'image') continue;
    const own = field.getAttribute('value');
    if (type === 'checkbox') {
      if (given ?? field.hasAttribute('checked')) fields.push([name, own ?? 'on']);
    } else if (type === 'radio') {
      if (given === undefined ? field.hasAttribute('checked') : given === own) fields.push([name, own ?? 'on']);
    } else if (field.rawTagName.toLowerCase() === 'select') {
      const chosen =
        field.querySelectorAll('option').find((one) => one.hasAttribute('selected')) ?? field.querySelector('option');
      fields.push([name, String(given ?? chosen?.getAttribute('value') ?? '')]);
    } else {
      fields.push([name, String(given ?? own ?? field.textContent)]);
    }
  }
  if (open.size > 0) throw new Error(`${page.describe()} has no field ${[...open].join(', ')}`);
  const [name, value] = options.button ?? [button?.getAttribute('name'), button?.getAttribute('value')];
  if (name !== undefined) fields.push([name, value ?? '']);
  const action = button?.getAttribute('formaction') ?? form.getAttribute('action') ?? page.url.href;
  return { action: new URL(action, page.url), fields };
}

function findButton(page: Page, { form, button }: SubmitOptions): HTMLElement | null {
  const within = form === undefined ? page.html : page.element(form);
  if (button) {
    const [name, value] = button;
    const found = within
      .querySelectorAll('button, input[type=submit]')
      .find((one) => one.getAttribute('name') === name && one.getAttribute('value') === value);
    if (!found) throw new Error(`${page.describe()} has no button ${name}=${value}`);
    return found;
  }
  return within.querySelector('#submit') ?? (form === undefined ? null : within.querySelector('button'));
}
