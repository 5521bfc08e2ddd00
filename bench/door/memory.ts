// The door's memory: under load for as long as one likes, and while the broker is
// away and every webhook is refused.

import { kill } from "node:process";
import { familyOf, residentMiBOf } from "./process-cost.ts";
import { generate, type Stand } from "./stand.ts";

export type MemoryResult = {
  /** Resident, after each load of so many seconds. */
  readonly loadSeconds: number;
  readonly residentMiB: readonly number[];
  readonly acked: number;
  readonly refused: number;
  /** The broker does not answer: it is frozen. */
  readonly brokerFrozen: Away;
};

type Away = {
  readonly residentMiB: readonly number[];
  readonly acked: number;
  readonly refused: number;
};

const connections = 256;
const loadSeconds = 10;
const loadsAway = 2;

export async function benchMemory(stand: Stand, minutes: number): Promise<MemoryResult> {
  await using door = await stand.startGateway();
  const pids = familyOf(door.pid);
  async function load(count: number): Promise<Away> {
    const residentMiB: number[] = [];
    let [acked, refused] = [0, 0];
    for (let n = 0; n < count; n += 1) {
      const result = await generate(door, { connections, seconds: loadSeconds });
      acked += result.acked;
      refused += result.refused;
      residentMiB.push(residentMiBOf(pids));
    }
    return { residentMiB, acked, refused };
  }
  const loaded = await load(Math.max(1, Math.round((minutes * 60) / loadSeconds)));
  kill(stand.broker.pid, "SIGSTOP");
  try {
    return { loadSeconds, ...loaded, brokerFrozen: await load(loadsAway) };
  } finally {
    kill(stand.broker.pid, "SIGCONT");
  }
}
