// The command line as a grammar: which commands there are and what each of them takes. Parsing does nothing but answer a task.
import { Command, CommanderError } from 'commander';
import packageFile from '../../package.json' with { type: 'json' };
import { accountCommands } from './account.ts';
import { auditCommands } from './audit.ts';
import { clientCommands } from './client.ts';
import { configCommands } from './config.ts';
import { healthcheckCommand } from './healthcheck.ts';
import { invitationCommands } from './invitation.ts';
import { keysCommands } from './keys.ts';
import type { Choose } from './leaf.ts';
import { migrateCommand } from './migrate.ts';
import { errorDocument } from './present.ts';
import { setupLinkCommand } from './setup-link.ts';
import type { Printed, Task } from './task.ts';
import { plain } from './text.ts';

/** @param argv without the program; nothing means `serve` */
export function parseCommandLine(argv: readonly string[]): Task | Printed {
  let task: Task | undefined;
  let stdout = '';
  let stderr = '';
  const choose: Choose = (chosen, command) => {
    task = { ...chosen, isJson: command.opts<{ json?: boolean }>().json === true };
  };
  const program = new Command('latchkey')
    .description('A self-hostable OpenID Connect identity provider.')
    .version(packageFile.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        stdout += text;
      },
      writeErr: (text) => {
        stderr += text;
      },
    })
    .showHelpAfterError('(--help shows what there is)');
  program
    .command('serve')
    .description('serve people and clients (the default)')
    .action((_options: object, command: Command) => choose({ kind: 'serve' }, command));
  migrateCommand(program, choose);
  setupLinkCommand(program, choose);
  accountCommands(program, choose);
  invitationCommands(program, choose);
  clientCommands(program, choose);
  keysCommands(program, choose);
  auditCommands(program, choose);
  configCommands(program, choose);
  healthcheckCommand(program, choose);
  try {
    program.parse(argv.length === 0 ? ['serve'] : [...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version that were asked for are no mistake; everything else that stops the parser is.
    if (error.exitCode === 0) return { exitCode: 0, stdout, stderr: '' };
    const isJson = argv.includes('--json');
    return {
      exitCode: 2,
      stdout: isJson ? errorDocument('usage', plain(error.message.replace(/^error: /, ''))) : '',
      stderr,
    };
  }
  if (!task) throw new Error('a command without an action');
  return task;
}
