import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommandLine } from '../../src/command/parse.ts';
import type { Printed, Task } from '../../src/command/task.ts';

function printed(...argv: string[]): Printed {
  const result = parseCommandLine(argv);
  assert.ok('exitCode' in result, argv.join(' '));
  return result;
}

function task(...argv: string[]): Task {
  const result = parseCommandLine(argv);
  assert.ok('kind' in result, JSON.stringify(result));
  return result;
}

describe('the grammar of the command line', () => {
  it('serves when nothing is asked', () => {
    assert.equal(task().kind, 'serve');
    assert.equal(task('serve').kind, 'serve');
  });

  it('knows every command that exists', () => {
    for (const command of [
      'migrate',
      'migrate --check',
      'setup-link',
      'account create --email a@example.com --username ann --name Ann --password-stdin --role admin --role viewer --verified',
      'account list',
      ...['show', 'disable', 'enable', 'unlock', 'delete', 'sign-out', 'reset-credentials'].map(
        (one) => `account ${one} a`,
      ),
      'account set-password a --password-stdin',
      'client create --file -',
      'client list',
      'client show c',
      'client update c --file x.json',
      'client rotate-secret c',
      'client rotate-secret c --overlap 3600',
      'client delete c',
      'account add-role a support',
      'account remove-role a support',
      'invitation create --email a@example.com --role viewer',
      'invitation list',
      'keys list',
      'keys rotate',
      'keys retire k --force',
      'keys reseal',
      'audit list --account a --action session. --result failure --from 2026-01-01 --to 2026-02-01 --limit 5',
      'audit export --format jsonl',
      'audit verify',
    ]) {
      const found = task(...command.split(' '), '--json');
      assert.equal(found.kind, 'storage', command);
      assert.equal(found.isJson, true, command);
    }
    for (const command of ['config check', 'config print', 'healthcheck']) {
      assert.equal(task(...command.split(' ')).kind, 'local', command);
    }
  });

  it('lists in its help what exists and nothing else', () => {
    const { exitCode, stdout, stderr } = printed('--help');
    assert.equal(exitCode, 0);
    assert.equal(stderr, '');
    for (const name of [
      'serve',
      'migrate',
      'setup-link',
      'account',
      'client',
      'invitation',
      'keys',
      'audit',
      'config',
    ]) {
      assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    }
    assert.doesNotMatch(stdout, /backup|restore|doctor|healthcheck/);
    assert.doesNotMatch(printed('keys', '--help').stdout, /delete|create/);
  });

  it('answers help and version as done', () => {
    assert.equal(printed('account', 'create', '--help').exitCode, 0);
    assert.match(printed('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('reads a file or standard input only for the commands that want it', () => {
    const inputOf = (...argv: string[]): string | undefined => {
      const found = task(...argv);
      return found.kind === 'storage' ? found.input : undefined;
    };
    assert.equal(inputOf('account', 'create', '--email', 'a@example.com'), undefined);
    assert.equal(inputOf('account', 'create', '--email', 'a@example.com', '--password-stdin'), '-');
    assert.equal(inputOf('account', 'set-password', 'a', '--password-stdin'), '-');
    assert.equal(inputOf('client', 'create', '--file', 'app.json'), 'app.json');
    assert.equal(inputOf('account', 'list'), undefined);
  });
});

describe('wrong usage', () => {
  for (const argv of [
    ['frobnicate'],
    ['backup', 'x'],
    ['keys', 'delete'],
    ['account'],
    ['account', 'frobnicate'],
    ['account', 'create'],
    ['account', 'create', '--email'],
    ['account', 'create', '--email', 'a@example.com', '--password', 'secret'],
    ['account', 'create', '--email', 'a@example.com', '--locale', 'not_a_tag!'],
    ['account', 'create', '--email', 'a@example.com', '--name', 'a\nb'],
    ['account', 'create', '--email', 'a@example.com', 'surplus'],
    ['account', 'show'],
    ['account', 'show', 'a', 'b'],
    ['account', 'set-password', 'a'],
    ['account', 'list', '--limit', '0'],
    ['account', 'list', '--limit', '1001'],
    ['account', 'list', '--limit', '1e3'],
    ['account', 'list', '--after', "x' or true"],
    ['client', 'create'],
    ['client', 'update', 'c'],
    ['client', 'rotate-secret', 'c', '--overlap', '-1'],
    ['client', 'rotate-secret', 'c', '--overlap', 'soon'],
    ['migrate', '--no-such-option'],
    ['serve', 'surplus'],
  ]) {
    it(`is 2 with an explanation on standard error: ${JSON.stringify(argv.join(' '))}`, () => {
      const { exitCode, stdout, stderr } = printed(...argv);
      assert.equal(exitCode, 2);
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    });
  }

  it('is one document as well where JSON was asked for', () => {
    const { exitCode, stdout } = printed('account', 'show', '--json');
    assert.equal(exitCode, 2);
    assert.deepEqual(JSON.parse(stdout), { error: 'usage', message: "missing required argument 'id-or-email'" });
  });
});
