import { expect, test } from "vitest";
import { type AccountUpdate, decideAccountUpdate, findBadAccount } from "./account-rules.ts";
import { type Books, createBooks, openAccount, registerAsset } from "./books.ts";
import { type Command, decideCommand } from "./commands.ts";
import type { Account, AccountKey, Limits, Note } from "./records.ts";
import type { Refusal } from "./refusals.ts";

const wallet = { accountCode: "liabilities:wallet", assetCode: "USD" };
const cash = { accountCode: "assets:cash", assetCode: "USD" };
const suspense = { accountCode: "liabilities:suspense", assetCode: "USD" };

test("an account is changed by one fact that tells all of it", () => {
  const books = prepare();
  const account = books.accounts.get("liabilities:wallet USD")!;
  const limits = { floorMinor: 0n, ceilingMinor: 100n };
  const metadata = [{ key: "tier", value: "gold" }];
  change(books, { what: "limits", limits });
  change(books, { what: "metadata", metadata });
  change(books, { what: "freeze" });
  expect(account).toMatchObject({ status: "frozen", limits, metadata, changedSequence: 8n });
  expect(account.sequence).toBe(3n);
  const facts = books.written.facts.filter((fact) => fact.kind === "account-updated");
  expect(facts.map((fact) => [fact.sequence, fact.account.status])).toEqual([
    [6n, "open"],
    [7n, "open"],
    [8n, "frozen"],
  ]);
  expect(facts[0]?.account).toMatchObject({ limits, metadata: [], changedSequence: 6n });
  expect(facts[1]?.account).toMatchObject({ limits, metadata, changedSequence: 7n });
  expect(books.written.noted).toEqual(new Set([account]));
});

test("the fact that opened an account stays as it was when the account is changed after it", () => {
  const books = prepare();
  change(books, { what: "limits", limits: { floorMinor: 0n, ceilingMinor: undefined } });
  const opened = books.written.facts.find((fact) => fact.kind === "account-opened");
  expect(opened?.account.limits).toEqual({ floorMinor: undefined, ceilingMinor: undefined });
});

test("an account is frozen and unfrozen again and again, and closed once", () => {
  const books = prepare();
  for (const what of ["freeze", "unfreeze", "freeze"] as const) change(books, { what });
  change(books, { what: "metadata", metadata: [] });
  change(books, { what: "limits", limits: { floorMinor: 0n, ceilingMinor: undefined } });
  change(books, { what: "close" });
  expect(books.accounts.get("liabilities:wallet USD")?.status).toBe("closed");
});

const held = { debitsPendingMinor: 3n };
const twice = [
  { key: "a", value: "1" },
  { key: "a", value: "2" },
];
type Row = readonly [string, AccountUpdate["change"], Partial<Account>, Refusal];

