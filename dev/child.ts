// A server process that we start, watch and stop. Its one idea: the child never outlives us, not
// even when we are killed with -9, and whoever supervises it learns of its end from `exited`.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Child = {
  readonly pid: number;
  /** Says how the process ended, once it has; never rejects. */
  readonly exited: Promise<string>;
  readonly running: () => boolean;
  /** What it has written into its log; those before it wrote there too. */
  readonly written: () => string;
  stop(timeoutMs?: number): Promise<void>;
};

export type ChildOptions = {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly stopSignal: NodeJS.Signals;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
};

export async function startChild(options: ChildOptions): Promise<Child> {
  const { command, args, logFile, stopSignal } = options;
  const log = openSync(logFile, "a");
  const { size } = fstatSync(log);
  const child = spawn(command, args, {
    stdio: ["ignore", log, log],
    // Its own process group: a Ctrl-C in the terminal reaches us alone, and we stop in order.
    detached: true,
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  closeSync(log);
  const { pid, exited } = await started(child, command);
  let running = true;
  const watchdog = startWatchdog(pid, stopSignal);
  const ended = exited.then((how) => {
    running = false;
    watchdog.kill("SIGKILL");
    return how;
  });
  return {
    pid,
    exited: ended,
    running: () => running,
    written: () => readFileSync(logFile).subarray(size).toString(),
    async stop(timeoutMs = 10_000) {
      if (!running) return;
      child.kill(stopSignal);
      const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Waits until `ready` answers true, and fails with the end of the log when the child ends first. */
export async function waitUntilReady(
  child: Child,
  options: { name: string; logFile: string; timeoutMs: number; ready: () => Promise<boolean> },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  while (child.running() && Date.now() < deadline) {
    if (await options.ready()) return;
    await sleep(20);
  }
  const why = child.running() ? `is not ready after ${options.timeoutMs} ms` : await child.exited;
  await child.stop();
  const log = child.written().split("\n").slice(-15).join("\n");
  throw new Error(`${options.name} ${why}; the end of ${options.logFile}:\n${log}`);
}

/** A port of this machine that nobody listens on now. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
  });
  return promise;
}

async function started(child: ChildProcess, command: string) {
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      reject(new Error(`cannot start ${command}: ${cause.message}`, { cause }));
    });
  });
  return { pid: child.pid!, exited };
}

/**
 * Only we hold the other end of the shell's input: the kernel closes it when we die, however that
 * happens, and the shell then stops the child. (Linux could do it by prctl; this works on macOS
 * too.)
 */
function startWatchdog(pid: number, signal: NodeJS.Signals): ChildProcess {
  const script = `read -r _; kill -s ${signal.slice(3)} ${pid}`;
  const watchdog = spawn("/bin/sh", ["-c", script], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watchdog.unref();
  (watchdog.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return watchdog;
}
