// How long a service takes from the start of its process until it is ready, on a
// machine that has run it before, and what it holds in memory when it has nothing
// to do.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "#dev/eventually.ts";
import type { House } from "#dev/house.ts";
import type { Supervised } from "#dev/supervised.ts";
import { median } from "./worker.ts";

const services = ["webhook-gateway", "ledger-service", "cms-service"] as const;
const startsEach = 5;
const idleMs = 10_000;

export type StartResult = {
  readonly service: string;
  readonly readyMs: number;
  /** Left out where the system does not tell. */
  readonly idleMiB: number | undefined;
};

export async function benchStarts(house: House): Promise<readonly StartResult[]> {
  const readyMs: number[] = [];
  for (const service of services) readyMs.push(await startTime(house.process(service)));
  await sleep(idleMs);
  return services.map((service, n) => ({
    service,
    readyMs: readyMs[n] ?? Number.NaN,
    idleMiB: residentMiB(house.process(service).pid),
  }));
}

/** One at a time: the machine is theirs while they start. */
async function startTime(service: Supervised): Promise<number> {
  const taken: number[] = [];
  for (let n = 0; n < startsEach; n += 1) {
    const { restarts } = service;
    service.kill("SIGTERM");
    const isBack = async () => (service.restarts > restarts ? true : undefined);
    if (!(await eventually(isBack, 60_000))) throw new Error(`${service.name} did not come back`);
    taken.push(service.readyAfterMs);
  }
  return median(taken);
}

/** Resident memory as Linux tells it. */
export function residentMiB(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
  } catch {
    return undefined;
  }
}
