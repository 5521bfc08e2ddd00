// A dispute: the bank takes the money back until somebody decides. It moves to an account of its own,
// so that what may be lost is seen at a glance, and from there to an expense or back.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, type Entry, usd } from "./entries.ts";

export async function dispute({ ledger, ledgerId }: Books) {
  const [clearing, disputed] = [usd("assets:stripe:clearing"), usd("assets:stripe:disputed")];
  const [sales, lost] = [usd("income:sales"), usd("expenses:disputes")];
  await ledger.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: clearing, kind: AccountKind.ASSET },
      { account: disputed, kind: AccountKind.ASSET },
      { account: sales, kind: AccountKind.INCOME },
      { account: lost, kind: AccountKind.EXPENSE },
    ],
  });
  const post = (idempotencyKey: string, entries: Entry[]) =>
    ledger.postTransaction({ ledgerId, idempotencyKey, entries });
  await post("sale/1", [debit(clearing, 49_00n), credit(sales, 49_00n)]);
  await post("sale/2", [debit(clearing, 49_00n), credit(sales, 49_00n)]);

  const opened = await post("dispute/1/opened", [
    debit(disputed, 49_00n),
    credit(clearing, 49_00n),
  ]);
  await post("dispute/2/opened", [debit(disputed, 49_00n), credit(clearing, 49_00n)]);
  const { balance: atRisk } = await ledger.getBalance({ ledgerId, account: disputed });

  // Won: as if it had never been opened, but for the trace of it. Lost: an expense, and not less
  // income: the course was sold.
  await ledger.reverseTransaction({
    ledgerId,
    idempotencyKey: "dispute/1/won",
    ledgerSequence: opened.transaction?.ledgerSequence ?? 0n,
  });
  await post("dispute/2/lost", [debit(lost, 49_00n), credit(disputed, 49_00n)]);

  const { balances } = await ledger.getTrialBalance({ ledgerId });
  return { atRisk, balances };
}
