// Reads the books through the ledger's RPCs and sets them as tables.

import type { Balance } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { GetTrialBalanceResponse } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Clients } from "./clients.ts";
import { decimal, table } from "./terminal.ts";

export type Books = {
  readonly clients: Clients;
  readonly ledgerId: string;
};

export async function transactionsOf(books: Books, paymentId: string): Promise<Transaction[]> {
  const { clients, ledgerId } = books;
  const { transactions } = await clients.ledger.listTransactions({ ledgerId, paymentId });
  return transactions;
}

export async function scalesOf({ clients, ledgerId }: Books): Promise<ReadonlyMap<string, number>> {
  const { assets } = await clients.ledger.listAssets({ ledgerId });
  return new Map(assets.map(({ assetCode, scale }) => [assetCode, scale]));
}

export function entriesTable(
  transactions: readonly Transaction[],
  scales: ReadonlyMap<string, number>,
): string {
  const rows = transactions.flatMap(({ ledgerSequence, entries }) =>
    entries.map(({ account, side, amountMinor }, n) => {
      const assetCode = account?.assetCode ?? "";
      const amount = decimal(amountMinor, scales.get(assetCode) ?? 0);
      return [
        n === 0 ? `#${ledgerSequence}` : "",
        account?.accountCode ?? "",
        assetCode,
        side === Side.DEBIT ? amount : "",
        side === Side.CREDIT ? amount : "",
      ];
    }),
  );
  return table(["", "account", "", "debit", "credit"], rows);
}

export function trialBalanceTable(
  { balances, totals }: GetTrialBalanceResponse,
  scales: ReadonlyMap<string, number>,
): string {
  const shown = ({ debitsMinor, creditsMinor, assetCode }: Balance) => {
    const scale = scales.get(assetCode) ?? 0;
    return [decimal(debitsMinor, scale), decimal(creditsMinor, scale)];
  };
  const rows = balances.map((balance) => [
    balance.accountCode,
    balance.assetCode,
    ...shown(balance),
    decimal(balance.balanceMinor, scales.get(balance.assetCode) ?? 0),
  ]);
  const sums = totals.map(({ assetCode, debitsMinor, creditsMinor }) => {
    const scale = scales.get(assetCode) ?? 0;
    return ["total", assetCode, decimal(debitsMinor, scale), decimal(creditsMinor, scale), ""];
  });
  return table(["account", "", "debits", "credits", "balance"], [...rows, ...sums]);
}
