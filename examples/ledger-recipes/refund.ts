// A refund of some of a payment: a partial reversal. It names the entries that go back, the ledger
// keeps count of them, and no more goes back than there was.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, refusalOf, usd } from "./entries.ts";

export async function refund({ ledger, ledgerId }: Books) {
  const [bank, sales, tax] = [usd("assets:bank"), usd("income:sales"), usd("liabilities:tax")];
  await ledger.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: bank, kind: AccountKind.ASSET },
      { account: sales, kind: AccountKind.INCOME },
      { account: tax, kind: AccountKind.LIABILITY },
    ],
  });
  const { transaction: sale } = await ledger.postTransaction({
    ledgerId,
    idempotencyKey: "sale/1",
    entries: [debit(bank, 119_00n), credit(sales, 100_00n), credit(tax, 19_00n)],
  });

  const reverse = (idempotencyKey: string, [all, net, vat]: readonly [bigint, bigint, bigint]) =>
    ledger.reverseTransaction({
      ledgerId,
      idempotencyKey,
      ledgerSequence: sale?.ledgerSequence ?? 0n,
      description: "half of the course was cancelled",
      entries: [
        { entryIndex: 0, amountMinor: all },
        { entryIndex: 1, amountMinor: net },
        { entryIndex: 2, amountMinor: vat },
      ],
    });
  const { transaction: half } = await reverse("refund/1", [59_50n, 50_00n, 9_50n]);
  const tooMuch = await refusalOf(reverse("refund/2", [59_51n, 50_01n, 9_50n]));

  // Without entries, all that is left goes back.
  const { balances } = await ledger.reverseTransaction({
    ledgerId,
    idempotencyKey: "refund/3",
    ledgerSequence: sale?.ledgerSequence ?? 0n,
  });
  return { half, tooMuch, balances };
}
