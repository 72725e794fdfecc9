// What the stories about factors have in common: accounts that have enrolled something, and apps that look at what they were told.
import assert from 'node:assert/strict';
import { decodeJwt, type JWTPayload } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { Passkeys } from '../../../src/credential/passkey.ts';
import { Totp } from '../../../src/credential/totp.ts';
import { randomToken } from '../../../src/crypto/random.ts';
import { Seal } from '../../../src/crypto/seal.ts';
import { OneTime } from '../../../src/storage/one-time.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { totpCode } from '../../support/credentials.ts';
import { Authenticator } from '../../support/passkeys.ts';
import { answerPrompts, authorizationRequest, type Parameters, redeem } from '../../support/relying-party.ts';
import { type Latchkey, TEST_SECRET, type TestClient } from '../../support/server.ts';

export const AAL1 = 'urn:latchkey:aal1';
export const AAL2 = 'urn:latchkey:aal2';
export const PHR = 'urn:latchkey:phr';
const STEP = 30;
const seal = new Seal(TEST_SECRET);

/** What an authenticator app shows now, or so many steps later. */
export function codeOf(secret: string, later = 0): string {
  return totpCode(secret, Math.floor(Date.now() / 1000) + later * STEP);
}

/** @returns the secret; the code of now is used up, that of the next step (`codeOf(secret, 1)`) is not */
export async function addTotp({ app }: Latchkey, account: AccountRow): Promise<string> {
  const totp = new Totp({ database: app.database, seal, issuer: 'Test' });
  const begun = await totp.begin(account.id, 'test');
  assert.equal(await totp.confirm(account.id, codeOf(begun.secret)), 'confirmed');
  return begun.secret;
}

/** As if one more step had passed since the last code: the newest that was accepted is forgotten by one. */
export async function forgetSteps({ app }: Latchkey, account: AccountRow): Promise<void> {
  await app.database.em().execute('update totp set last_step = 0 where account_id = ?', [account.id]);
}

export async function addPasskey(
  { app, issuer }: Latchkey,
  account: AccountRow,
  kind: 'way-in' | 'second-factor' = 'way-in',
  authenticator = new Authenticator(issuer),
): Promise<Authenticator> {
  const oneTime = new OneTime({ sql: app.database.sql, seal });
  const passkeys = new Passkeys({ database: app.database, oneTime, issuer, productName: 'Test' });
  const who = { accountId: account.id, browserId: randomToken() };
  const options = await passkeys.registrationOptions(who, kind, { name: 'test', displayName: 'Test' });
  const outcome = await passkeys.register(who, authenticator.answer('create', options), undefined);
  assert.equal(outcome.kind, 'registered', JSON.stringify(outcome));
  return authenticator;
}

export interface Visit {
  readonly page: Page;
  readonly verifier: string;
}

/** An app sends the browser. */
export async function ask(
  latchkey: Latchkey,
  browser: Browser,
  client: TestClient,
  params: Parameters = {},
): Promise<Visit> {
  const { url, verifier } = authorizationRequest(latchkey.issuer, client, params);
  return { page: await browser.get(url), verifier };
}

export function essential(...values: readonly string[]): Parameters {
  return { claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }) };
}

/** Consents where it is asked, and what the app is told then. */
export async function landed(
  latchkey: Latchkey,
  browser: Browser,
  client: TestClient,
  page: Page,
  verifier: string,
): Promise<JWTPayload> {
  const end = page.id === 'consent' ? await answerPrompts(browser, page, {}) : page;
  const { code } = end.params;
  assert.ok(code, end.describe());
  const answer = await redeem(latchkey, client, { code, verifier });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return decodeJwt(String(answer.body['id_token']));
}

export function assertClaims(claims: JWTPayload, acr: string, amr: readonly string[]): void {
  assert.equal(claims['acr'], acr);
  assert.deepEqual((claims['amr'] as string[]).toSorted(), [...amr].toSorted());
}

/** Reasons of the account's sign-ins, in order. */
export async function reasonsOf({ app }: Latchkey, accountId: string): Promise<readonly string[]> {
  const rows = await app.database
    .em()
    .execute<{ reason: string }[]>(
      "select reason from audit_event where actor_id = ? and action like 'session.st%' order by id",
      [accountId],
    );
  return rows.map((row) => row.reason);
}
