import { expect, test } from "vitest";
import { decide, preparedBooks } from "../testing/books.ts";
import { entry, posting, preparedSequence, reversal, sale } from "../testing/ledger.ts";
import { accountName, type Books } from "./books.ts";
import type { Transaction } from "./records.ts";
import type { ReversedPart } from "./reversal-rules.ts";

const original = preparedSequence + 1n;

/** Places and amounts in turn. */
function parts(...pairs: [number, bigint][]): { parts: ReversedPart[] } {
  return { parts: pairs.map(([entryIndex, amountMinor]) => ({ entryIndex, amountMinor })) };
}

/** 100 in cash for sales, and 7 in EUR, in one transaction. */
function bookedTwice(): Books {
  const books = preparedBooks();
  const [outcome] = decide(
    books,
    posting("sale", [
      entry("debit", "assets:cash", 100n),
      entry("credit", "income:sales", 100n),
      entry("debit", "assets:cash", 7n, "EUR"),
      entry("credit", "income:sales", 7n, "EUR"),
    ]),
  );
  expect(outcome?.kind).toBe("written");
  return books;
}

function latestOf(books: Books): Transaction | undefined {
  const fact = books.written.facts.at(-1);
  return fact?.kind === "transaction-posted" ? fact.transaction : undefined;
}

function cashOf(books: Books, assetCode = "USD"): bigint {
  const account = books.accounts.get(accountName({ accountCode: "assets:cash", assetCode }));
  return account!.debitsMinor - account!.creditsMinor;
}

test("a whole reversal is the opposite, entry by entry, and names none of them", () => {
  const books = bookedTwice();
  const more = { metadata: [{ key: "why", value: "x" }], effectiveTime: { seconds: 5n, nanos: 1 } };
  decide(books, reversal("undo", original, more));
  const transaction = latestOf(books);
  expect(transaction?.reversesEntries).toBeUndefined();
  expect(transaction).toMatchObject({
    reversesSequence: original,
    ...more,
    entries: [
      { side: "credit", amountMinor: 100n },
      { side: "debit", amountMinor: 100n },
      { side: "credit", amountMinor: 7n },
      { side: "debit", amountMinor: 7n },
    ],
  });
  expect([cashOf(books), cashOf(books, "EUR")]).toEqual([0n, 0n]);
});

test("a part is reversed in the order given, and each entry says which one it takes back", () => {
  const books = bookedTwice();
  decide(books, reversal("undo", original, parts([1, 30n], [0, 30n])));
  expect(latestOf(books)).toMatchObject({
    reversesEntries: [1, 0],
    entries: [
      { account: { accountCode: "income:sales" }, side: "debit", amountMinor: 30n },
      { account: { accountCode: "assets:cash" }, side: "credit", amountMinor: 30n },
    ],
  });
  expect([cashOf(books), cashOf(books, "EUR")]).toEqual([70n, 7n]);
});

test("after parts, all means what is left", () => {
  const books = bookedTwice();
  decide(books, reversal("part", original, parts([0, 30n], [1, 30n])));
  decide(books, reversal("euro", original, parts([2, 7n], [3, 7n])));
  decide(books, reversal("rest", original));
  expect(latestOf(books)).toMatchObject({
    reversesEntries: [0, 1],
    entries: [{ amountMinor: 70n }, { amountMinor: 70n }],
  });
  const { sequence } = books;
  expect(decide(books, reversal("again", original))).toEqual([
    { kind: "refused", refusal: { reason: "already-reversed", sequence } },
  ]);
});

test("all in parts is as much as all at once", () => {
  const books = bookedTwice();
  decide(books, reversal("all", original, parts([0, 100n], [1, 100n], [2, 7n], [3, 7n])));
  const { sequence } = books;
  for (const [n, more] of [{}, parts([0, 1n], [1, 1n]), parts([9, 1n])].entries()) {
    expect(decide(books, reversal(`k${n}`, original, more))).toEqual([
      { kind: "refused", refusal: { reason: "already-reversed", sequence } },
    ]);
  }
});

