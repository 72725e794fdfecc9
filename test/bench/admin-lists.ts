// `npm run bench:lists`: every list of the admin portal over a full database of its own: the median time of each page, and whether it read one of
// the large tables from end to end. It fails when a page is slower than it may be. Bounded by --minutes; the database is gone afterwards.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { OWNER_ROLE } from '../../src/access/permission.ts';
import type { Browser } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey } from '../support/server.ts';
import { median, Report, spread } from './report.ts';

const { values: args } = parseArgs({
  options: {
    accounts: { type: 'string', default: '100000' },
    clients: { type: 'string', default: '1000' },
    events: { type: 'string', default: '1000000' },
    times: { type: 'string', default: '15' },
    minutes: { type: 'string', default: '10' },
  },
});
const [ACCOUNTS, CLIENTS, EVENTS, TIMES] = [args.accounts, args.clients, args.events, args.times].map(Number) as [
  number,
  number,
  number,
  number,
];
const deadline = performance.now() + Number(args.minutes) * 60_000;
/** Milliseconds, at the median. */
const MOST = 200;
/** Rows in one statement. */
const BATCH = 50_000;
const TABLES = ['account', 'client', 'audit_event', 'role_assignment'];
const CLI = { actor: { kind: 'cli' } } as const;

const report = new Report();
const latchkey = await startLatchkey({
  backend: 'postgres+redis',
  // One connection: what it has counted can be asked of it at once.
  env: { LATCHKEY_DATABASE_POOL_SIZE: '1', LATCHKEY_LIMITS_OFF: 'true' },
});
try {
  const begun = performance.now();
  await fill(latchkey);
  report.line(
    `${ACCOUNTS} accounts, ${CLIENTS} clients, ${EVENTS} events, made in ${((performance.now() - begun) / 1000).toFixed(0)} s`,
  );
  report.line();
  const browser = await signIn(latchkey);
  report.table(['page', 'ms: median (least–most)', 'tables read from end to end']);
  for (const [name, path] of await pagesOf(latchkey)) await measure(latchkey, browser, name, path);
} finally {
  await latchkey.stop();
}

async function run(statement: string, values: readonly unknown[] = []): Promise<readonly Record<string, string>[]> {
  return latchkey.app.database.em().execute<Record<string, string>[]>(statement, [...values]);
}

