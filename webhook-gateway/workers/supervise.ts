// One worker of the door: started again whenever it ends by itself, a little later each time it
// does not last, and killed when it hangs. Its number stays, and so what it finds of the one
// before.

import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "#mesh/process/log.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

const backoffMsMin = 100;
const backoffMsMax = 5_000;
/** A worker that lived this long has recovered: its next end is a new story. */
const recoveredAfterMs = 10_000;
/** It reports many times a second: a machine so busy that it cannot is given this long. */
const silenceMsMax = 30_000;
/** After the time that the door itself takes to drain. */
const graceMs = 5_000;

export type SupervisedWorker = {
  readonly number: number;
  /** It takes webhooks. */
  readonly open: boolean;
  readonly busy: boolean;
  readonly connected: boolean;
  /** Ends in a row, none of them after a life worth the name. */
  readonly failures: number;
  /** False when it cannot hear us. */
  tell(message: ToWorker): boolean;
  /** Drained and gone, by force if need be. */
  stop(): Promise<void>;
};

export type SuperviseOptions = {
  readonly number: number;
  readonly drainTimeoutMs: number;
  readonly log: Log;
  readonly onMessage: (worker: SupervisedWorker, message: FromWorker) => void;
  readonly onEnd: (worker: SupervisedWorker) => void;
};

export function superviseWorker(options: SuperviseOptions): SupervisedWorker {
  const { number, drainTimeoutMs, log, onMessage, onEnd } = options;
  const stopping = new AbortController();
  const state = { open: false, busy: false, connected: false, failures: 0 };
  let current: Worker | undefined;
  let heardAtMs = 0;
  const worker: SupervisedWorker = {
    number,
    get open() {
      return state.open;
    },
    get busy() {
      return state.busy;
    },
    get connected() {
      return state.connected;
    },
    get failures() {
      return state.failures;
    },
    tell(message) {
      if (current === undefined || !current.isConnected()) return false;
      // It may end before it reads this: whoever waits for an answer waits for its end too.
      current.send(message, undefined, () => {});
      return true;
    },
    async stop() {
      stopping.abort();
      worker.tell({ kind: "stop" });
      const timer = setTimeout(() => kill(), drainTimeoutMs + graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
  const kill = () => current?.process.kill("SIGKILL");
  const watchdog = setInterval(() => {
    if (current === undefined || performance.now() - heardAtMs < silenceMsMax) return;
    log.error("a worker hangs, it is killed", { worker: number, silenceMs: silenceMsMax });
    kill();
  }, 1_000);
  watchdog.unref();
  const ended = keepRunning();
  return worker;

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      const how = await runOnce();
      Object.assign(state, { open: false, busy: false, connected: false });
      if (stopping.signal.aborted) break;
      const lasted = performance.now() - startedMs > recoveredAfterMs;
      state.failures = lasted ? 1 : state.failures + 1;
      const pauseMs = Math.min(backoffMsMax, backoffMsMin * 2 ** (state.failures - 1));
      log.error("a worker ended, it is started again", { worker: number, how, pauseMs });
      onEnd(worker);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    clearInterval(watchdog);
    onEnd(worker);
  }

  async function runOnce(): Promise<string> {
    const forked = cluster.fork();
    current = forked;
    heardAtMs = performance.now();
    forked.on("message", (message: FromWorker) => {
      heardAtMs = performance.now();
      if (message.kind === "open") state.open = true;
      if (message.kind === "load") {
        state.busy = message.busy;
        state.connected = message.connected;
      }
      onMessage(worker, message);
    });
    // Of a channel that broke as the worker died: its end follows.
    forked.on("error", (error) => log.debug("a worker cannot be told", { worker: number, error }));
    const [code, signal] = (await once(forked.process, "exit")) as [number | null, string | null];
    current = undefined;
    return signal === null ? `with code ${code}` : `by ${signal}`;
  }
}