test.each<Row>([
  [
    "freezing what is frozen",
    { what: "freeze" },
    { status: "frozen" },
    { reason: "account-frozen", account: wallet },
  ],
  [
    "unfreezing what is open",
    { what: "unfreeze" },
    {},
    { reason: "account-not-frozen", account: wallet },
  ],
  [
    "closing what holds money",
    { what: "close" },
    { creditsMinor: 5n, debitsMinor: 3n },
    { reason: "account-not-empty", account: wallet, actualMinor: 2n },
  ],
  [
    "closing what is overdrawn",
    { what: "close" },
    { debitsMinor: 3n },
    { reason: "account-not-empty", account: wallet, actualMinor: -3n },
  ],
  [
    "closing what has a hold that takes",
    { what: "close" },
    held,
    { reason: "account-not-empty", account: wallet, actualMinor: 0n },
  ],
  [
    "closing what has a hold that gives",
    { what: "close" },
    { creditsPendingMinor: 3n },
    { reason: "account-not-empty", account: wallet, actualMinor: 0n },
  ],
  [
    "a note twice",
    { what: "metadata", metadata: twice },
    {},
    { reason: "metadata-duplicate", key: "a" },
  ],
  [
    "a floor above the balance",
    limit({ floorMinor: 1n }),
    {},
    { reason: "limits-violated", account: wallet, limitMinor: 1n, actualMinor: 0n },
  ],
  [
    "a floor above what holds leave available",
    limit({ floorMinor: -2n }),
    held,
    { reason: "limits-violated", account: wallet, limitMinor: -2n, actualMinor: -3n },
  ],
  [
    "a ceiling below the balance",
    limit({ ceilingMinor: 4n }),
    { creditsMinor: 5n },
    { reason: "limits-violated", account: wallet, limitMinor: 4n, actualMinor: 5n },
  ],
  [
    "a ceiling below what holds may add",
    limit({ ceilingMinor: 2n }),
    { creditsPendingMinor: 3n },
    { reason: "limits-violated", account: wallet, limitMinor: 2n, actualMinor: 3n },
  ],
  [
    "a floor above its ceiling",
    limit({ floorMinor: 2n, ceilingMinor: 1n }),
    {},
    { reason: "limits-violated", account: wallet, limitMinor: 2n, actualMinor: 0n },
  ],
  ...(["freeze", "unfreeze", "close"] as const).map(
    (what): Row => [
      `${what} of what is closed`,
      { what },
      { status: "closed" },
      { reason: "account-closed", account: wallet },
    ],
  ),
  [
    "limits of what is closed",
    limit({}),
    { status: "closed" },
    { reason: "account-closed", account: wallet },
  ],
  [
    "notes of what is closed",
    { what: "metadata", metadata: [] },
    { status: "closed" },
    { reason: "account-closed", account: wallet },
  ],
])("refuses %s", (_, what, state, refusal) => {
  const books = prepare();
  Object.assign(books.accounts.get("liabilities:wallet USD")!, state);
  const before = books.sequence;
  expect(decide(books, what)).toEqual(refusal);
  expect(books.sequence).toBe(before);
  expect(books.written.changed.size).toBe(2);
});

test("refuses an account that does not exist", () => {
  const account = { ...wallet, assetCode: "EUR" };
  const refusal = { reason: "account-not-found", account };
  expect(decide(prepare(), { what: "freeze" }, { account })).toEqual(refusal);
});

test("refuses what was changed since the caller saw it", () => {
  const books = prepare();
  const seen = { expectedChangedSequence: 3n };
  expect(decide(books, { what: "freeze" }, seen)).toEqual({ sequence: 6n, touched: [wallet] });
  expect(decide(books, { what: "unfreeze" }, seen)).toEqual({
    reason: "account-changed",
    account: wallet,
    sequence: 6n,
  });
  expect(decide(books, { what: "unfreeze" })).toEqual({ sequence: 7n, touched: [wallet] });
});

test("the suspense account takes notes, and stays open and unlimited", () => {
  const books = prepare();
  openAccount(books, suspense, "liability");
  const refusal = { reason: "account-reserved", account: suspense };
  for (const what of [
    { what: "freeze" } as const,
    { what: "unfreeze" } as const,
    { what: "close" } as const,
    limit({ floorMinor: 0n }),
  ]) {
    expect(decide(books, what, { account: suspense }), what.what).toEqual(refusal);
  }
  const noted = decide(books, { what: "metadata", metadata: [] }, { account: suspense });
  expect(noted).toEqual({ sequence: 7n, touched: [suspense] });
});

test("of two refusals the one that stands first is given", () => {
  const order: readonly [Refusal["reason"], (books: Books, account: Account) => void][] = [
    ["account-not-found", (books) => books.accounts.clear()],
    ["account-changed", (_, account) => Object.assign(account, { changedSequence: 9n })],
    ["account-closed", (_, account) => Object.assign(account, { status: "closed" })],
    ["account-not-empty", (_, account) => Object.assign(account, { creditsMinor: 1n })],
  ];
  for (const first of order.keys()) {
    const books = prepare();
    const account = books.accounts.get("liabilities:wallet USD")!;
    for (const [, apply] of order.slice(first)) apply(books, account);
    const refusal = decide(books, { what: "close" }, { expectedChangedSequence: 3n });
    expect(refusal).toMatchObject({ reason: order[first]![0] });
  }
  const reserved = prepare();
  openAccount(reserved, suspense, "liability");
  reserved.accounts.get("liabilities:suspense USD")!.status = "closed";
  const closed = decide(reserved, { what: "freeze" }, { account: suspense });
  expect(closed).toMatchObject({ reason: "account-closed" });
});

