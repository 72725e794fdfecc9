// What the stories around mails have in common: a real mail server, reading what it received, asking at the pages, and looking for secrets
// where none may lie.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { type ReceivedMail, startMailbox } from '../../support/mailbox.ts';
import { answerPrompts, authorizationRequest, type Parameters, redeem } from '../../support/relying-party.ts';
import type { Latchkey, TestClient } from '../../support/server.ts';

/** What a mail carries. */
export interface MailParts {
  readonly code: string;
  readonly link: URL;
  /** The part of the link that must stay secret. */
  readonly token: string;
  readonly notMe: URL | null;
}

export interface Visit {
  readonly browser: Browser;
  readonly client: TestClient;
  readonly request: ReturnType<typeof authorizationRequest>;
  /** The sign-in page. */
  readonly login: Page;
  /** Path of the interaction. */
  readonly path: string;
}

export const mailbox = await startMailbox();
after(() => mailbox.stop());

export const MAIL_ENV = {
  LATCHKEY_SMTP_URL: mailbox.url,
  LATCHKEY_MAIL_FROM: 'Latchkey <no-reply@example.com>',
  // These stories count the mails that they ask for.
  LATCHKEY_NEW_DEVICE_NOTICES: 'false',
} as const;
/** For stories that ask for more mails than a person may. */
export const FREE_ENV = { ...MAIL_ENV, LATCHKEY_LIMITS_OFF: 'true' } as const;

/** An address that nothing else in the tests writes to. */
export function newAddress(): string {
  return `ada-${randomUUID().slice(0, 13)}@mail.example.com`;
}

/** Mails to an address so far. @param count waits until there are this many; without it looks only */
export async function mailsTo(address: string, count: number): Promise<readonly ReceivedMail[]> {
  for (;;) {
    const found = mailbox.mails.filter((mail) => mail.envelope.to.includes(address));
    if (found.length >= count) return found;
    await mailbox.arrived(mailbox.mails.length + 1);
  }
}

/** The newest of `count` mails to an address. */
export async function readMail(latchkey: Latchkey, address: string, count = 1): Promise<MailParts> {
  const mail = (await mailsTo(address, count))[count - 1];
  assert.ok(mail);
  return partsOf(latchkey, mail);
}

export function partsOf(latchkey: Latchkey, mail: ReceivedMail): MailParts {
  const { text = '' } = mail.email;
  const code = /^ {4}(\d{6})$/m.exec(text)?.[1] ?? '';
  const links = [...text.matchAll(/^https?:\/\/\S+$/gm)].map(([url]) => new URL(url));
  const notMe = links.find((one) => one.pathname.startsWith('/not-me/')) ?? null;
  const link = links.find((one) => one.pathname.startsWith('/link/')) ?? notMe ?? new URL(latchkey.issuer);
  return { code, link, token: link.pathname.split('/').at(-1) ?? '', notMe };
}

