// `account`: people who can sign in, for operators. Passwords come through standard input only, never as an argument, which every process of
// the machine could read. What ends an account's rights also ends its sessions and grants.
import { type Command, InvalidArgumentError } from 'commander';
import type { AccountRow } from '../account/accounts.ts';
import type { App } from '../app.ts';
import type { PasswordProblem } from '../credential/password.ts';
import { InvalidRequest } from '../errors.ts';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import { parseLocale } from './locale.ts';
import { CLI, type Outcome } from './task.ts';
import { fields, plain, table } from './text.ts';

const WHO = ['<id-or-email>', 'id, e-mail address or username'] as const;
const PASSWORD = ['--password-stdin', 'read the password from standard input'] as const;
const LONGEST_NAME = 255;
const PAGE = 100;
const LARGEST_PAGE = 1000;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

interface CreateOptions {
  readonly email?: string;
  readonly username?: string;
  readonly name?: string;
  readonly locale?: string;
  readonly passwordStdin?: boolean;
  readonly role: readonly string[];
  readonly verified?: boolean;
}

interface ListOptions {
  readonly limit: number;
  readonly after?: string;
}

export function accountCommands(program: Command, choose: Choose): void {
  const account = group(program, 'account', 'people who can sign in');
  leaf(account, 'create', 'create an account')
    .option('--email <address>', 'e-mail address')
    .option('--username <name>', 'username')
    .option('--name <text>', 'full name', parseName)
    .option('--locale <tag>', 'language, such as en or ru-RU', parseLocale)
    .option(...PASSWORD)
    .option('--role <role>', 'give a role; may be repeated', (one: string, all: readonly string[]) => [...all, one], [])
    .option('--verified', 'the e-mail address is known to be theirs')
    .action((options: CreateOptions, command: Command) => {
      if (options.email === undefined && options.username === undefined) {
        command.error("error: give '--email <address>', or at least '--username <name>'");
      }
      choose(
        onStorage((app, input) => create(app, options, input), options.passwordStdin ? '-' : undefined),
        command,
      );
    });
  leaf(account, 'list', 'list accounts in the order of their creation')
    .option('--limit <count>', `how many, at most ${LARGEST_PAGE}`, parseLimit, PAGE)
    .option('--after <id>', 'go on after the account with this id', parseId)
    .action((options: ListOptions, command: Command) =>
      choose(
        onStorage((app) => list(app, options)),
        command,
      ),
    );

  const onAccount = (
    name: string,
    description: string,
    run: (app: App, found: AccountRow) => Promise<Outcome>,
  ): void => {
    leaf(account, name, description)
      .argument(...WHO)
      .action((who: string, _options: object, command: Command) =>
        choose(
          onStorage(async (app) => run(app, await app.accounts.get(who))),
          command,
        ),
      );
  };
  onAccount('show', 'show an account', show);
  onAccount('disable', 'refuse an account from now on and end all it holds', disable);
  onAccount(
    'enable',
    'let a disabled account sign in again, or one that its owner deleted and that is not gone yet',
    enable,
  );
  onAccount('unlock', 'forget failed sign-ins', unlock);
  onAccount('delete', 'delete an account for good', remove);
  onAccount('sign-out', 'end all sessions and grants of an account', signOut);
  onAccount('reset-credentials', 'take away every credential and end all it holds', resetCredentials);
  leaf(account, 'set-password', 'give an account a new password and end all it holds')
    .argument(...WHO)
    .requiredOption(...PASSWORD)
    .action((who: string, _options: object, command: Command) =>
      choose(
        onStorage(async (app, input) => setPassword(app, await app.accounts.get(who), input), '-'),
        command,
      ),
    );
  for (const [name, description, change] of [
    ['add-role', 'give a role', addRole],
    ['remove-role', 'take a role away', removeRole],
  ] as const) {
    leaf(account, name, description)
      .argument(...WHO)
      .argument('<role>', 'id of the role')
      .action((who: string, role: string, _options: object, command: Command) =>
        choose(
          onStorage(async (app) => change(app, await app.accounts.get(who), role)),
          command,
        ),
      );
  }
}

