import { expect, test } from "vitest";
import {
  accountName,
  type Books,
  createBooks,
  createLedger,
  openAccount,
  registerAsset,
} from "./books.ts";
import { type Command, decideCommand, type Outcome } from "./commands.ts";
import { recordFact } from "./record-fact.ts";
import type { AccountKey, Limits } from "./records.ts";
import type { Release } from "./suspense-rules.ts";

const time = { seconds: 1_700_000_000n, nanos: 0 };
const key = (accountCode: string, assetCode = "USD") => ({ accountCode, assetCode });
const sales = key("income:sales");
const suspense = key("liabilities:suspense");
const most = 2n ** 63n - 1n;

test("a release takes an entry from suspense to where it belongs", () => {
  const { books, sequence } = suspended();
  const outcome = release(books, { entry: { sequence, entryIndex: 1 } });
  expect(outcome).toMatchObject({
    kind: "written",
    balances: [
      { accountCode: "liabilities:suspense", creditsMinor: 70n, debitsMinor: 70n },
      { accountCode: "income:sales", creditsMinor: 100n },
    ],
  });
  const released = books.sequence;
  expect([...books.suspense.values()]).toMatchObject([
    { sequence, entryIndex: 1, releasedSequence: released, releasedVersion: 2n },
  ]);
  expect(books.written.facts.at(-1)).toMatchObject({
    kind: "transaction-posted",
    transaction: { releases: { sequence, entryIndex: 1 }, payment: undefined },
  });
  expect(release(books, { entry: { sequence, entryIndex: 1 } }, "again")).toEqual(
    refused({ reason: "suspense-released", sequence: released }),
  );
});

test("it may go to another account of the asset", () => {
  const { books, sequence } = suspended();
  openAccount(books, key("income:other"), "income");
  const entry = { sequence, entryIndex: 1 };
  expect(release(books, { entry, account: key("income:other") })).toMatchObject({
    kind: "written",
    balances: [{ accountCode: "liabilities:suspense" }, { accountCode: "income:other" }],
  });
});

test("what a reversal took before is not released once more", () => {
  const { books, sequence } = suspended();
  const reversal = (parts: readonly (readonly [number, bigint])[]): Command => ({
    kind: "reverse",
    idempotencyKey: `reversal of ${parts.join()}`,
    digest: "",
    sequence,
    description: "",
    parts: parts.map(([entryIndex, amountMinor]) => ({ entryIndex, amountMinor })),
  });
  decideCommand(
    books,
    reversal([
      [0, 20n],
      [1, 20n],
    ]),
  );
  const entry = { sequence, entryIndex: 1 };
  expect(release(books, { entry })).toMatchObject({
    kind: "written",
    balances: [{ debitsMinor: 70n, creditsMinor: 70n }, { creditsMinor: 80n }],
  });
  const released = books.sequence;
  expect(
    decideCommand(
      books,
      reversal([
        [0, 50n],
        [1, 50n],
      ]),
    ),
  ).toEqual(refused({ reason: "suspense-released", sequence: released }));
});

test("the reversal that takes the last of it ends it", () => {
  const { books, sequence } = suspended();
  const common = { kind: "reverse", digest: "", sequence, description: "" } as const;
  const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 20n }));
  decideCommand(books, { ...common, idempotencyKey: "some", parts });
  expect([...books.suspense.values()]).toMatchObject([{ releasedSequence: undefined }]);
  decideCommand(books, { ...common, idempotencyKey: "rest" });
  const entry = { sequence, entryIndex: 1 };
  expect(release(books, { entry })).toEqual(
    refused({ reason: "suspense-released", sequence: books.sequence - 1n }),
  );
});

type Setting = { books: Books; sequence: bigint };