test.each<[string, { parts: ReversedPart[] }, object]>([
  [
    "more than there was",
    parts([0, 101n], [1, 101n]),
    { reason: "reversal-exceeded", index: 0, limitMinor: 70n, actualMinor: 101n },
  ],
  [
    "more than is left",
    parts([1, 70n], [0, 71n]),
    { reason: "reversal-exceeded", index: 0, limitMinor: 70n, actualMinor: 71n },
  ],
  [
    "an entry that is not there",
    parts([0, 1n], [4, 1n]),
    { reason: "reversal-exceeded", index: 4, limitMinor: 0n, actualMinor: 1n },
  ],
  [
    "sides that differ",
    parts([0, 2n], [1, 1n]),
    { reason: "unbalanced", assetCode: "USD", debitsMinor: 1n, creditsMinor: 2n },
  ],
  [
    "one side alone",
    parts([0, 2n]),
    { reason: "unbalanced", assetCode: "USD", debitsMinor: 0n, creditsMinor: 2n },
  ],
  [
    "one asset's cash for another's sales",
    parts([0, 7n], [3, 7n]),
    { reason: "unbalanced", assetCode: "USD", debitsMinor: 0n, creditsMinor: 7n },
  ],
])("refuses %s", (_, more, refusal) => {
  const books = bookedTwice();
  decide(books, reversal("before", original, parts([0, 30n], [1, 30n])));
  expect(decide(books, reversal("k", original, more))).toEqual([{ kind: "refused", refusal }]);
  expect(books.transactions.get(original)?.reversedMinor).toEqual([30n, 30n, 0n, 0n]);
});

test("a reversal can be reversed, also in parts", () => {
  const books = bookedTwice();
  decide(books, reversal("undo", original, parts([0, 30n], [1, 30n])));
  const undone = books.sequence;
  decide(books, reversal("redo", undone, parts([0, 10n], [1, 10n])));
  expect(cashOf(books)).toBe(80n);
  decide(books, reversal("redo all", undone));
  expect(cashOf(books)).toBe(100n);
  // What was taken back of the first reversal makes no room for another one of the original.
  expect(books.transactions.get(original)?.reversedMinor).toEqual([30n, 30n, 0n, 0n]);
});

test("several entries on one account are kept apart", () => {
  const books = preparedBooks();
  const lines = [
    entry("debit", "assets:cash", 5n),
    entry("debit", "assets:cash", 5n),
    entry("credit", "income:sales", 10n),
  ];
  decide(books, posting("sale", lines));
  decide(books, reversal("one", original, parts([1, 5n], [2, 5n])));
  expect(books.transactions.get(original)?.reversedMinor).toEqual([0n, 5n, 5n]);
  expect(decide(books, reversal("two", original, parts([1, 1n], [2, 1n])))).toMatchObject([
    { refusal: { reason: "reversal-exceeded", index: 1, limitMinor: 0n } },
  ]);
});

// One row a rule, in the order in which they are checked: each breaks the rules below it, too.
test.each<[string, bigint, { parts: ReversedPart[] }, boolean]>([
  ["transaction-not-found", 1n, parts([0, 999n]), true],
  ["already-reversed", original, parts([0, 999n]), true],
  ["reversal-exceeded", original, parts([0, 999n]), false],
  ["account-frozen", original, parts([0, 1n]), false],
])("its place among the rules: %s", (reason, sequence, more, isReversed) => {
  const books = preparedBooks();
  decide(books, sale("sale", 100n));
  if (isReversed) decide(books, reversal("all", original));
  for (const account of books.accounts.values()) account.status = "frozen";
  expect(decide(books, reversal("k", sequence, more))).toMatchObject([{ refusal: { reason } }]);
});
