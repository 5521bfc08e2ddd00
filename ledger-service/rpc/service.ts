// LedgerService: a message in, the ledger's own types between, a message out.

import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Poster } from "../poster.ts";
import { postings } from "./postings.ts";
import { reads } from "./reads.ts";
import { setup } from "./setup.ts";

export function ledgerService(
  pool: Pool,
  poster: Poster,
): Partial<ServiceImpl<typeof LedgerService>> {
  return { ...setup(pool, poster), ...postings(poster), ...reads(pool) };
}