/** People with names as people have them, apps, a year of events in the chain. */
async function fill({ app }: Latchkey): Promise<void> {
  const inBatches = async (count: number, statement: string): Promise<void> => {
    for (let first = 1; first <= count; first += BATCH) {
      checkTime();
      await run(statement, [first, Math.min(first + BATCH - 1, count)]);
    }
  };
  const names = `(array['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Радия', 'Сергей'])[1 + n % 8]`;
  const families = `(array['Lovelace', 'Hopper', 'Turing', 'Dijkstra', 'Liskov', 'Knuth', 'Perlman', 'Лебедев'])[1 + n / 8 % 8]`;
  await inBatches(
    ACCOUNTS,
    `insert into account (id, subject, status, email, email_verified_at, username, username_skeleton, name, created_at, updated_at,
       last_sign_in_at, credential_version)
     select id, id::text, (array['active', 'active', 'active', 'pending', 'disabled'])[1 + n % 5],
       'person' || n || '@' || (array['example.com', 'mail.example.org', 'firm.example.net'])[1 + n % 3], now(), 'person_' || n,
       'person' || n, ${names} || ' ' || ${families} || ' ' || n, now() - n * interval '5 minutes', now(),
       now() - n * interval '1 minute', 1
     from (select n, gen_random_uuid() as id from generate_series(?::int, ?::int) as n) as made`,
  );
  await run(
    `insert into role_assignment (id, account_id, role_id, created_at)
     select gen_random_uuid(), id, case when right(username, 1) = '7' then 'operator' else 'shop-manager' end, now() from account
     where right(username, 1) in ('3', '7')`,
  );
  await run(
    `insert into role (id, name, rank, inherits, permissions, audience, source, created_at, updated_at)
     values ('shop-manager', 'Shop manager', 0, '[]', '[]', 'https://api.example.com', 'database', now(), now())`,
  );
  await inBatches(
    CLIENTS,
    `insert into client (client_id, metadata, source, created_at, updated_at)
     select 'client-' || md5(n::text), jsonb_build_object('client_id', 'client-' || md5(n::text), 'client_name',
       (array['Wiki', 'Photo Album', 'Build Server', 'Касса'])[1 + n % 4] || ' ' || n,
       'redirect_uris', jsonb_build_array('https://app' || n || '.example.com/callback')), 'database', now(), now()
     from generate_series(?::int, ?::int) as n`,
  );
  await run(
    'create temporary table person as select row_number() over (order by created_at desc) as n, id::text from account',
  );
  await run('create unique index on person (n)');
  await inBatches(
    EVENTS,
    `insert into audit_event (at, actor_kind, actor_id, action, target_kind, target_id, network, user_agent, client_id, request_id, result,
       seq, hash)
     select now() - interval '300 days' + e * interval '25 seconds', case when e % 10 = 0 then 'anonymous' else 'account' end,
       case when e % 10 = 0 then null else p.id end,
       (array['session.start', 'token.issue', 'session.end', 'password.check', 'consent.grant', 'account.update'])[1 + e % 6],
       'account', p.id, '192.0.' || e % 200 || '.0/24', 'Browser ' || e % 50, 'client-' || md5((1 + e % ${CLIENTS})::text), 'r' || e,
       case when e % 40 = 0 then 'failure' else 'success' end, e, decode(md5(e::text), 'hex')
     from generate_series(?::bigint, ?::bigint) as e join person p on p.n = 1 + e * 7919 % ${ACCOUNTS}`,
  );
  await run('drop table person');
  await run('update audit_chain set seq = ?', [EVENTS]);
  for (const table of TABLES) await run(`analyze ${table}`);
  app.accounts.forgetRecent();
}

async function signIn({ app, browser: open, createAccount }: Latchkey): Promise<Browser> {
  const account = await createAccount({ email: `owner-${randomUUID().slice(0, 8)}@example.com` });
  await app.database.transaction((em) => app.roles.assign(em, account.id, OWNER_ROLE, CLI));
  const browser = open();
  await answerPrompts(browser, await browser.get('/admin/accounts'), { account });
  return browser;
}

