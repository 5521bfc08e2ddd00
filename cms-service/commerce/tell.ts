// Tells others of orders that changed without money: in the SQL transaction that changes them.

import type { Tx } from "#mesh/database/pool.ts";
import { appendEncoded } from "#mesh/events/outbox.ts";
import type { OrderState } from "../access/order-state.ts";
import { orderEvent } from "../access/settle-payments.ts";
import { eventOptions } from "../access/tell.ts";

export type ChangedOrder = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly state: OrderState;
};

export async function tellOrders(
  tx: Tx,
  orders: readonly ChangedOrder[],
  now: Date,
): Promise<void> {
  await appendEncoded(
    tx,
    orders.map((order) => orderEvent(order, eventOptions(now, undefined))),
  );
}