async function addRole(app: App, account: AccountRow, role: string): Promise<Outcome> {
  await app.database.transaction((em) => app.roles.assign(em, account.id, role, CLI));
  return changed(app, account, `has the role ${plain(role)}`);
}

async function removeRole(app: App, account: AccountRow, role: string): Promise<Outcome> {
  const hadIt = await app.database.transaction((em) => app.roles.revoke(em, account.id, role, CLI));
  return changed(app, account, hadIt ? `has the role ${plain(role)} no more` : `did not have the role ${plain(role)}`);
}

async function create(app: App, options: CreateOptions, input: string): Promise<Outcome> {
  const hash = options.passwordStdin ? await hashNewPassword(app, input, options) : undefined;
  const created = await app.database.transaction(async (em) => {
    const { email, username, name, locale, verified = false } = options;
    const account = await app.accounts.create({ email, username, name, locale, isVerified: verified }, CLI, em);
    if (hash !== undefined) await app.passwords.set(em, account.id, hash);
    for (const role of new Set(options.role)) await app.roles.assign(em, account.id, role, CLI);
    return account;
  });
  return show(app, created);
}

async function list(app: App, { limit, after }: ListOptions): Promise<Outcome> {
  const rows = await app.accounts.list({ limit: limit + 1, ...(after === undefined ? {} : { after }) });
  const page = rows.slice(0, limit);
  const next = rows.length > limit ? (page.at(-1)?.id ?? null) : null;
  const accounts = page.map(view);
  const lines = accounts.map((one) => [one.id, one.status, one.email, one.username, one.name]);
  const text = table(['id', 'status', 'email', 'username', 'name'], lines);
  return { json: { accounts, next }, text: next === null ? text : `${text}\n\nThere are more: --after ${next}` };
}

async function show(app: App, account: AccountRow): Promise<Outcome> {
  const roles = await app.roles.list(account.id);
  const { createdAt, lastSignInAt } = await app.accounts.getTimes(account.id);
  const { hasPassword, secondFactors } = await app.factors.overview(account.id);
  const json = { ...view(account), roles, hasPassword, secondFactors, createdAt, lastSignInAt };
  return {
    json,
    text: fields({
      ...json,
      roles: roles.join(', '),
      secondFactors: secondFactors.join(', '),
      createdAt: createdAt.toISOString(),
      lastSignInAt: lastSignInAt?.toISOString(),
    }),
  };
}

/** May be repeated: when ending what the account holds failed half-way, the second run does the rest. */
async function disable(app: App, account: AccountRow): Promise<Outcome> {
  if (account.status === 'disabled') await app.sessionsAndGrants.endAll(account, CLI, 'disabled');
  else await app.sessionsAndGrants.disable(account, CLI);
  return changed(app, account, 'is disabled; its sessions and grants have ended');
}

async function enable(app: App, account: AccountRow): Promise<Outcome> {
  if (account.status === 'deleted') {
    await app.deletions.restore(account, CLI);
    return changed(app, account, 'can sign in again');
  }
  await app.accounts.setStatus(account.id, { from: ['disabled'], to: 'active', action: 'account.enable' }, CLI);
  return changed(app, account, 'can sign in again');
}

async function unlock(app: App, account: AccountRow): Promise<Outcome> {
  const action = 'account.unlock';
  await app.lockout.clearAll(account.id);
  if (account.status === 'locked')
    await app.accounts.setStatus(account.id, { from: ['locked'], to: 'active', action }, CLI);
  else await app.audit.record({ ...CLI, action, target: targetOf(account) });
  return changed(app, account, 'has no failed sign-ins any more');
}

async function remove(app: App, account: AccountRow): Promise<Outcome> {
  await app.sessionsAndGrants.delete(account, CLI);
  return { json: { id: account.id, deleted: true }, text: `${nameOf(account)} is deleted.` };
}

