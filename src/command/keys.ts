// `keys`: the signing keys, without anything secret.
import type { Command } from 'commander';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import { table } from './text.ts';

export function keysCommands(program: Command, choose: Choose): void {
  const keys = group(program, 'keys', 'signing keys');
  leaf(keys, 'list', 'list the keys and what each of them does now').action((_options: object, command: Command) =>
    choose(
      onStorage(async (app) => {
        const list = await app.keys.list();
        const rows = list.map((key) => [
          key.kid,
          key.algorithm,
          key.state,
          day(key.createdAt),
          day(key.activeAt),
          day(key.retireAt),
        ]);
        return {
          json: { keys: list },
          text: table(['kid', 'algorithm', 'state', 'created', 'signs from', 'gone at'], rows),
        };
      }),
      command,
    ),
  );
}

function day(at: Date | null): string {
  return at?.toISOString().slice(0, 16) ?? '';
}
