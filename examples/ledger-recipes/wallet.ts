// A learner's wallet: what is in it is owed to the learner, so it is a liability. A floor of zero
// makes overdrafts impossible, and a hold sets the price aside while a course is checked out.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, refusalOf, usd } from "./entries.ts";

export async function wallet({ ledger, holds, ledgerId }: Books) {
  const [bank, sales, purse] = [
    usd("assets:bank"),
    usd("income:sales"),
    usd("liabilities:wallets:1"),
  ];
  await ledger.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: bank, kind: AccountKind.ASSET },
      { account: sales, kind: AccountKind.INCOME },
      { account: purse, kind: AccountKind.LIABILITY, limits: { floorMinor: 0n } },
    ],
  });
  await ledger.postTransaction({
    ledgerId,
    idempotencyKey: "top-up/1",
    entries: [debit(bank, 50_00n), credit(purse, 50_00n)],
  });

  // Fifteen minutes to check out; then the money is free again, by the ledger's own clock.
  const { hold } = await holds.createHold({
    ledgerId,
    idempotencyKey: "order/1/hold",
    debitAccount: purse,
    creditAccount: sales,
    amountMinor: 30_00n,
    expiration: { case: "timeToLive", value: { seconds: 900n } },
  });
  const { balance: held } = await ledger.getBalance({ ledgerId, account: purse });

  // 20.00 are available, whatever the balance says.
  const second = await refusalOf(
    ledger.postTransaction({
      ledgerId,
      idempotencyKey: "order/2",
      entries: [debit(purse, 30_00n), credit(sales, 30_00n)],
    }),
  );

  await holds.captureHold({
    ledgerId,
    idempotencyKey: "order/1/capture",
    holdSequence: hold?.holdSequence ?? 0n,
  });
  const { balance: spent } = await ledger.getBalance({ ledgerId, account: purse });
  return { held, second, spent };
}
