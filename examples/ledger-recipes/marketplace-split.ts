// A marketplace: one payment is split at once between the teacher, the platform and the provider's
// fee, in one transaction. Teachers are paid out together, all or none.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, refusalOf, usd } from "./entries.ts";

export async function marketplaceSplit({ ledger, ledgerId }: Books) {
  const [bank, clearing] = [usd("assets:bank"), usd("assets:stripe:clearing")];
  const [fees, commission] = [usd("expenses:fees:stripe"), usd("income:commission")];
  const teachers = [usd("liabilities:teachers:1"), usd("liabilities:teachers:2")] as const;
  await ledger.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: bank, kind: AccountKind.ASSET },
      { account: clearing, kind: AccountKind.ASSET },
      { account: fees, kind: AccountKind.EXPENSE },
      { account: commission, kind: AccountKind.INCOME },
      ...teachers.map((account) => ({ account, kind: AccountKind.LIABILITY })),
    ],
  });
  // What is owed to a teacher cannot be paid out twice.
  for (const account of teachers) {
    await ledger.updateAccountLimits({
      ledgerId,
      idempotencyKey: `limits/${account.accountCode}`,
      account,
      limits: { floorMinor: 0n },
    });
  }

  for (const [place, teacher] of teachers.entries()) {
    await ledger.postTransaction({
      ledgerId,
      idempotencyKey: `sale/${place}`,
      description: "a course",
      metadata: [{ key: "order_id", value: `ord_${place}` }],
      entries: [
        debit(clearing, 97_10n),
        debit(fees, 2_90n),
        credit(teacher, 70_00n),
        credit(commission, 30_00n),
      ],
    });
  }

  const payOut = (amountsMinor: readonly bigint[], run: string) => {
    const requests = teachers.map((teacher, place) => ({
      ledgerId,
      idempotencyKey: `payout/${run}/${place}`,
      linkGroup: run,
      entries: [debit(teacher, amountsMinor[place] ?? 0n), credit(bank, amountsMinor[place] ?? 0n)],
    }));
    return ledger.batchPostTransactions({ ledgerId, requests });
  };
  // The second teacher is owed 70.00: neither is paid.
  const tooMuch = await payOut([70_00n, 70_01n], "may");
  const paid = await payOut([70_00n, 70_00n], "june");
  const again = await refusalOf(
    ledger.postTransaction({
      ledgerId,
      idempotencyKey: "payout/by-hand",
      entries: [debit(teachers[0], 1n), credit(bank, 1n)],
    }),
  );

  const { balances: owed } = await ledger.aggregateBalances({
    ledgerId,
    codePrefix: "liabilities:teachers",
  });
  return { tooMuch, paid, again, owed };
}
