import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

const PASSWORD = 'correct horse battery staple';

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

interface AccountView {
  readonly id: string;
  readonly sub: string;
  readonly status: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly roles: readonly string[];
  readonly hasPassword: boolean;
  readonly secondFactors: readonly string[];
}

let count = 0;
function create(...options: string[]): Promise<AccountView> {
  count += 1;
  return line.json(['account', 'create', '--email', `person${count}@example.com`, ...options]);
}

/** Stands in the engine's storage as after a sign-in at an app. */
async function signIn(account: AccountView): Promise<void> {
  const uid = `uid-${account.id}`;
  const sessions = line.app.grants.adapter('Session');
  await sessions.upsert(
    `session-${account.id}`,
    { kind: 'Session', uid, accountId: account.sub, loginTs: 1, jti: `session-${account.id}` },
    600,
  );
}

async function countSessions(account: AccountView): Promise<number> {
  return (await line.app.grants.listSessions(account.sub)).length;
}

/** An authenticator app, and a link on its way by mail. */
async function enrol({ id }: AccountView): Promise<void> {
  const { sql } = line.app.database;
  await sql.query(
    {
      name: '',
      text: `insert into totp (id, account_id, sealed, last_step, created_at)
        values (gen_random_uuid(), $1, '\\x00', 0, now())`,
    },
    [id],
  );
  await sql.query(
    {
      name: '',
      text: `insert into mailed_secret (id, purpose, subject, account_id, credential_version, browser_hash, link_hash,
          code_hash, sealed, link_expires_at, code_expires_at, created_at)
        values (gen_random_uuid(), 'sign-in', $1::text, $1::uuid, 1, 'browser', $1::text, '\\x00', '\\x00',
          now() + interval '1 hour', now() + interval '1 hour', now())`,
    },
    [id],
  );
}

async function countMailed({ id }: AccountView): Promise<number> {
  const text = 'select 1 as one from mailed_secret where account_id = $1';
  return (await line.app.database.sql.query({ name: '', text }, [id])).rows.length;
}

describe('account create', () => {
  it('answers with the whole account, and stores it', async () => {
    const made = await line.json<AccountView>(
      [
        ...['account', 'create', '--email', 'Ann@Example.com', '--username', 'ann', '--name', 'Ann Lee'],
        ...['--locale', 'ru-ru', '--password-stdin', '--role', 'viewer', '--role', 'support', '--verified'],
      ],
      `${PASSWORD}\n`,
    );
    const { id, sub, createdAt, ...rest } = made as unknown as Record<string, unknown>;
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    assert.equal(typeof sub, 'string');
    assert.ok(Date.parse(String(createdAt)) > 0);
    assert.deepEqual(rest, {
      ...{ status: 'active', email: 'Ann@example.com', emailVerified: true, username: 'ann', name: 'Ann Lee' },
      ...{ givenName: null, familyName: null, locale: 'ru-RU', zoneinfo: null },
      ...{
        phoneNumber: null,
        phoneNumberVerified: false,
        roles: ['support', 'viewer'],
        hasPassword: true,
        secondFactors: [],
        lastSignInAt: null,
      },
    });
    assert.deepEqual(await line.json(['account', 'show', 'ann@example.com']), made);
    assert.equal(await line.app.passwords.verify(String(id), PASSWORD), true, 'the line break is not part of it');
    const lines = await line.audit();
    assert.deepEqual(lines.slice(-3), [`cli account.create ${id}`, `cli role.assign ${id}`, `cli role.assign ${id}`]);
  });

  it('makes an account without e-mail, password or anything else', async () => {
    const made = await line.json<AccountView>(['account', 'create', '--username', 'nobody_yet']);
    assert.equal(made.email, null);
    assert.equal(made.hasPassword, false);
    assert.equal(made.emailVerified, false);
  });

  it('refuses, without a trace, what is taken, reserved, malformed or too weak', async () => {
    const before = await line.audit();
    for (const [argv, input, code] of [
      [['--email', 'ANN@example.com'], '', 'email-taken'],
      [['--email', 'x@example.com', '--username', 'Ann'], '', 'username-taken'],
      [['--email', 'x@example.com', '--username', 'admin'], '', 'reserved-username'],
      [['--email', 'x@example.com', '--username', 'a b'], '', 'invalid-username'],
      [['--email', 'x@@example.com'], '', 'invalid-email'],
      [['--email', 'x@example.com', '--role', 'emperor'], '', 'unknown-role'],
      [['--email', 'x@example.com', '--password-stdin'], 'tiny-pw', 'password-refused'],
      [['--email', 'x@example.com', '--password-stdin'], '\n', 'password-refused'],
      [['--email', 'x@example.com', '--password-stdin'], 'aaaaaaaaaaaaaaaa', 'password-refused'],
    ] as const) {
      const { exitCode, stdout, stderr } = await line.run(['account', 'create', ...argv, '--json'], input);
      assert.equal(exitCode, 1);
      assert.equal(JSON.parse(stdout).error, code);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
      if (input.trim() !== '') assert.doesNotMatch(stderr + stdout, new RegExp(input));
    }
    assert.deepEqual(await line.audit(), before);
    await assert.rejects(line.json(['account', 'show', 'x@example.com']), /no such account/);
  });

  it('with the role super-admin closes the set-up', async () => {
    assert.match(String((await line.json(['setup-link']))['url']), /\/setup\/[\w-]{43}$/);
    await create('--role', 'super-admin');
    const { exitCode, stderr } = await line.run(['setup-link']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^latchkey: There is an administrator already.*\n$/);
  });
});

