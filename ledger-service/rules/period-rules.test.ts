import { expect, test } from "vitest";
import { type Books, createBooks, createLedger, openAccount, registerAsset } from "./books.ts";
import { type Command, decideCommand, type Outcome } from "./commands.ts";
import type { Time } from "./records.ts";

const now = at(1_000n, 500_000);

test("a period ends after the one before it, and not in the future", () => {
  const books = prepared();
  expect(close(books, "a", at(900n))).toMatchObject({ kind: "written", sequence: 5n });
  expect(books.closedTime).toEqual(at(900n));
  expect(close(books, "b", at(900n))).toEqual(refused(at(900n)));
  expect(close(books, "c", at(899n))).toEqual(refused(at(900n)));
  expect(close(books, "d", at(1_000n, 501_000))).toEqual(refused(now));
  expect(close(books, "e", now)).toMatchObject({ kind: "written" });
  expect(books.written.periods.map(({ endTime }) => endTime)).toEqual([at(900n), now]);
  const facts = books.written.facts.filter(({ kind }) => kind === "period-closed");
  expect(facts).toMatchObject([
    {
      idempotencyKey: "a",
      sequence: 5n,
      period: { endTime: at(900n), closedSequence: 5n, closeTime: now, description: "a" },
    },
    { idempotencyKey: "e", period: { endTime: now } },
  ]);
});

test("an end is the microsecond it lies in", () => {
  const books = prepared();
  expect(close(books, "a", at(900n, 1_999))).toMatchObject({ kind: "written" });
  expect(books.closedTime).toEqual(at(900n, 1_000));
  // Within the same microsecond there is nothing left to close.
  expect(close(books, "b", at(900n, 1_500))).toEqual(refused(at(900n, 1_000)));
  expect(close(books, "c", at(900n, 2_000))).toMatchObject({ kind: "written" });
});

test.each<[string, Time, boolean]>([
  ["the last nanosecond before the end", at(900n, 999), false],
  ["the end", at(900n, 1_000), true],
  ["a nanosecond after the end", at(900n, 1_001), true],
])("a transaction at %s", (_, effectiveTime, posted) => {
  const books = prepared();
  close(books, "a", at(900n, 1_000));
  const outcome = sell(books, effectiveTime);
  if (posted) expect(outcome).toMatchObject({ kind: "written" });
  else expect(outcome).toEqual(refusedAs("period-closed", at(900n, 1_000)));
});

test("what was posted before the close stays, also in the same batch", () => {
  const books = prepared();
  expect(sell(books, at(800n))).toMatchObject({ kind: "written" });
  expect(close(books, "a", at(900n))).toMatchObject({ kind: "written" });
});

test("a close that was refused stays refused, one that was done is replayed", () => {
  const books = prepared();
  expect(close(books, "a", at(900n))).toMatchObject({ replayed: false });
  expect(close(books, "a", at(900n))).toMatchObject({ replayed: true, sequence: 5n });
  close(books, "b", at(800n));
  expect(close(books, "b", at(800n))).toEqual({ kind: "stays-refused", sequence: 6n });
});

function prepared(): Books {
  const books = createBooks("main", 0n, now);
  createLedger(books, "Main");
  registerAsset(books, "USD", 2);
  openAccount(books, { accountCode: "assets:cash", assetCode: "USD" }, "asset");
  openAccount(books, { accountCode: "income:sales", assetCode: "USD" }, "income");
  return books;
}

function close(books: Books, key: string, endTime: Time): Outcome {
  const command: Command = {
    kind: "close-period",
    idempotencyKey: key,
    digest: "",
    endTime,
    description: key,
  };
  return decideCommand(books, command);
}

function sell(books: Books, effectiveTime: Time): Outcome {
  const account = (accountCode: string) => ({ accountCode, assetCode: "USD" });
  return decideCommand(books, {
    kind: "post",
    idempotencyKey: "sale",
    digest: "",
    draft: {
      idempotencyKey: "sale",
      entries: [
        { account: account("assets:cash"), side: "debit", amountMinor: 5n },
        { account: account("income:sales"), side: "credit", amountMinor: 5n },
      ],
      description: "",
      metadata: [],
      effectiveTime,
      reversesSequence: 0n,
      payment: undefined,
    },
  });
}

function refused(limitTime: Time): Outcome {
  return refusedAs("period-order", limitTime);
}

function refusedAs(reason: "period-order" | "period-closed", limitTime: Time): Outcome {
  return { kind: "refused", refusal: { reason, limitTime } };
}

function at(seconds: bigint, nanos = 0): Time {
  return { seconds, nanos };
}