async function pagesOf({ app }: Latchkey): Promise<readonly (readonly [name: string, path: string])[]> {
  const cursorAt = async (share: number): Promise<string> => {
    const [row] = await run(
      `select (extract(epoch from created_at) * 1000000)::bigint::text || '.' || id as cursor, id::text
       from account order by created_at desc, id desc offset ? limit 1`,
      [Math.floor(ACCOUNTS * share)],
    );
    return row?.['cursor'] ?? '';
  };
  const [late, last] = [await cursorAt(0.9), await cursorAt(0.5)];
  const id = last.split('.')[1] ?? '';
  const [event] = await run('select id::text, network, client_id from audit_event where seq = ?', [
    Math.ceil(EVENTS / 2),
  ]);
  const [deepClient] = await run('select client_id from client order by client_id offset ? limit 1', [
    Math.floor(CLIENTS * 0.9),
  ]);
  const { entries } = await app.history.list({}, 1);
  const accounts = (query: Record<string, string>): string => `/admin/accounts?${new URLSearchParams(query)}`;
  const clients = (query: Record<string, string>): string => `/admin/clients?${new URLSearchParams(query)}`;
  const audit = (query: Record<string, string>): string => `/admin/audit?${new URLSearchParams(query)}`;
  return [
    ['accounts', accounts({})],
    ['accounts, nine tenths down', accounts({ after: late })],
    ['accounts, one address', accounts({ q: 'person4711@mail.example.org' })],
    ['accounts, a name and a beginning', accounts({ q: 'hopper 12' })],
    ['accounts, one letter', accounts({ q: 'p' })],
    ['accounts, a family, deep', accounts({ q: 'лебедев', after: late })],
    ['accounts, a word that nobody has', accounts({ q: 'zzz' })],
    ['accounts, two words that never meet', accounts({ q: 'ada hopper' })],
    ['accounts, an id', accounts({ q: id })],
    ['accounts, active', accounts({ status: 'active' })],
    ['accounts, locked (none)', accounts({ status: 'locked' })],
    ['accounts, disabled, deep', accounts({ status: 'disabled', after: late })],
    ['accounts, a role of many', accounts({ role: 'shop-manager', after: late })],
    ['accounts, a role of one', accounts({ role: OWNER_ROLE })],
    ['accounts, all together', accounts({ q: 'grace person', status: 'active', role: 'operator' })],
    ['one account', `/admin/accounts/${id}`],
    ['one account: history', `/admin/accounts/${id}/events`],
    ['one account: roles', `/admin/accounts/${id}/roles`],
    ['clients', clients({})],
    ['clients, nine tenths down', clients({ after: deepClient?.['client_id'] ?? '' })],
    ['clients, a name', clients({ q: 'photo 77' })],
    ['clients, a word that none has', clients({ q: 'zzz' })],
    ['audit', audit({})],
    ['audit, in the middle', audit({ before: event?.['id'] ?? '' })],
    ['audit, the oldest', audit({ before: '100' })],
    ['audit, one person', audit({ who: id })],
    ['audit, done to one', audit({ target: id })],
    ['audit, one action', audit({ action: entries[0]?.action ?? '' })],
    ['audit, a group of actions', audit({ action: 'session.' })],
    ['audit, refused', audit({ result: 'failure' })],
    ['audit, one network', audit({ network: event?.['network'] ?? '' })],
    ['audit, one app', audit({ client: event?.['client_id'] ?? '' })],
    ['audit, refused at one app', audit({ result: 'failure', client: event?.['client_id'] ?? '' })],
    ['audit, refused from one network', audit({ result: 'failure', network: event?.['network'] ?? '' })],
    ['audit, refused to one person', audit({ result: 'failure', who: id })],
    ['audit, one action at one app', audit({ client: event?.['client_id'] ?? '', action: 'password.check' })],
    ['audit, a group of actions at one app', audit({ client: event?.['client_id'] ?? '', action: 'session.' })],
    ['audit, one action, refused', audit({ result: 'failure', action: 'password.check' })],
    ['audit, a group, refused', audit({ result: 'failure', action: 'session.' })],
    ['audit, a day', audit({ from: new Date(Date.now() - 100 * 86_400_000).toISOString().slice(0, 10) })],
    ['roles', '/admin/roles'],
    ['overview', '/admin'],
  ];
}

async function measure({ app }: Latchkey, browser: Browser, name: string, path: string): Promise<void> {
  const before = await scans();
  const times: number[] = [];
  // The first one is not counted: what it prepares is prepared for all.
  for (let turn = 0; turn <= TIMES; turn += 1) {
    checkTime();
    app.accounts.forgetRecent();
    const begun = performance.now();
    const page = await browser.request(path);
    if (turn > 0) times.push(performance.now() - begun);
    if (page.status !== 200) throw new Error(`${name}: ${page.describe()}`);
  }
  const after = await scans();
  const read = TABLES.filter((table) => (after.get(table) ?? 0) > (before.get(table) ?? 0));
  report.row([name, spread(times, 1), read.join(', ') || '–']);
  // What counts over all accounts or roles has to look at all of them.
  const isCount = name === 'overview' || name === 'roles';
  if (median(times) > MOST || (read.length > 0 && !isCount)) process.exitCode = 1;
}

/** How often each table was read from end to end, as the server counts. */
async function scans(): Promise<ReadonlyMap<string, number>> {
  await run('select pg_stat_force_next_flush()');
  await run('select 1 as one');
  const rows = await run('select relname, seq_scan::text as count from pg_stat_user_tables');
  return new Map(rows.map((row) => [row['relname'] ?? '', Number(row['count'])]));
}

function checkTime(): void {
  if (performance.now() > deadline) throw new Error(`longer than --minutes ${args.minutes}`);
}
