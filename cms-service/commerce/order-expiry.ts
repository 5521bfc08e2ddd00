// Writes down that orders waited too long for their money and tells others, once. Whoever asks
// gets exact answers without it: it is only for those who wait to be told. Every process does it;
// what one of them has in hand the others pass over.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import * as store from "./order-store.ts";
import { tellOrders } from "./tell.ts";

export type OrderExpiryOptions = {
  readonly pool: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Between two looks, on average. */
  readonly pauseMs?: number;
};

const pauseMsUsual = 1_000;
/** Orders an SQL transaction. */
const batchMax = 500;

export function startOrderExpiry(options: OrderExpiryOptions): AsyncDisposable {
  const { pool, log, metrics, pauseMs = pauseMsUsual } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const expired = metrics.counter({
    name: "bursar_cms_orders_expired_total",
    help: "Orders that this process wrote down as expired without payment",
  });

  /** Never throws: what fails now is due at the next look, too. */
  async function look(): Promise<void> {
    try {
      for (let count = batchMax; count === batchMax && !signal.aborted; ) {
        count = await inTransaction(pool, expireOrders);
        if (count > 0) expired.inc(count);
      }
    } catch (error) {
      if (isFault(error)) log.warn("orders that expired cannot be written down now", { error });
      else log.error("orders that expired cannot be written down", { error });
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await look();
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  }
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

/** Answers how many orders the clock had moved. */
export async function expireOrders(tx: Tx): Promise<number> {
  const orders = await store.expireOrders(tx, batchMax);
  const expired = orders.map((order) => ({ ...order, state: "expired" as const }));
  await tellOrders(tx, expired, new Date());
  return orders.length;
}
