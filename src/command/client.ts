// `client`: registered relying parties, by their metadata under the registered names. A secret is shown once, when it is made.
import { type Command, InvalidArgumentError } from 'commander';
import type { App } from '../app.ts';
import type { RegisteredClient } from '../client/clients.ts';
import { clientSnippet } from '../client/snippet.ts';
import { Conflict, InvalidRequest } from '../errors.ts';
import { createInitialAccessToken } from '../oidc/registration.ts';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import { CLI, type Outcome } from './task.ts';
import { fields, jsonDocument, table } from './text.ts';

const CLIENT_ID = ['<client-id>', 'id of the client'] as const;
const FILE = ['--file <file>', 'JSON file with the metadata, - for standard input'] as const;
const DAY = 86_400;
const MOST_OVERLAP = 30 * DAY;
const MOST_TTL = 30 * DAY;

interface FileOption {
  readonly file: string;
}

export function clientCommands(program: Command, choose: Choose): void {
  const client = group(program, 'client', 'registered clients');
  leaf(client, 'create', 'register a client; prints its id and, once, its secret')
    .requiredOption(...FILE)
    .action((options: FileOption, command: Command) => choose(onStorage(create, options.file), command));
  leaf(client, 'list', 'list the clients').action((_options: object, command: Command) =>
    choose(onStorage(list), command),
  );
  leaf(client, 'show', 'show the metadata of a client')
    .argument(...CLIENT_ID)
    .action((id: string, _options: object, command: Command) =>
      choose(
        onStorage(async (app) => viewed(await app.clients.get(id))),
        command,
      ),
    );
  leaf(client, 'update', 'change the members given in the file; null removes one')
    .argument(...CLIENT_ID)
    .requiredOption(...FILE)
    .action((id: string, options: FileOption, command: Command) =>
      choose(
        onStorage(async (app, input) => viewed(await app.clients.update(id, parseFile(input), CLI)), options.file),
        command,
      ),
    );
  leaf(client, 'rotate-secret', 'make a new secret and print it, once')
    .argument(...CLIENT_ID)
    .option('--overlap <seconds>', 'how long the old secrets go on working', parseOverlap, 0)
    .action((id: string, options: { readonly overlap: number }, command: Command) =>
      choose(
        onStorage((app) => rotateSecret(app, id, options.overlap)),
        command,
      ),
    );
  leaf(client, 'approve', 'let a client that registered itself begin its work')
    .argument(...CLIENT_ID)
    .action((id: string, _options: object, command: Command) =>
      choose(
        onStorage(async (app) => viewed(await app.clients.update(id, { latchkey_quarantined: null }, CLI))),
        command,
      ),
    );
  leaf(client, 'registration-token', 'make a token that lets one client register itself, and print it, once')
    .option('--ttl <seconds>', 'how long it can be used', parseTtl, DAY)
    .action((options: { readonly ttl: number }, command: Command) =>
      choose(
        onStorage((app) => makeRegistrationToken(app, options.ttl)),
        command,
      ),
    );
  leaf(client, 'delete', 'delete a client')
    .argument(...CLIENT_ID)
    .action((id: string, _options: object, command: Command) =>
      choose(
        onStorage(async (app) => {
          await app.clients.delete(id, CLI);
          return { json: { client_id: id, deleted: true }, text: `Deleted the client ${id}.` };
        }),
        command,
      ),
    );
}

async function create(app: App, input: string): Promise<Outcome> {
  const { client, secret } = await app.clients.create(parseFile(input), CLI);
  const given = secret === undefined ? {} : { clientSecret: secret };
  const snippet = clientSnippet({ issuer: app.loaded.settings.issuer, metadata: client.metadata, ...given });
  const secretField = secret === undefined ? {} : { client_secret: secret };
  return {
    json: { client_id: client.clientId, ...secretField, metadata: client.metadata, snippet },
    text: [
      fields({ client_id: client.clientId, ...secretField }),
      ...(secret === undefined ? [] : ['', 'The secret is shown this once: only its hash is kept.']),
      '',
      'An example for openid-client:',
      '',
      snippet.trimEnd(),
    ].join('\n'),
  };
}

async function list(app: App): Promise<Outcome> {
  const clients = (await app.clients.list()).map(view);
  const rows = clients.map((one) => [
    one.client_id,
    one.metadata.client_name,
    one.source,
    one.metadata.redirect_uris?.join(' '),
  ]);
  return { json: { clients }, text: table(['client_id', 'name', 'from', 'redirect_uris'], rows) };
}

async function makeRegistrationToken(app: App, ttl: number): Promise<Outcome> {
  if (app.loaded.settings.protocol.clientRegistration !== 'token') {
    throw new Conflict('Clients register with a token only while LATCHKEY_CLIENT_REGISTRATION is token.', {
      code: 'registration-without-token',
    });
  }
  const token = await createInitialAccessToken(app.engine.provider, ttl);
  await app.audit.record({ ...CLI, action: 'client.registration-token' });
  return {
    json: { initial_access_token: token, ttl },
    text: `${fields({ initial_access_token: token })}\n\nIt is shown this once, and lets one client register within ${ttl} seconds.`,
  };
}

async function rotateSecret(app: App, id: string, overlap: number): Promise<Outcome> {
  const secret = await app.clients.rotateSecret(id, overlap, CLI);
  const old = overlap === 0 ? 'Older secrets no longer work.' : `Older secrets go on working for ${overlap} seconds.`;
  return {
    json: { client_id: id, client_secret: secret, overlap },
    text: `${fields({ client_id: id, client_secret: secret })}\n\n${old}`,
  };
}

interface ClientView {
  readonly client_id: string;
  readonly source: RegisteredClient['source'];
  readonly metadata: RegisteredClient['metadata'];
}

/** Without the hashes of its secrets. */
function view(client: RegisteredClient): ClientView {
  return { client_id: client.clientId, source: client.source, metadata: client.metadata };
}

function viewed(client: RegisteredClient): Outcome {
  return { json: view(client), text: jsonDocument(client.metadata) };
}

/** @throws InvalidRequest; the text itself is not repeated, it may hold a secret */
function parseFile(input: string): unknown {
  try {
    return JSON.parse(input) as unknown;
  } catch (cause) {
    throw new InvalidRequest('The metadata is not JSON.', { code: 'invalid-json', cause });
  }
}

function parseOverlap(text: string): number {
  return parseSeconds(text, 0, MOST_OVERLAP);
}

function parseTtl(text: string): number {
  return parseSeconds(text, 60, MOST_TTL);
}

function parseSeconds(text: string, least: number, most: number): number {
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= least && seconds <= most)) throw new InvalidArgumentError(`Seconds from ${least} to ${most}.`);
  return seconds;
}
