// Subjects that differ from sector to sector (OIDC Core 8.1): the same everywhere within one, and nothing that two owners could compare.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { InvalidRequest } from '../../../src/errors.ts';
import { type JsonHost, startJsonHost } from '../../support/json-host.ts';
import { authorizationRequest, redeem, signIn, tokenRequest, userinfo } from '../../support/relying-party.ts';
import { createClient, describeOnEachBackend, startLatchkey, type TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';

const API = 'https://api.example.com';
const env = {
  LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
  ...settingsFile(`resources: [{ id: ${API}, scopes: [read] }]`),
};

describeOnEachBackend(
  'a pairwise subject',
  (latchkey) => {
    let host: JsonHost;
    before(async () => {
      host = await startJsonHost({ isSecure: true });
    });
    after(() => host.close());

    const at = (redirectUri: string, metadata: Record<string, unknown> = {}) =>
      latchkey().createClient({ redirect_uris: [redirectUri], subject_type: 'pairwise', ...metadata });
    const tokens = async (client: TestClient, account: AccountRow, params: Record<string, string> = {}) => {
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params });
      return (await redeem(latchkey(), client, signedIn)).body;
    };
    const subjectAt = async (client: TestClient, account: AccountRow) =>
      String(decodeJwt(String((await tokens(client, account))['id_token'])).sub);
    const refusal = (metadata: Record<string, unknown>) =>
      latchkey()
        .createClient({ subject_type: 'pairwise', ...metadata })
        .then(
          () => 'accepted',
          (error: unknown) => {
            assert.ok(error instanceof InvalidRequest, String(error));
            return error.message;
          },
        );

    it('is the same for all clients of one host, another for another host, and never the public one', async () => {
      const account = await latchkey().createAccount();
      const [one, same, other] = [
        await at('https://a.example.com/one'),
        await at('https://a.example.com/two'),
        await at('https://b.example.com/one'),
      ];
      const subject = await subjectAt(one, account);
      assert.equal(await subjectAt(one, account), subject);
      assert.equal(await subjectAt(same, account), subject);
      assert.notEqual(await subjectAt(other, account), subject);
      assert.notEqual(subject, account.subject);
      assert.notEqual(await subjectAt(one, await latchkey().createAccount()), subject);
    });

    it('stands in everything that the client gets: ID token, userinfo, introspection, tokens for an API', async () => {
      const account = await latchkey().createAccount();
      const client = await at('https://c.example.com/cb');
      const subject = await subjectAt(client, account);
      const plain = await tokens(client, account);
      assert.equal((await userinfo(latchkey(), plain['access_token'])).body['sub'], subject);
      const seen = await tokenRequest(latchkey(), '/token/introspection', client, {
        token: String(plain['access_token']),
      });
      assert.equal(seen.body['sub'], subject);
      const forApi = await tokens(client, account, { scope: 'openid read', resource: API });
      assert.equal(decodeJwt(String(forApi['access_token'])).sub, subject);
    });

    it('is understood again in a hint', async () => {
      const account = await latchkey().createAccount();
      const client = await at('https://d.example.com/cb');
      const browser = latchkey().browser();
      const signedIn = await signIn(latchkey(), browser, client, { account });
      const { id_token: hint } = (await redeem(latchkey(), client, signedIn)).body;
      const { url } = authorizationRequest(latchkey().issuer, client, { prompt: 'none', id_token_hint: String(hint) });
      assert.ok((await browser.get(url)).params['code']);
    });

    describe('of a sector with a document', () => {
      it('is that of the document’s host, for clients on whichever hosts it lists', async () => {
        const uris = ['https://shop.example.com/cb', 'https://blog.example.org/cb'];
        host.documents.set('/sector', uris);
        const sector = { sector_identifier_uri: `${host.url}/sector` };
        const [shop, blog] = [await at(uris[0] ?? '', sector), await at(uris[1] ?? '', sector)];
        const both = await latchkey().createClient({ redirect_uris: uris, subject_type: 'pairwise', ...sector });
        const account = await latchkey().createAccount();
        const subject = await subjectAt(shop, account);
        assert.equal(await subjectAt(blog, account), subject);
        assert.equal(await subjectAt(both, account), subject);
        assert.notEqual(await subjectAt(await at('https://shop.example.com/cb'), account), subject);
      });

      it('does not depend on the document once the client is registered', async () => {
        host.documents.set('/gone', ['https://e.example.com/cb']);
        const client = await at('https://e.example.com/cb', { sector_identifier_uri: `${host.url}/gone` });
        const account = await latchkey().createAccount();
        host.documents.delete('/gone');
        const asked = host.asked.length;
        assert.ok(await subjectAt(client, account));
        assert.equal(host.asked.length, asked);
      });

      it('is refused where the document is away, wrong, or lacks a redirect URI', async () => {
        const redirect = { redirect_uris: ['https://f.example.com/cb'] };
        const document = (path: string) => ({ ...redirect, sector_identifier_uri: `${host.url}${path}` });
        host.documents.set('/others', ['https://f.example.com/other']);
        host.documents.set('/object', { redirect_uris: ['https://f.example.com/cb'] });
        host.documents.set('/numbers', [1]);
        host.documents.set('/broken', '[');
        assert.match(await refusal(document('/missing')), /expected 200 OK, got 404/);
        assert.match(await refusal(document('/others')), /must be included/);
        assert.match(await refusal(document('/object')), /single JSON array/);
        assert.match(await refusal(document('/numbers')), /array of redirect_uri values/);
        assert.match(await refusal(document('/broken')), /failed to parse/);
        assert.match(await refusal({ ...redirect, sector_identifier_uri: 'http://f.example.com/x' }), /https uri/);
        host.documents.set('/large', JSON.stringify(Array.from({ length: 200_000 }, () => 'https://f.example.com/cb')));
        assert.notEqual(await refusal(document('/large')), 'accepted');
      });
    });

    it('needs a document where the redirect URIs are on several hosts', async () => {
      const uris = ['https://g.example.com/cb', 'https://h.example.com/cb'];
      assert.match(await refusal({ redirect_uris: uris }), /sector_identifier_uri is mandatory/);
    });
  },
  { env },
);

describe('the salt of pairwise subjects', () => {
  it('is made once: a restart and another process know the same people', async () => {
    const first = await startLatchkey();
    try {
      const client = await createClient(first.app, {
        subject_type: 'pairwise',
        redirect_uris: ['https://a.example.com/'],
      });
      const account = await first.createAccount();
      const read = async () => {
        const signedIn = await signIn(first, first.browser(), client, { account });
        return decodeJwt(String((await redeem(first, client, signedIn)).body['id_token'])).sub;
      };
      const subject = await read();
      // A new engine loads everything again, as another process does.
      await first.app.engine.reload();
      assert.equal(await read(), subject);
      const { rows } = await first.app.database.sql.query<{ count: number }>({
        name: '',
        text: `select count(*)::int as count from sealed_secret where purpose = 'pairwise-salt'`,
      });
      assert.deepEqual(rows, [{ count: 1 }]);
    } finally {
      await first.stop();
    }
  });
});
