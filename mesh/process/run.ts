// The life of a service process: start, wait for a signal, stop. It exits 0
// only after everything that was opened is closed again.

import type { Log } from "./log.ts";
import { endStart } from "./start.ts";

const stopTimeoutMs = 30_000;

export async function runUntilSignal(
  log: Log,
  start: () => Promise<AsyncDisposable>,
): Promise<void> {
  const stop = listenForSignals(log);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      log.error(`${event === "uncaughtException" ? "uncaught exception" : "unhandled rejection"}`, {
        error,
      });
      process.exit(1);
    });
  }

  let service: AsyncDisposable;
  try {
    service = await start();
  } catch (error) {
    log.error("the service cannot start", { error });
    process.exit(1);
  }
  endStart();

  const signal = await stop;
  log.info("stopping", { signal });
  const startedAt = performance.now();
  setTimeout(() => {
    log.error("stopping took too long, giving up", { stopTimeoutMs });
    process.exit(1);
  }, stopTimeoutMs).unref();
  try {
    await service[Symbol.asyncDispose]();
  } catch (error) {
    log.error("stopping failed", { error });
    process.exit(1);
  }
  log.info("stopped", { durationMs: Math.round(performance.now() - startedAt) });
  // Asked for, not waited for: a leaked timer must not keep a drained process alive.
  process.exit(0);
}

/** Resolves with the first signal; a second one ends the process at once. */
function listenForSignals(log: Log): Promise<NodeJS.Signals> {
  const first = Promise.withResolvers<NodeJS.Signals>();
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping) {
        log.error("second signal, giving up", { signal });
        process.exit(1);
      }
      stopping = true;
      first.resolve(signal);
    });
  }
  return first.promise;
}
