// `npm run demo`: the provider and a small relying party beside it, with one ready client and one ready account. Everything it makes lies in
// ./data-demo and can be thrown away. LATCHKEY_PORT and DEMO_PORT move the two.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type RelyingParty, startRelyingParty } from './relying-party.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'src', 'main.ts');
const CLIENT_ID = 'demo';
const SIGN_IN_NAME = 'ada@example.com';
const READY_WITHIN_MS = 60_000;

const env = process.env;
const port = Number(env['LATCHKEY_PORT'] ?? 3000);
const demoPort = Number(env['DEMO_PORT'] ?? 3002);
const issuer = `http://localhost:${port}`;
const origin = `http://localhost:${demoPort}`;
const settings = {
  ...env,
  LATCHKEY_PORT: String(port),
  LATCHKEY_DATA_DIR: env['LATCHKEY_DATA_DIR'] ?? join(ROOT, 'data-demo'),
};

/** Runs a command of the provider's command line; it goes through the server that is running. */
async function latchkey(args: readonly string[], input: string): Promise<Record<string, unknown>> {
  const running = promisify(execFile)(process.execPath, [MAIN, ...args, '--json'], { env: settings });
  running.child.stdin?.end(input);
  return JSON.parse((await running).stdout) as Record<string, unknown>;
}

/** @throws when the provider ends before it is ready, or takes too long */
async function untilReady(provider: ChildProcess): Promise<void> {
  const until = Date.now() + READY_WITHIN_MS;
  while (Date.now() < until) {
    if (provider.exitCode !== null) throw new Error('The provider could not start; it says above why.');
    const answer = await fetch(`${issuer}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await wait(200);
  }
  throw new Error(`The provider did not get ready at ${issuer}.`);
}

/** The demo's client and account, made anew at each start, so that their secrets need not be kept anywhere. */
async function prepare(): Promise<{ readonly clientSecret: string; readonly password: string }> {
  await latchkey(['client', 'delete', CLIENT_ID], '').catch(() => undefined);
  await latchkey(['account', 'delete', SIGN_IN_NAME], '').catch(() => undefined);
  const metadata = {
    client_id: CLIENT_ID,
    client_name: 'Latchkey demo',
    client_uri: origin,
    redirect_uris: [`${origin}/callback`],
    post_logout_redirect_uris: [`${origin}/`],
    grant_types: ['authorization_code', 'refresh_token'],
  };
  const client = await latchkey(['client', 'create', '--file', '-'], JSON.stringify(metadata));
  const password = `${randomBytes(9).toString('base64url')} demo`;
  const account = ['--email', SIGN_IN_NAME, '--name', 'Ada Lovelace', '--verified', '--password-stdin'];
  await latchkey(['account', 'create', ...account], password);
  return { clientSecret: String(client['client_secret']), password };
}

const provider = spawn(process.execPath, [MAIN, 'serve'], { env: settings, stdio: ['ignore', 'inherit', 'inherit'] });
let relyingParty: RelyingParty | undefined;
let isStopping = false;
const stop = (code: number): void => {
  if (isStopping) return;
  isStopping = true;
  process.exitCode = code;
  relyingParty?.stop();
  if (provider.exitCode === null) provider.kill('SIGTERM');
};
process.once('SIGINT', () => stop(0));
process.once('SIGTERM', () => stop(0));
provider.once('exit', () => stop(1));

try {
  await untilReady(provider);
  const { clientSecret, password } = await prepare();
  relyingParty = await startRelyingParty({ issuer, origin, port: demoPort, clientId: CLIENT_ID, clientSecret });
  process.stdout.write(`
The demo is ready: ${origin}

  Sign in as   ${SIGN_IN_NAME}
  Password     ${password}

Ctrl+C ends both. Everything lies in ${settings.LATCHKEY_DATA_DIR}.
`);
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  stop(1);
}