async function signOut(app: App, account: AccountRow): Promise<Outcome> {
  await app.sessionsAndGrants.endAll(account, CLI);
  return changed(app, account, 'is signed out everywhere');
}

async function resetCredentials(app: App, account: AccountRow): Promise<Outcome> {
  await app.sessionsAndGrants.resetCredentials(account, CLI);
  return changed(app, account, 'has no credentials any more; its sessions and grants have ended');
}

/** The second factor stays: whoever has it set up still owes it. */
async function setPassword(app: App, account: AccountRow, input: string): Promise<Outcome> {
  const hash = await hashNewPassword(app, input, account);
  await app.database.transaction(async (em) => {
    await app.passwords.set(em, account.id, hash);
    await app.mailed.revokeAll(em, account.id);
    await app.accounts.noteSignOut(account.id, em);
    await app.audit.record({ ...CLI, action: 'account.set-password', target: targetOf(account) }, em);
  });
  await endAfterChange(app, account, 'password-changed');
  return changed(app, account, 'has a new password; its sessions and grants have ended');
}

async function endAfterChange(app: App, account: AccountRow, reason: string): Promise<void> {
  app.accounts.forgetRecent();
  await app.lockout.clear(account.id);
  await app.sessionsAndGrants.endAll(account, CLI, reason);
}

/** The account as it is now. */
async function changed(app: App, account: AccountRow, what: string): Promise<Outcome> {
  const { json } = await show(app, await app.accounts.get(account.id));
  return { json, text: `${nameOf(account)} ${what}.` };
}

const PROBLEMS: Readonly<Record<PasswordProblem, (app: App) => string>> = {
  'too-short': (app) => `The password is too short: ${app.passwords.minLength} characters at least.`,
  'too-long': () => 'The password is too long.',
  'needs-kinds': () => 'The password needs an upper-case letter, a lower-case letter, a digit and another character.',
  'too-common': () => 'The password is too easy to guess.',
  'too-personal': () => "The password contains the person's name or address, or the product's name.",
  breached: () => 'The password has leaked from another service.',
};

interface Owner {
  readonly email?: string | null;
  readonly username?: string | null;
}

/** @throws InvalidRequest `password-refused` */
async function hashNewPassword(app: App, input: string, { email, username }: Owner): Promise<string> {
  // What `echo` adds is not part of the password; everything else is.
  const password = input.replace(/\r?\n$/, '');
  const options = { code: 'password-refused', field: 'password' };
  if (password === '') throw new InvalidRequest('No password came through standard input.', options);
  const problem = await app.passwords.findProblemAnywhere(password, { email, username });
  if (problem !== null) throw new InvalidRequest(PROBLEMS[problem](app), options);
  return app.passwords.hash(password);
}

/** Chosen fields, so that nothing secret can come along with a column that is added one day. */
function view(account: AccountRow) {
  return {
    id: account.id,
    sub: account.subject,
    status: account.status,
    email: account.email,
    emailVerified: account.emailVerified,
    username: account.username,
    name: account.name,
    givenName: account.givenName,
    familyName: account.familyName,
    locale: account.locale,
    zoneinfo: account.zoneinfo,
    phoneNumber: account.phoneNumber,
    phoneNumberVerified: account.phoneNumberVerified,
  };
}

function targetOf(account: AccountRow) {
  return { kind: 'account', id: account.id };
}

function nameOf(account: AccountRow): string {
  return plain(account.email ?? account.username ?? account.id);
}

function parseName(text: string): string {
  const name = text.trim();
  if (name === '' || name.length > LONGEST_NAME || plain(name) !== name) {
    throw new InvalidArgumentError(`One line of at most ${LONGEST_NAME} characters.`);
  }
  return name;
}

function parseLimit(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LARGEST_PAGE) throw new InvalidArgumentError(`A number from 1 to ${LARGEST_PAGE}.`);
  return limit;
}

function parseId(text: string): string {
  if (!UUID.test(text)) throw new InvalidArgumentError('The id of an account.');
  return text;
}
