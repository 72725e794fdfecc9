// `setup-link`: a fresh link for the first administrator.
import type { Command } from 'commander';
import { type Choose, leaf, onStorage } from './leaf.ts';
import { CLI } from './task.ts';

export function setupLinkCommand(program: Command, choose: Choose): void {
  leaf(program, 'setup-link', 'print a one-time link to create the first administrator').action(
    (_options: object, command: Command) =>
      choose(
        onStorage(async (app) => {
          const url = await app.setupLink();
          await app.audit.record({ ...CLI, action: 'setup.link' });
          return { json: { url, expires_in: app.loaded.settings.ttl.setupLink }, text: url };
        }),
        command,
      ),
  );
}