describe('account list and show', () => {
  it('pages through all accounts in the order of their creation', async () => {
    await create();
    await create();
    const all = await line.json<{ accounts: AccountView[]; next: string | null }>(['account', 'list']);
    assert.equal(all.next, null);
    const ids: string[] = [];
    for (let after: string | null = null; ; ) {
      const argv: string[] = ['account', 'list', '--limit', '2', ...(after === null ? [] : ['--after', after])];
      const page: { accounts: AccountView[]; next: string | null } = await line.json(argv);
      ids.push(...page.accounts.map((one) => one.id));
      if (page.next === null) break;
      assert.equal(page.accounts.length, 2);
      after = page.next;
    }
    assert.deepEqual(
      ids,
      all.accounts.map((one) => one.id),
    );
  });

  it('find by id, address and username, and show nothing secret', async () => {
    const shown = await Promise.all(['ann@example.com', 'ANN'].map((who) => line.run(['account', 'show', who])));
    assert.equal(shown[0]?.stdout, shown[1]?.stdout);
    const { id } = await line.json<AccountView>(['account', 'show', 'ann']);
    const outputs = [
      shown[0],
      await line.run(['account', 'show', id, '--json']),
      await line.run(['account', 'list']),
      await line.run(['account', 'list', '--json']),
    ];
    for (const output of outputs) {
      assert.match(output?.stdout ?? '', /ann@example\.com/i);
      assert.doesNotMatch(output?.stdout ?? '', /argon2|hash|credentialVersion/i);
    }
  });

  it('say in one line that there is no such account', async () => {
    for (const who of ['nobody@example.com', 'nobody', '00000000-0000-4000-8000-000000000000', '!']) {
      const { exitCode, stdout, stderr } = await line.run(['account', 'show', who]);
      assert.deepEqual([exitCode, stdout, stderr], [1, '', 'latchkey: There is no such account.\n']);
    }
  });
});

describe('what ends an account’s rights', () => {
  for (const [command, status, action] of [
    ['disable', 'disabled', 'account.disable'],
    ['sign-out', 'active', 'account.sign-out'],
    ['reset-credentials', 'active', 'account.reset-credentials'],
    ['set-password', 'active', 'account.set-password'],
  ] as const) {
    it(`${command} ends its sessions at once, those of others stay, and leaves an event`, async () => {
      const [account, other] = [await create(), await create()];
      await signIn(account);
      await signIn(other);
      assert.equal(await countSessions(account), 1);
      const options = command === 'set-password' ? ['--password-stdin'] : [];
      const changed = await line.json<AccountView>(['account', command, account.id, ...options], PASSWORD);
      assert.equal(changed.status, status);
      assert.equal(await countSessions(account), 0);
      assert.equal(await countSessions(other), 1);
      assert.ok((await line.audit()).includes(`cli ${action} ${account.id}`));
    });
  }

  it('disable may be repeated and ends what was begun since', async () => {
    const account = await create();
    await line.json(['account', 'disable', account.id]);
    await signIn(account);
    assert.equal((await line.json<AccountView>(['account', 'disable', account.id])).status, 'disabled');
    assert.equal(await countSessions(account), 0);
  });

  it('enable revives the account and none of its sessions, once', async () => {
    const account = await create();
    await signIn(account);
    await line.json(['account', 'disable', account.id]);
    assert.equal((await line.json<AccountView>(['account', 'enable', account.id])).status, 'active');
    assert.equal(await countSessions(account), 0);
    assert.ok((await line.audit()).includes(`cli account.enable ${account.id}`));
    assert.equal((await line.run(['account', 'enable', account.id])).exitCode, 1);
  });

  it('delete leaves nothing but its event', async () => {
    const account = await create();
    await signIn(account);
    assert.deepEqual(await line.json(['account', 'delete', account.id]), { id: account.id, deleted: true });
    assert.equal(await countSessions(account), 0);
    assert.equal((await line.run(['account', 'show', account.id])).exitCode, 1);
    assert.ok((await line.audit()).includes(`cli account.delete ${account.id}`));
  });
});

