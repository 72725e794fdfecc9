// An installation that has been in use for a while: enough of everything that lists have a second page, names that are long, from right to left or
// look like markup, people in every state, and an owner who has enrolled, linked and asked for all that there is. For who looks at every page.
import assert from 'node:assert/strict';
import type { AccountRow } from '../../src/account/accounts.ts';
import { TELEGRAM_ISSUER } from '../../src/account/linked-identities.ts';
import { addPasskey, addTotp, ask } from '../flow/factors/stories.ts';
import { FREE_ENV, mailsTo, newAddress } from '../flow/mailed/stories.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { eventually } from '../support/eventually.ts';
import { type Authenticator, pressPasskey } from '../support/passkeys.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { type Backend, type Latchkey, startLatchkey } from '../support/server.ts';
import { settingsFile } from '../support/settings-file.ts';
import { BOT_TOKEN, startTelegramApi, type TelegramApi } from '../support/telegram-api.ts';
import { newTelegramPerson } from '../support/telegram-stage.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;
/** More than any list shows at once. */
const MANY = 53;
/** Tries of somebody else to sign in as the owner. */
const A_LONG_DAY = 25;
const LONG =
  'Wolfeschlegelsteinhausenbergerdorffvoralternwaren Hubert Blaine gewissenhaft von und zu Guttenberg-Hohenzollern';
const FROM_THE_RIGHT = 'عبد الرحمن بن محمد الخوارزمي';
const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
/** One word, wider than a small screen. */
const ROBOT = `Robot/${'9'.repeat(120)}`;

export interface Populated {
  readonly latchkey: Latchkey;
  readonly owner: AccountRow;
  /** Where the owner is signed in with a proof of now. */
  readonly browser: Browser;
  /** What stands for a parameter, by its route up to there; several are several pages. What stands by a whole route goes before. */
  readonly ids: Readonly<Record<string, string | readonly string[]>>;
  /** An app with a consent of the owner. */
  readonly clientId: string;
  stop(): Promise<void>;
}

