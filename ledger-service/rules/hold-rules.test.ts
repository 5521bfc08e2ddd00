import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { accountName, type Books, createBooks, openAccount, registerAsset } from "./books.ts";
import type { AccountKind } from "./chart.ts";
import { expireDueHolds, remainingMinor } from "./hold-books.ts";
import { decideHoldCommand, type HoldCommand } from "./hold-rules.ts";
import { availableMinor } from "./limits.ts";
import { int64Max } from "./posting.ts";
import type { AccountKey, Hold, Limits, Note } from "./records.ts";
import type { Refusal } from "./refusals.ts";

const now = { seconds: 1_000_000n, nanos: 5_000 };
const wallet = key("liabilities:wallet");
const shop = key("liabilities:shop");

describe("a hold that is made", () => {
  test("counts as pending on both accounts, and lessens what is available on one", () => {
    const books = prepared();
    const hold = create(books, { amountMinor: 30n });
    expect(hold).toMatchObject({ heldMinor: 30n, status: "open", createTime: now });
    expect(remainingMinor(hold)).toBe(30n);
    expect(account(books, wallet)).toMatchObject({ debitsPendingMinor: 30n, debitsMinor: 0n });
    expect(account(books, shop)).toMatchObject({ creditsPendingMinor: 30n, creditsMinor: 0n });
    expect(availableMinor(account(books, wallet))).toBe(70n);
    expect(availableMinor(account(books, shop))).toBe(0n);
    expect(books.written.facts.at(-1)).toMatchObject({ kind: "hold-created", hold });
  });

  test("expires at a time in whole microseconds, or so long after it is written down", () => {
    const books = prepared();
    const at = { seconds: 2_000_000n, nanos: 1_999 };
    expect(create(books, { expiration: { at } }).expireTime).toEqual({ ...at, nanos: 1_000 });
    const after = { seconds: 2n, nanos: 999_999_999 };
    expect(create(books, { expiration: { after } }).expireTime).toEqual({
      seconds: now.seconds + 3n,
      nanos: 4_000,
    });
  });

  test("may be increased, and expires when it did", () => {
    const books = prepared();
    const expiration = { after: { seconds: 60n, nanos: 0 } };
    const { holdSequence, expireTime } = create(books, { amountMinor: 30n, expiration });
    const more = { kind: "increase-hold" as const, amountMinor: 12n, description: "a tip" };
    const hold = change(books, { ...more, holdSequence });
    expect(hold).toMatchObject({ heldMinor: 42n, expireTime, sequence: books.sequence });
    expect(account(books, wallet).debitsPendingMinor).toBe(42n);
    expect(books.written.facts.at(-1)).toMatchObject({
      kind: "hold-increased",
      amountMinor: 12n,
      description: "a tip",
    });
  });
});

describe("a capture", () => {
  test("posts a part, and the rest stays set aside", () => {
    const books = prepared();
    const { holdSequence } = create(books, { amountMinor: 30n });
    const metadata = [{ key: "parcel", value: "1" }];
    const about = { metadata, description: "parcel 1", effectiveTime: { seconds: 5n, nanos: 7 } };
    const hold = capture(books, holdSequence, 12n, about);
    expect(hold).toMatchObject({ capturedMinor: 12n, voidedMinor: 0n, status: "open" });
    expect(account(books, wallet)).toMatchObject({ debitsMinor: 12n, debitsPendingMinor: 18n });
    expect(account(books, shop)).toMatchObject({ creditsMinor: 12n, creditsPendingMinor: 18n });
    expect(availableMinor(account(books, wallet))).toBe(70n);
    const fact = books.written.facts.at(-1);
    assert(fact?.kind === "transaction-posted");
    expect(fact.transaction).toMatchObject({ hold, ...about });
    expect(fact.sequence).toBe(hold.sequence);
  });

  test.each([
    ["all that is left", 0n, false, { capturedMinor: 30n, voidedMinor: 0n }],
    ["exactly what is left", 30n, false, { capturedMinor: 30n, voidedMinor: 0n }],
    ["a part, as the last one", 12n, true, { capturedMinor: 12n, voidedMinor: 18n }],
    [
      "more than is left, within the tolerance",
      35n,
      false,
      { capturedMinor: 35n, voidedMinor: 0n },
    ],
  ])("of %s ends the hold", (_, amountMinor, final, after) => {
    const books = prepared();
    const { holdSequence } = create(books, { amountMinor: 30n, toleranceMinor: 5n });
    const hold = capture(books, holdSequence, amountMinor, { final });
    expect(hold).toMatchObject({ ...after, status: "captured" });
    expect(remainingMinor(hold)).toBe(0n);
    expect(account(books, wallet).debitsPendingMinor).toBe(0n);
    expect(account(books, shop).creditsPendingMinor).toBe(0n);
    expect(availableMinor(account(books, wallet))).toBe(100n - after.capturedMinor);
  });

  test("needs no room beside what it gives back: a wallet is captured to its floor", () => {
    const books = prepared({ floorMinor: 0n, ceilingMinor: undefined });
    const { holdSequence } = create(books, { amountMinor: 100n });
    expect(capture(books, holdSequence, 60n)).toMatchObject({ status: "open" });
    expect(capture(books, holdSequence, 0n)).toMatchObject({ capturedMinor: 100n });
  });

  test("needs no room in int64 beside what it gives back", () => {
    const books = prepared();
    account(books, shop).creditsMinor = int64Max - 30n;
    const { holdSequence } = create(books, { amountMinor: 30n, toleranceMinor: 1n });
    expect(ask(books, captureOf(holdSequence, 31n))).toMatchObject({
      reason: "amount-out-of-range",
      account: shop,
    });
    expect(capture(books, holdSequence, 30n)).toMatchObject({ capturedMinor: 30n });
  });
});

