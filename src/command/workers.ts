// Several processes on one listener (LATCHKEY_WORKERS). The first one prepares the database, starts the others, replaces one that died, and
// hands a stop on; it serves nobody itself.
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as wait } from 'node:timers/promises';
import type { LoadedSettings, Settings } from '../../config/settings.ts';
import { type App, createApp } from '../app.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RunningServer } from '../server.ts';
import { onStopSignal } from './stop-signal.ts';

/** Milliseconds before a worker that died is replaced: doubled with each death in a row. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** Milliseconds after which a worker counts as having lived. */
const LIVED_MS = 60_000;
/** Milliseconds that workers have beyond their own limits to be gone. */
const STOP_PATIENCE_MS = 20_000;

const READY = 'ready';
const STOP = 'stop';

interface Steps {
  /** @returns the setup link while it is needed */
  prepare(loaded: LoadedSettings, log: Log): Promise<string | null>;
  announce(settings: Settings, setupLink: string | null): Promise<void>;
}

/** The first process. Returns after a stop was asked for and done. @throws when it, or the first worker, cannot start */
export async function serveWithWorkers(loaded: LoadedSettings, log: Log, steps: Steps): Promise<void> {
  const { settings } = loaded;
  const workers = new Set<Worker>();
  let isStopping = false;
  let deathsInRow = 0;
  const stopped = onStopSignal(log, () => {
    for (const worker of workers) worker.process.kill('SIGKILL');
  }).then(() => {
    isStopping = true;
  });
  const setupLink = await steps.prepare(loaded, log);

  const start = (): Worker => {
    const worker = cluster.fork();
    const startedAt = performance.now();
    workers.add(worker);
    worker.once('exit', (code, signal) => {
      workers.delete(worker);
      if (isStopping) return;
      deathsInRow = performance.now() - startedAt > LIVED_MS ? 0 : deathsInRow + 1;
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** deathsInRow, LONGEST_PAUSE_MS);
      log.error({ worker: worker.id, code, signal, pause }, 'a worker died');
      setTimeout(() => {
        if (!isStopping) start();
      }, pause).unref();
    });
    return worker;
  };

  // One first: what keeps a worker from starting (a taken port) is then told once and ends the start.
  const canServe = await Promise.race([isReady(start()), stopped.then(() => true)]);
  if (!canServe) {
    isStopping = true;
    throw new AppError('worker-failed', 500, 'The first worker could not start.');
  }
  const others = isStopping ? [] : Array.from({ length: settings.workers - 1 }, () => isReady(start()));
  await Promise.race([Promise.all(others), stopped]);
  if (!isStopping) await steps.announce(settings, setupLink);

  await stopped;
  const gone = Promise.all([...workers].map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  for (const worker of workers) worker.send(STOP);
  const limit = new AbortController();
  await Promise.race([gone, wait(settings.stopDelay * 1000 + STOP_PATIENCE_MS, undefined, { signal: limit.signal })]);
  limit.abort();
  for (const worker of workers) worker.process.kill('SIGKILL');
  await gone;
}

/** False when it died before it could serve. */
function isReady(worker: Worker): Promise<boolean> {
  return new Promise((resolve) => {
    worker.on('message', (message) => {
      if (message === READY) resolve(true);
    });
    worker.once('exit', () => resolve(false));
  });
}

/** One of the others. It ends when the first process says so, and by itself when that one is gone. */
export async function serveAsWorker(
  loaded: LoadedSettings,
  log: Log,
  listen: (app: App, settings: Settings, log: Log) => Promise<RunningServer>,
): Promise<void> {
  // A terminal signals every process of the group; for us the word of the first process counts.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  const stopped = new Promise<void>((resolve) => {
    process.on('message', (message) => {
      if (message === STOP) resolve();
    });
  });
  const ownLog = log.child({ worker: cluster.worker?.id });
  const app = await createApp(loaded, ownLog, { migrate: false });
  try {
    await app.prepareEngine();
    const server = await listen(app, loaded.settings, ownLog);
    app.startWorkers();
    process.send?.(READY);
    await stopped;
    await server.stop();
  } finally {
    await app.close();
  }
}
