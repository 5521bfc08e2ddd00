// One more process of the ledger, beside that of the house or instead of it: on the same database and
// broker, started and stopped again and again on its port.

import { join } from "node:path";
import { type Child, freePort, startChild, waitUntilReady } from "#dev/child.ts";
import type { House } from "#dev/house.ts";
import { isReady } from "#dev/ready.ts";

export type Replica = AsyncDisposable & {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  /** How it ended. */
  stop(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
};

const root = new URL("..", import.meta.url).pathname;

export async function createReplica(
  house: House,
  place: number,
  more: Readonly<Record<string, string>> = {},
): Promise<Replica> {
  const port = await freePort();
  const logFile = join(house.folder, "logs", `ledger-${place}.log`);
  const env = { ...house.environmentOf("ledger-service"), PORT: String(port), ...more };
  const url = `https://localhost:${port}`;
  let child: Child | undefined;

  async function stop(): Promise<string> {
    await child?.stop(30_000);
    return (await child?.exited) ?? "never ran";
  }

  return {
    port,
    url,
    async start() {
      child = await startChild({
        command: process.execPath,
        args: [join(root, "ledger-service/main.ts")],
        cwd: root,
        env,
        logFile,
        stopSignal: "SIGTERM",
      });
      const ready = () => isReady(`${url}/readyz`, house.provision.tls.dev.caFile);
      await waitUntilReady(child, { name: "ledger-service", logFile, timeoutMs: 30_000, ready });
    },
    stop,
    kill(signal) {
      if (child) process.kill(child.pid, signal);
    },
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