export async function startPopulated(backend: Backend): Promise<Populated> {
  const upstream = await ScriptedUpstream.start();
  const telegram = await startTelegramApi();
  const declared = {
    upstreams: [
      {
        ...{ id: 'company', kind: 'oidc', label: 'Company', endpoints: { issuer: upstream.issuer } },
        ...{ clientId: UPSTREAM_CLIENT.id, clientSecret: UPSTREAM_CLIENT.secret },
      },
      { ...{ id: 'github', kind: 'github' }, clientId: 'a-client', clientSecret: 'a secret of that client' },
    ],
    telegram: { botToken: BOT_TOKEN, apiRoot: telegram.url },
    clients: [
      {
        ...{ client_id: 'declared', client_name: 'Declared', token_endpoint_auth_method: 'none' },
        redirect_uris: ['https://declared.example.com/cb'],
      },
    ],
    roles: [
      { id: 'help-desk', name: 'Help desk', rank: 2, inherits: ['viewer'], permissions: ['sessions:read'] },
      { id: 'shop-manager', name: 'Shop manager', audience: 'https://api.example.com', permissions: ['orders:read'] },
    ],
  };
  const ending = [() => telegram.close(), () => upstream.close()];
  const stop = async (): Promise<void> => {
    for (const step of ending.toReversed()) await step();
  };
  try {
    const latchkey = await startLatchkey({
      ...{ backend, host: 'localhost' },
      env: {
        ...settingsFile(JSON.stringify(declared)),
        ...{ ...FREE_ENV, LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' },
        // The owner proves themselves once for all pages.
        LATCHKEY_FRESH_PROOF_TTL: '86400',
      },
    });
    ending.push(() => latchkey.stop());
    return { ...(await populate(latchkey, telegram)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function populate(latchkey: Latchkey, api: TelegramApi): Promise<Omit<Populated, 'stop'>> {
  const { app } = latchkey;
  const people = await addPeople(latchkey);
  const clientIds = await addClients(latchkey);
  const { organizationId, roleId } = await addAccess(latchkey, people);
  const owner = await latchkey.createAccount({ email: 'ada.lovelace@example.com', name: 'Ada Lovelace' });
  await app.database.transaction((em) => app.roles.assign(em, owner.id, 'super-admin', CLI));
  await app.organizations.add(organizationId, owner.id, 'owner', BY, CLI);
  const authenticator = await enrol(latchkey, api, owner);
  const apps = clientIds.slice(0, 3);
  for (const userAgent of [PHONE, ROBOT]) {
    const elsewhere = latchkey.browser({ headers: { 'user-agent': userAgent } });
    for (const clientId of apps) await signInAt(latchkey, elsewhere, clientId, authenticator);
  }
  const failure = { action: 'session.start', result: 'failure', reason: 'password' } as const;
  for (let count = 0; count < A_LONG_DAY; count += 1) {
    await app.audit.record({ actor: { kind: 'anonymous' }, target: { kind: 'account', id: owner.id }, ...failure });
  }
  const browser = latchkey.browser();
  const page = await pressPasskey(browser, await browser.get('/account/security'), authenticator);
  assert.equal(page.id, 'account-security', page.describe());
  await app.auditChain.extend();
  const [target, disabled, leaving] = people;
  assert.ok(target && disabled && leaving && apps[0]);
  const company = { clientId: UPSTREAM_CLIENT.id, endpoints: { issuer: 'https://partner.example.com' } };
  const kept = { ...company, ...{ id: 'partner', kind: 'oidc', label: 'Partner', clientSecret: 'a secret' } };
  assert.equal((await app.keptUpstreams.create(kept, CLI)).kind, 'saved');
  const [session] = await app.sessionsAndGrants.list(owner);
  return {
    ...{ latchkey, owner, browser, clientId: apps[0] },
    ids: {
      '/admin/accounts/:id/enable': disabled.id,
      '/admin/accounts/:id/restore': leaving.id,
      '/admin/accounts/:id/sessions/:session/end': owner.id,
      '/admin/accounts/:id/sessions/:session': session?.id ?? '',
      '/admin/accounts/:id/apps': owner.id,
      '/admin/accounts/:id/credentials': owner.id,
      '/admin/accounts/:id/events': owner.id,
      '/admin/accounts/:id/sessions': owner.id,
      '/admin/accounts/:id': target.id,
      '/admin/clients/:id': apps[0],
      '/admin/organizations/:id': organizationId,
      '/admin/organizations/:id/members/:account': owner.id,
      '/admin/organizations/:id/roles/:role': 'buyer',
      '/admin/roles/:id': roleId,
      '/admin/upstreams/:id/delete': 'partner',
      '/admin/upstreams/:id': ['partner', 'company'],
      '/admin/upstreams/new/:kind': ['oidc', 'apple', 'microsoft'],
      ...(await beginEverything(latchkey, owner, people, browser, page)),
    },
  };
}

/** The first one is what pages about one account show, the second one is disabled, the third one wants to go. */
async function addPeople({ app, createAccount }: Latchkey): Promise<readonly AccountRow[]> {
  const without = { password: null };
  const long = await createAccount({
    ...without,
    name: LONG,
    email: `${'long.'.repeat(11)}name@${'deep.'.repeat(20)}example.com`,
  });
  const disabled = await createAccount({ ...without, name: FROM_THE_RIGHT, username: 'al_khwarizmi' });
  await app.sessionsAndGrants.disable(disabled, CLI);
  const leaving = await createAccount({ ...without, name: '<b>Bobby</b> &amp; "Tables"' });
  await app.deletions.request(leaving, CLI, async () => undefined);
  const people = [long, await app.accounts.get(disabled.id), await app.accounts.get(leaving.id)];
  for (let count = 0; count < MANY; count += 1) people.push(await createAccount(without));
  await app.database.transaction((em) => app.roles.assign(em, long.id, 'viewer', CLI));
  return people;
}

/** Those that people allow first. */
async function addClients({ createClient }: Latchkey): Promise<readonly string[]> {
  const ids: string[] = [];
  const publicly = { token_endpoint_auth_method: 'none' };
  for (const metadata of [
    { client_name: 'Photo Album' },
    { ...publicly, client_name: `${LONG} – the app`, redirect_uris: [`https://${'deep.'.repeat(20)}example.com/cb`] },
    { ...publicly, client_name: 'ألبوم الصور', application_type: 'native', redirect_uris: ['com.example.photos:/cb'] },
    ...Array.from({ length: MANY }, (_, index) => ({ ...publicly, client_name: `App ${index + 1}` })),
  ]) {
    ids.push((await createClient(metadata)).clientId);
  }
  return ids;
}

async function addAccess({ app }: Latchkey, people: readonly AccountRow[]) {
  const [first, ...others] = people;
  assert.ok(first);
  const make = (slug: string, name: string) =>
    app.organizations.create({ slug, name, domains: [`${slug}.example.com`], secondFactorRequired: false }, BY, CLI);
  const { id: organizationId } = await make('analytical-engines', `Analytical Engines ${LONG}`);
  for (const { id, status } of people) {
    if (status === 'active') await app.organizations.add(organizationId, id, 'member', BY, CLI);
  }
  await app.organizations.setRole(organizationId, others.at(-1)?.id ?? '', 'admin', BY, CLI);
  const buyer = { id: 'buyer', name: LONG.slice(0, 100), givenBy: 'admin' } as const;
  await app.organizationRoles.create(organizationId, buyer, BY, CLI);
  for (let count = 1; count <= MANY; count += 1)
    await make(`org-${count}`, count % 2 ? `المنظمة ${count}` : `Org ${count}`);
  const invite = (email: string) =>
    app.invitations.create({ email, roles: ['viewer'], locale: 'en', inviterName: LONG }, BY, CLI);
  for (let count = 1; count <= MANY; count += 1) await invite(`invited-${count}@example.com`);
  const revoked = await invite(`${'long.'.repeat(11)}name@example.org`);
  await app.invitations.revoke(revoked.id, BY, CLI);
  const late = await invite('late@example.com');
  await app.database
    .em()
    .execute(`update invitation set expires_at = now() - interval '1 day' where id = ?`, [late.id]);
  const role = {
    ...{ id: 'night-watch', name: `Night watch ${LONG}`.slice(0, 90), rank: 2, audience: null },
    ...{ inherits: ['viewer'], permissions: ['sessions:read', 'sessions:revoke'] as const },
  };
  await app.database.transaction((em) => app.roles.save(em, role, CLI));
  return { organizationId, roleId: role.id };
}

/** Every kind of factor, every kind of linked identity and a proven phone. */
async function enrol(latchkey: Latchkey, api: TelegramApi, owner: AccountRow): Promise<Authenticator> {
  const { app } = latchkey;
  await addTotp(latchkey, owner);
  const authenticator = await addPasskey(latchkey, owner);
  await addPasskey(latchkey, owner, 'second-factor');
  const user = newTelegramPerson({ firstName: LONG });
  const telegram = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
  const details = { email: null, picture: null, tokens: null };
  await app.database.transaction(async (em) => {
    await app.identities.link(em, owner.id, telegram, { ...details, username: user.username ?? null });
    const company = { upstream: 'company', issuer: 'https://company.example', subject: 'ada' };
    await app.identities.link(em, owner.id, company, { ...details, username: 'ada', email: 'ada@company.example' });
    await em.execute(
      `insert into telegram_phone (phone_number, telegram_id, proof, proven_at, account_id, identity_id)
       select '+491701234567', subject::bigint, 'contact', now(), account_id, id from linked_identity
       where account_id = ? and upstream = 'telegram'`,
      [owner.id],
    );
  });
  // Somebody who has talked to the bot can be written to.
  api.write(user, '/start');
  await api.nextMessage(user, 0);
  const outcome = await app.factors.enrolTelegram(owner.id, telegram.subject, (em) =>
    app.identities.findId(em, owner.id, telegram),
  );
  assert.equal(outcome, 'enrolled');
  return authenticator;
}

async function signInAt(latchkey: Latchkey, browser: Browser, clientId: string, authenticator: Authenticator) {
  const { metadata } = await latchkey.app.clients.get(clientId);
  const redirectUri = metadata.redirect_uris?.[0] ?? '';
  const client = { clientId, clientSecret: undefined, redirectUri, metadata };
  const params = { scope: 'openid profile email offline_access', prompt: 'consent' };
  const { page } = await ask(latchkey, browser, client, params);
  const next = page.id === 'login' ? await pressPasskey(browser, page, authenticator) : page;
  const end = next.id === 'consent' ? await browser.submit(next, {}, { button: ['decision', 'allow'] }) : next;
  assert.ok(end.params['code'], end.describe());
}

/** What the owner has asked for and not finished. */
async function beginEverything(
  latchkey: Latchkey,
  owner: AccountRow,
  people: readonly AccountRow[],
  browser: Browser,
  page: Page,
): Promise<Readonly<Record<string, string>>> {
  const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
  const begin = async (path: string, fields: Record<string, string> = {}): Promise<string> => {
    const answer = await browser.post(path, new URLSearchParams({ csrf, ...fields }).toString());
    const last = answer.location?.pathname.split('/').at(-1) ?? '';
    assert.ok(answer.location?.pathname.startsWith(`${path}/`) && last !== '', answer.describe());
    return last;
  };
  const [identity] = await latchkey.app.identities.list(owner.id);
  const passkey = page.element('a[href$="/rename"]').getAttribute('href')?.split('/').at(-2) ?? '';
  const organizationId = await holdInvitation(latchkey, owner, browser);
  const boxes = people.slice(0, 3).map(({ id }) => [`account_${id}`, 'on']);
  return {
    '/admin/accounts/bulk/:ticket': await begin('/admin/accounts/bulk', {
      act: 'disable',
      ...Object.fromEntries(boxes),
    }),
    '/account/organizations/:id': organizationId,
    '/account/organizations/join/:requestId': await begin('/account/organizations/join'),
    '/account/identities/:id': identity?.id ?? '',
    '/account/security/passkeys/:id': passkey,
    '/account/profile/email/:requestId': await begin('/account/profile/email', { email: 'countess@example.org' }),
    // The bot is there as soon as its name is known.
    '/account/identities/telegram/:approval': await eventually(() => begin('/account/identities/telegram')),
    '/account/security/telegram/:approval': await begin('/account/security/telegram'),
  };
}

/** An invitation to another address of the owner, whose link was opened. @returns an organization that the owner belongs to */
async function holdInvitation({ app }: Latchkey, owner: AccountRow, browser: Browser): Promise<string> {
  const input = { slug: 'difference-engines', name: 'Difference Engines', domains: [] };
  const { id: organizationId } = await app.organizations.create({ ...input, secondFactorRequired: false }, BY, CLI);
  const email = newAddress();
  await app.invitations.create({ email, roles: [], organizationId, locale: 'en' }, BY, CLI);
  const { text = '' } = (await mailsTo(email, 1))[0]?.email ?? {};
  const page = await browser.get(/^https?:\/\/\S+\/invitation\/\S+$/m.exec(text)?.[0] ?? '');
  const next = await browser.submit(page);
  assert.equal(next.id, 'account-invitation', next.describe());
  const [membership] = await app.organizations.listOf(owner.id);
  return membership?.id ?? '';
}