describe("a void", () => {
  test("gives a part back, then the rest", () => {
    const books = prepared();
    const { holdSequence } = create(books, { amountMinor: 30n });
    const part = { kind: "void-hold" as const, holdSequence, description: "" };
    expect(change(books, { ...part, amountMinor: 10n })).toMatchObject({
      voidedMinor: 10n,
      status: "open",
    });
    expect(availableMinor(account(books, wallet))).toBe(80n);
    expect(change(books, { ...part, amountMinor: 0n })).toMatchObject({
      voidedMinor: 30n,
      status: "voided",
    });
    expect(availableMinor(account(books, wallet))).toBe(100n);
  });

  test("of what captures have left over leaves a captured hold", () => {
    const books = prepared();
    const { holdSequence } = create(books, { amountMinor: 30n });
    capture(books, holdSequence, 1n);
    const rest = { kind: "void-hold" as const, holdSequence, description: "", amountMinor: 29n };
    expect(change(books, rest)).toMatchObject({ status: "captured", voidedMinor: 29n });
  });

  test("needs no open accounts", () => {
    const books = prepared();
    const { holdSequence } = create(books, { amountMinor: 30n });
    account(books, wallet).status = "frozen";
    const all = { kind: "void-hold" as const, holdSequence, description: "", amountMinor: 0n };
    expect(change(books, all)).toMatchObject({ status: "voided" });
  });
});

test("holds that are due expire, the oldest first, and the others stay", () => {
  const books = prepared();
  const due = (seconds: bigint) => ({ at: { seconds: now.seconds + seconds, nanos: 0 } });
  const later = create(books, { amountMinor: 1n, expiration: due(9n) });
  const second = create(books, { amountMinor: 2n, expiration: due(5n) });
  const first = create(books, { amountMinor: 4n, expiration: due(2n) });
  const never = create(books, { amountMinor: 8n });
  capture(books, first.holdSequence, 1n);

  const next = { ...books, recordedTime: { seconds: now.seconds + 5n, nanos: 0 } };
  expect(expireDueHolds(next)).toBe(2);
  const facts = next.written.facts.slice(-2);
  expect(facts).toMatchObject([
    { kind: "hold-expired", amountMinor: 3n, hold: { holdSequence: first.holdSequence } },
    { kind: "hold-expired", amountMinor: 2n, hold: { holdSequence: second.holdSequence } },
  ]);
  expect(next.holds.get(first.holdSequence)).toMatchObject({
    status: "expired",
    capturedMinor: 1n,
    voidedMinor: 3n,
  });
  for (const { holdSequence } of [later, never]) {
    expect(next.holds.get(holdSequence)?.status).toBe("open");
  }
  expect(account(books, wallet).debitsPendingMinor).toBe(9n);
  expect(expireDueHolds(next)).toBe(0);
});

