// `healthcheck`: asks a server on this machine whether it is up. For container images, which then need no other program for it; hidden,
// because people look at /readyz.

import { get } from 'node:http';
import type { Command } from 'commander';
import { loadSettings } from '../../config/settings.ts';
import { Unavailable } from '../errors.ts';
import type { Choose } from './leaf.ts';
import type { Outcome } from './task.ts';

const PATIENCE_MS = 3000;
/** Addresses to listen on that are none to connect to. */
const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export function healthcheckCommand(program: Command, choose: Choose): void {
  program
    .command('healthcheck', { hidden: true })
    .option('--json', 'print one JSON document and nothing else')
    .action((_options: object, command: Command) => choose({ kind: 'local', run: check }, command));
}

async function check(): Promise<Outcome> {
  const { host, port, internalPort } = loadSettings().settings;
  const target = internalPort === 0 ? { host: ANY[host] ?? host, port } : { host: '127.0.0.1', port: internalPort };
  const status = await statusOf(target);
  if (status !== 200) throw new Unavailable(`The server answers ${status}.`, { code: 'unhealthy' });
  return { json: { status: 'ok' }, text: 'ok' };
}

function statusOf(target: { readonly host: string; readonly port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get({ ...target, path: '/livez', timeout: PATIENCE_MS, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', (cause) =>
      reject(new Unavailable('The server does not answer.', { code: 'unhealthy', cause })),
    );
  });
}
