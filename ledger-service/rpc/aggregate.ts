// AggregateBalances: sums over all accounts under a prefix of their codes.

import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { type AggregateRow, aggregateBalances } from "../store/aggregate.ts";
import { asOfFromWire } from "./as-of.ts";
import { codePrefixOf } from "./code-prefix.ts";
import { findLedger, requireReached } from "./min-sequence.ts";

type Aggregate = Pick<ServiceImpl<typeof LedgerService>, "aggregateBalances">;

const sumsMax = 10_000;

export function aggregate(pool: Pool): Aggregate {
  return {
    async aggregateBalances(request, context) {
      const { ledgerId, depth, assetCode, minLedgerSequence } = request;
      const codePrefix = codePrefixOf(request);
      const asOf = asOfFromWire(request.asOf);
      const ledger = await findLedger(pool, context, ledgerId, minLedgerSequence);
      requireReached(ledger, asOf?.sequence);
      const { sequence, rows } = await aggregateBalances(pool, ledger.id, {
        codePrefix,
        depth,
        assetCode,
        asOf: asOf && { ...asOf, sequence: asOf.sequence ?? ledger.headSequence },
        limit: sumsMax + 1,
      });
      if (rows.length > sumsMax) {
        const advice = "ask with a longer code_prefix or less depth";
        throw refuse(Code.ResourceExhausted, `more than ${sumsMax} sums, ${advice}`);
      }
      return { balances: rows.map(sumToWire), ledgerSequence: sequence };
    },
  };
}

function sumToWire({ byDebits, byCredits, ...row }: AggregateRow) {
  const difference = row.debitsMinor - row.creditsMinor;
  if (byDebits && byCredits) return row;
  return { ...row, balanceMinor: byDebits ? difference : -difference };
}
