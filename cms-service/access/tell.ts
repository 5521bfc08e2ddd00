// Tells others what became of enrollments, in the SQL transaction that changed them.

import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  EnrollmentExpiredSchema,
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { type EncodedEvent, type EncodeOptions, encodeEvent } from "#mesh/events/event.ts";
import { appendEncoded } from "#mesh/events/outbox.ts";
import type { EnrollmentChange, EnrollmentState } from "./enrollment.ts";
import { updateEnrollments } from "./standing-store.ts";
import { grantSourceToWire } from "./wire.ts";

/** Traces of what brought a change about, by the order's id. */
export type Causes = ReadonlyMap<string, string | undefined>;

export async function writeEnrollments(
  tx: Tx,
  changes: readonly EnrollmentChange[],
  now: Date,
): Promise<void> {
  await updateEnrollments(tx, changes, now);
  await appendEncoded(tx, enrollmentEvents(changes, now));
}

export function enrollmentEvents(
  changes: readonly EnrollmentChange[],
  now: Date,
  causes: Causes = new Map(),
): EncodedEvent[] {
  return changes.flatMap((change) => {
    return eventOf(change, eventOptions(now, causes.get(change.cause.orderId ?? "")));
  });
}

export function eventOptions(time: Date, traceparent: string | undefined): EncodeOptions {
  return { messageId: randomUUID(), source: "cms-service", time, traceparent };
}

/** Whoever has no access has lost none: these three are one to others. */
const isOpen = (state: EnrollmentState) => state === "active" || state === "suspended";

function eventOf(change: EnrollmentChange, options: EncodeOptions): EncodedEvent[] {
  const { state, before, learnerId, courseId, cause } = change;
  if (state === before || (!isOpen(state) && !isOpen(before))) return [];
  const source = grantSourceToWire[cause.source];
  const event = { learnerId, courseId, orderId: cause.orderId ?? "", source };
  const changeTime = timestampFromDate(options.time);
  switch (state) {
    case "active":
      return [encodeEvent(EnrollmentGrantedSchema, { ...event, changeTime }, options)];
    case "suspended":
      return [encodeEvent(EnrollmentSuspendedSchema, { ...event, changeTime }, options)];
    case "expired": {
      const expireTime = timestampFromDate(change.expireTime ?? options.time);
      return [encodeEvent(EnrollmentExpiredSchema, { ...event, expireTime }, options)];
    }
    default:
      return [encodeEvent(EnrollmentRevokedSchema, { ...event, changeTime }, options)];
  }
}
