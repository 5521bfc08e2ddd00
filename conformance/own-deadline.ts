// The mesh gives a deadline to every unary call that has none, on both sides. The
// runner counts a deadline that it did not ask for as a mistake, so both programs
// tell it of theirs no more than of the TLS in between. One that it did ask for,
// or any that is not ours, stays where it is.

import type { CallResult, ClientCompatRequest, Packed, RequestInfo } from "./messages.ts";
import type { Schema } from "./schema.ts";

/** Of the server's policies. Far longer than any case asks for. */
export const serverDeadlineMs = 600_000;
/** Of the client under test. */
export const clientDeadlineMs = 60_000;

/** What the caller asked for, by what is left of it. */
export function askedOf(leftMs: number | undefined): { readonly timeoutMs?: bigint } {
  if (leftMs === undefined || leftMs > serverDeadlineMs / 2) return {};
  return { timeoutMs: BigInt(Math.round(leftMs)) };
}

/** What the server says it saw, without the deadline that the client added. */
export function withoutOurs(
  result: CallResult,
  request: ClientCompatRequest,
  schema: Schema,
): CallResult {
  if (request.timeoutMs !== undefined) return result;
  const payloads = result.payloads.map(({ requestInfo, ...payload }) => {
    return requestInfo ? { ...payload, requestInfo: cleared(requestInfo) } : payload;
  });
  if (result.error === undefined) return { ...result, payloads };
  const details = result.error.details.map((detail) => clearedDetail(detail, schema));
  return { ...result, payloads, error: { ...result.error, details } };
}

function clearedDetail(detail: Packed, schema: Schema): Packed {
  const name = "ConformancePayload.RequestInfo";
  if (!detail.typeUrl.endsWith(schema.message(name).typeName)) return detail;
  const info = schema.read<RequestInfo>(name, detail.value);
  return { typeUrl: detail.typeUrl, value: schema.write(name, cleared(info)) };
}

function cleared(info: RequestInfo): RequestInfo {
  const { timeoutMs, ...others } = info;
  const isOurs = timeoutMs !== undefined && timeoutMs > clientDeadlineMs / 2;
  return isOurs ? others : info;
}