// One row a refusal, in the order in which they are checked: each row breaks the rules below it, too.
const twice = [note("a"), note("a")];
const past = { at: now };
test.each<[Refusal["reason"], Partial<CreateHold>, ((books: Books) => void)?]>([
  ["asset-not-found", { creditAccount: key("x", "XAU") }],
  ["account-not-found", { creditAccount: key("x", "EUR") }],
  ["asset-mismatch", { creditAccount: key("liabilities:shop", "EUR") }, (books) => freeze(books)],
  ["account-frozen", { amountMinor: int64Max }, (books) => freeze(books)],
  ["account-closed", { amountMinor: int64Max }, (books) => freeze(books, shop, "closed")],
  ["amount-out-of-range", { amountMinor: int64Max }, (books) => fill(books)],
  ["amount-out-of-range", { toleranceMinor: int64Max }],
  ["metadata-duplicate", {}],
  ["expire-time-past", { metadata: [] }],
  ["below-floor", { metadata: [], expiration: undefined }],
  ["above-ceiling", { metadata: [], expiration: undefined, amountMinor: 60n }],
])("a hold is refused: %s", (reason, fields, breakBooks) => {
  const books = prepared({ floorMinor: 0n, ceilingMinor: undefined }, { ceilingMinor: 50n });
  breakBooks?.(books);
  const wrong = { amountMinor: 101n, metadata: twice, expiration: past, ...fields };
  const before = books.sequence;
  expect(ask(books, creating(wrong))).toMatchObject({ reason });
  expect(books.sequence).toBe(before);
});

type Step = (books: Books, holdSequence: bigint) => void;
const expire: Step = (books) => {
  expireDueHolds({ ...books, recordedTime: { seconds: now.seconds + 60n, nanos: now.nanos } });
};
const end: Step = (books, holdSequence) => {
  change(books, { kind: "void-hold", holdSequence, amountMinor: 0n, description: "" });
};
const nothing: Step = () => {};

test.each<[Refusal["reason"], HoldCommand["kind"], Step, bigint?]>([
  ["hold-not-found", "increase-hold", nothing, 999n],
  ["hold-not-found", "capture-hold", nothing, 999n],
  ["hold-not-found", "void-hold", nothing, 999n],
  ["hold-expired", "increase-hold", expire],
  ["hold-expired", "capture-hold", expire],
  ["hold-expired", "void-hold", expire],
  ["hold-ended", "increase-hold", end],
  ["hold-ended", "capture-hold", end],
  ["hold-ended", "void-hold", end],
  ["hold-exceeded", "capture-hold", (books) => freeze(books)],
  ["hold-exceeded", "void-hold", (books) => freeze(books)],
])("refused: %s when asked to %s", (reason, kind, step, named) => {
  const books = prepared();
  const expiration = { after: { seconds: 60n, nanos: 0 } };
  const { holdSequence } = create(books, { amountMinor: 30n, toleranceMinor: 5n, expiration });
  step(books, holdSequence);
  const sequence = named ?? holdSequence;
  const amounts = { holdSequence: sequence, amountMinor: 36n, description: "" };
  const more = { final: false, metadata: twice, effectiveTime: undefined };
  const command = { idempotencyKey: "k", kind, ...amounts, ...more } as HoldCommand;
  expect(ask(books, command)).toMatchObject({
    reason,
    sequence,
    ...(reason === "hold-exceeded" && {
      limitMinor: kind === "capture-hold" ? 35n : 30n,
      actualMinor: 36n,
    }),
    ...(reason === "hold-expired" && { limitTime: { seconds: now.seconds + 60n, nanos: 5_000 } }),
  });
});

test.each<[Refusal["reason"], bigint, (books: Books) => void]>([
  ["account-frozen", int64Max - 30n, (books) => freeze(books)],
  ["amount-out-of-range", int64Max - 30n, (books) => fill(books)],
  ["amount-out-of-range", int64Max - 30n, nothing as () => void],
  ["below-floor", 71n, nothing as () => void],
  ["above-ceiling", 21n, nothing as () => void],
])("an increase is refused: %s", (reason, amountMinor, breakBooks) => {
  const books = prepared({ floorMinor: 0n, ceilingMinor: undefined }, { ceilingMinor: 50n });
  const { holdSequence } = create(books, { amountMinor: 30n, toleranceMinor: 1n });
  breakBooks(books);
  const more = { kind: "increase-hold" as const, idempotencyKey: "k", description: "" };
  expect(ask(books, { ...more, holdSequence, amountMinor })).toMatchObject({ reason });
});

