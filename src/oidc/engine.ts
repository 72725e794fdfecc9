// The engine that answers now. Keys are part of its construction, so a rotation builds a new one and puts it in the place of the old; requests
// under way finish on the one they began with.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

export class Engine {
  readonly #build: () => Promise<Provider>;
  #current: { readonly provider: Provider; readonly handler: Handler } | undefined;

  /** @param build makes a provider with the keys of now and everything mounted in front of it */
  constructor(build: () => Promise<Provider>) {
    this.#build = build;
  }

  /** Builds the first engine, or a new one after a change of keys. */
  async reload(): Promise<void> {
    const provider = await this.#build();
    this.#current = { provider, handler: provider.callback() };
  }

  get provider(): Provider {
    if (!this.#current) throw new Error('the engine was not built yet');
    return this.#current.provider;
  }

  /** For node:http. */
  readonly handle: Handler = (req, res) => {
    if (!this.#current) throw new Error('the engine was not built yet');
    return this.#current.handler(req, res);
  };
}
