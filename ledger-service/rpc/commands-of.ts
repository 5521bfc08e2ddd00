// Requests that write, parsed into the ledger's own commands. The schema's rules have been checked;
// what they cannot say is checked here.

import assert from "node:assert/strict";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type {
  PostTransactionRequest,
  ReverseTransactionRequest,
  AmountRange as WireAmountRange,
  Precondition as WirePrecondition,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";
import { digestPosting, digestReversal, sortedNotes } from "../digest.ts";
import { batchEntriesMax, weightOf } from "../poster.ts";
import type { Command } from "../rules/commands.ts";
import type { AmountRange, Precondition } from "../rules/preconditions.ts";
import type { AccountKey, Note, Time } from "../rules/records.ts";
import { isTime } from "../rules/time.ts";
import { entryFromWire } from "../wire.ts";

/** `at` is where the request stands in a batch: `requests[3].`. */
export function postCommand(request: PostTransactionRequest, at = ""): Command {
  const { idempotencyKey, description, preconditions, linkGroup } = request;
  const parsed = {
    entries: request.entries.map(entryFromWire),
    description,
    metadata: notesOf(request.metadata),
    effectiveTime: timeOf(request.effectiveTime, `${at}effective_time`),
  };
  const more = {
    ...(preconditions.length > 0 && { preconditions: preconditions.map(preconditionOf) }),
    ...(linkGroup !== "" && { linkGroup }),
  };
  return {
    kind: "post",
    idempotencyKey,
    digest: digestPosting({ ...parsed, ...more }),
    draft: { ...parsed, idempotencyKey, reversesSequence: 0n, payment: undefined },
    ...more,
  };
}

/** Of one call: the queue must have room for it, and its caller's deadline, and the answer. */
const callEntriesMax = 20_000;

/** Requests of one ledger; a link group fits into one batch of the poster's. */
export function batchCommands(
  ledgerId: string,
  requests: readonly PostTransactionRequest[],
): Command[] {
  const weights = new Map<string, number>();
  let total = 0;
  return requests.map((request, place) => {
    const at = `requests[${place}].`;
    if (request.ledgerId !== ledgerId) {
      refuseField(`${at}ledger_id`, `must be ${ledgerId}, as in the batch`);
    }
    const command = postCommand(request, at);
    total += weightOf(command);
    if (total > callEntriesMax) {
      const most = `${callEntriesMax} entries and preconditions together`;
      refuseField("requests", `must not have more than ${most}`);
    }
    const { linkGroup } = request;
    if (linkGroup === "") return command;
    const weight = (weights.get(linkGroup) ?? 0) + weightOf(command);
    weights.set(linkGroup, weight);
    if (weight > batchEntriesMax) {
      const most = `${batchEntriesMax} entries and preconditions together`;
      refuseField(`${at}link_group`, `must not have more than ${most}`);
    }
    return command;
  });
}

/** All or none is for those that come together. */
export function lonePostCommand(request: PostTransactionRequest, at = ""): Command {
  if (request.linkGroup !== "") {
    refuseField(`${at}link_group`, "must be empty: a group is posted by BatchPostTransactions");
  }
  return postCommand(request, at);
}

export function reverseCommand(request: ReverseTransactionRequest): Command {
  const { idempotencyKey, description, ledgerSequence: sequence } = request;
  const seen = new Set<number>();
  const parts = request.entries.map(({ entryIndex, amountMinor }, place) => {
    if (seen.has(entryIndex)) {
      refuseField(`entries[${place}].entry_index`, `must be named once, ${entryIndex} was before`);
    }
    seen.add(entryIndex);
    return { entryIndex, amountMinor };
  });
  const parsed = {
    sequence,
    description,
    parts,
    metadata: notesOf(request.metadata),
    effectiveTime: timeOf(request.effectiveTime, "effective_time"),
  };
  return { kind: "reverse", idempotencyKey, digest: digestReversal(parsed), ...parsed };
}

function preconditionOf({ account, balance, available, version }: WirePrecondition): Precondition {
  assert(account, "validation requires the account");
  const { accountCode, assetCode } = account;
  return {
    account: { accountCode, assetCode },
    balance: balance && rangeOf(balance),
    available: available && rangeOf(available),
    version,
  };
}

function rangeOf({ gteMinor, lteMinor, eqMinor }: WireAmountRange): AmountRange {
  return { gteMinor, lteMinor, eqMinor };
}

/** Only what names the account: a message carries more, and is no key of the books. */
export function accountKeyOf(key: AccountKey | undefined): AccountKey {
  assert(key, "validation requires the account");
  const { accountCode, assetCode } = key;
  return { accountCode, assetCode };
}

/** Sorted by key, as they are kept. */
export function notesOf(metadata: readonly Note[]): Note[] {
  return sortedNotes(metadata.map(({ key, value }) => ({ key, value })));
}

export function refuseField(field: string, problem: string): never {
  const message = `${field} ${problem}`;
  throw refuseRequest(RequestRefusal.INVALID_FIELD, message, [{ field, problem }]);
}

export function timeOf(time: Timestamp | undefined, field: string): Time | undefined {
  if (!time) return undefined;
  const { seconds, nanos } = time;
  if (!isTime({ seconds, nanos })) refuseField(field, "must lie within the years 1 to 9999");
  return { seconds, nanos };
}
