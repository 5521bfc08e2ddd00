// The moment that a read looks at, parsed from the wire.

import type { AsOf as WireAsOf } from "#gen/bursar/ledger/v1/account_pb.ts";
import { isTime } from "../rules/time.ts";
import type { AsOf } from "../store/as-of.ts";
import { refuseField } from "./commands-of.ts";

/** Undefined: the books as they are. */
export function asOfFromWire(asOf: WireAsOf | undefined): AsOf | undefined {
  if (!asOf) return undefined;
  const sequence = asOf.ledgerSequence === 0n ? undefined : asOf.ledgerSequence;
  const time = asOf.effectiveTime;
  if (!time) return sequence === undefined ? undefined : { sequence, effectiveTime: undefined };
  const { seconds, nanos } = time;
  if (!isTime({ seconds, nanos })) {
    refuseField("as_of.effective_time", "must lie within the years 1 to 9999");
  }
  return { sequence, effectiveTime: { seconds, nanos } };
}

/** The moment as part of what a page token is bound to. */
export function asOfFilter(asOf: AsOf | undefined): readonly string[] {
  const { sequence = "", effectiveTime } = asOf ?? {};
  if (!asOf) return [];
  const time = effectiveTime ? `${effectiveTime.seconds}.${effectiveTime.nanos}` : "";
  return [`as of ${sequence} ${time}`];
}
