import { expect, test } from "vitest";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";
import { testEndpoints } from "../testing/senders.ts";
import { createStatistics } from "./collect.ts";
import { deleteOldHours, readCounts, readStates, writeStatistics } from "./rows.ts";
import { statisticsMethods } from "./rpc.ts";
import { createGauges } from "./watch.ts";

test("what two processes counted is one sum, one state, and metrics", async () => {
  const migrations = new URL("../migrations/", import.meta.url);
  await using database = await openTestDatabase({ schema: "gateway", migrations });
  const { pool } = database;
  const open = () => {
    return createStatistics({ flush: (deltas) => writeStatistics(pool, deltas), log: silentLog() });
  };
  await using first = open();
  await using second = open();
  const endpointId = "stripe-endpoint";
  first.observed.acked(endpointId, false);
  second.observed.acked(endpointId, true);
  await Promise.all([first.flushNow(), second.flushNow()]);
  for (const { observed } of [first, second]) {
    observed.refused(endpointId, "signature-mismatch");
    observed.notDurable(endpointId);
  }
  await Promise.all([first.flushNow(), second.flushNow()]);
  expect((await readStates(pool)).get(endpointId)?.failuresInARow).toBe(4);

  const inForce = { current: testEndpoints };
  const { listEndpointStatistics } = statisticsMethods({ pool, inForce });
  const answer = await listEndpointStatistics({ endpointId, hours: 1 } as never, {} as never);
  expect(answer.endpoints).toMatchObject([
    {
      endpointId,
      acknowledged: 2n,
      duplicates: 1n,
      refused: [{ reason: "signature-mismatch", count: 2n }],
      notDurable: 2n,
      failuresInARow: 4n,
    },
  ]);

  const metrics = createMetrics("test");
  await createGauges({ pool, inForce, metrics }).look();
  expect(await metrics.render()).toMatch(
    /bursar_gateway_endpoint_failures_in_a_row\{endpoint="stripe-endpoint".*\} 4/,
  );

  await pool`update endpoint_hour set hour = now() - interval '31 days'`;
  expect(await deleteOldHours(pool, 1_000)).toBeGreaterThan(0);
  expect(await readCounts(pool, "", 720)).toEqual([]);
});
