import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createMetrics, type Metrics } from "#mesh/process/metrics.ts";
import { report } from "../testing/facts.ts";
import { openLedgerDatabase, openPoster, submit } from "../testing/ledger.ts";
import { succeeded } from "../testing/payments.ts";
import { watchSuspense } from "./suspense-watch.ts";

test("what stands in suspense is counted, with the age of the oldest", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  const { pool } = database;
  const metrics = createMetrics("test");
  await using _watch = watchSuspense({ pool, metrics, pauseMs: 5 });
  await until(metrics, /^bursar_ledger_suspense_open_items\{.*\} 0$/m);
  expect(await metrics.render()).toMatch(/^bursar_ledger_suspense_oldest_seconds\{.*\} 0$/m);

  await report(pool, [succeeded("pi_1", 1n)]);
  await submit(poster, {
    kind: "update-account",
    idempotencyKey: "freeze",
    digest: "00".repeat(32),
    account: { accountCode: "income:sales", assetCode: "USD" },
    change: { what: "freeze" },
    expectedChangedSequence: 0n,
    description: "",
  });
  await report(pool, [succeeded("pi_2", 1n), succeeded("pi_3", 1n)]);
  await until(metrics, /^bursar_ledger_suspense_open_items\{.*\} 2$/m);
  expect(await metrics.render()).not.toMatch(/^bursar_ledger_suspense_oldest_seconds\{.*\} 0$/m);
});

async function until(metrics: Metrics, line: RegExp): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!line.test(await metrics.render())) {
    if (Date.now() > deadline) throw new Error(`no line ${line} in\n${await metrics.render()}`);
    await sleep(5);
  }
}
