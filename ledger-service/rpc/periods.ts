// RPCs that close periods and list them.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { ClosePeriodRequest } from "#gen/bursar/ledger/v1/period_requests_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { digestClosePeriod } from "../digest.ts";
import { decodePeriod } from "../journal.ts";
import type { Poster } from "../poster.ts";
import type { Command } from "../rules/commands.ts";
import { int64Max } from "../rules/posting.ts";
import { listPeriods } from "../store/periods.ts";
import { periodToWire } from "../wire.ts";
import { timeOf } from "./commands-of.ts";
import { findLedger } from "./min-sequence.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { refusalError } from "./refusal-error.ts";

type Periods = Pick<ServiceImpl<typeof LedgerService>, "closePeriod" | "listPeriods">;

export function periods(pool: Pool, poster: Poster): Periods {
  return {
    async closePeriod(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [closeCommand(request)], context.signal);
      if (answer?.kind === "refused") throw refusalError(answer.detail);
      assert(answer?.kind === "written");
      return { period: decodePeriod(answer.row), replayed: answer.replayed };
    },

    async listPeriods({ ledgerId, pageSize, pageToken }, context) {
      const { id } = await findLedger(pool, context, ledgerId);
      const filter = ["ListPeriods", ledgerId];
      // Later ones come before the first page, so no page shifts.
      const before = readPageToken(filter, pageToken) ?? int64Max;
      const size = pageSizeOf(pageSize);
      const rows = await listPeriods(pool, id, { before, limit: size + 1 });
      const { page, nextPageToken } = cutPage(rows, size, filter, (row) => row.closedSequence);
      return { periods: page.map((period) => periodToWire(ledgerId, period)), nextPageToken };
    },
  };
}

function closeCommand(request: ClosePeriodRequest): Command {
  const { idempotencyKey, description } = request;
  const endTime = timeOf(request.endTime, "end_time");
  assert(endTime, "validation requires the end");
  const digest = digestClosePeriod({ endTime, description });
  return { kind: "close-period", idempotencyKey, digest, endTime, description };
}
