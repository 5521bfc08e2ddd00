// A process of its own for each side of a measurement, so that its CPU time is
// its own too. Parent and worker ask and answer over the channel that fork gives.

import { fork } from "node:child_process";
import { once } from "node:events";

export type Worker = AsyncDisposable & {
  ask<A>(question: object): Promise<A>;
};

/** Waits until the worker answers questions. */
export async function startWorker(path: string, options: object): Promise<Worker> {
  const child = fork(path, [JSON.stringify(options)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
  });
  const exited = once(child, "exit").then(([code, signal]) => {
    throw new Error(`${path} ended with ${signal ?? code}`);
  });
  exited.catch(() => undefined);
  async function answer<A>(): Promise<A> {
    const [message] = await Promise.race([once(child, "message"), exited]);
    return message as A;
  }
  await answer();
  return {
    ask<A>(question: object) {
      child.send(question);
      return answer<A>();
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await exited.catch(() => undefined);
    },
  };
}

export function workerOptions<O>(): O {
  return JSON.parse(process.argv[2] ?? "{}") as O;
}

/** The worker's side: one answer a question, in order. */
export function answerQuestions<Q>(answer: (question: Q) => Promise<object>): void {
  process.on("message", (question: Q) => {
    answer(question).then(
      (result) => process.send?.(result),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  process.once("SIGTERM", () => process.exit(0));
  process.send?.({});
}

/** CPU time of this process until now, user and system. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
