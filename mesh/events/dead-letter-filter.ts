// Which dead letters are meant: a filter as SQL, and as a name that binds a page token to it.

import { hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type DeadLetterFilter,
  DeadLetterFilterSchema,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Sql } from "../database/sql.ts";
import { refuseRequest } from "../rpc/errors.ts";

/** True when it names no letters in particular. */
export function isEmpty(filter: DeadLetterFilter | undefined): boolean {
  return filter === undefined || toBinary(DeadLetterFilterSchema, filter).length === 0;
}

/** A part of a statement over `dead_letter`: every part of the filter that is set must hold. */
export function matches(sql: Sql, filter: DeadLetterFilter | undefined) {
  const { consumer = "", subject = "", reason = 0 } = filter ?? {};
  const from = timeOf("filter.dead_time_from", filter?.deadTimeFrom);
  const until = timeOf("filter.dead_time_until", filter?.deadTimeUntil);
  return sql`(
    (${reason}::int = 0 or reason = ${reason}::int)
    and (${consumer}::text = '' or consumer = ${consumer}::text)
    and (${subject}::text = '' or subject = ${subject}::text)
    and (${from}::timestamptz is null or dead_at >= ${from}::timestamptz)
    and (${until}::timestamptz is null or dead_at < ${until}::timestamptz)
  )`;
}

/** Another filter has another name, so that no page token goes on with the wrong list. */
export function nameOfList(filter: DeadLetterFilter | undefined, includeResolved: boolean): string {
  const bytes = toBinary(DeadLetterFilterSchema, filter ?? create(DeadLetterFilterSchema));
  const name = hash("sha256", bytes, "hex").slice(0, 16);
  return `dead${name}${includeResolved ? "r" : ""}`;
}

/** The first and the last second of the years 1 to 9999, as in protobuf. */
const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

function timeOf(field: string, time: Timestamp | undefined): Date | null {
  if (time === undefined) return null;
  if (time.seconds >= secondsMin && time.seconds <= secondsMax) return timestampDate(time);
  const problem = "must lie in the years 1 to 9999";
  throw refuseRequest(RequestRefusal.INVALID_FIELD, `${field} ${problem}`, [{ field, problem }]);
}