test.each<[string, { account?: AccountKey; limits?: Partial<Limits>; metadata?: Note[] }, Refusal]>(
  [
    [
      "limits on the suspense account",
      { account: suspense, limits: { ceilingMinor: 1n }, metadata: twice },
      { reason: "account-reserved", account: suspense },
    ],
    [
      "a note twice",
      { limits: { floorMinor: 1n }, metadata: twice },
      { reason: "metadata-duplicate", key: "a" },
    ],
    [
      "a floor above zero",
      { limits: { floorMinor: 1n } },
      { reason: "limits-violated", account: wallet, limitMinor: 1n, actualMinor: 0n },
    ],
    [
      "a ceiling below zero",
      { limits: { ceilingMinor: -1n } },
      { reason: "limits-violated", account: wallet, limitMinor: -1n, actualMinor: 0n },
    ],
  ],
)("refuses to open an account with %s", (_, { account, limits, metadata }, refusal) => {
  const command = creating({ account, limits, metadata });
  expect(findBadAccount(command)).toEqual(refusal);
  const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
  decideCommand(books, { kind: "create-ledger", displayName: "" });
  registerAsset(books, "USD", 2);
  expect(decideCommand(books, command)).toEqual({ kind: "refused", refusal });
  expect(books.sequence).toBe(2n);
});

test("the suspense account is opened as any other, with notes", () => {
  const metadata = [{ key: "a", value: "1" }];
  expect(findBadAccount(creating({ account: suspense, metadata }))).toBeUndefined();
});

test("an account is opened once: asked again, it is told as it is now", () => {
  const books = prepare();
  const limits = { floorMinor: 0n, ceilingMinor: undefined };
  change(books, { what: "freeze" });
  change(books, { what: "limits", limits });
  const again = decideCommand(books, creating({ limits: { floorMinor: 1n }, metadata: twice }));
  const account = { status: "frozen", limits, metadata: [], changedSequence: 7n };
  expect(again).toMatchObject({ kind: "account", replayed: true, account });
});

function creating({
  account = wallet,
  limits = {},
  metadata = [],
}: {
  account?: AccountKey | undefined;
  limits?: Partial<Limits> | undefined;
  metadata?: readonly Note[] | undefined;
}): Extract<Command, { kind: "create-account" }> {
  const all = { floorMinor: undefined, ceilingMinor: undefined, ...limits };
  return { kind: "create-account", account, accountKind: "liability", limits: all, metadata };
}

function limit(limits: Partial<Limits>): AccountUpdate["change"] {
  return { what: "limits", limits: { floorMinor: undefined, ceilingMinor: undefined, ...limits } };
}

/** USD, a wallet (3) and cash (4), both empty, and EUR (5). */
function prepare(): Books {
  const books = createBooks("main", 0n, { seconds: 1_700_000_000n, nanos: 0 });
  decideCommand(books, { kind: "create-ledger", displayName: "" });
  registerAsset(books, "USD", 2);
  openAccount(books, wallet, "liability");
  openAccount(books, cash, "asset");
  decideCommand(books, { kind: "register-asset", assetCode: "EUR", scale: 2 });
  return books;
}

function decide(
  books: Books,
  what: AccountUpdate["change"],
  more: Partial<Pick<AccountUpdate, "account" | "expectedChangedSequence">> = {},
) {
  return decideAccountUpdate(books, {
    kind: "update-account",
    idempotencyKey: "key",
    account: wallet,
    change: what,
    expectedChangedSequence: 0n,
    description: "",
    ...more,
  });
}

function change(books: Books, what: AccountUpdate["change"]): void {
  expect(decide(books, what)).toHaveProperty("sequence");
}
