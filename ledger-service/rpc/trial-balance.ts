// GetTrialBalance: every balance of a ledger as of one sequence, at once or page by page.

import type { ServiceImpl } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { listBalancesAsOf, readTrialBalance } from "../store/trial-balance.ts";
import { balanceToWire, pastBalanceToWire } from "../wire.ts";
import { asOfFilter, asOfFromWire } from "./as-of.ts";
import { findLedger, requireReached } from "./min-sequence.ts";
import { cutPinnedPage, type Pinned, readPinnedToken } from "./page-token.ts";
import { notFound } from "./refusal-error.ts";

type TrialBalance = Pick<ServiceImpl<typeof LedgerService>, "getTrialBalance">;

/** At once, and a page. */
const accountsMax = 10_000;
const pageSizeMax = 1_000;

export function trialBalance(pool: Pool): TrialBalance {
  return {
    async getTrialBalance(request, context) {
      const { ledgerId, pageSize, pageToken, minLedgerSequence } = request;
      const asOf = asOfFromWire(request.asOf);
      const ledger = await findLedger(pool, context, ledgerId, minLedgerSequence);
      requireReached(ledger, asOf?.sequence);

      if (!asOf && pageSize === 0 && pageToken === "") {
        const trial = await readTrialBalance(pool, ledgerId, accountsMax + 1);
        if (!trial) throw notFound({ refusal: Refusal.LEDGER_NOT_FOUND });
        requireFew(trial.accounts);
        return {
          balances: trial.accounts.map(balanceToWire),
          totals: totalsOf(trial.accounts),
          ledgerSequence: trial.sequence,
        };
      }

      // All pages look at the sequence that the first one saw: later facts do not change it.
      const filter = ["GetTrialBalance", ledgerId, ...asOfFilter(asOf)];
      const first: Pinned = { after: 0n, sequence: asOf?.sequence ?? ledger.headSequence };
      const { after, sequence } = readPinnedToken(filter, pageToken) ?? first;
      requireReached(ledger, sequence);
      const size = pageSize === 0 ? accountsMax : Math.min(pageSize, pageSizeMax);
      const { effectiveTime } = asOf ?? { effectiveTime: undefined };
      const rows = await listBalancesAsOf(pool, ledger.id, {
        asOf: { sequence, effectiveTime },
        after,
        limit: size + 1,
      });
      if (pageSize === 0) requireFew(rows);
      const positionOf = ({ accountId }: { accountId: bigint }) => ({ after: accountId, sequence });
      const { page, nextPageToken } = cutPinnedPage(rows, size, filter, positionOf);
      return {
        balances: page.map(pastBalanceToWire),
        totals: totalsOf(page),
        ledgerSequence: sequence,
        nextPageToken,
      };
    },
  };
}

function requireFew(accounts: readonly unknown[]): void {
  if (accounts.length <= accountsMax) return;
  const advice = "ask for pages with page_size";
  throw refuse(Code.ResourceExhausted, `more than ${accountsMax} accounts, ${advice}`);
}

type Totals = {
  readonly assetCode: string;
  readonly debitsMinor: bigint;
  readonly creditsMinor: bigint;
};

/** The ledger keeps the debits of an asset, which are its credits, within int64. */
function totalsOf(accounts: readonly Totals[]): Totals[] {
  const totals = new Map<string, Totals>();
  for (const { assetCode, debitsMinor, creditsMinor } of accounts) {
    const known = totals.get(assetCode) ?? { assetCode, debitsMinor: 0n, creditsMinor: 0n };
    totals.set(assetCode, {
      assetCode,
      debitsMinor: known.debitsMinor + debitsMinor,
      creditsMinor: known.creditsMinor + creditsMinor,
    });
  }
  return [...totals.values()].sort((a, b) => (a.assetCode < b.assetCode ? -1 : 1));
}
