// Deferred revenue: a year of access is paid in advance and earned month by month. The months are
// posted at once, each with its own effective time; a balance as of a date counts what is earned by
// then. A closed period keeps its numbers.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type Books, credit, debit, refusalOf, usd } from "./entries.ts";

const day = (text: string) => timestampFromDate(new Date(`${text}T00:00:00Z`));

export async function deferredRevenue({ ledger, ledgerId }: Books) {
  const [bank, deferred, earned] = [
    usd("assets:bank"),
    usd("liabilities:deferred"),
    usd("income:courses"),
  ];
  await ledger.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: bank, kind: AccountKind.ASSET },
      { account: deferred, kind: AccountKind.LIABILITY, limits: { floorMinor: 0n } },
      { account: earned, kind: AccountKind.INCOME },
    ],
  });
  await ledger.postTransaction({
    ledgerId,
    idempotencyKey: "sale/1",
    effectiveTime: day("2025-01-01"),
    entries: [debit(bank, 120_00n), credit(deferred, 120_00n)],
  });
  await ledger.batchPostTransactions({
    ledgerId,
    requests: Array.from({ length: 12 }, (_, month) => ({
      ledgerId,
      idempotencyKey: `sale/1/earned/${month + 1}`,
      effectiveTime: timestampFromDate(new Date(Date.UTC(2025, month + 1, 0))),
      entries: [debit(deferred, 10_00n), credit(earned, 10_00n)],
    })),
  });

  const asOf = { effectiveTime: day("2025-03-31") };
  const { balance: firstQuarter } = await ledger.getBalance({ ledgerId, account: earned, asOf });
  const { period } = await ledger.closePeriod({
    ledgerId,
    idempotencyKey: "close/2025-q1",
    endTime: day("2025-04-01"),
  });
  const late = await refusalOf(
    ledger.postTransaction({
      ledgerId,
      idempotencyKey: "correction/1",
      effectiveTime: day("2025-03-15"),
      entries: [debit(deferred, 1_00n), credit(earned, 1_00n)],
    }),
  );
  const { balance: year } = await ledger.getBalance({ ledgerId, account: earned });
  return { firstQuarter, period, late, year };
}
