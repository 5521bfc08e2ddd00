// One SQL transaction: all of the work or none of it. Collisions with others are retried here, a
// few times; everything else is the caller's to judge with `isFault` and `isRejection`.

import { setTimeout as sleep } from "node:timers/promises";
import { isCollision } from "./fault.ts";
import type { Pool, Tx } from "./pool.ts";

export { isFault, isRejection } from "./fault.ts";

const attemptsMax = 6;
const pauseMsMax = 200;

/** The work may run more than once: its only effects are through `tx`. */
export async function inTransaction<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transact(pool, work);
    } catch (error) {
      if (!isCollision(error) || attempt === attemptsMax) throw error;
    }
    await sleep(Math.random() * Math.min(pauseMsMax, 5 * 2 ** attempt));
  }
}

async function transact<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  let over = false;
  try {
    return (await pool.begin("isolation level read committed", (tx) => {
      return work(whileOpen(tx, () => over));
    })) as T;
  } finally {
    over = true;
  }
}

/** The SQL transaction is over: its connection was lost, or a statement in it was not awaited. */
export class TransactionOver extends Error {
  override name = "TransactionOver";
  readonly code = "CONNECTION_CLOSED";
}

/** A statement that comes too late would run in no SQL transaction, or in the next one. */
function whileOpen(tx: Tx, isOver: () => boolean): Tx {
  const check = () => {
    if (isOver()) throw new TransactionOver("the SQL transaction is over");
  };
  return new Proxy(tx, {
    apply(target, self, args) {
      check();
      return Reflect.apply(target, self, args);
    },
    get(target, name, receiver) {
      check();
      return Reflect.get(target, name, receiver);
    },
  });
}
