// What a client asks for, in the form in which pages say it: scopes of ours have their own sentences, those of a resource the sentences that
// its owner wrote. Scopes that nobody knows are left out; the engine leaves them out of every token as well.
import { CLAIMS_BY_SCOPE } from '../account/claims.ts';
import type { ScopeModel } from '../http/page-model.ts';
import { type Resources, scopeSentence } from './resources.ts';

/** What a scope lets a client do rather than see; everything else is information about the person. */
const ACTING: ReadonlySet<string> = new Set(['offline_access']);
/** Too technical to say. */
const UNSPOKEN: ReadonlySet<string> = new Set(['openid']);

export interface Asked {
  /** The parameters of the request, as the engine keeps them. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly ownScopes: readonly string[];
  readonly resources: Resources;
}

/** @param isNew whether a scope has to be marked, by its name and, for one of a resource, the resource's indicator */
export function askedScopes(asked: Asked, isNew: (scope: string, resource?: string) => boolean): readonly ScopeModel[] {
  const { params, ownScopes, resources } = asked;
  const requested = [...new Set(textOf(params['scope']).split(' '))].filter((scope) => scope !== '');
  const own = requested.filter((scope) => ownScopes.includes(scope) && !UNSPOKEN.has(scope));
  const byClaim = scopesOfClaims(textOf(params['claims'])).filter((scope) => !own.includes(scope));
  const models = [...own, ...byClaim].map(
    (name): ScopeModel => ({ name, group: ACTING.has(name) ? 'do' : 'see', isNew: isNew(name) }),
  );
  for (const indicator of listOf(params['resource'])) {
    const resource = resources.find(indicator);
    if (!resource) continue;
    for (const name of requested.filter((scope) => Object.hasOwn(resource.scopes, scope))) {
      const label = scopeSentence(resource, name);
      models.push({ name, group: 'do', isNew: isNew(name, indicator), label, detail: resource.name });
    }
  }
  return models;
}

/** What a client was allowed, in the same words. */
export function grantedScopes(
  granted: {
    readonly scopes: readonly string[];
    readonly claims: readonly string[];
    readonly resources: Readonly<Record<string, readonly string[]>>;
  },
  known: Omit<Asked, 'params'>,
): readonly ScopeModel[] {
  const { scopes, claims, resources } = granted;
  const params = {
    scope: scopes.join(' '),
    claims: JSON.stringify({ userinfo: Object.fromEntries(claims.map((claim) => [claim, null])) }),
  };
  const own = askedScopes({ ...known, params }, () => false);
  const ofResources = Object.entries(resources).flatMap(([indicator, names]) => {
    // One that the settings do not have any more gives no token.
    const resource = known.resources.find(indicator);
    if (!resource) return [];
    const left = names.filter((name) => Object.hasOwn(resource.scopes, name));
    return left.map((name): ScopeModel => {
      return { name, group: 'do', isNew: false, label: scopeSentence(resource, name), detail: resource.name };
    });
  });
  return [...own, ...ofResources];
}

/** The scopes that single claims belong to: the sentence for the whole is the nearest that there is. */
function scopesOfClaims(claims: string): readonly string[] {
  if (claims === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(claims);
  } catch {
    return [];
  }
  const { userinfo, id_token: idToken } = (parsed ?? {}) as { userinfo?: object; id_token?: object };
  const names = new Set([...Object.keys(userinfo ?? {}), ...Object.keys(idToken ?? {})]);
  return Object.entries(CLAIMS_BY_SCOPE)
    .filter(([scope, belonging]) => scope !== 'openid' && belonging.some((name) => names.has(name)))
    .map(([scope]) => scope);
}

function listOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
