// RPCs that show what stands in suspense, and release it.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type {
  ReleaseSuspenseItemRequest,
  SuspenseItemSchema,
} from "#gen/bursar/ledger/v1/suspense_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { digestRelease } from "../digest.ts";
import { decodeTransaction } from "../journal.ts";
import type { Poster } from "../poster.ts";
import type { Command } from "../rules/commands.ts";
import { type ListedItem, listSuspense } from "../store/suspense.ts";
import { entryFromWire, sideToWire } from "../wire.ts";
import { refusalReasons } from "../wire-refusal.ts";
import { timeOf } from "./commands-of.ts";
import { findLedger } from "./min-sequence.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { refusalError } from "./refusal-error.ts";
import { balancesOfAnswers } from "./replayed-balances.ts";

type Suspense = Pick<
  ServiceImpl<typeof LedgerService>,
  "listSuspenseItems" | "releaseSuspenseItem"
>;

export function suspense(pool: Pool, poster: Poster): Suspense {
  return {
    async listSuspenseItems({ ledgerId, pageSize, pageToken, released }, context) {
      const { id } = await findLedger(pool, context, ledgerId);
      const filter = ["ListSuspenseItems", ledgerId, String(released)];
      const after = entryAt(readPageToken(filter, pageToken) ?? 0n);
      const size = pageSizeOf(pageSize);
      const rows = await listSuspense(pool, id, { after, limit: size + 1, released });
      const { page, nextPageToken } = cutPage(rows, size, filter, positionOf);
      return { items: page.map(itemToWire), nextPageToken };
    },

    async releaseSuspenseItem(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [releaseCommand(request)], context.signal);
      if (answer?.kind === "refused") throw refusalError(answer.detail);
      assert(answer?.kind === "written");
      const transaction = decodeTransaction(answer.row.data);
      const touched = transaction.entries.map((entry) => entryFromWire(entry).account);
      const [balances = []] = await balancesOfAnswers(pool, ledgerId, [{ answer, touched }]);
      return { transaction, balances, replayed: answer.replayed };
    },
  };
}

function releaseCommand(request: ReleaseSuspenseItemRequest): Command {
  const { idempotencyKey, description, ledgerSequence: sequence, entryIndex, account } = request;
  const { accountCode, assetCode } = account ?? {};
  const parsed = {
    entry: { sequence, entryIndex },
    account: accountCode && assetCode ? { accountCode, assetCode } : undefined,
    description,
    effectiveTime: timeOf(request.effectiveTime, "effective_time"),
  };
  const digest = digestRelease(parsed);
  return { kind: "release-suspense", idempotencyKey, digest, ...parsed };
}

function itemToWire(item: ListedItem): MessageInitShape<typeof SuspenseItemSchema> {
  return {
    ledgerSequence: item.sequence,
    entryIndex: item.entryIndex,
    account: item.account,
    side: sideToWire(item.side),
    amountMinor: item.amountMinor,
    refusal: refusalReasons[item.reason],
    recordedTime: item.recordedTime,
    releasedSequence: item.releasedSequence ?? 0n,
  };
}

/** A token is one number; a provider's fact has a handful of entries. */
const entriesMax = 1_000n;

function positionOf({ sequence, entryIndex }: ListedItem): bigint {
  return sequence * entriesMax + BigInt(entryIndex);
}

function entryAt(position: bigint) {
  if (position === 0n) return { sequence: 0n, entryIndex: 0 };
  return { sequence: position / entriesMax, entryIndex: Number(position % entriesMax) };
}
