// How what a worker counted reaches the database, which only the primary asks: it is told, written
// by the primary, and answered. What cannot be written stays with the worker that counted it.

import { randomUUID } from "node:crypto";
import type { StatisticsDeltas } from "../statistics/collect.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

type Told = FromWorker & { readonly kind: "statistics" };
type Written = ToWorker & { readonly kind: "statistics-written" };

export type WriteStatistics = (deltas: StatisticsDeltas) => Promise<void>;

/**
 * The worker's side. It waits as long as the primary does, whose waits on the database are bounded:
 * one that gave up sooner would tell again what is about to be written.
 */
export function createTeller(tell: (message: FromWorker) => void) {
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  return {
    flush(deltas: StatisticsDeltas): Promise<void> {
      const written = Promise.withResolvers<void>();
      const flushId = randomUUID();
      waiting.set(flushId, written);
      tell({ kind: "statistics", flushId, deltas });
      return written.promise;
    },
    /** What was meant for the worker before us is not ours. */
    take({ flushId, problem }: Written): void {
      const written = waiting.get(flushId);
      waiting.delete(flushId);
      if (problem === "") written?.resolve();
      else written?.reject(new Error(`the primary could not write them: ${problem}`));
    },
  };
}

/** The primary's side. */
export async function writeTold(write: WriteStatistics, told: Told): Promise<Written> {
  const { flushId, deltas } = told;
  try {
    await write(deltas);
    return { kind: "statistics-written", flushId, problem: "" };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { kind: "statistics-written", flushId, problem: problem || "for an unknown reason" };
  }
}
