// A broker of one's own for each test file or test: an account of the test server, so that streams
// and consumers of the same name never meet.

import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BodyPartSchema } from "#gen/bursar/body/v1/body_pb.ts";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { LedgerCreatedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "../events/broker.ts";
import { createLog, type Log } from "../process/log.ts";
import { createMetrics } from "../process/metrics.ts";

export type TestBroker = AsyncDisposable & { readonly url: string; readonly broker: Broker };

/** Small, because the server reserves it for every stream of every account. */
const streamBytesMax = 64 * 1024 ** 2;

/** One of each stream. */
const events = [
  BodyPartSchema,
  WebhookReceivedSchema,
  PaymentSucceededSchema,
  LedgerCreatedSchema,
  CoursePublishedSchema,
];

/** The name is the identity under which the test publishes and consumes. */
export async function openTestBroker(name = "ledger-service"): Promise<TestBroker> {
  await using stack = new AsyncDisposableStack();
  const { url, release } = await claimAccount();
  stack.defer(release);
  const log = silentLog();
  const broker = stack.use(
    openBroker({ url, name, events, log, metrics: createMetrics("test"), streamBytesMax }),
  );
  if (!(await broker.waitUntilConnected(10_000))) throw new Error("no test broker is running");
  stack.defer(() => deleteStreams(broker));
  const opened = stack.move();
  return { url, broker, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** A log for tests that are about something else. */
export function silentLog(): Log {
  return createLog({ service: "test", level: "silent" });
}

/** A file is an account's lock: test files run in several processes. */
async function claimAccount(): Promise<{ url: string; release: () => void }> {
  const serverUrl = process.env["BURSAR_TEST_NATS_URL"];
  const folder = process.env["BURSAR_TEST_FOLDER"];
  if (!serverUrl || !folder) throw new Error("no test broker is running; run this with vitest");
  const count = Number(process.env["BURSAR_TEST_NATS_ACCOUNTS"]);
  for (let attempt = 0; attempt < 100; attempt++) {
    for (let n = 0; n < count; n++) {
      const lock = join(folder, `account-${n}.lock`);
      if (!claim(lock)) continue;
      const url = new URL(serverUrl);
      url.username = `test${n}`;
      url.password = `test${n}`;
      return { url: url.href, release: () => rmSync(lock) };
    }
    await sleep(100);
  }
  throw new Error(`all ${count} accounts of the test broker are taken; is one not disposed?`);
}

function claim(lock: string): boolean {
  try {
    closeSync(openSync(lock, "wx"));
    return true;
  } catch {
    return false;
  }
}

async function deleteStreams(broker: Broker): Promise<void> {
  const manager = await broker.jsm();
  for await (const name of manager.streams.names()) await manager.streams.delete(name);
}
