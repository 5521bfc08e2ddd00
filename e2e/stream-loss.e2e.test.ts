// What is said when a broker's store is really deleted.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { freePort } from "#dev/child.ts";
import { startNatsServer } from "#dev/nats-server.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startLossWatch } from "../webhook-gateway/stream-loss.ts";
import { makeFolder } from "./folder.ts";
import { ensureStreams, openStoreWorld, testWebhook } from "./store-world.ts";

test("webhooks lost with the broker's store are counted, those that were settled are not", {
  timeout: 60_000,
}, async () => {
  const folder = makeFolder("loss");
  const dataDir = join(folder, "nats");
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const server = await startNatsServer({ dataDir, port });
  await using world = openStoreWorld({
    ...{ url, dir: join(folder, "spool") },
    onStored: (sequence) => watch.note(sequence),
  });
  const { broker } = world;
  const metrics = createMetrics("test");
  const log = createLog({ service: "test", level: "silent" });
  await using watch = startLossWatch({ broker, log, metrics });
  await ensureStreams(broker);
  const manager = await broker.jsm();
  await manager.consumers.add("WEBHOOKS", {
    durable_name: "gateway-WEBHOOKS",
    ack_policy: "explicit",
  });
  for (let n = 0; n < 10; n += 1) {
    await world.store([testWebhook(`w${n}`)], { deadlineMs: 5_000, spool: false });
  }
  const consumer = await broker.js().consumers.get("WEBHOOKS", "gateway-WEBHOOKS");
  for (let n = 0; n < 3; n += 1) await (await consumer.next())?.ackAck();
  // The watch looks at it.
  await sleep(1_200);

  process.kill(server.pid, "SIGKILL");
  await server.exited;
  rmSync(dataDir, { recursive: true });
  await using _again = await startNatsServer({ dataDir, port });
  await ensureStreams(broker);
  const count = async () =>
    Number(/^bursar_gateway_lost_webhooks\{.*\} (\d+)$/m.exec(await metrics.render())?.[1]);
  await expect.poll(count, { timeout: 10_000 }).toBe(7);
  // A life of its own: what is acknowledged from now on is not compared with the one before.
  await world.store([testWebhook("after")], { deadlineMs: 5_000, spool: false });
  await sleep(1_200);
  expect(await count()).toBe(7);
  rmSync(folder, { recursive: true, force: true });
});
