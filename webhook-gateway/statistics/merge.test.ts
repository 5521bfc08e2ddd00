import { expect, test } from "vitest";
import { silentLog } from "#mesh/testing/broker.ts";
import { createStatistics, type StatisticsDeltas } from "./collect.ts";
import { distanceTo, shareGone } from "./disablement.ts";
import { mergeState, stateAtFirst } from "./merge.ts";

const at = (second: number) => new Date(1_700_000_000_000 + second * 1_000);
const failed = (failures: number, from: number, to: number) => ({
  endpointId: "e",
  lastAckedAt: null,
  lastFailedAt: at(to),
  failures,
  failingSince: at(from),
});

test("failures of several processes add up until one acknowledges", () => {
  const both = mergeState(mergeState(stateAtFirst, failed(3, 10, 12)), failed(2, 9, 13));
  expect(both).toMatchObject({ failuresInARow: 5, failingSince: at(9), lastFailedAt: at(13) });
  const acked = { ...failed(0, 0, 0), lastFailedAt: null, failingSince: null, lastAckedAt: at(20) };
  expect(mergeState(both, acked)).toMatchObject({ failuresInARow: 0, failingSince: null });
});

test("failures from before an acknowledgement that was told first do not count", () => {
  const acked = { ...stateAtFirst, lastAckedAt: at(20) };
  expect(mergeState(acked, failed(4, 10, 15)).failuresInARow).toBe(0);
  expect(mergeState(acked, failed(4, 18, 25))).toMatchObject({
    failuresInARow: 1,
    failingSince: at(25),
  });
});

test("what cannot be written is told again with what came since", async () => {
  const told: StatisticsDeltas[] = [];
  let away = true;
  const flush = async (deltas: StatisticsDeltas) => {
    if (away) throw new Error("away");
    told.push(deltas);
  };
  let now = at(0);
  await using statistics = createStatistics({ flush, log: silentLog(), now: () => now });
  const { observed } = statistics;
  observed.acked("e", true);
  observed.refused("e", "signature-mismatch");
  await expect(statistics.flushNow()).rejects.toThrow("away");
  now = at(5);
  observed.refused("e", "signature-mismatch");
  observed.notDurable("e");
  away = false;
  await statistics.flushNow();
  expect(told[0]?.states).toEqual([
    { endpointId: "e", lastAckedAt: at(0), lastFailedAt: at(5), failures: 3, failingSince: at(0) },
  ]);
  const counts = told[0]?.hours.map(({ kind, reason, count }) => [kind, reason, count]);
  expect(counts).toEqual([
    ["acked", "", 1],
    ["duplicate", "", 1],
    ["refused", "signature-mismatch", 2],
    ["not-durable", "", 1],
  ]);
});

test("the way to disablement is measured in failures or in time", () => {
  const state = { ...stateAtFirst, failuresInARow: 15, failingSince: at(0), lastFailedAt: at(9) };
  const patience = {
    timeoutMs: 1,
    retryHorizonMs: 1,
    disablesAfter: { failures: 20, failingMs: 100_000 },
  };
  expect(distanceTo(patience, state)).toEqual({
    failuresMax: 20,
    failuresLeft: 5,
    disableTime: at(100),
  });
  expect(shareGone(patience, state, at(10))).toBe(0.75);
  expect(shareGone(patience, state, at(90))).toBe(0.9);
});