/** One recipient by header and envelope, the text part first, and links to nowhere but the provider. */
export function checkMail(latchkey: Latchkey, mail: ReceivedMail, address: string): void {
  const { email, raw } = mail;
  assert.deepEqual(mail.envelope.to, [address]);
  assert.deepEqual(
    email.to?.map((one) => one.address),
    [address],
  );
  assert.equal(email.cc, undefined);
  assert.equal(email.bcc, undefined);
  assert.ok(raw.search(/^content-type: text\/plain/im) > 0, 'has a text part');
  assert.ok(
    raw.search(/^content-type: text\/plain/im) < raw.search(/^content-type: text\/html/im),
    'the text part comes first',
  );
  const targets = [
    ...[...(email.text ?? '').matchAll(/\bhttps?:\/\/[^\s<>"]+/g)].map(([url]) => url),
    ...[...(email.html ?? '').matchAll(/\b(?:href|src|action)="([^"]*)"/g)].map(([, url]) => url ?? ''),
  ];
  assert.ok(targets.length >= 2, 'links in both parts');
  for (const url of targets) assert.equal(new URL(url).origin, latchkey.issuer);
}

/** Mails written for an address, sent or not: rows are committed before the answer, so there is nothing to wait for. */
export async function countQueued(latchkey: Latchkey, address: string): Promise<number> {
  const [row] = await select<{ count: number }>(
    latchkey,
    'select count(*)::int as count from outbox_mail where lower(recipient) = lower($1)',
    [address],
  );
  return row?.count ?? 0;
}

export async function select<Row extends object>(
  latchkey: Latchkey,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return (await latchkey.app.database.sql.query<Row>({ name: `test ${text}`.slice(0, 60), text }, values)).rows;
}

/** Moves everything that was mailed for so long into the past. @param what to leave the other half of a mail alive */
export async function expireMails(latchkey: Latchkey, what: 'all' | 'code' = 'all'): Promise<void> {
  const link = what === 'all' ? `link_expires_at = now() - interval '1 second',` : '';
  await select(latchkey, `update mailed_secret set ${link} code_expires_at = now() - interval '1 second'`);
}

/** Lets the waits between two mails pass. */
export async function letTimePass(latchkey: Latchkey, interval: string): Promise<void> {
  await select(latchkey, 'update guess_counter set updated_at = updated_at - $1::interval', [interval]);
}

/** From an app's sign-in button to the sign-in page. */
export async function visit(latchkey: Latchkey, browser = latchkey.browser(), params: Parameters = {}): Promise<Visit> {
  const client = await latchkey.createClient();
  const scope = 'openid profile email offline_access';
  const request = authorizationRequest(latchkey.issuer, client, { scope, prompt: 'consent', ...params });
  const login = await browser.get(request.url);
  assert.equal(login.id, 'login', login.describe());
  return { browser, client, request, login, path: login.url.pathname };
}

/** Presses the button for a mail instead of giving a password. @returns the answer itself */
export function pressMailCode({ browser, login }: Visit, name: string): Promise<Page> {
  return browser.submitOnce(login, { login: name }, { button: ['method', 'mail-code'] });
}

/** The same, up to the page that takes the code. */
export async function askForCode(one: Visit, name: string): Promise<Page> {
  const page = await one.browser.submit(one.login, { login: name }, { button: ['method', 'mail-code'] });
  assert.equal(page.id, 'magic-link', page.describe());
  return page;
}

/** From a page after sign-in through consent to the tokens at the app. @returns the claims of its ID token, and its refresh token */
export async function finishAtClient(latchkey: Latchkey, one: Visit, after: Page): Promise<SignedInClaims> {
  const page = await answerPrompts(one.browser, after, {});
  const { code, state } = page.params;
  assert.ok(code, page.describe());
  assert.equal(state, one.request.state);
  const answer = await redeem(latchkey, one.client, { code, verifier: one.request.verifier });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const [, payload = ''] = String(answer.body['id_token']).split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>;
  return { claims, refreshToken: answer.body['refresh_token'], accessToken: answer.body['access_token'] };
}

export interface SignedInClaims {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly refreshToken: unknown;
  readonly accessToken: unknown;
}

/** Whether the provider itself would let this browser into an app without a question. */
export async function isSignedIn(latchkey: Latchkey, browser: Browser): Promise<boolean> {
  const client = await latchkey.createClient();
  const { url } = authorizationRequest(latchkey.issuer, client, { prompt: 'none' });
  const { error } = (await browser.get(url)).params;
  return error !== 'login_required';
}

/** A page without what differs between any two: identifiers, form tokens, masked addresses. */
export function plainText(page: Page): string {
  return page.text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID')
    .replace(/[A-Za-z0-9_-]{20,}/g, 'TOKEN')
    .replace(/<code dir="ltr">[^<]*</g, '<code>REQUEST<')
    .replace(/[^\s<>]+•••[^\s<>]+/g, 'ADDRESS')
    .replace(/value="[^"]*@[^"]*"/g, 'value="ADDRESS"');
}

/** Headers without what differs between any two answers. */
export function plainHeaders(page: Page): Record<string, string | undefined> {
  const {
    date: _date,
    'x-request-id': _id,
    location,
    'content-security-policy': csp,
    'content-length': size,
    etag: _etag,
    ...rest
  } = page.headers;
  return {
    ...rest,
    location: location?.replace(/[A-Za-z0-9_-]{20,}/g, 'TOKEN'),
    csp: csp?.replace(/[A-Za-z0-9_+/=-]{16,}/g, 'TOKEN'),
    cookies: page.cookies.map((one) => one.replace(/=[^;]*/, '=')).join('\n'),
    // Of a page with masked addresses only the domain makes a difference.
    size,
  };
}

/** Everything the database holds, as text: a dump is no more than this. */
export async function dump(latchkey: Latchkey): Promise<string> {
  const tables = await select<{ name: string }>(
    latchkey,
    `select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  );
  assert.ok(tables.some(({ name }) => name.endsWith('mailed_secret')));
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await latchkey.app.database.sql.query<{ row: string }>(
      { name: `dump ${name}`.slice(0, 60), text: `select t::text as row from ${name} as t` },
      [],
    );
    texts.push(...rows.map(({ row }) => row));
  }
  return texts.join('\n');
}

/** Neither the words themselves nor their bytes, as text columns and binary columns show them. */
export function assertHolds(text: string, secrets: readonly string[], expected: boolean): void {
  for (const secret of secrets) {
    assert.ok(secret.length >= 6);
    // A code's six digits may stand inside of a longer number by chance.
    const clear = new RegExp(`(?<![0-9A-Za-z.-])${escapeText(secret)}(?![0-9A-Za-z])`);
    const hex = Buffer.from(secret, 'utf8').toString('hex');
    const base64 = Buffer.from(secret, 'utf8').toString('base64url').slice(0, -2);
    const isThere = clear.test(text) || text.includes(hex) || (secret.length > 8 && text.includes(base64));
    assert.equal(isThere, expected, `${secret.length} characters that must${expected ? '' : ' not'} be there`);
  }
}

/** No secret in clear at rest or in the log. */
export async function assertKeptNowhere(latchkey: Latchkey, secrets: readonly string[]): Promise<void> {
  assertHolds(await dump(latchkey), secrets, false);
  assertHolds(latchkey.logLines.join('\n'), secrets, false);
}

/**
 * How likely a value of `left` is larger than one of `right` (Mann-Whitney's U over the number of pairs): one half where nothing tells them
 * apart, one where every value tells.
 */
export function rankShare(left: readonly number[], right: readonly number[]): number {
  let wins = 0;
  for (const one of left) for (const other of right) wins += one > other ? 1 : one === other ? 0.5 : 0;
  return wins / (left.length * right.length);
}

/** Milliseconds that each of two ways takes, measured in turns. */
export async function timeInTurns(
  count: number,
  ways: readonly [() => Promise<unknown>, () => Promise<unknown>],
): Promise<readonly [number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (let turn = 0; turn < count * 2; turn += 1) {
    // Who goes first changes, so that neither always follows the other's work.
    const which = (turn + (turn >> 1)) % 2 === 0 ? 0 : 1;
    const startedAt = performance.now();
    await ways[which]();
    times[which].push(performance.now() - startedAt);
  }
  return times;
}

function escapeText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
