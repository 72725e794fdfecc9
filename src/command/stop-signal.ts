// The two signals that ask a server to stop.
import type { Log } from '../log.ts';

/** Milliseconds: a terminal signals the whole group and npm hands the same signal on, so one Ctrl-C can arrive twice. */
const SAME_PRESS_MS = 500;

/** Settles with the first SIGTERM or SIGINT. Another one later ends the process at once, after `giveUp`. */
export function onStopSignal(log: Log, giveUp: () => void = () => undefined): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        log.info({ signal }, 'asked to stop');
        resolve();
      } else if (now - firstAt > SAME_PRESS_MS) {
        log.warn({ signal }, 'asked to stop again: ending at once');
        giveUp();
        process.exit(1);
      }
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
