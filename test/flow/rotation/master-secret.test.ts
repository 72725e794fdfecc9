// The master secret is changed while people and apps are at work: with the one before at hand nobody notices; after `keys reseal` it can go, and
// what goes with it is only what would have ended soon.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeJwt } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { parseCommandLine } from '../../../src/command/parse.ts';
import { present } from '../../../src/command/present.ts';
import { Seal } from '../../../src/crypto/seal.ts';
import type { Browser } from '../../support/browser-client.ts';
import { authorizationRequest, isSignedIn, redeem, refresh, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_SECRET, type TestClient } from '../../support/server.ts';
import { addTotp, codeOf, forgetSteps } from '../factors/stories.ts';
import { askForCode, FREE_ENV, newAddress, readMail, visit } from '../mailed/stories.ts';

const NEXT_SECRET = 'v9Qk2mXc7TzRf4LbWs8HnYp3JdGe6UaK';
const ROTATING = { LATCHKEY_SECRET: NEXT_SECRET, LATCHKEY_SECRET_PREVIOUS: TEST_SECRET };
const ROTATED = { LATCHKEY_SECRET: NEXT_SECRET, LATCHKEY_SECRET_PREVIOUS: undefined };
const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };

/** Somebody who was there before the secret changed, at an app that knows them under a name of its own. */
interface Resident {
  readonly account: AccountRow;
  readonly browser: Browser;
  readonly client: TestClient;
  readonly subject: string | undefined;
  refreshToken: unknown;
}

async function moveIn(latchkey: Latchkey): Promise<Resident> {
  const account = await latchkey.createAccount();
  const client = await latchkey.createClient({ subject_type: 'pairwise' });
  const browser = latchkey.browser();
  const { body } = await redeem(
    latchkey,
    client,
    await signIn(latchkey, browser, client, { account, params: OFFLINE }),
  );
  assert.equal((await browser.get('/account/security')).id, 'account-security');
  const subject = decodeJwt(String(body['id_token'])).sub;
  assert.notEqual(subject, account.subject);
  return { account, browser, client, subject, refreshToken: body['refresh_token'] };
}

/** Session, portal, refresh token, password, and the name at the app. */
async function assertAtHome(latchkey: Latchkey, one: Resident): Promise<void> {
  assert.equal(await isSignedIn(latchkey, one.browser), true);
  assert.equal((await one.browser.get('/account/security')).id, 'account-security');
  const { status, body } = await refresh(latchkey, one.client, one.refreshToken);
  assert.equal(status, 200, JSON.stringify(body));
  one.refreshToken = body['refresh_token'];
  assert.equal(decodeJwt(String(body['id_token'])).sub, one.subject);
  const again = await signIn(latchkey, latchkey.browser(), one.client, { account: one.account });
  const tokens = await redeem(latchkey, one.client, again);
  assert.equal(decodeJwt(String(tokens.body['id_token'])).sub, one.subject);
}

async function assertSecondFactor(latchkey: Latchkey, account: AccountRow, secret: string): Promise<void> {
  await forgetSteps(latchkey, account);
  const { browser, login } = await visit(latchkey);
  const asked = await browser.submit(login, { login: account.email ?? '', password: 'correct horse battery staple' });
  assert.equal(asked.id, 'second-factor', asked.describe());
  const through = await browser.submit(asked, { code: codeOf(secret) });
  assert.equal(through.id, 'consent', through.describe());
}

async function chooserOf(latchkey: Latchkey, browser: Browser): Promise<string | null> {
  const client = await latchkey.createClient();
  return (await browser.get(authorizationRequest(latchkey.issuer, client, { prompt: 'select_account' }).url)).id;
}

/** A browser in which somebody was signed in and is no more, so that only the name is left. */
async function rememberedBrowser(latchkey: Latchkey): Promise<Browser> {
  const browser = latchkey.browser();
  await signIn(latchkey, browser, await latchkey.createClient(), { account: await latchkey.createAccount() });
  const { cookies } = await browser.jar.serialize();
  await browser.jar.removeAllCookies();
  for (const cookie of cookies.filter((one) => one.key === 'latchkey_accounts')) {
    await browser.jar.setCookie(`${cookie.key}=${cookie.value}; Path=/`, latchkey.issuer);
  }
  return browser;
}

async function reseal({ app }: Latchkey): Promise<number> {
  const task = parseCommandLine(['keys', 'reseal', '--json']);
  assert.ok('kind' in task && task.kind === 'storage');
  const printed = await present(true, undefined, () => task.run(app, ''));
  assert.equal(printed.exitCode, 0, printed.stderr);
  const { stores } = JSON.parse(printed.stdout) as { stores: { resealed: number; unreadable: number }[] };
  for (const store of stores) assert.equal(store.unreadable, 0, JSON.stringify(store));
  return stores.reduce((total, store) => total + store.resealed, 0);
}

