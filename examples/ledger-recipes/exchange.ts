// Foreign exchange through a rate account: each asset balances by itself, and what was given and got
// meets on one account that exists in both. Its balances are the open position; the rate is what the
// two amounts say, so nothing is ever rounded by the ledger.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, eur, usd } from "./entries.ts";

export async function exchange({ ledger, ledgerId }: Books) {
  const accounts = [eur, usd].flatMap((of) => [
    { account: of("assets:bank"), kind: AccountKind.ASSET },
    { account: of("equity:exchange"), kind: AccountKind.EQUITY },
    { account: of("income:sales"), kind: AccountKind.INCOME },
  ]);
  await ledger.batchCreateAccounts({ ledgerId, accounts });
  await ledger.postTransaction({
    ledgerId,
    idempotencyKey: "sale/1",
    entries: [debit(eur("assets:bank"), 100_00n), credit(eur("income:sales"), 100_00n)],
  });

  // 100.00 EUR are sold for 108.37 USD.
  await ledger.postTransaction({
    ledgerId,
    idempotencyKey: "exchange/1",
    metadata: [{ key: "rate", value: "1.0837" }],
    entries: [
      credit(eur("assets:bank"), 100_00n),
      debit(eur("equity:exchange"), 100_00n),
      debit(usd("assets:bank"), 108_37n),
      credit(usd("equity:exchange"), 108_37n),
    ],
  });

  const codePrefix = "equity:exchange";
  const { balances: position } = await ledger.aggregateBalances({ ledgerId, codePrefix });
  const codes = "assets:bank";
  const { balances: bank } = await ledger.aggregateBalances({ ledgerId, codePrefix: codes });
  return { position, bank };
}
