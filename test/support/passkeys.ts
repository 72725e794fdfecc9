// An authenticator without a screen for stories over HTTP: a second implementation of WebAuthn, by other people, that answers what the pages'
// script would ask of a browser.
import assert from 'node:assert/strict';
import {
  AuthenticatorEmulator,
  type AuthenticatorParameters,
  PasskeysCredentialsMemoryRepository,
  WebAuthnEmulator,
} from 'nid-webauthn-emulator';
import type { Browser, FormValues, Page } from './browser-client.ts';

export class Authenticator {
  readonly #emulator: WebAuthnEmulator;
  readonly #origin: string;
  /** Whether it checks who is there (PIN, finger, face). */
  isUserVerified = true;

  constructor(origin: string, options: Partial<AuthenticatorParameters> = {}) {
    this.#origin = origin;
    const interaction = () => ({ options: { uv: this.isUserVerified, up: true } });
    this.#emulator = new WebAuthnEmulator(
      new AuthenticatorEmulator({
        credentialsRepository: new PasskeysCredentialsMemoryRepository(),
        userMakeCredentialInteraction: interaction,
        userGetAssertionInteraction: interaction,
        ...options,
      }),
    );
  }

  /** The browser's answer to options from the server. */
  answer(kind: 'create' | 'get', options: unknown): object {
    return kind === 'create'
      ? this.#emulator.createJSON(this.#origin, options as Parameters<WebAuthnEmulator['createJSON']>[1])
      : this.#emulator.getJSON(this.#origin, options as Parameters<WebAuthnEmulator['getJSON']>[1]);
  }
}

/** What the page's script gets before it asks the browser. */
export async function passkeyOptions(browser: Browser, page: Page, selector = '[data-passkey]'): Promise<Page> {
  const button = page.element(selector);
  const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
  return browser.post(button.getAttribute('data-options') ?? '', new URLSearchParams({ csrf }).toString());
}

/** Presses the passkey button of a page, and follows where it leads. @param change what the script would have sent instead */
export async function pressPasskey(
  browser: Browser,
  page: Page,
  authenticator: Authenticator,
  values: FormValues = {},
  selector = '[data-passkey]',
): Promise<Page> {
  const options = await passkeyOptions(browser, page, selector);
  assert.equal(options.status, 200, options.describe());
  const kind = page.element(selector).getAttribute('data-passkey') === 'create' ? 'create' : 'get';
  return sendPasskey(browser, page, authenticator.answer(kind, JSON.parse(options.text)), values, selector);
}

/** Sends an answer with the form of the page's passkey button. */
export async function sendPasskey(
  browser: Browser,
  page: Page,
  answer: unknown,
  values: FormValues = {},
  selector = '[data-passkey]',
): Promise<Page> {
  const button = page.element(selector);
  const form = button.closest('form');
  assert.ok(form, 'the button stands in a form');
  const fields = new URLSearchParams();
  for (const input of form.querySelectorAll('input')) {
    const name = input.getAttribute('name');
    const given = name === undefined ? undefined : values[name];
    if (name === undefined) continue;
    if (input.getAttribute('type') === 'checkbox') {
      if (given === true) fields.set(name, 'on');
    } else {
      fields.set(name, typeof given === 'string' ? given : (input.getAttribute('value') ?? ''));
    }
  }
  fields.set('answer', typeof answer === 'string' ? answer : JSON.stringify(answer));
  const action = button.getAttribute('formaction') ?? form.getAttribute('action') ?? page.url.href;
  const first = await browser.post(new URL(action, page.url), fields.toString());
  const { location } = first;
  return location?.origin === page.url.origin ? browser.get(location, { 'sec-fetch-site': 'same-origin' }) : first;
}
