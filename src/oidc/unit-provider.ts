// The engine with its token endpoint as one unit of work. Handlers of grant types are handed to it while it is built, by a method that can be
// overridden; around each of them the grant storage gathers what is written.
import Provider, { type Configuration, type TokenEndpointGrantContext } from 'oidc-provider';
import type { GrantStorage } from './grant-adapter.ts';

type Names = Parameters<Provider['registerGrantType']>[2];
type Handler<Params extends object> = (ctx: TokenEndpointGrantContext<Params>) => Promise<void> | void;

export function createUnitProvider(issuer: string, configuration: Configuration, grants: GrantStorage): Provider {
  class UnitProvider extends Provider {
    override registerGrantType<Params extends object>(
      name: string,
      handler: Handler<Params>,
      params?: Names,
      duplicates?: Names,
    ): void {
      // Inside of the engine's error handling: who was second is told so as by the engine itself.
      const together: Handler<Params> = (ctx) => grants.together(async () => handler(ctx));
      super.registerGrantType(name, together, params, duplicates);
    }
  }
  return new UnitProvider(issuer, configuration);
}
