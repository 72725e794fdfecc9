// A web app of somebody else's making on a port of its own, and a person who goes there and back with a browser that keeps the cookies of both
// sides apart, as different sites would.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Browser, type Page, selfSubmitting } from '../../support/browser-client.ts';
import { answerPrompts, type PromptAnswers } from '../../support/relying-party.ts';
import type { Latchkey } from '../../support/server.ts';

export class AppServer {
  readonly #server: Server;
  #handler: RequestListener | undefined;

  constructor() {
    this.#server = createServer((req, res) => this.#handler?.(req, res));
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Apps have to know their own address before they can be made. */
  use(handler: RequestListener): void {
    this.#handler = handler;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** One person between an app and the provider. */
export class AppVisit {
  /** The part of the browser that knows the app. */
  readonly app: Browser;
  /** The part that knows the provider. */
  readonly person: Browser;

  constructor(latchkey: Pick<Latchkey, 'browser'>, origin: string) {
    this.app = new Browser(origin);
    this.person = latchkey.browser();
  }

  /** From the app's page that begins a sign-in through ours and back. @returns where the app leads after it */
  async signIn(path: string, answers: PromptAnswers): Promise<Page> {
    return this.goOn(await this.app.get(path), answers);
  }

  /** The same from where the app sends the browser. @throws when it does not come back */
  async goOn(leaving: Page, answers: PromptAnswers): Promise<Page> {
    if (leaving.location === null) throw new Error(`the app does not lead to the provider: ${leaving.describe()}`);
    return this.deliver(await answerPrompts(this.person, await this.person.get(leaving.location), answers));
  }

  /** Takes the provider's answer to the app, as a redirect or as a form that sends itself. */
  async deliver(answer: Page): Promise<Page> {
    if (answer.location) return this.app.get(answer.location, { 'sec-fetch-site': 'cross-site' });
    const form = selfSubmitting(answer);
    if (!form) throw new Error(`the provider does not lead to the app: ${answer.describe()}`);
    const back = await this.app.post(form.action, new URLSearchParams(form.fields).toString(), {
      origin: answer.url.origin,
      'sec-fetch-site': 'cross-site',
    });
    return back.location ? this.app.get(back.location) : back;
  }
}
