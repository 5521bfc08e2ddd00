// HoldService: one command each into the poster, one answer out; and the holds as they stand, by the
// clock of the database.

import assert from "node:assert/strict";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { HoldStatus as WireStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { CreateHoldRequest, HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import type { Answer } from "../answer.ts";
import { digestHold, type HoldRequest } from "../digest.ts";
import { decodeHold, decodeTransaction } from "../journal.ts";
import type { Poster } from "../poster.ts";
import { accountName } from "../rules/books.ts";
import type { HoldCommand } from "../rules/hold-rules.ts";
import type { AccountKey } from "../rules/records.ts";
import { listHolds, readHold } from "../store/read-holds.ts";
import { holdStatusFromWire, holdToWire } from "../wire.ts";
import { accountKeyOf, notesOf, refuseField, timeOf } from "./commands-of.ts";
import { findLedger } from "./min-sequence.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { notFound, refusalError } from "./refusal-error.ts";
import { balancesOfAnswers } from "./replayed-balances.ts";

type Written = Extract<Answer, { kind: "written" }>;

export function holdService(pool: Pool, poster: Poster): ServiceImpl<typeof HoldService> {
  async function submit(
    context: HandlerContext,
    { ledgerId, idempotencyKey }: { ledgerId: string; idempotencyKey: string },
    request: HoldRequest,
  ): Promise<Written> {
    const digest = digestHold(request);
    const command = { ...request, idempotencyKey, digest } as HoldCommand & { digest: string };
    const [answer] = await poster.submit(ledgerId, [command], context.signal);
    if (answer?.kind === "refused") throw refusalError(answer.detail);
    assert(answer?.kind === "written");
    return answer;
  }

  async function balancesOf(ledgerId: string, answer: Written, touched: readonly AccountKey[]) {
    const [balances = []] = await balancesOfAnswers(pool, ledgerId, [{ answer, touched }]);
    return balances;
  }

  /** The hold as it was right after the fact, the first time and always. */
  async function changed(ledgerId: string, answer: Written) {
    const hold = decodeHold(answer.row);
    const touched = [accountKeyOf(hold.debitAccount), accountKeyOf(hold.creditAccount)];
    const balances = await balancesOf(ledgerId, answer, touched);
    return { hold, balances, replayed: answer.replayed };
  }

  return {
    async createHold(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      return changed(ledgerId, await submit(context, request, creationOf(request)));
    },

    async increaseHold(request, context) {
      const { ledgerId, holdSequence, amountMinor, description } = request;
      requireLedger(context, ledgerId);
      const more = { kind: "increase-hold", holdSequence, amountMinor, description } as const;
      return changed(ledgerId, await submit(context, request, more));
    },

    async captureHold(request, context) {
      const { ledgerId, holdSequence, amountMinor, final, description } = request;
      requireLedger(context, ledgerId);
      const answer = await submit(context, request, {
        kind: "capture-hold",
        holdSequence,
        amountMinor,
        final,
        description,
        metadata: notesOf(request.metadata),
        effectiveTime: timeOf(request.effectiveTime, "effective_time"),
      });
      const transaction = decodeTransaction(answer.row.data);
      const touched = transaction.entries.map(({ account }) => accountKeyOf(account));
      const balances = await balancesOf(ledgerId, answer, touched);
      return { transaction, balances, replayed: answer.replayed };
    },

    async voidHold(request, context) {
      const { ledgerId, holdSequence, amountMinor, description } = request;
      requireLedger(context, ledgerId);
      const less = { kind: "void-hold", holdSequence, amountMinor, description } as const;
      return changed(ledgerId, await submit(context, request, less));
    },

    async getHold({ ledgerId, holdSequence, minLedgerSequence }, context) {
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const hold = await readHold(pool, id, holdSequence);
      if (hold) return { hold: holdToWire(ledgerId, hold) };
      throw notFound({ refusal: Refusal.HOLD_NOT_FOUND, ledgerSequence: holdSequence });
    },

    async listHolds(request, context) {
      const { ledgerId, pageSize, pageToken, minLedgerSequence } = request;
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const account = request.account && accountKeyOf(request.account);
      const status =
        request.status === WireStatus.UNSPECIFIED ? undefined : holdStatusFromWire(request.status);
      const name = account ? accountName(account) : "";
      const filter = ["ListHolds", ledgerId, name, status ?? ""];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const options = { after, limit: size + 1, filter: { account, status } };
      const rows = await listHolds(pool, id, options);
      const { page, nextPageToken } = cutPage(rows, size, filter, (hold) => hold.holdSequence);
      return { holds: page.map((hold) => holdToWire(ledgerId, hold)), nextPageToken };
    },
  };
}

function creationOf(request: CreateHoldRequest): HoldRequest {
  const { amountMinor, toleranceMinor, description } = request;
  const debitAccount = accountKeyOf(request.debitAccount);
  const creditAccount = accountKeyOf(request.creditAccount);
  if (accountName(debitAccount) === accountName(creditAccount)) {
    refuseField("credit_account", "must be another account than debit_account");
  }
  return {
    kind: "create-hold",
    debitAccount,
    creditAccount,
    amountMinor,
    toleranceMinor,
    expiration: expirationOf(request.expiration),
    description,
    metadata: notesOf(request.metadata),
  };
}

function expirationOf({ case: form, value }: CreateHoldRequest["expiration"]) {
  switch (form) {
    case "expireTime": {
      const at = timeOf(value, "expire_time");
      return at && { at };
    }
    case "timeToLive": {
      const { seconds, nanos } = value;
      // The schema's rules compare spans without asking whether they are written as protobuf says.
      if (nanos < 0 || nanos > 999_999_999) {
        refuseField("time_to_live", "must have from 0 to 999999999 nanos");
      }
      return { after: { seconds, nanos } };
    }
    default:
      return undefined;
  }
}
