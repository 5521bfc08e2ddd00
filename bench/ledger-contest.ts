// Posting in batches under one load, each against the other in turns: accounts used evenly and one
// hot account, an empty ledger and a full one, our schema and another.

import type { House } from "#dev/house.ts";
import { openBooks } from "./ledger-books.ts";
import { openRival } from "./ledger-rival.ts";
import type { LedgerSettings } from "./ledger-settings.ts";
import { type Contender, type ContenderResult, takeTurns } from "./ledger-transfers.ts";

export type ContestResult = {
  readonly batchSize: number;
  readonly accounts: number;
  readonly entries: number;
  readonly rivalName: string;
  readonly even: ContenderResult;
  readonly hot: ContenderResult;
  readonly full: ContenderResult;
  readonly rival: ContenderResult;
  readonly rivalHot: ContenderResult;
};

export async function benchContest(house: House, settings: LedgerSettings): Promise<ContestResult> {
  const { entries, rival, rounds, roundSeconds } = settings;
  const even = { ...settings.load, hotShare: 0 };
  const hot = { ...settings.load, hotShare: settings.hotShare };
  const url = house.databaseUrl;
  await using stack = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  for (const open of [
    () => openBooks(url, { name: "even", shape: even }),
    () => openBooks(url, { name: "hot", shape: hot }),
    () => openBooks(url, { name: "full", shape: even, entries }),
    () => openRival(url, { name: "rival", shape: even, ...rival }),
    () => openRival(url, { name: "rival_hot", shape: hot, ...rival }),
  ]) {
    contenders.push(stack.use(await open()));
  }
  const results = await takeTurns(contenders, { rounds, secondsEach: roundSeconds });
  const of = (name: string) => results.get(name)!;
  const { batchSize, accounts } = settings.load;
  return {
    ...{ batchSize, accounts, entries, rivalName: rival.sqlFile },
    ...{ even: of("even"), hot: of("hot"), full: of("full") },
    ...{ rival: of("rival"), rivalHot: of("rival_hot") },
  };
}
