// `keys`: the signing keys, without anything secret, and what else is sealed with the master secret.
import type { Command } from 'commander';
import type { App } from '../app.ts';
import { AppError } from '../errors.ts';
import type { KeyView } from '../oidc/keys.ts';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import { CLI, type Outcome } from './task.ts';
import { table } from './text.ts';

const KID = ['<kid>', 'the key, as `keys list` shows it; behind -- when it begins with a dash'] as const;
const FORCE = ['--force', 'also while tokens that it signed live: they are refused from then on'] as const;

export function keysCommands(program: Command, choose: Choose): void {
  const keys = group(program, 'keys', 'signing keys, and sealing with a new master secret');
  leaf(keys, 'list', 'list the keys and what each of them does now').action((_options: object, command: Command) =>
    choose(
      onStorage(async (app) => shown(await app.keys.list())),
      command,
    ),
  );
  leaf(keys, 'rotate', 'publish the next keys, which sign after a while in the place of the present ones').action(
    (_options: object, command: Command) => choose(onStorage(rotate), command),
  );
  leaf(keys, 'retire', 'stop publishing a key that signs no longer')
    .argument(...KID)
    .option(...FORCE)
    .action((kid: string, options: { readonly force?: boolean }, command: Command) =>
      choose(
        onStorage((app) => retire(app, kid, options.force ?? false)),
        command,
      ),
    );
  leaf(keys, 'reseal', 'seal again with the present master secret what an older one has sealed').action(
    (_options: object, command: Command) => choose(onStorage(reseal), command),
  );
}

async function rotate(app: App): Promise<Outcome> {
  await recordingRefusal(app, 'key.rotate', 'all', () => app.keys.rotate(app.keyTimes, CLI));
  // Where this is a server's process, it publishes them at once; the others look every few seconds.
  await app.followKeys();
  const list = await app.keys.list();
  const next = list.find((key) => key.state === 'next');
  const gone = list.find((key) => key.state === 'signing')?.retireAt;
  const signing = `The next keys are published. They sign from ${day(next?.activeAt)} on.`;
  return shown(list, `${signing} Those that sign now stay published until ${day(gone)}.`);
}

async function retire(app: App, kid: string, isForced: boolean): Promise<Outcome> {
  await recordingRefusal(app, 'key.retire', kid, () => app.keys.retire(kid, { isForced }, CLI));
  await app.followKeys();
  const text = `The key ${kid} is no longer published. Tokens that it signed are not believed any more.`;
  return shown(await app.keys.list(), text);
}

/** What cannot be sealed again because only a browser has it, or because only a hash of it is kept. */
function expiring(app: App): readonly { readonly what: string; readonly seconds: number }[] {
  const { mailed, ttl } = app.loaded.settings;
  return [
    { what: 'codes that were mailed before', seconds: Math.max(mailed.codeTtl, mailed.verificationCodeTtl) },
    { what: 'codes that a device showed before', seconds: ttl.deviceCode },
    { what: 'forms that were opened before', seconds: ttl.interaction },
    { what: 'browsers that remember names for the account chooser, until their next sign-in', seconds: 365 * 86_400 },
  ];
}

async function reseal(app: App): Promise<Outcome> {
  const stores = await recordingRefusal(app, 'secret.reseal', 'all', () => app.sealedStores.reseal());
  const count = sum(stores.map((store) => store.resealed));
  const lost = sum(stores.map((store) => store.unreadable));
  await app.audit.record({ ...CLI, action: 'secret.reseal', target: { kind: 'secret', id: 'all' } });
  const rows = stores.map((store) => [store.store, store.resealed, store.unreadable]);
  const hasPrevious = app.loaded.secrets.previousSecret !== undefined;
  const lines = [
    table(['store', 'sealed again', 'unreadable'], rows),
    '',
    count === 0 ? 'Nothing was sealed with an older secret.' : `Sealed again: ${count}.`,
  ];
  if (lost > 0) lines.push(`Of ${lost} the secret is not configured: they stay as they are, and count as not there.`);
  if (hasPrevious) {
    lines.push(
      'Once every process runs with the new LATCHKEY_SECRET, LATCHKEY_SECRET_PREVIOUS can go. With it go, unless they have',
      'expired since the restart:',
      ...expiring(app).map(({ what, seconds }) => `  ${what} (${duration(seconds)})`),
    );
  }
  return { json: { stores, expiring: hasPrevious ? expiring(app) : [] }, text: lines.join('\n') };
}

/** A refusal is as much worth knowing as what was done, and its transaction is gone. */
async function recordingRefusal<T>(app: App, action: string, id: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) {
      const kind = action.split('.')[0] ?? 'key';
      await app.audit.record({ ...CLI, action, target: { kind, id }, result: 'failure', reason: error.code });
    }
    throw error;
  }
}

function shown(list: readonly KeyView[], line?: string): Outcome {
  const rows = list.map((key) => [
    ...[key.kid, key.algorithm, key.state],
    ...[day(key.createdAt), day(key.activeAt), day(key.retireAt)],
  ]);
  const text = table(['kid', 'algorithm', 'state', 'created', 'signs from', 'gone at'], rows);
  return { json: { keys: list }, text: line === undefined ? text : `${line}\n\n${text}` };
}

function day(at: Date | null | undefined): string {
  return at?.toISOString().slice(0, 16) ?? '';
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function duration(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${Math.round(seconds / 86_400)} days`;
  return seconds >= 2 * 3600 ? `${Math.round(seconds / 3600)} hours` : `${Math.ceil(seconds / 60)} minutes`;
}
