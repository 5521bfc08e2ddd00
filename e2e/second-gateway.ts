// One more process of the gateway beside that of a house: on the same database and broker, behind a
// door of its own.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort, startChild, waitUntilReady } from "#dev/child.ts";
import type { House } from "#dev/house.ts";
import { isReady } from "#dev/ready.ts";

export type SecondGateway = AsyncDisposable & {
  /** Of the mesh. */
  readonly url: string;
  kill(signal: NodeJS.Signals): void;
};

const root = new URL("..", import.meta.url).pathname;

export async function startSecondGateway(house: House): Promise<SecondGateway> {
  const [port, doorPort] = [await freePort(), await freePort()];
  const spool = join(house.folder, "second-spool");
  mkdirSync(spool, { recursive: true });
  const logFile = join(house.folder, "logs", "second-gateway.log");
  const own = { PORT: String(port), DOOR_PORT: String(doorPort), SPOOL_DIR: spool };
  const child = await startChild({
    command: process.execPath,
    args: [join(root, "webhook-gateway/main.ts")],
    cwd: root,
    env: { ...house.environmentOf("webhook-gateway"), ...own },
    logFile,
    stopSignal: "SIGTERM",
  });
  const url = `https://localhost:${port}`;
  const ready = () => isReady(`${url}/readyz`, house.provision.tls.dev.caFile);
  await waitUntilReady(child, { name: "second gateway", logFile, timeoutMs: 60_000, ready });
  return {
    url,
    kill: (signal) => process.kill(child.pid, signal),
    [Symbol.asyncDispose]: () => child.stop(30_000),
  };
}
