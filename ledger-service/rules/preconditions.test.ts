import { expect, test } from "vitest";
import { decide, preparedBooks } from "../testing/books.ts";
import { opening, posting, preparedSequence, sale } from "../testing/ledger.ts";
import { accountName, type Books } from "./books.ts";
import type { AmountRange, Precondition } from "./preconditions.ts";

const cash = { accountCode: "assets:cash", assetCode: "USD" };
const sales = { accountCode: "income:sales", assetCode: "USD" };

const range = (bounds: Partial<AmountRange>): AmountRange => {
  return { gteMinor: undefined, lteMinor: undefined, eqMinor: undefined, ...bounds };
};
const condition = (more: Partial<Precondition>): Precondition => {
  return { account: cash, balance: undefined, available: undefined, version: undefined, ...more };
};

/** Cash is at 100, by one entry; 30 of it are set aside. */
function booksAt100(): Books {
  const books = preparedBooks();
  decide(books, sale("before", 100n));
  books.accounts.get(accountName(cash))!.creditsPendingMinor = 30n;
  return books;
}

test.each<[string, Precondition]>([
  ["a balance at its lower bound", condition({ balance: range({ gteMinor: 100n }) })],
  ["a balance at its upper bound", condition({ balance: range({ lteMinor: 100n }) })],
  ["a balance as it is", condition({ balance: range({ eqMinor: 100n }) })],
  [
    "a balance within both bounds",
    condition({ balance: range({ gteMinor: 99n, lteMinor: 101n }) }),
  ],
  ["what is available", condition({ available: range({ eqMinor: 70n }) })],
  ["a version", condition({ version: 1n })],
  [
    "version 0 of an empty account",
    condition({ account: { ...cash, assetCode: "EUR" }, version: 0n }),
  ],
  [
    "all of them together",
    condition({
      balance: range({ eqMinor: 100n }),
      available: range({ gteMinor: 70n }),
      version: 1n,
    }),
  ],
])("a transaction is posted when its precondition holds: %s", (_, precondition) => {
  const [outcome] = decide(booksAt100(), sale("k", 1n, { preconditions: [precondition] }));
  expect(outcome).toMatchObject({ kind: "written", replayed: false });
});

test.each<[string, Precondition, bigint]>([
  ["too low a balance", condition({ balance: range({ gteMinor: 101n }) }), 100n],
  ["too high a balance", condition({ balance: range({ lteMinor: 99n }) }), 100n],
  ["another balance", condition({ balance: range({ eqMinor: 99n }) }), 100n],
  ["too little available", condition({ available: range({ gteMinor: 71n }) }), 70n],
  ["another version", condition({ version: 2n }), 1n],
  [
    "a balance before what is available",
    condition({ balance: range({ eqMinor: 1n }), available: range({ eqMinor: 1n }) }),
    100n,
  ],
  [
    "what is available before the version",
    condition({ available: range({ eqMinor: 1n }), version: 9n }),
    70n,
  ],
])("a transaction is refused with what is there: %s", (_, precondition, actualMinor) => {
  const [outcome] = decide(booksAt100(), sale("k", 1n, { preconditions: [precondition] }));
  const refusal = { reason: "precondition-failed", index: 0, account: cash, actualMinor };
  expect(outcome).toEqual({ kind: "refused", refusal });
});

test("preconditions are checked in the order given, each once for all of them", () => {
  const holds = condition({ version: 1n });
  const fails = condition({ account: sales, balance: range({ gteMinor: 500n }) });
  const preconditions = [holds, fails, condition({ version: 7n })];
  const [outcome] = decide(booksAt100(), sale("k", 1n, { preconditions }));
  expect(outcome).toMatchObject({ refusal: { index: 1, account: sales, actualMinor: 100n } });
});

test("a precondition may be on an account that the transaction does not touch", () => {
  const books = booksAt100();
  decide(books, opening("assets:vault", "asset"));
  const vault = { accountCode: "assets:vault", assetCode: "USD" };
  const preconditions = [condition({ account: vault, balance: range({ gteMinor: 1n }) })];
  expect(decide(books, sale("k", 1n, { preconditions }))).toMatchObject([
    { refusal: { reason: "precondition-failed", account: vault, actualMinor: 0n } },
  ]);
});

test("a precondition looks at the moment right before its transaction", () => {
  const books = preparedBooks();
  const at = (version: bigint) => ({ preconditions: [condition({ version })] });
  const outcomes = decide(
    books,
    sale("first", 1n, at(0n)),
    sale("late", 1n, at(0n)),
    sale("second", 1n, at(1n)),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(["written", "refused", "written"]);
});

// One row a rule around it, in the order in which they are checked.
test.each<[string, Parameters<typeof sale>[2], bigint]>([
  [
    "account-not-found",
    { preconditions: [condition({ account: { ...cash, accountCode: "no" } })] },
    1n,
  ],
  ["period-closed", { effectiveTime: { seconds: 1n, nanos: 0 } }, 1n],
  ["precondition-failed", {}, 1n],
  ["below-floor", { preconditions: [] }, 1n],
])("its place among the rules: %s", (reason, more, amountMinor) => {
  const books = booksAt100();
  books.closedTime = { seconds: 1_000n, nanos: 0 };
  books.accounts.get(accountName(sales))!.limits = { floorMinor: 1_000n, ceilingMinor: undefined };
  const fails = condition({ version: 99n });
  const preconditions = more?.preconditions ?? [fails];
  const [outcome] = decide(books, sale("k", amountMinor, { ...more, preconditions }));
  expect(outcome).toMatchObject({ refusal: { reason } });
});

test("an unknown account of a precondition comes before what is wrong with the entries", () => {
  const unknown = condition({ account: { accountCode: "nobody", assetCode: "XAU" }, version: 0n });
  const crooked = posting("k", sale("", 1n).draft.entries.slice(0, 1), {
    preconditions: [unknown],
  });
  const [outcome] = decide(preparedBooks(), crooked);
  expect(outcome).toMatchObject({
    refusal: { reason: "account-not-found", account: unknown.account },
  });
});

test("a failed precondition uses its key up, at a sequence of its own", () => {
  const books = booksAt100();
  const command = sale("k", 1n, { preconditions: [condition({ version: 7n })] });
  decide(books, command);
  decide(books, sale("more", 1n));
  const [again] = decide(books, command);
  expect(again).toEqual({ kind: "stays-refused", sequence: preparedSequence + 2n });
});
