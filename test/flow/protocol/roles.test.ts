// The scope `roles`: which roles and permissions a client is told of, and how soon a change shows.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RoleInput } from '../../../src/access/roles.ts';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { redeem, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const AUDIENCE = 'https://api.example.com';
const SHOP: RoleInput = {
  ...{ id: 'shop-manager', name: 'Shop manager', rank: 0, inherits: [], audience: AUDIENCE },
  permissions: ['orders:read', 'orders:refund'],
};

describeOnEachBackend('the scope roles', (latchkey) => {
  const change = (work: Parameters<ReturnType<typeof latchkey>['app']['database']['transaction']>[0]) =>
    latchkey().app.database.transaction(work);
  const roles = () => latchkey().app.roles;

  async function tokenFor(client: TestClient, account: AccountRow, scope: string): Promise<string> {
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params: { scope } });
    return String((await redeem(latchkey(), client, signedIn)).body['access_token']);
  }
  async function userinfo(token: string): Promise<{ roles?: string[]; permissions?: string[] }> {
    const answer = await send(`${latchkey().issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text) as { roles?: string[]; permissions?: string[] };
  }

  it('tells a client of an API the roles of that API alone, and a change at the next request', async () => {
    const account = await latchkey().createAccount();
    await change(async (em) => {
      await roles().save(em, SHOP, CLI);
      await roles().assign(em, account.id, 'shop-manager', CLI);
      await roles().assign(em, account.id, 'support', CLI);
    });
    const client = await latchkey().createClient({ latchkey_role_audience: AUDIENCE });
    const token = await tokenFor(client, account, 'openid roles');
    const claims = await userinfo(token);
    assert.deepEqual(claims.roles, ['shop-manager']);
    assert.deepEqual(claims.permissions, ['orders:read', 'orders:refund']);
    await change((em) => roles().revoke(em, account.id, 'shop-manager', CLI));
    assert.deepEqual((await userinfo(token)).roles, []);
  });

  it('tells a client of no API the roles of the provider, inherited ones too', async () => {
    const account = await latchkey().createAccount();
    await change((em) => roles().assign(em, account.id, 'support', CLI));
    const claims = await userinfo(await tokenFor(await latchkey().createClient(), account, 'openid roles'));
    assert.deepEqual(claims.roles, ['support', 'viewer']);
    assert.equal(claims.permissions?.length, 7);
  });

  it('is needed to be told', async () => {
    const account = await latchkey().createAccount();
    await change((em) => roles().assign(em, account.id, 'support', CLI));
    const claims = await userinfo(await tokenFor(await latchkey().createClient(), account, 'openid profile'));
    assert.deepEqual([claims.roles, claims.permissions], [undefined, undefined]);
  });

  it('the last super-admin can be neither disabled nor deleted', async () => {
    const account = await latchkey().createAccount();
    await change((em) => roles().assign(em, account.id, 'super-admin', CLI));
    const { sessionsAndGrants, accounts } = latchkey().app;
    for (const end of [sessionsAndGrants.disable, sessionsAndGrants.delete]) {
      await assert.rejects(end.call(sessionsAndGrants, account, CLI), { code: 'last-super-admin' });
    }
    assert.equal((await accounts.get(account.id)).status, 'active');
  });
});
