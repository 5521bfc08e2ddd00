// Requests that write, parsed into the ledger's own commands. The schema's rules have been checked;
// what they cannot say is checked here.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type {
  PostTransactionRequest,
  ReverseTransactionRequest,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";
import { digestPosting, digestReversal, sortedNotes } from "../digest.ts";
import type { Command } from "../rules/commands.ts";
import type { Time } from "../rules/records.ts";
import { isTime } from "../rules/time.ts";
import { entryFromWire } from "../wire.ts";

/** `at` is where the request stands in a batch: `requests[3].`. */
export function postCommand(request: PostTransactionRequest, at = ""): Command {
  const { idempotencyKey, description } = request;
  const parsed = {
    entries: request.entries.map(entryFromWire),
    description,
    metadata: sortedNotes(request.metadata.map(({ key, value }) => ({ key, value }))),
    effectiveTime: timeOf(request.effectiveTime, `${at}effective_time`),
  };
  return {
    kind: "post",
    idempotencyKey,
    digest: digestPosting(parsed),
    draft: { ...parsed, idempotencyKey, reversesSequence: 0n, payment: undefined },
  };
}

export function reverseCommand(request: ReverseTransactionRequest): Command {
  const { idempotencyKey, description, ledgerSequence: sequence } = request;
  const digest = digestReversal({ sequence, description });
  return { kind: "reverse", idempotencyKey, digest, sequence, description };
}

export function refuseField(field: string, problem: string): never {
  const message = `${field} ${problem}`;
  throw refuseRequest(RequestRefusal.INVALID_FIELD, message, [{ field, problem }]);
}

function timeOf(time: Timestamp | undefined, field: string): Time | undefined {
  if (!time) return undefined;
  const { seconds, nanos } = time;
  if (!isTime({ seconds, nanos })) refuseField(field, "must lie within the years 1 to 9999");
  return { seconds, nanos };
}
