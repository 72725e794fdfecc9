// What the table of all adapters cannot say of Microsoft: the issuer that has to be that of the token's own tenant.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, test } from 'node:test';
import { createGuardedFetch } from '../../../src/http/guarded-fetch.ts';
import { UpstreamFailure } from '../../../src/upstream/adapter.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { microsoftRow, openMicrosoft } from '../../contract/upstream-rows/microsoft.ts';
import { made } from '../../contract/upstream-rows/row.ts';

const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost'] });
const OTHER = '11111111-2222-3333-4444-555555555555';
const row = await microsoftRow.open();
afterEach(() => row.reset());
test.after(() => row.close());

async function identify(at = row): Promise<{ issuer: string; subject: string; emailVerified: boolean }> {
  const adapter = at.adapter(fetch);
  const request = {
    redirectUri: 'https://id.example.com/upstream/microsoft/callback',
    ...{ state: randomBytes(32).toString('base64url'), nonce: randomBytes(32).toString('base64url') },
    codeVerifier: randomBytes(32).toString('base64url'),
  };
  return adapter.identify(at.signIn(await adapter.authorizationUrl(request)), request);
}

const refused = (error: unknown) => error instanceof UpstreamFailure && error.step === 'id-token';

test('two tenants are two issuers, also for one object id', async () => {
  const one = await identify();
  row.hostile.claims?.({ tid: OTHER, iss: `https://login.microsoftonline.com/${OTHER}/v2.0` });
  const other = await identify();
  assert.equal(other.subject, one.subject);
  assert.notEqual(other.issuer, one.issuer);
});

for (const [what, claims] of [
  ['the issuer of another tenant', { tid: OTHER }],
  ['the tenant of another issuer', { iss: `https://login.microsoftonline.com/${OTHER}/v2.0` }],
  ['the template itself as issuer', { iss: 'https://login.microsoftonline.com/{tenantid}/v2.0' }],
  ['no tenant', { tid: undefined }],
  ['a tenant that is none', { tid: 'common', iss: 'https://login.microsoftonline.com/common/v2.0' }],
  ['no object id', { oid: undefined }],
] as const) {
  test(`an ID token with ${what} is refused`, async () => {
    row.hostile.claims?.(claims);
    await assert.rejects(identify(), (error) => refused(error) || (error as UpstreamFailure).step === 'profile');
  });
}

test('an answer may name its issuer beforehand only where there is one tenant', () => {
  const of = (tenant: string) =>
    made(createAdapter({ id: 'm', kind: 'microsoft', clientId: 'c', tenant }, { fetch, secret: 's' })).expectedIssuer;
  assert.equal(of(OTHER), `https://login.microsoftonline.com/${OTHER}/v2.0`);
  assert.equal(of('common'), null);
  assert.equal(of('contoso.onmicrosoft.com'), null);
});

/** The tenant that the row's person belongs to, and the one that all personal accounts belong to. */
const OWN = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad';
const issuerOf = (tenant: string) => `https://login.microsoftonline.com/${tenant}/v2.0`;

for (const [tenant, told] of [
  [OWN, OWN],
  [OWN.toUpperCase(), OWN],
  ['contoso.onmicrosoft.com', OWN],
] as const) {
  test(`with ${tenant} as tenant its people come in, and nobody of another tenant`, async (context) => {
    const one = await openMicrosoft(tenant, told);
    context.after(() => one.close());
    assert.equal((await identify(one)).issuer, issuerOf(OWN));
    for (const other of [OTHER, PERSONAL]) {
      for (const claims of [
        { tid: other, iss: issuerOf(other) },
        { tid: other, iss: issuerOf(OWN) },
        { tid: OWN, iss: issuerOf(other) },
      ]) {
        one.hostile.claims?.(claims);
        await assert.rejects(identify(one), refused, JSON.stringify(claims));
      }
    }
  });
}

test('with "consumers" as tenant personal accounts come in, and nobody of an organization', async (context) => {
  const one = await openMicrosoft('consumers', PERSONAL);
  context.after(() => one.close());
  one.hostile.claims?.({ tid: PERSONAL, iss: issuerOf(PERSONAL) });
  assert.equal((await identify(one)).issuer, issuerOf(PERSONAL));
  one.reset();
  await assert.rejects(identify(one), refused);
});

test('with "organizations" as tenant every organization comes in, and no personal account', async (context) => {
  const one = await openMicrosoft('organizations');
  context.after(() => one.close());
  assert.equal((await identify(one)).issuer, issuerOf(OWN));
  one.hostile.claims?.({ tid: PERSONAL, iss: issuerOf(PERSONAL) });
  await assert.rejects(identify(one), refused);
});

test('a tenant whose document names another tenant lets nobody in', async (context) => {
  const one = await openMicrosoft(OWN, OTHER);
  context.after(() => one.close());
  await assert.rejects(identify(one), refused);
  one.hostile.claims?.({ tid: OTHER, iss: issuerOf(OTHER) });
  await assert.rejects(identify(one), refused);
});
