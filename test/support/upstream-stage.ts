// Latchkey between an app and its upstreams: honest and scripted ones on loopback, declared in YAML, and the walk of a person through all three.
import { after } from 'node:test';
import type { Browser, Page } from './browser-client.ts';
import { authorizationRequest, type Parameters } from './relying-party.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT, type UpstreamPerson } from './scripted-upstream.ts';
import type { Latchkey, TestClient } from './server.ts';
import { settingsFile } from './settings-file.ts';

export interface Stage {
  readonly upstreams: Readonly<Record<string, ScriptedUpstream>>;
  /** For `startLatchkey`. */
  readonly env: Readonly<Record<string, string>>;
}

/** One scripted upstream for each id. @param settings members of its declaration beside those that reach it */
export async function setStage(settings: Readonly<Record<string, object>>): Promise<Stage> {
  const upstreams: Record<string, ScriptedUpstream> = {};
  const declarations: object[] = [];
  for (const [id, more] of Object.entries(settings)) {
    const upstream = await ScriptedUpstream.start();
    upstreams[id] = upstream;
    declarations.push({
      ...{ id, kind: 'oidc', clientId: UPSTREAM_CLIENT.id, clientSecret: UPSTREAM_CLIENT.secret },
      endpoints: { issuer: upstream.issuer },
      ...more,
    });
  }
  after(() => Promise.all(Object.values(upstreams).map((one) => one.close())));
  return {
    upstreams,
    env: {
      ...settingsFile(JSON.stringify({ upstreams: declarations })),
      LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
    },
  };
}

/** The sign-in page of an app's request. */
export async function openSignIn(
  latchkey: Latchkey,
  browser: Browser,
  client: TestClient,
  params: Parameters = {},
): Promise<Page> {
  return browser.get(authorizationRequest(latchkey.issuer, client, params).url);
}

/** The button of an upstream. @returns the redirect to the upstream */
export async function press(browser: Browser, page: Page, id: string): Promise<Page> {
  return browser.submit(page, {}, { button: ['upstream', id] });
}

/** The address that the upstream sends the browser back to, once somebody signed in there. */
export function signInThere(upstream: ScriptedUpstream, redirect: Page, person?: UpstreamPerson): URL {
  if (redirect.location === null) throw new Error(`no redirect to the upstream: ${redirect.describe()}`);
  const callback = new URL(redirect.location.searchParams.get('redirect_uri') ?? '');
  callback.search = upstream.authorize(redirect.location, person).toString();
  return callback;
}

/** From the sign-in page over the upstream to whatever comes then. */
export async function passThrough(
  browser: Browser,
  page: Page,
  id: string,
  upstream: ScriptedUpstream,
  person?: UpstreamPerson,
): Promise<Page> {
  return browser.get(signInThere(upstream, await press(browser, page, id), person), { 'sec-fetch-site': 'cross-site' });
}
