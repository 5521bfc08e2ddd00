// The end of waiting: what an event waited for has arrived, and in the SQL transaction of that
// arrival it is handled. It runs in a savepoint of its own: an event that cannot be handled goes to
// the dead letters by itself, and whatever released it is as good as before.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import { isTimeout } from "../database/fault.ts";
import type { Tx } from "../database/pool.ts";
import { inSavepoint } from "../database/savepoint.ts";
import { isFault } from "../database/transaction.ts";
import type { HandleBatch } from "./consumer-definition.ts";
import { takeParked } from "./parking.ts";
import type { RawMessage } from "./raw-message.ts";
import { createSettling, endSpans, giveUp, type Settled, type Settling, settle } from "./settle.ts";

export type ReleaseOptions<D extends DescMessage> = {
  readonly consumer: string;
  readonly events: readonly D[];
  readonly arrived: readonly string[];
  readonly handle: HandleBatch<D>;
};

/** Handles what waited for these keys, and what waited for that, in the caller's SQL transaction. */
export async function releaseParked<D extends DescMessage>(
  tx: Tx,
  options: ReleaseOptions<D>,
): Promise<void> {
  endSpans(await release(tx, createSettling(options), options.arrived));
}

/** More rounds than any chain of predecessors has. */
const roundsMax = 100;
const releaseBatchMax = 500;

/** Says what became of each event that was released. */
export async function release<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  keys: readonly string[],
): Promise<Settled[]> {
  const settled: Settled[] = [];
  let arrived = keys;
  for (let round = 0; arrived.length > 0; round++) {
    assert(round < roundsMax, `parked events release each other without end: ${keys.join(", ")}`);
    const waiting = await takeParked(tx, settling.consumer, arrived);
    const next: string[] = [];
    for (let from = 0; from < waiting.length; from += releaseBatchMax) {
      const batch = waiting.slice(from, from + releaseBatchMax);
      const released = await settleReleased(tx, settling, batch);
      settled.push(...released.settled);
      next.push(...released.arrived);
    }
    arrived = next;
  }
  return settled;
}

type Released = { readonly settled: readonly Settled[]; readonly arrived: readonly string[] };

/** Halves what cannot be handled together until the guilty event stands alone, and buries it. */
export async function settleReleased<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  batch: readonly RawMessage[],
): Promise<Released> {
  try {
    return await inSavepoint(tx, () => settle(tx, settling, batch));
  } catch (error) {
    // One that takes too long is at fault too: what released it would wait for it forever.
    if (isFault(error) && !isTimeout(error)) throw error;
    const [first] = batch;
    if (batch.length > 1) return settleHalves(tx, settling, batch);
    const verdict = await giveUp(tx, settling, first!, error);
    return { settled: [{ raw: first!, verdict }], arrived: [] };
  }
}

async function settleHalves<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  batch: readonly RawMessage[],
): Promise<Released> {
  const half = batch.length >> 1;
  const first = await settleReleased(tx, settling, batch.slice(0, half));
  const second = await settleReleased(tx, settling, batch.slice(half));
  return {
    settled: [...first.settled, ...second.settled],
    arrived: [...first.arrived, ...second.arrived],
  };
}
