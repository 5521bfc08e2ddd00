// The balances of a write's reply. The first time they are what the batch left behind; when it is
// replayed, they are looked up as they were right after it, without what was pending then.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BalanceSchema } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Answer } from "../answer.ts";
import { accountName } from "../rules/books.ts";
import type { AccountKey } from "../rules/records.ts";
import { balancesAfter } from "../store/as-of.ts";
import { balanceToWire, pastBalanceToWire } from "../wire.ts";

export type WireBalance = MessageInitShape<typeof BalanceSchema>;
type Written = Extract<Answer, { kind: "written" }>;

/** Fills the balances of answers, in the same order; what was replayed costs one statement. */
export async function balancesOfAnswers(
  pool: Pool,
  ledgerId: string,
  answers: readonly { readonly answer: Written; readonly touched: readonly AccountKey[] }[],
): Promise<WireBalance[][]> {
  const moments = answers.map(({ answer, touched }) => {
    if (!answer.replayed) return [];
    const once = new Map(touched.map((account) => [accountName(account), account]));
    return Array.from(once.values(), (account) => ({ account, sequence: answer.row.sequence }));
  });
  const past = await balancesAfter(pool, ledgerId, moments.flat());
  let next = 0;
  return answers.map(({ answer }, place) => {
    if (!answer.replayed) return answer.balances.map(balanceToWire);
    const count = moments[place]?.length ?? 0;
    next += count;
    return past.slice(next - count, next).map(pastBalanceToWire);
  });
}
