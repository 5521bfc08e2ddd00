// The load that ledgers are compared under: transfers between two of so many accounts, a share of
// them on the same one, so many at a time. Whoever posts it is a contender; they take turns.

import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./mesh/worker.ts";

export type Transfer = {
  /** Numbers of accounts, from 0. */
  readonly debit: number;
  readonly credit: number;
  readonly amount: number;
};

export type LoadShape = {
  readonly accounts: number;
  /** Share of the transfers that debit account 0. */
  readonly hotShare: number;
  readonly batchSize: number;
  /** Batches under way at once. */
  readonly callers: number;
};

export type Contender = AsyncDisposable & {
  readonly name: string;
  readonly shape: LoadShape;
  /** All of them, durable when it resolves. */
  post(transfers: readonly Transfer[]): Promise<void>;
  /** What it has written: log since the server began, and tables. */
  bytes(): Promise<{ readonly wal: number; readonly disk: number }>;
  /** Throws when its books do not add up to these. */
  check(posted: number): Promise<void>;
};

export type ContenderResult = {
  readonly perSecond: number;
  readonly walBytes: number;
  readonly diskBytes: number;
};

export type Turns = { readonly rounds: number; readonly secondsEach: number };

/** The first round warms up and does not count for the speed. */
export async function takeTurns(
  contenders: readonly Contender[],
  { rounds, secondsEach }: Turns,
): Promise<ReadonlyMap<string, ContenderResult>> {
  const runs = contenders.map((contender) => {
    return { contender, speeds: [] as number[], posted: 0, wal: 0, random: createRandom(42) };
  });
  const disksBefore = await Promise.all(contenders.map(async (one) => (await one.bytes()).disk));
  for (let round = 0; round <= rounds; round += 1) {
    for (const run of runs) {
      const { wal } = await run.contender.bytes();
      const { posted, seconds } = await postFor(run.contender, secondsEach, run.random);
      run.wal += (await run.contender.bytes()).wal - wal;
      run.posted += posted;
      if (round > 0) run.speeds.push(posted / seconds);
      await sleep(50);
    }
  }
  const results = new Map<string, ContenderResult>();
  for (const [n, { contender, speeds, posted, wal }] of runs.entries()) {
    await contender.check(posted);
    const grown = (await contender.bytes()).disk - disksBefore[n]!;
    const perSecond = median(speeds);
    const result = { perSecond, walBytes: wal / posted, diskBytes: grown / posted };
    results.set(contender.name, result);
  }
  return results;
}

async function postFor({ shape, post }: Contender, seconds: number, random: () => number) {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let posted = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      const transfers = Array.from({ length: shape.batchSize }, () => transferOf(shape, random));
      await post(transfers);
      posted += transfers.length;
    }
  };
  await Promise.all(Array.from({ length: shape.callers }, caller));
  return { posted, seconds: (performance.now() - startMs) / 1_000 };
}

function transferOf({ accounts, hotShare }: LoadShape, random: () => number): Transfer {
  const debit = random() < hotShare ? 0 : Math.floor(random() * accounts);
  const other = Math.floor(random() * (accounts - 1));
  return { debit, credit: other < debit ? other : other + 1, amount: 1 + (debit % 7) };
}

/** The same numbers in every run (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
