// LedgerService: a message in, the ledger's own types between, a message out.

import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Poster } from "../poster.ts";
import { accountReads } from "./account-reads.ts";
import { accounts } from "./accounts.ts";
import { aggregate } from "./aggregate.ts";
import { periods } from "./periods.ts";
import { postings } from "./postings.ts";
import { reads } from "./reads.ts";
import { setup } from "./setup.ts";
import { suspense } from "./suspense.ts";
import { trialBalance } from "./trial-balance.ts";

export function ledgerService(
  pool: Pool,
  poster: Poster,
  /** Aborted when the service begins to stop. */
  stopping: AbortSignal = new AbortController().signal,
): Partial<ServiceImpl<typeof LedgerService>> {
  return {
    ...setup(pool, poster),
    ...accounts(poster),
    ...postings(pool, poster, stopping),
    ...reads(pool),
    ...accountReads(pool),
    ...aggregate(pool),
    ...trialBalance(pool),
    ...periods(pool, poster),
    ...suspense(pool, poster),
  };
}
