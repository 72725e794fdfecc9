// Declares a plan: one case named after each module, for each variant and each back end.
import { before, describe, it } from 'node:test';
import { describeOnEachBackend } from '../../support/server.ts';
import { oidccModules } from './oidcc-modules.ts';
import { planOptions, Suite, type Variant } from './relying-party.ts';

/** @param modules the suite's names; every one must be written @param isTestTypes whether implicit and hybrid types are switched on */
export function describePlan(
  plan: string,
  variants: readonly (Variant & { readonly modules: readonly string[] })[],
  isTestTypes: boolean,
): void {
  describeOnEachBackend(
    plan,
    (latchkey) => {
      for (const variant of variants) {
        const { responseType, responseMode = 'default', modules } = variant;
        describe(`with ${responseType}, ${responseMode}`, () => {
          let suite: Suite | undefined;
          before(async () => {
            suite = await Suite.open(latchkey(), variant);
          });
          for (const name of modules) {
            it(name, async () => {
              const run = oidccModules[name];
              if (!run || !suite) throw new Error(`there is no module ${name}`);
              await run(suite);
            });
          }
        });
      }
    },
    planOptions(isTestTypes),
  );
}

const NONCE_LESS = 'oidcc-ensure-request-without-nonce-succeeds-for-code-flow';
const NEEDS_NONCE = 'oidcc-ensure-request-without-nonce-fails';
const ALL_MODULES = Object.keys(oidccModules);

/** The Basic plan; the others are made from its list (docs of the suite, part by part). */
export const BASIC_MODULES = without(ALL_MODULES, NEEDS_NONCE);

/** The list of the Implicit plan. Userinfo needs an access token. */
export function implicitModules(responseType: string): readonly string[] {
  const modules = without(
    ALL_MODULES,
    ...['oidcc-codereuse', 'oidcc-codereuse-30seconds', 'oidcc-refresh-token', 'oidcc-server-client-secret-post'],
    ...[
      'oidcc-ensure-request-with-valid-pkce-succeeds',
      'oidcc-ensure-post-request-succeeds',
      'oidcc-idtoken-unsigned',
    ],
    NONCE_LESS,
  );
  const atUserinfo = ['oidcc-userinfo-get', 'oidcc-userinfo-post-header', 'oidcc-userinfo-post-body'];
  return responseType === 'id_token' ? without(modules, ...atUserinfo) : modules;
}

/** The list of the Hybrid plan. A nonce is needed where an ID token comes back at the front. */
export function hybridModules(responseType: string): readonly string[] {
  const modules = without(ALL_MODULES, 'oidcc-idtoken-unsigned', 'oidcc-ensure-post-request-succeeds');
  return without(modules, responseType === 'code token' ? NEEDS_NONCE : NONCE_LESS);
}

function without(modules: readonly string[], ...names: readonly string[]): readonly string[] {
  for (const name of names) if (!modules.includes(name)) throw new Error(`there is no module ${name} to leave out`);
  return modules.filter((name) => !names.includes(name));
}
