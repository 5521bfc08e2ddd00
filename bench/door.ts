// The door against the handler most teams write, and against what JetStream itself
// takes in batches. `make bench` runs it; alone, all of it or parts:
//   node bench/door.ts [rates] [tls] [bursts] [memory] [--minutes 10]

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dim } from "#dev/terminal.ts";
import type { CeilingOptions } from "./door/ceiling.ts";
import { benchMemory, type MemoryResult } from "./door/memory.ts";
import { printDoor } from "./door/print.ts";
import { allocatedBytes, cpuMicrosOf, familyOf } from "./door/process-cost.ts";
import { benchSubject, generate, type Measured, openStand, type Stand } from "./door/stand.ts";
import { median } from "./mesh/worker.ts";

const runFile = promisify(execFile);
/** Everyone has a turn in each: what disturbs the machine disturbs all of them. */
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const seconds = Number(process.env["BENCH_ROUND_SECONDS"] ?? 4);
const connectionCounts = [1, 64, 256];
const burstSizes = [1_000, 10_000];

export type Rate = {
  readonly connections: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
  /** CPU time of the server, with its workers, a request. */
  readonly serverMicros: number;
  readonly brokerMicros: number;
  /** Of the heap, a request; undefined where several processes answer. */
  readonly allocatedBytes: number | undefined;
};

export type Rates = Readonly<Record<string, readonly Rate[]>>;

export type Burst = {
  readonly who: string;
  readonly webhooks: number;
  readonly acked: number;
  readonly refused: number;
  readonly unanswered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

export type DoorResult = {
  readonly plain?: Rates;
  readonly ceilingPerSecond?: number;
  readonly tls?: Rates;
  readonly bursts?: readonly Burst[];
  readonly memory?: MemoryResult;
};

export type DoorPart = "rates" | "tls" | "bursts" | "memory";
export const doorParts: readonly DoorPart[] = ["rates", "tls", "bursts", "memory"];

export async function benchDoor(
  parts: readonly DoorPart[] = doorParts,
  minutes = 0.5,
): Promise<DoorResult> {
  const folder = mkdtempSync(join(tmpdir(), "bursar-bench-door-"));
  try {
    await using stand = await openStand(folder);
    const result: { -readonly [K in keyof DoorResult]: DoorResult[K] } = {};
    if (parts.includes("rates")) {
      result.ceilingPerSecond = await ceiling(stand);
      result.plain = await benchPlain(stand);
    }
    if (parts.includes("tls")) result.tls = await benchTls(stand);
    if (parts.includes("bursts")) result.bursts = await benchBursts(stand);
    // Last: the broker goes away in it.
    if (parts.includes("memory")) result.memory = await benchMemory(stand, minutes);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function benchPlain(stand: Stand): Promise<Rates> {
  await using door = await stand.startGateway();
  await using workers = await stand.startGateway({ workers: 2 });
  await using naive = await stand.startNaive();
  return await rates(stand, { naive, door, "door, 2 workers": workers });
}

async function benchTls(stand: Stand): Promise<Rates> {
  await using door = await stand.startGateway({ tls: true });
  await using naive = await stand.startNaive({ tls: true });
  return await rates(stand, { naive, door });
}

/** In turns; of each the median of its rounds. */
async function rates(stand: Stand, servers: Record<string, Measured>): Promise<Rates> {
  const all = Object.entries(servers);
  // Code that has run for a moment only is not what a server runs all day.
  for (const [, server] of all) await generate(server, { connections: 64, seconds: 2 });
  const samples: Record<string, Rate[]> = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const connections of connectionCounts) {
      for (const [who, server] of all) {
        samples[who] = [...(samples[who] ?? []), await sample(stand, server, connections)];
      }
    }
  }
  return Object.fromEntries(
    all.map(([who]) => [
      who,
      connectionCounts.map((connections) =>
        medianOf((samples[who] ?? []).filter((one) => one.connections === connections)),
      ),
    ]),
  );
}

async function sample(stand: Stand, server: Measured, connections: number): Promise<Rate> {
  const pids = familyOf(server.pid);
  const spent = async () => ({
    server: cpuMicrosOf(pids),
    broker: cpuMicrosOf([stand.broker.pid]),
    allocated: await allocatedBytes(server.pid, server.probeFile),
  });
  const before = await spent();
  const result = await generate(server, { connections, seconds });
  const after = await spent();
  const each = (what: keyof typeof after) => (after[what] - before[what]) / result.answered;
  const { perSecond, p50Ms, p99Ms, refused } = result;
  return {
    ...{ connections, perSecond, p50Ms, p99Ms, refused },
    serverMicros: each("server"),
    brokerMicros: each("broker"),
    allocatedBytes: pids.length === 1 ? each("allocated") : undefined,
  };
}

function medianOf(samples: readonly Rate[]): Rate {
  const of = (field: keyof Rate) => median(samples.map((one) => one[field] ?? Number.NaN));
  return {
    connections: of("connections"),
    perSecond: of("perSecond"),
    p50Ms: of("p50Ms"),
    p99Ms: of("p99Ms"),
    refused: samples.reduce((sum, one) => sum + one.refused, 0),
    serverMicros: of("serverMicros"),
    brokerMicros: of("brokerMicros"),
    allocatedBytes: samples[0]?.allocatedBytes === undefined ? undefined : of("allocatedBytes"),
  };
}

async function benchBursts(stand: Stand): Promise<Burst[]> {
  await using door = await stand.startGateway();
  await using naive = await stand.startNaive();
  const bursts: Burst[] = [];
  for (const server of [naive, door]) await generate(server, { connections: 64, seconds: 2 });
  for (const webhooks of burstSizes) {
    for (const [who, server] of Object.entries({ naive, door })) {
      const { acked, refused, unanswered, p50Ms, p99Ms, maxMs } = await generate(server, {
        connections: webhooks,
      });
      bursts.push({ who, webhooks, acked, refused, unanswered, p50Ms, p99Ms, maxMs });
    }
  }
  return bursts;
}

async function ceiling({ broker: { url } }: Stand): Promise<number> {
  const options: CeilingOptions = { url, subject: benchSubject, seconds };
  const program = join(import.meta.dirname, "door", "ceiling.ts");
  const { stdout } = await runFile(process.execPath, [program, JSON.stringify(options)]);
  return Number(stdout);
}

if (process.argv[1]?.endsWith("/bench/door.ts")) {
  const given = process.argv.slice(2);
  const at = given.indexOf("--minutes");
  const minutes = at < 0 ? undefined : Number(given[at + 1]);
  const parts = doorParts.filter((part) => given.includes(part));
  const result = await benchDoor(parts.length > 0 ? parts : doorParts, minutes);
  printDoor(result);
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/door.json", `${JSON.stringify(result, null, 2)}\n`);
  console.log(dim("\nbench/results/door.json holds the same as JSON"));
}
