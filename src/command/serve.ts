// `serve`: settings → storage → engine → listener, and back again when a signal comes. With one process; workers.ts does the same with several.
import cluster from 'node:cluster';
import { setTimeout as wait } from 'node:timers/promises';
import { type LoadedSettings, loadSettings, type Settings } from '../../config/settings.ts';
import { type App, createApp } from '../app.ts';
import { Conflict } from '../errors.ts';
import { type Log, serializeError } from '../log.ts';
import { startServer } from '../server.ts';
import { type FolderLock, takeFolderLock } from '../storage/folder-lock.ts';
import { type Control, findServer, openControl } from './control.ts';
import { openLog } from './open-log.ts';
import { onStopSignal } from './stop-signal.ts';
import { serveAsWorker, serveWithWorkers } from './workers.ts';

/** Milliseconds for which a command may hold the folder at most when we want to start. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 100;

/** Returns after a stop was asked for and done. @throws when it cannot start */
export async function serve(): Promise<void> {
  const loaded = loadSettings();
  const log = openLog(loaded.settings.logLevel);
  endOnUncaught(log);
  if (cluster.isWorker) await serveAsWorker(loaded, log, listenTo);
  else if (loaded.settings.workers > 1) await serveWithWorkers(loaded, log, { prepare, announce });
  else await serveAlone(loaded, log);
}

async function serveAlone(loaded: LoadedSettings, log: Log): Promise<void> {
  const { settings } = loaded;
  const stopped = onStopSignal(log);
  const lock = settings.database.kind === 'embedded' ? await takeFolder(settings.dataDir) : undefined;
  try {
    const app = await createApp(loaded, log, { migrate: true });
    try {
      await app.prepare();
      const server = await listenTo(app, settings, log);
      let control: Control | undefined;
      try {
        if (lock) control = await openControl(settings.dataDir, app, log);
        app.startWorkers();
        await announce(settings, await findSetupLink(app));
        await stopped;
      } finally {
        await server.stop();
        await control?.close();
      }
    } finally {
      await app.close();
    }
  } finally {
    lock?.release();
  }
}

/** Brings the database up to date and to what the settings declare. @returns the setup link while it is needed */
async function prepare(loaded: LoadedSettings, log: Log): Promise<string | null> {
  const app = await createApp(loaded, log, { migrate: true });
  try {
    await app.prepare();
    return await findSetupLink(app);
  } finally {
    await app.close();
  }
}

function listenTo(app: App, settings: Settings, log: Log): ReturnType<typeof startServer> {
  const { host, port, internalPort, stopDelay } = settings;
  return startServer(app, log, { host, port, internalPort, stopDelay });
}

async function findSetupLink(app: App): Promise<string | null> {
  try {
    return await app.setupLink();
  } catch (error) {
    if (error instanceof Conflict) return null;
    throw error;
  }
}

/** For the person who started it. The link is a secret and goes to standard output only, never into the log. */
async function announce(settings: Settings, setupLink: string | null): Promise<void> {
  const lines = [`${settings.productName} ${settings.version} is ready: ${settings.issuer}`];
  if (setupLink !== null) {
    const minutes = Math.round(settings.ttl.setupLink / 60);
    lines.push(
      '',
      `There is no administrator yet. Create the first one here; the link works once, for ${minutes} minutes:`,
      '',
      `  ${setupLink}`,
      '',
    );
  }
  await new Promise((resolve) => process.stdout.write(`${lines.join('\n')}\n`, resolve));
}

/** Waits for a command that is using the folder; refuses when a server is. */
async function takeFolder(dataDir: string): Promise<FolderLock> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = takeFolderLock(dataDir);
    if (lock) return lock;
    const pid = await findServer(dataDir);
    if (pid !== null || performance.now() > deadline) {
      const who = pid === null ? 'another process' : `another Latchkey server (process ${pid})`;
      throw new Conflict(
        `The data folder ${dataDir} is in use by ${who}. Stop it first, or give this one a LATCHKEY_DATA_DIR of its own.`,
        { code: 'folder-in-use' },
      );
    }
    await wait(RETRY_MS);
  }
}

/** A process whose state nobody knows must not go on answering. */
function endOnUncaught(log: Log): void {
  const end = (error: unknown): void => {
    log.fatal({ err: serializeError(error) }, 'uncaught error');
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
