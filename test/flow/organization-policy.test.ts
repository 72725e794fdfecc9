// What an organization asks of the sign-ins that are for it: only some ways count, and only for so long. It holds for apps that are told the organization,
// is asked anew when the choice of the organization comes late, and never lets anybody stay longer than the deployment does.
import assert from 'node:assert/strict';
import { afterEach, it, mock } from 'node:test';
import * as oidc from 'openid-client';
import type { Organization, SignInRules } from '../../src/access/organizations.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';
import { passThrough, setStage } from '../support/upstream-stage.ts';

const stage = await setStage({ company: { label: 'Company', trustEmail: true }, other: { label: 'Other' } });
const { company } = stage.upstreams;
if (!company) throw new Error('the stage is not set');
afterEach(() => company.reset());

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
const FREE: SignInRules = { ways: null, sessionTtl: null };
let count = 0;

async function make(latchkey: Latchkey, rules: Partial<SignInRules> = {}): Promise<Organization> {
  const slug = `asking-${(count += 1)}`;
  const base = { slug, name: `The ${slug}`, domains: [], secondFactorRequired: false };
  return latchkey.app.organizations.create({ ...base, ...FREE, ...rules }, BY, CLI);
}

async function personIn(latchkey: Latchkey, ...organizations: readonly Organization[]): Promise<AccountRow> {
  const account = await latchkey.createAccount();
  for (const { id } of organizations) await latchkey.app.organizations.add(id, account.id, 'member', BY, CLI);
  return account;
}

function discover(latchkey: Latchkey, client: TestClient): Promise<oidc.Configuration> {
  const authentication = oidc.ClientSecretBasic(client.clientSecret ?? '');
  return oidc.discovery(new URL(latchkey.issuer), client.clientId, undefined, authentication, {
    execute: [oidc.allowInsecureRequests],
  });
}

/** The sign-in page of an app that asks for organizations, or what comes instead. */
async function begin(
  latchkey: Latchkey,
  client: TestClient,
  browser: Browser,
  params: Record<string, string> = {},
): Promise<{
  page: Page;
  finish: (end: Page) => Promise<oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers>;
}> {
  const config = await discover(latchkey, client);
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: client.redirectUri,
    scope: 'openid organizations',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...params,
  });
  const finish = async (end: Page) => {
    assert.ok(end.location, end.describe());
    return oidc.authorizationCodeGrant(config, end.location, { pkceCodeVerifier });
  };
  return { page: await browser.get(url), finish };
}

const password = (browser: Browser, page: Page, account: AccountRow): Promise<Page> =>
  browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });

function atCompany(browser: Browser, page: Page, { email, id }: AccountRow): Promise<Page> {
  assert.ok(company);
  return passThrough(browser, page, 'company', company, { sub: id, email: email ?? '', email_verified: true });
}

/** The upstream is trusted for addresses, so the first sign-in there links it. */
async function link(latchkey: Latchkey, client: TestClient, account: AccountRow): Promise<void> {
  const browser = latchkey.browser();
  const { page } = await begin(latchkey, client, browser, { scope: 'openid' });
  const end = await answerPrompts(browser, await atCompany(browser, page, account), {});
  assert.ok(end.params['code'], end.describe());
}

const buttons = (page: Page): readonly (string | undefined)[] =>
  page.html.querySelectorAll('[data-upstream]').map((one) => one.getAttribute('data-upstream'));

