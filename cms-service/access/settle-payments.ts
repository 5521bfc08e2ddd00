// Settles new totals of payments: read what they reach, decide, write what
// differs and say so, all in the caller's SQL transaction.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
  OrderChangedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { type EncodedEvent, type EncodeOptions, encodeEvent } from "#mesh/events/event.ts";
import { appendEncoded } from "#mesh/events/outbox.ts";
import type { EnrollmentState } from "./enrollment.ts";
import type { Payment } from "./payment.ts";
import { type EnrollmentChange, type Order, type Settlement, settle } from "./settlement.ts";
import * as store from "./store.ts";
import { orderStateToWire } from "./wire.ts";

/** Traces of the events that told of an order's payments, by the order's id. */
export type Causes = ReadonlyMap<string, string | undefined>;

/** All orders that the totals name are there, and locked by the caller. */
export async function settlePayments(
  tx: Tx,
  totals: readonly Payment[],
  now: Date,
  causes: Causes = new Map(),
): Promise<void> {
  if (totals.length === 0) return;
  const before = await store.lockPayments(tx, totals);
  const settlement = settle(await readStanding(tx, before, totals), totals);

  const written = await store.upsertPayments(tx, settlement.payments);
  assert.equal(written, settlement.payments.length, "newer totals were written meanwhile");
  await store.updateOrders(tx, settlement.orders, now);
  await store.deleteGrants(tx, settlement.removedGrants);
  await store.upsertGrants(tx, settlement.grants, now);
  await store.updateEnrollments(tx, settlement.enrollments, now);
  await appendEncoded(tx, eventsOf(settlement, causes, now));
}

async function readStanding(tx: Tx, before: readonly Payment[], totals: readonly Payment[]) {
  // A payment may have belonged to another order so far.
  const orderIds = [...new Set([...totals, ...before].map(({ orderId }) => orderId))];
  const orders = await store.lockOrders(tx, orderIds);
  const payments = await store.readPaymentsOfOrders(tx, orderIds);
  const keys = orders.flatMap(({ learnerId, courseIds }) =>
    courseIds.map((courseId) => ({ learnerId, courseId })),
  );
  const enrollments = await store.lockEnrollments(tx, keys);
  const grants = await store.readGrants(tx, keys);
  return { orders, payments, enrollments, grants };
}

function eventsOf({ orders, enrollments }: Settlement, causes: Causes, now: Date): EncodedEvent[] {
  const optionsFor = (orderId: string) => ({
    messageId: randomUUID(),
    source: "cms-service",
    time: now,
    traceparent: causes.get(orderId),
  });
  return [
    ...orders.map((order) => orderEvent(order, optionsFor(order.orderId))),
    ...enrollments.flatMap((change) => enrollmentEvent(change, optionsFor(change.orderId))),
  ];
}

function orderEvent({ orderId, learnerId, state }: Order, options: EncodeOptions): EncodedEvent {
  const event = {
    orderId,
    learnerId,
    state: orderStateToWire[state],
    changeTime: timestampFromDate(options.time),
  };
  return encodeEvent(OrderChangedSchema, event, options);
}

const enrollmentEvents = {
  active: EnrollmentGrantedSchema,
  suspended: EnrollmentSuspendedSchema,
  revoked: EnrollmentRevokedSchema,
  none: EnrollmentRevokedSchema,
} as const satisfies Record<EnrollmentState, unknown>;

function enrollmentEvent(change: EnrollmentChange, options: EncodeOptions): EncodedEvent[] {
  const { state, before, learnerId, courseId, orderId } = change;
  // Revoked and never opened are the same to others: who had no access has lost none.
  if (enrollmentEvents[state] === enrollmentEvents[before]) return [];
  const changeTime = timestampFromDate(options.time);
  const event = { learnerId, courseId, orderId, changeTime };
  return [encodeEvent(enrollmentEvents[state], event, options)];
}
