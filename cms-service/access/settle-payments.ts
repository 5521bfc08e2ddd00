// Settles new totals of payments: read what they reach, decide, write what
// differs and say so, all in the caller's SQL transaction.

import assert from "node:assert/strict";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { type EncodedEvent, type EncodeOptions, encodeEvent } from "#mesh/events/event.ts";
import { appendEncoded } from "#mesh/events/outbox.ts";
import type { Payment } from "./payment.ts";
import { type Order, type Settlement, type Standing, settle } from "./settlement.ts";
import {
  lockEnrollments,
  readEnrollmentKeys,
  readGrants,
  updateEnrollments,
} from "./standing-store.ts";
import * as store from "./store.ts";
import { type Causes, enrollmentEvents, eventOptions } from "./tell.ts";
import { orderStateToWire } from "./wire.ts";

/** All orders that the totals name are there, and locked by the caller. */
export async function settlePayments(
  tx: Tx,
  totals: readonly Payment[],
  now: Date,
  causes: Causes = new Map(),
): Promise<void> {
  if (totals.length === 0) return;
  const settlement = settle(await readStanding(tx, totals), totals, now);
  await writeSettlement(tx, settlement, now, causes);
}

export async function writeSettlement(
  tx: Tx,
  settlement: Settlement,
  now: Date,
  causes: Causes = new Map(),
): Promise<void> {
  const written = await store.upsertPayments(tx, settlement.payments);
  assert.equal(written, settlement.payments.length, "newer totals were written meanwhile");
  await store.updateOrders(tx, settlement.orders, now);
  await store.deleteGrants(tx, settlement.removedGrants);
  await store.upsertGrants(tx, settlement.grants, now);
  await updateEnrollments(tx, settlement.enrollments, now);
  await appendEncoded(tx, eventsOf(settlement, causes, now));
}

/** What the totals reach, locked until the SQL transaction ends. */
export async function readStanding(tx: Tx, totals: readonly Payment[]): Promise<Standing> {
  const before = await store.lockPayments(tx, totals);
  // A payment may have belonged to another order so far.
  const orderIds = [...new Set([...totals, ...before].map(({ orderId }) => orderId))];
  const orders = await store.lockOrders(tx, orderIds);
  const payments = await store.readPaymentsOfOrders(tx, orderIds);
  const keys = orders.flatMap(({ learnerId, courseIds }) =>
    courseIds.map((courseId) => ({ learnerId, courseId })),
  );
  const enrollments = await lockEnrollments(tx, [
    ...keys,
    ...(await readEnrollmentKeys(tx, before)),
  ]);
  const grants = await readGrants(tx, enrollments);
  return { orders, payments, enrollments, grants };
}

function eventsOf({ orders, enrollments }: Settlement, causes: Causes, now: Date): EncodedEvent[] {
  return [
    ...orders.map((order) => orderEvent(order, eventOptions(now, causes.get(order.orderId)))),
    ...enrollmentEvents(enrollments, now, causes),
  ];
}

export function orderEvent(
  { orderId, learnerId, state }: Pick<Order, "orderId" | "learnerId" | "state">,
  options: EncodeOptions,
): EncodedEvent {
  const event = {
    orderId,
    learnerId,
    state: orderStateToWire[state],
    changeTime: timestampFromDate(options.time),
  };
  return encodeEvent(OrderChangedSchema, event, options);
}
