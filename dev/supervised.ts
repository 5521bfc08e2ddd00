// A process that is started again whenever it ends on its own, on the same port
// and data, a little later each time it does not last.

import { setTimeout as sleep } from "node:timers/promises";

const backoffMsMin = 100;
const backoffMsMax = 5_000;
/** A process that lived this long has recovered: its next end is a new story. */
const recoveredAfterMs = 10_000;

export type Running = AsyncDisposable & { readonly pid: number; readonly exited: Promise<string> };

export type Supervised = AsyncDisposable & {
  readonly name: string;
  /** Process id of the current run; undefined between two runs. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** How long the latest run took to become ready. */
  readonly readyAfterMs: number;
  /** Sends a signal to the current run; false when there is none at this moment. */
  kill(signal: NodeJS.Signals): boolean;
};

export type SuperviseOptions = {
  readonly name: string;
  readonly start: () => Promise<Running>;
  /** Told of every end, every failed start and every recovery. */
  readonly onTrouble: (line: string) => void;
  readonly onChange?: () => void;
};

/** Resolves once the first run is ready; throws when it does not become so. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { name, onTrouble } = options;
  const stopping = new AbortController();
  let readyAfterMs = 0;
  let restarts = 0;
  let current: Running | undefined = await timedStart();

  const watching = watch();
  return {
    name,
    get pid() {
      return current?.pid;
    },
    get restarts() {
      return restarts;
    },
    get readyAfterMs() {
      return readyAfterMs;
    },
    kill(signal) {
      return current !== undefined && signalled(current.pid, signal);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await current?.[Symbol.asyncDispose]();
      await watching;
    },
  };

  async function watch(): Promise<void> {
    let backoffMs = backoffMsMin;
    while (current !== undefined) {
      const startedMs = performance.now();
      const how = await current.exited;
      current = undefined;
      options.onChange?.();
      if (stopping.signal.aborted) return;
      if (performance.now() - startedMs > recoveredAfterMs) backoffMs = backoffMsMin;
      onTrouble(`${name} ${how}; starting it again in ${backoffMs} ms`);
      while (current === undefined) {
        await sleep(backoffMs, undefined, { signal: stopping.signal }).catch(() => {});
        if (stopping.signal.aborted) return;
        backoffMs = Math.min(backoffMs * 2, backoffMsMax);
        current = await startAgain();
      }
      restarts += 1;
      options.onChange?.();
      onTrouble(`${name} is back after ${Math.round(readyAfterMs)} ms`);
      // Stopped while it was starting: whoever stops us saw no process to end.
      if (stopping.signal.aborted) await current[Symbol.asyncDispose]();
    }
  }

  async function timedStart(): Promise<Running> {
    const startMs = performance.now();
    const running = await options.start();
    readyAfterMs = performance.now() - startMs;
    return running;
  }

  async function startAgain(): Promise<Running | undefined> {
    try {
      return await timedStart();
    } catch (error) {
      onTrouble(`${name} did not start: ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  }
}

function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
