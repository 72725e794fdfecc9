// What apps learn of organizations, through openid-client: which there are, the one of this sign-in, and that what was taken away is told nobody.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as oidc from 'openid-client';
import type { MemberRole, Organization } from '../../src/access/organizations.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
let count = 0;

function make(latchkey: Latchkey): Promise<Organization> {
  const slug = `claims-${(count += 1)}`;
  const input = { slug, name: `The ${slug}`, domains: [], secondFactorRequired: false };
  return latchkey.app.organizations.create(input, BY, CLI);
}

async function personIn(latchkey: Latchkey, places: readonly (readonly [Organization, MemberRole])[]) {
  const account = await latchkey.createAccount();
  for (const [organization, role] of places) {
    await latchkey.app.organizations.add(organization.id, account.id, role, BY, CLI);
  }
  return account;
}

function discover(latchkey: Latchkey, client: TestClient): Promise<oidc.Configuration> {
  return oidc.discovery(
    new URL(latchkey.issuer),
    client.clientId,
    undefined,
    oidc.ClientSecretBasic(client.clientSecret ?? ''),
    {
      execute: [oidc.allowInsecureRequests],
    },
  );
}

/** Opens the app's sign-in. @returns where it ends, and what the app does with that */
async function begin(
  latchkey: Latchkey,
  client: TestClient,
  browser: Browser,
  account: Awaited<ReturnType<Latchkey['createAccount']>>,
  params: Record<string, string> = {},
) {
  const config = await discover(latchkey, client);
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: client.redirectUri,
    scope: 'openid organizations',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...params,
  });
  const page = await answerPrompts(browser, await browser.get(url), { account });
  const finish = async (end: Page) => {
    assert.ok(end.location, end.describe());
    const tokens = await oidc.authorizationCodeGrant(config, end.location, { pkceCodeVerifier });
    const claims = tokens.claims();
    const info = await oidc.fetchUserInfo(config, tokens.access_token, String(claims?.sub));
    return { config, tokens, claims, info };
  };
  return { page, finish };
}

describeOnEachBackend('organizations in tokens', (latchkey) => {
  it('are told by their scope only, with the only one as org_id', async () => {
    const one = await make(latchkey());
    const account = await personIn(latchkey(), [[one, 'admin']]);
    const client = await latchkey().createClient();
    const { page, finish } = await begin(latchkey(), client, latchkey().browser(), account);
    const { claims, info } = await finish(page);
    assert.equal(claims?.['org_id'], one.id);
    assert.equal(info['org_id'], one.id);
    assert.deepEqual(info['organizations'], [{ id: one.id, slug: one.slug, name: one.name, roles: ['admin'] }]);
    const plain = await begin(latchkey(), client, latchkey().browser(), account, { scope: 'openid' });
    const without = await plain.finish(plain.page);
    assert.equal(without.claims?.['org_id'], undefined);
    assert.equal(without.info['organizations'], undefined);
  });

  it('are an empty list for who belongs to none', async () => {
    const client = await latchkey().createClient();
    const account = await personIn(latchkey(), []);
    const { page, finish } = await begin(latchkey(), client, latchkey().browser(), account);
    const { claims, info } = await finish(page);
    assert.deepEqual(info['organizations'], []);
    assert.equal(claims?.['org_id'], undefined);
  });

  it('are chosen from on a page, for each sign-in anew, and a choice outlives a refresh but not the membership', async () => {
    const [one, two] = [await make(latchkey()), await make(latchkey())];
    const account = await personIn(latchkey(), [
      [one, 'member'],
      [two, 'owner'],
    ]);
    const foreign = await make(latchkey());
    await personIn(latchkey(), [[foreign, 'owner']]);
    const client = await latchkey().createClient({ grant_types: ['authorization_code', 'refresh_token'] });
    const browser = latchkey().browser();
    const params = { scope: 'openid organizations offline_access', prompt: 'consent' };
    const first = await begin(latchkey(), client, browser, account, params);
    assert.equal(first.page.id, 'select-organization', first.page.describe());
    assert.equal(first.page.html.querySelectorAll('[name=organization]').length, 2);
    const csrf = first.page.element('[name=csrf]').getAttribute('value') ?? '';
    const action = first.page.element('form[action$="/organization"]').getAttribute('action') ?? '';
    const forged = await browser.post(action, new URLSearchParams({ csrf, organization: foreign.id }).toString());
    assert.equal(forged.status, 400, forged.describe());
    const form = { form: 'form[action$="/organization"]' };
    const chosen = await browser.submit(first.page, { organization: two.id }, form);
    const { config, tokens, claims, info } = await first.finish(await answerPrompts(browser, chosen, { account }));
    assert.equal(claims?.['org_id'], two.id);
    assert.equal((info['organizations'] as object[]).length, 2);

    const again = await begin(latchkey(), client, browser, account);
    assert.equal(again.page.id, 'select-organization', 'another sign-in is another choice');
    const other = await browser.submit(again.page, { organization: one.id }, form);
    assert.equal((await again.finish(await answerPrompts(browser, other, { account }))).claims?.['org_id'], one.id);

    const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
    assert.equal(renewed.claims()?.['org_id'], two.id, 'the choice of that sign-in');
    const hint = { prompt: 'none', id_token_hint: tokens.id_token ?? '' };
    const silent = await begin(latchkey(), client, browser, account, hint);
    assert.equal((await silent.finish(silent.page)).claims?.['org_id'], two.id);
    const blind = await begin(latchkey(), client, browser, account, { prompt: 'none' });
    assert.equal(blind.page.params['error'], 'interaction_required');

    await latchkey().app.organizations.add(foreign.id, account.id, 'owner', BY, CLI);
    await latchkey().app.organizations.setRole(foreign.id, account.id, 'member', BY, CLI);
    await latchkey().app.organizations.delete(two.id, BY, CLI);
    const sub = String(renewed.claims()?.sub);
    const after = await oidc.fetchUserInfo(config, renewed.access_token, sub);
    assert.equal(after['org_id'], undefined, 'at once');
    const left = after['organizations'] as unknown as readonly { readonly id: string }[];
    assert.deepEqual(left.map(({ id }) => id).toSorted(), [one.id, foreign.id].toSorted());
  });

  it('are named by the app, by id or short name, and no other is given', async () => {
    const [one, two, foreign] = [await make(latchkey()), await make(latchkey()), await make(latchkey())];
    const account = await personIn(latchkey(), [
      [one, 'member'],
      [two, 'member'],
    ]);
    const client = await latchkey().createClient();
    for (const organization of [two.slug, two.id]) {
      const { page, finish } = await begin(latchkey(), client, latchkey().browser(), account, { organization });
      assert.equal((await finish(page)).claims?.['org_id'], two.id);
    }
    for (const organization of [foreign.slug, foreign.id, 'none-such']) {
      const { page } = await begin(latchkey(), client, latchkey().browser(), account, { organization });
      assert.equal(page.params['error'], 'access_denied', page.describe());
    }
    const claims = JSON.stringify({ id_token: { auth_time: null }, latchkey_organization: foreign.id });
    const { page } = await begin(latchkey(), client, latchkey().browser(), account, { claims });
    assert.equal(page.id, 'select-organization', 'what a client writes into the claims counts for nothing');
  });

  it('are advertised', async () => {
    const config = await discover(latchkey(), await latchkey().createClient());
    const { scopes_supported: scopes = [], claims_supported: claims = [] } = config.serverMetadata();
    assert.ok(scopes.includes('organizations'));
    for (const claim of ['organizations', 'org_id']) assert.ok(claims.includes(claim), claim);
  });
});