describeOnEachBackend(
  'a change of the master secret',
  (latchkey) => {
    it('signs nobody out, and after sealing again the old one is not needed', async () => {
      // One of each is used while both secrets are there, the other one not before the old one is gone.
      const [used, unused] = [await moveIn(latchkey()), await moveIn(latchkey())];
      const careful = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), careful);
      const [chooser, idle] = [await rememberedBrowser(latchkey()), await rememberedBrowser(latchkey())];
      const open = await visit(latchkey());
      const forgotten = await visit(latchkey());
      const asked = await Promise.all(
        [1, 2, 3].map(async () => {
          const account = await latchkey().createAccount({ email: newAddress() });
          const one = await visit(latchkey());
          return {
            one,
            page: await askForCode(one, account.email ?? ''),
            mail: await readMail(latchkey(), account.email ?? ''),
          };
        }),
      );
      const [codeInTime, codeTooLate, link] = asked;
      assert.ok(codeInTime && codeTooLate && link);

      await latchkey().app.auditChain.extend();
      const elsewhere = { id: 'elsewhere', kind: 'google', clientId: 'c', clientSecret: 'of google' };
      const cause = { actor: { kind: 'cli' } } as const;
      assert.equal((await latchkey().app.keptUpstreams.create(elsewhere, cause)).kind, 'saved');
      const hasItsSecret = () => latchkey().app.keptUpstreams.find('elsewhere')?.hasSecret;

      await latchkey().restart(ROTATING);
      assert.equal(hasItsSecret(), true);
      await assertAtHome(latchkey(), used);
      await assertSecondFactor(latchkey(), careful, secret);
      assert.equal(await chooserOf(latchkey(), chooser), 'select-account');
      const { account } = used;
      const sent = await open.browser.submit(open.login, {
        login: account.email ?? '',
        password: 'correct horse battery staple',
      });
      assert.equal(sent.id, 'consent', sent.describe());
      const typed = await codeInTime.one.browser.submit(codeInTime.page, { code: codeInTime.mail.code });
      assert.equal(typed.id, 'consent', typed.describe());
      const login = await forgotten.browser.submitOnce(forgotten.login, {
        login: account.email ?? '',
        password: 'wrong',
      });
      assert.equal(login.id, 'login', 'a form of before is read');

      assert.ok((await reseal(latchkey())) > 10);
      assert.equal(await reseal(latchkey()), 0);

      await latchkey().restart(ROTATED);
      assert.equal(hasItsSecret(), true);
      await assertAtHome(latchkey(), used);
      await assertAtHome(latchkey(), unused);
      await latchkey().app.auditChain.extend();
      assert.equal((await latchkey().app.auditChain.verify()).isWhole, true);
      await assertSecondFactor(latchkey(), careful, secret);
      // What had expired by itself: a form of two secrets ago asks to be opened again, …
      const stale = await forgotten.browser.submitOnce(forgotten.login, {
        login: account.email ?? '',
        password: 'wrong',
      });
      assert.deepEqual([stale.status, stale.id, stale.error], [403, 'error', 'foreign-form']);
      const reopened = await forgotten.browser.get(forgotten.login.url);
      assert.equal(reopened.id, 'login', 'and the sign-in goes on from there');
      // … a code is not known any more while the link of its mail is, …
      const late = await codeTooLate.one.browser.get(codeTooLate.page.url);
      const refused = await codeTooLate.one.browser.submit(late, { code: codeTooLate.mail.code });
      assert.equal(refused.id, 'magic-link', refused.describe());
      const opened = await link.one.browser.get(link.mail.link);
      assert.equal(opened.id, 'link-confirm', opened.describe());
      // … and a browser that nobody has signed in with since asks for the name.
      assert.equal(await chooserOf(latchkey(), idle), 'login');
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_PASSWORD_PEPPER: 'Zp4WqL8sXr2VtKm6NcBy9HdJf3GaEu7T' } },
);

describeOnEachBackend('what is used while both secrets are there', (latchkey) => {
  it('is sealed with the new one as it is written', async () => {
    const used = await moveIn(latchkey());
    await moveIn(latchkey());
    await latchkey().restart(ROTATING);
    assert.equal(await isSignedIn(latchkey(), used.browser), true);
    await latchkey().restart(ROTATING);
    const seal = new Seal(NEXT_SECRET);
    const sessions = await latchkey().app.grants.listSessions(used.account.subject);
    assert.equal(sessions.length, 1);
    const rows = await latchkey()
      .app.database.em()
      .execute<{ sealed: Uint8Array }[]>(
        `select sealed from oidc_artifact where model = 'Session' and sealed is not null`,
      );
    // In Redis the same code has written it; here it can be looked at.
    if (rows.length > 0) assert.equal(rows.filter((row) => !seal.isStale(row.sealed)).length, 1);
  });
});

describeOnEachBackend('a master secret that is not the one', (latchkey) => {
  it('stops the start with what is wrong, and the right one starts it again', async () => {
    const resident = await moveIn(latchkey());
    await assert.rejects(latchkey().restart({ LATCHKEY_SECRET: NEXT_SECRET }), { name: 'SealError' });
    await latchkey().restart({});
    await assertAtHome(latchkey(), resident);
  });
});