describe('credentials', () => {
  it('set-password makes the new password the only one', async () => {
    const { id } = await create();
    await line.json(['account', 'set-password', id, '--password-stdin'], PASSWORD);
    await line.json(['account', 'set-password', id, '--password-stdin'], `another ${PASSWORD}\r\n`);
    assert.equal(await line.app.passwords.verify(id, PASSWORD), false);
    assert.equal(await line.app.passwords.verify(id, `another ${PASSWORD}`), true);
  });

  it('set-password leaves the second factor and ends what is on its way by mail', async () => {
    const account = await create();
    await enrol(account);
    const changed = await line.json<AccountView>(['account', 'set-password', account.id, '--password-stdin'], PASSWORD);
    assert.deepEqual(changed.secondFactors, ['totp']);
    assert.equal(await countMailed(account), 0);
  });

  it('disable ends what is on its way by mail, so that nothing of it works once the account is enabled', async () => {
    const account = await create();
    await enrol(account);
    await line.json(['account', 'disable', account.id]);
    assert.equal(await countMailed(account), 0);
  });

  it('set-password refuses a weak one and keeps the old one', async () => {
    const { id } = await create();
    await line.json(['account', 'set-password', id, '--password-stdin'], PASSWORD);
    const { exitCode, stderr } = await line.run(['account', 'set-password', id, '--password-stdin'], 'short');
    assert.equal(exitCode, 1);
    assert.match(stderr, /too short: 12 characters/);
    assert.equal(await line.app.passwords.verify(id, PASSWORD), true);
  });

  it('reset-credentials takes everything away that proves the account, also what is on its way by mail', async () => {
    const account = await create();
    const { id } = account;
    await enrol(account);
    assert.deepEqual((await line.json<AccountView>(['account', 'show', id])).secondFactors, ['totp']);
    await line.json(['account', 'set-password', id, '--password-stdin'], PASSWORD);
    const { hasPassword, secondFactors } = await line.json<AccountView>(['account', 'reset-credentials', id]);
    assert.deepEqual([hasPassword, secondFactors], [false, []]);
    assert.equal(await countMailed(account), 0);
    assert.equal(await line.app.passwords.verify(id, PASSWORD), false);
  });

  it('unlock forgets failures, so that a locked network may try again', async () => {
    const { id } = await create();
    const attempt = () => line.app.lockout.attempt({ subject: id, network: '192.0.2.1', isKnownDevice: false });
    for (let tries = 0; (await attempt()).isAllowed; tries += 1) assert.ok(tries < 10);
    await line.json(['account', 'unlock', id]);
    assert.equal((await attempt()).isAllowed, true);
    assert.ok((await line.audit()).includes(`cli account.unlock ${id}`));
  });
});

describe('text for people', () => {
  it('names what was done and steers no terminal', async () => {
    const { id } = await create();
    const { stdout } = await line.run(['account', 'disable', id]);
    assert.match(stdout, /^person\d+@example\.com is disabled; its sessions and grants have ended\.\n$/);
    await line.app.database.sql.query({ name: '', text: `update account set name = E'Eve\\n\\x1b[2J' where id = $1` }, [
      id,
    ]);
    const shown = [await line.run(['account', 'show', id]), await line.run(['account', 'list'])];
    for (const one of shown) assert.doesNotMatch(one.stdout, /\u001b/);
    assert.match(shown[1]?.stdout ?? '', new RegExp(`^${id}  disabled  person\\d+@example\\.com +– +Eve  \\[2J$`, 'm'));
  });
});
