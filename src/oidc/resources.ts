// The APIs that access tokens are made for, as the settings declare them (RFC 8707). A token for one names exactly that one as its audience
// (RFC 9068, 3), and carries no more of a person than the subject: nothing here adds a claim about anybody.
import { type Client as EngineClient, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { ResourceDeclaration } from '../../config/declarations.ts';

export class Resources {
  readonly #byAddress: ReadonlyMap<string, ResourceDeclaration>;

  constructor(declared: readonly ResourceDeclaration[]) {
    this.#byAddress = new Map(declared.map((resource) => [canonical(resource.id), resource]));
  }

  find(indicator: string): ResourceDeclaration | null {
    return this.#byAddress.get(canonical(indicator)) ?? null;
  }

  /** Whether any of them has this scope. */
  hasScope(scope: string): boolean {
    return [...this.#byAddress.values()].some(({ scopes }) => Object.hasOwn(scopes, scope));
  }

  /**
   * What the engine must know to make a token for a resource.
   * @throws errors.InvalidTarget for a resource that is unknown or not for this client
   */
  serverInfo(ctx: KoaContextWithOIDC, indicator: string, client: EngineClient): ResourceServer {
    const resource = this.find(indicator);
    if (!resource || !isFor(resource, client.clientId, ctx.oidc.params?.['grant_type']))
      throw new errors.InvalidTarget();
    return {
      audience: resource.id,
      scope: Object.keys(resource.scopes).join(' '),
      accessTokenFormat: resource.format,
      ...(resource.accessTokenTtl === undefined ? {} : { accessTokenTTL: resource.accessTokenTtl }),
      ...(resource.format === 'jwt' ? { jwt: { sign: { alg: resource.algorithm } } } : {}),
    };
  }

  /** Whether a client is the API that tokens with this audience are for. */
  isServedBy(audience: unknown, clientId: string): boolean {
    const audiences = Array.isArray(audience) ? audience : [audience];
    return audiences.some((one) => typeof one === 'string' && (this.find(one)?.servers.includes(clientId) ?? false));
  }
}

/** What people are asked with for a scope of a resource; the scope itself where nobody wrote a sentence. */
export function scopeSentence(resource: ResourceDeclaration, scope: string): string {
  return (Object.hasOwn(resource.scopes, scope) ? resource.scopes[scope] : null) ?? scope;
}

/** Without a list every client may ask, because a person decides. For itself a client gets a token only where it is listed. */
function isFor(resource: ResourceDeclaration, clientId: string, grantType: unknown): boolean {
  if (resource.clients === undefined) return grantType !== 'client_credentials';
  return resource.clients.includes(clientId);
}

/** Clients that parse the indicator write `https://api.example.com/` for `https://api.example.com`: that is the same URL. */
function canonical(indicator: string): string {
  return URL.parse(indicator)?.href ?? indicator;
}