describeOnEachBackend(
  'the ways that an organization takes',
  (latchkey) => {
    it('are asked for after another one, with nothing else on the page, and then the app gets its tokens', async () => {
      const organization = await make(latchkey(), { ways: ['upstream:company'] });
      const account = await personIn(latchkey(), organization);
      const client = await latchkey().createClient();
      await link(latchkey(), client, account);
      const browser = latchkey().browser();
      const { page, finish } = await begin(latchkey(), client, browser);
      const again = await password(browser, page, account);
      assert.equal(again.id, 'reauthenticate', again.describe());
      assert.match(again.text, new RegExp(organization.name));
      assert.deepEqual(buttons(again), ['company']);
      assert.equal(again.html.querySelector('[name=password]'), null);
      // A form that the page did not show leads to the same question.
      const csrf = again.element('[name=csrf]').getAttribute('value') ?? '';
      const login = { csrf, login: account.email ?? '', password: TEST_PASSWORD };
      const forged = await browser.post(`${again.url.pathname}/login`, new URLSearchParams(login).toString());
      const still = await browser.get(forged.location ?? '');
      assert.equal(still.id, 'reauthenticate', still.describe());
      const end = await answerPrompts(browser, await atCompany(browser, still, account), {});
      assert.equal((await finish(end)).claims()?.['org_id'], organization.id);
      // The session remembers how it began.
      const second = await begin(latchkey(), client, browser);
      assert.equal((await second.finish(second.page)).claims()?.['org_id'], organization.id);
    });

    it('are asked for once the organization is chosen, and not for another one', async () => {
      const strict = await make(latchkey(), { ways: ['upstream:company'] });
      const free = await make(latchkey());
      const account = await personIn(latchkey(), strict, free);
      const client = await latchkey().createClient();
      await link(latchkey(), client, account);
      const browser = latchkey().browser();
      const form = { form: 'form[action$="/organization"]' };
      const first = await begin(latchkey(), client, browser);
      const choice = await password(browser, first.page, account);
      assert.equal(choice.id, 'select-organization', choice.describe());
      const allowed = await answerPrompts(browser, await browser.submit(choice, { organization: free.id }, form), {});
      assert.equal((await first.finish(allowed)).claims()?.['org_id'], free.id);
      const second = await begin(latchkey(), client, browser);
      const asked = await browser.submit(second.page, { organization: strict.id }, form);
      assert.equal(asked.id, 'reauthenticate', asked.describe());
      const end = await answerPrompts(browser, await atCompany(browser, asked, account), {});
      assert.equal((await second.finish(end)).claims()?.['org_id'], strict.id, 'the choice is not asked again');
    });

    it('count for a silent renewal, for a session from before the rule, and not for apps that are told no organization', async () => {
      const organization = await make(latchkey());
      const account = await personIn(latchkey(), organization);
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      const first = await begin(latchkey(), client, browser);
      await first.finish(await answerPrompts(browser, await password(browser, first.page, account), {}));
      const { name, domains } = organization;
      const input = { name, domains, secondFactorRequired: false, ways: ['passkey'] };
      await latchkey().app.organizations.update(organization.id, input, BY, CLI);
      const silent = await begin(latchkey(), client, browser, { prompt: 'none' });
      assert.equal(silent.page.params['error'], 'login_required', silent.page.describe());
      const named = await begin(latchkey(), client, browser, { prompt: 'none', organization: organization.slug });
      assert.equal(named.page.params['error'], 'login_required', named.page.describe());
      const plain = await begin(latchkey(), client, browser, { prompt: 'none', scope: 'openid' });
      assert.ok(plain.page.params['code'], plain.page.describe());
      assert.notEqual((await browser.get('/account/organizations')).id, 'error', 'the account itself is not locked');
    });

    it('leave nobody between two pages who is not in the organization that the app names', async () => {
      const strict = await make(latchkey(), { ways: ['passkey'] });
      const account = await personIn(latchkey());
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      const { page } = await begin(latchkey(), client, browser, { organization: strict.slug });
      assert.equal(page.html.querySelectorAll('[data-upstream]').length, 2, 'the page before says nothing of it');
      const end = await password(browser, page, account);
      assert.equal(end.params['error'], 'access_denied', end.describe());
    });
  },
  { env: stage.env },
);

describeOnEachBackend('the life that an organization gives a sign-in', (latchkey) => {
  it('ends before that of the deployment: the app asks again, and a refresh token dies', async () => {
    const organization = await make(latchkey(), { sessionTtl: 300 });
    const account = await personIn(latchkey(), organization);
    const client = await latchkey().createClient({ grant_types: ['authorization_code', 'refresh_token'] });
    const browser = latchkey().browser();
    const params = { scope: 'openid organizations offline_access', prompt: 'consent' };
    const first = await begin(latchkey(), client, browser, params);
    const end = await answerPrompts(browser, await password(browser, first.page, account), {});
    const tokens = await first.finish(end);
    assert.equal(tokens.claims()?.['org_id'], organization.id);
    const again = await begin(latchkey(), client, browser, { prompt: 'none' });
    assert.ok(again.page.params['code'], again.page.describe());
    const config = await discover(latchkey(), client);
    const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
    assert.equal(renewed.claims()?.['org_id'], organization.id);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 301_000 });
    try {
      const late = await begin(latchkey(), client, browser, { prompt: 'none' });
      assert.equal(late.page.params['error'], 'login_required', late.page.describe());
      const plain = await begin(latchkey(), client, browser, { prompt: 'none', scope: 'openid' });
      assert.ok(plain.page.params['code'], 'other apps go on');
      await assert.rejects(oidc.refreshTokenGrant(config, renewed.refresh_token ?? ''), { error: 'invalid_grant' });
      const asked = await begin(latchkey(), client, browser);
      assert.equal(asked.page.id, 'reauthenticate', asked.page.describe());
      const back = await answerPrompts(browser, await browser.submit(asked.page, { password: TEST_PASSWORD }), {});
      assert.equal((await asked.finish(back)).claims()?.['org_id'], organization.id);
    } finally {
      mock.timers.reset();
    }
  });

  it('is told no app any more that was made shorter meanwhile', async () => {
    const organization = await make(latchkey());
    const account = await personIn(latchkey(), organization);
    const { organizations } = latchkey().app;
    const now = Date.now() / 1000;
    const told = async (signedInAt: number) =>
      (await organizations.claimsFor(account.id, organization.id, signedInAt))['org_id'];
    assert.equal(await told(now - 1000), organization.id);
    const { name, domains } = organization;
    const input = { name, domains, secondFactorRequired: false, sessionTtl: 600 };
    await organizations.update(organization.id, input, BY, CLI);
    assert.equal(await told(now - 1000), undefined);
    assert.equal(await told(now - 500), organization.id);
  });

  it('is no number that nobody could sign in with, nor are ways that there are not', async () => {
    const organization = await make(latchkey());
    const { name, domains } = organization;
    const input = { name, domains, secondFactorRequired: false };
    const update = (rules: Partial<SignInRules>) =>
      latchkey().app.organizations.update(organization.id, { ...input, ...rules }, BY, CLI);
    for (const sessionTtl of [0, 299, 300.5, 31_536_001]) {
      await assert.rejects(update({ sessionTtl }), { code: 'organization-session' });
    }
    for (const ways of [[], ['totp'], ['upstream:'], ['Password']]) {
      await assert.rejects(update({ ways }), { code: 'organization-ways' });
    }
  });
});