// One row a refusal, in the order in which they are looked at: each row breaks all that follow, too.
test.each<[string, (setting: Setting) => Partial<Release>, object]>([
  [
    "no entry of this place",
    ({ sequence }) => ({ entry: { sequence, entryIndex: 0 }, account: key("nobody", "XAU") }),
    { reason: "suspense-not-found", index: 0 },
  ],
  [
    "no transaction",
    () => ({ entry: { sequence: 999n, entryIndex: 1 } }),
    { reason: "suspense-not-found", sequence: 999n, index: 1 },
  ],
  [
    "an asset that is not registered",
    ({ sequence }) => ({ ...at(sequence), account: key("nobody", "XAU") }),
    { reason: "asset-not-found", assetCode: "XAU" },
  ],
  [
    "an account that does not exist",
    ({ sequence }) => ({ ...at(sequence), account: key("nobody") }),
    { reason: "account-not-found", account: key("nobody") },
  ],
  [
    "an account of another asset",
    ({ books, sequence }) => {
      registerAsset(books, "EUR", 2);
      const account = key("income:sales", "EUR");
      openAccount(books, account, "income").status = "frozen";
      return { ...at(sequence), account };
    },
    { reason: "asset-mismatch", account: key("income:sales", "EUR") },
  ],
  [
    "the suspense account",
    ({ books, sequence }) => {
      fill(books, suspense);
      return { ...at(sequence), account: suspense };
    },
    { reason: "account-reserved", account: suspense },
  ],
  [
    "an account that is frozen",
    ({ books, sequence }) => {
      books.accounts.get(accountName(sales))!.status = "frozen";
      fill(books, sales);
      return at(sequence);
    },
    { reason: "account-frozen", account: sales },
  ],
  [
    "a total beyond int64",
    ({ books, sequence }) => {
      fill(books, sales);
      books.closedTime = time;
      return { ...at(sequence), effectiveTime: { seconds: 0n, nanos: 0 } };
    },
    { reason: "amount-out-of-range", account: sales },
  ],
  [
    "a closed period",
    ({ books, sequence }) => {
      books.closedTime = time;
      limit(books, sales, { floorMinor: undefined, ceilingMinor: 50n });
      return { ...at(sequence), effectiveTime: { seconds: 0n, nanos: 0 } };
    },
    { reason: "period-closed", limitTime: time },
  ],
  [
    "a limit",
    ({ books, sequence }) => {
      limit(books, sales, { floorMinor: undefined, ceilingMinor: 50n });
      return at(sequence);
    },
    { reason: "above-ceiling", limitMinor: 50n, actualMinor: 100n },
  ],
])("refuses: %s", (_, command, refusal) => {
  const setting = suspended();
  const outcome = release(setting.books, command(setting));
  expect(outcome).toMatchObject({ kind: "refused", refusal });
  expect(setting.books.written.facts.at(-1)?.kind).toBe("transaction-refused");
  expect([...setting.books.suspense.values()]).toMatchObject([{ releasedSequence: undefined }]);
});

/** 30 on sales; 70 that belong there in suspense, as entry 1. The account is open again. */
function suspended(): Setting {
  const books = createBooks("main", 0n, time);
  createLedger(books, "Main");
  registerAsset(books, "USD", 2);
  const pay = (id: string, amountMinor: bigint) => {
    const paymentId = `stripe/acct_1/${id}`;
    const amount = { amountMinor, currencyCode: "USD" };
    const none = { fee: undefined, tax: undefined, orderId: "" };
    const about = { occurredTime: time, metadata: [] };
    recordFact(books, { kind: "payment-succeeded", paymentId, amount, ...none }, about);
  };
  pay("pi_1", 30n);
  const account = books.accounts.get(accountName(sales))!;
  account.status = "frozen";
  pay("pi_2", 70n);
  account.status = "open";
  return { books, sequence: books.sequence };
}

function release(books: Books, command: Partial<Release>, idempotencyKey = "release"): Outcome {
  return decideCommand(books, {
    kind: "release-suspense",
    idempotencyKey,
    digest: "",
    entry: { sequence: 0n, entryIndex: 0 },
    account: undefined,
    description: "",
    effectiveTime: undefined,
    ...command,
  });
}

function at(sequence: bigint) {
  return { entry: { sequence, entryIndex: 1 } };
}

function fill(books: Books, account: AccountKey): void {
  books.accounts.get(accountName(account))!.creditsMinor = most;
}

function limit(books: Books, account: AccountKey, limits: Limits): void {
  books.accounts.get(accountName(account))!.limits = limits;
}

function refused(refusal: object): object {
  return { kind: "refused", refusal };
}