test.each<[Refusal["reason"], Parameters<typeof capture>[3], (books: Books) => void]>([
  ["account-frozen", {}, (books) => freeze(books)],
  ["amount-out-of-range", {}, (books) => fill(books)],
  ["metadata-duplicate", {}, nothing as () => void],
  ["effective-time-too-late", { metadata: [] }, nothing as () => void],
  [
    "period-closed",
    { metadata: [], effectiveTime: { seconds: 4n, nanos: 0 } },
    nothing as () => void,
  ],
  ["below-floor", { metadata: [], effectiveTime: undefined }, nothing as () => void],
])("a capture beyond what is held is refused: %s", (reason, fields, breakBooks) => {
  const books = prepared({ floorMinor: 0n, ceilingMinor: undefined });
  books.closedTime = { seconds: 5n, nanos: 0 };
  const { holdSequence } = create(books, { amountMinor: 90n, toleranceMinor: 30n });
  breakBooks(books);
  const late = { seconds: now.seconds * 1_000n, nanos: 0 };
  const wrong = { metadata: twice, effectiveTime: late, ...fields };
  expect(ask(books, captureOf(holdSequence, 101n, wrong))).toMatchObject({ reason });
  expect(books.holds.get(holdSequence)?.capturedMinor).toBe(0n);
});

type CreateHold = Extract<HoldCommand, { kind: "create-hold" }>;
type CaptureHold = Extract<HoldCommand, { kind: "capture-hold" }>;

/** A wallet with 100 in it, and a shop, in two assets. */
function prepared(limits: Partial<Limits> = {}, shopLimits: Partial<Limits> = {}): Books {
  const books = createBooks("main", 1n, now);
  const none = { floorMinor: undefined, ceilingMinor: undefined };
  const open = ({ accountCode }: AccountKey, assetCode: string, own: Partial<Limits>) => {
    const kind: AccountKind = "liability";
    const account = { accountCode, assetCode };
    return openAccount(books, account, kind, { limits: { ...none, ...own }, metadata: [] });
  };
  for (const assetCode of ["USD", "EUR"]) {
    registerAsset(books, assetCode, 2);
    open(wallet, assetCode, limits).creditsMinor = 100n;
    open(shop, assetCode, shopLimits);
  }
  return books;
}

function creating(fields: Partial<CreateHold>): CreateHold {
  return {
    kind: "create-hold",
    idempotencyKey: "k",
    debitAccount: wallet,
    creditAccount: shop,
    amountMinor: 1n,
    toleranceMinor: 0n,
    expiration: undefined,
    description: "",
    metadata: [],
    ...fields,
  };
}

function captureOf(
  holdSequence: bigint,
  amountMinor: bigint,
  fields: Partial<CaptureHold> = {},
): CaptureHold {
  const about = { description: "", metadata: [], effectiveTime: undefined, final: false };
  return {
    kind: "capture-hold",
    idempotencyKey: "k",
    holdSequence,
    amountMinor,
    ...about,
    ...fields,
  };
}

function ask(books: Books, command: HoldCommand) {
  return decideHoldCommand(books, command);
}

function create(books: Books, fields: Partial<CreateHold>): Hold {
  return accepted(books, ask(books, creating(fields)));
}

function capture(
  books: Books,
  holdSequence: bigint,
  amountMinor: bigint,
  fields: Partial<CaptureHold> = {},
): Hold {
  return accepted(books, ask(books, captureOf(holdSequence, amountMinor, fields)), holdSequence);
}

type OnHold = Exclude<HoldCommand, CreateHold | CaptureHold>;

function change(books: Books, command: Omit<OnHold, "idempotencyKey">): Hold {
  const decided = ask(books, { idempotencyKey: "k", ...command } as HoldCommand);
  return accepted(books, decided, command.holdSequence);
}

function accepted(books: Books, decided: ReturnType<typeof ask>, holdSequence?: bigint): Hold {
  assert("touched" in decided, "reason" in decided ? decided.reason : "");
  expect(decided.touched).toHaveLength(2);
  const hold = books.holds.get(holdSequence ?? decided.sequence);
  assert(hold);
  expect(hold.sequence).toBe(decided.sequence);
  return hold;
}

function account(books: Books, key: AccountKey) {
  const found = books.accounts.get(accountName(key));
  assert(found);
  return found;
}

function freeze(books: Books, key = wallet, status: "frozen" | "closed" = "frozen"): void {
  account(books, key).status = status;
}

function fill(books: Books): void {
  account(books, wallet).debitsMinor = int64Max - 100n;
}

function key(accountCode: string, assetCode = "USD"): AccountKey {
  return { accountCode, assetCode };
}

function note(key: string): Note {
  return { key, value: "" };
}
