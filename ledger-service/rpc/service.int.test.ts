// Every RPC through the mesh's own server: TLS, identity, validation, JSON and all.

import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { handlePayments } from "../consumer.ts";
import type { Poster } from "../poster.ts";
import { openLedgerDatabase, openPoster } from "../testing/ledger.ts";
import { disputeOpened, receive, refunded, succeeded } from "../testing/payments.ts";
import { verifyLedger } from "../verify.ts";
import { ledgerService } from "./service.ts";

type Ledger = Client<typeof LedgerService>;

let database: TestDatabase;
let poster: Poster;
let server: TestServer;
let client: Ledger;
const ledgerId = "school";

beforeAll(async () => {
  database = await openLedgerDatabase();
  poster = openPoster(database);
  server = await startTestServer({
    service: "ledger-service",
    routes: (router) => router.service(LedgerService, ledgerService(database.pool, poster)),
    grants: {
      "test-client": { scopes: ["*.*.*"], ledgerIds: ["*"] },
      narrow: { scopes: ["ledger.*.*"], ledgerIds: ["other", "another"] },
      reader: { scopes: ["ledger.balances.read"], ledgerIds: ["*"] },
    },
  });
  client = await server.client(LedgerService);
  await client.createLedger({ ledgerId, displayName: "School" });
  for (const assetCode of ["USD", "EUR"]) {
    await client.registerAsset({ ledgerId, assetCode, scale: 2 });
  }
  for (const assetCode of ["USD", "EUR"]) {
    await open(client, "assets:cash", AccountKind.ASSET, assetCode);
    await open(client, "income:sales", AccountKind.INCOME, assetCode);
  }
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await poster[Symbol.asyncDispose]();
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  await database[Symbol.asyncDispose]();
});

test("a ledger is created once, and named once", async () => {
  const first = await client.createLedger({ ledgerId: "other", displayName: "Other" });
  expect(first).toMatchObject({
    ledger: { ledgerId: "other", displayName: "Other", headSequence: 1n },
    replayed: false,
  });
  expect(first.ledger?.headHash).toHaveLength(32);
  const again = await client.createLedger({ ledgerId: "other", displayName: "Other" });
  expect(again).toMatchObject({ ledger: { headSequence: 1n }, replayed: true });
  const renamed = client.createLedger({ ledgerId: "other", displayName: "Another" });
  await refusal(renamed, Code.AlreadyExists, { refusal: Refusal.LEDGER_EXISTS });
  const { ledger } = await client.getLedger({ ledgerId: "other" });
  expect(ledger).toEqual(first.ledger);
});

test("assets and accounts are registered once", async () => {
  const asset = { ledgerId, assetCode: "USD", scale: 2 };
  expect(await client.registerAsset(asset)).toMatchObject({ replayed: true });
  await refusal(client.registerAsset({ ...asset, scale: 3 }), Code.AlreadyExists, {
    refusal: Refusal.ASSET_EXISTS,
    assetCode: "USD",
    ledgerSequence: 2n,
  });
  const key = { accountCode: "assets:cash", assetCode: "USD" };
  const account = { ledgerId, account: key, kind: AccountKind.ASSET };
  expect(await client.createAccount(account)).toMatchObject({
    account: { ...key, ledgerId, kind: AccountKind.ASSET, openedSequence: 4n },
    replayed: true,
  });
  const kind = AccountKind.EXPENSE;
  await refusal(client.createAccount({ ...account, kind }), Code.AlreadyExists, {
    refusal: Refusal.ACCOUNT_EXISTS,
  });
  const strange = { ...account, account: { ...key, assetCode: "XAU" } };
  await refusal(client.createAccount(strange), Code.FailedPrecondition, {
    refusal: Refusal.ASSET_NOT_FOUND,
    assetCode: "XAU",
  });
  const { assets } = await client.listAssets({ ledgerId });
  expect(assets.map(({ assetCode, scale }) => [assetCode, scale])).toEqual([
    ["EUR", 2],
    ["USD", 2],
  ]);
});

test("a transaction is posted, read back by sequence and key, and replayed", async () => {
  const request = {
    ...sale("first", 30n),
    description: "a course",
    metadata: [
      { key: "b", value: "2" },
      { key: "a", value: "1" },
    ],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 123_456_789 },
  };
  const { transaction, balances, replayed } = await client.postTransaction(request);
  expect(replayed).toBe(false);
  expect(transaction).toMatchObject({
    ledgerId,
    idempotencyKey: "first",
    description: "a course",
    metadata: [{ key: "a" }, { key: "b" }],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 123_456_789 },
    reversesSequence: 0n,
  });
  expect(transaction?.paymentState).toBeUndefined();
  expect(balances).toMatchObject([
    { accountCode: "assets:cash", debitsMinor: 30n, creditsMinor: 0n, balanceMinor: 30n },
    { accountCode: "income:sales", debitsMinor: 0n, creditsMinor: 30n, balanceMinor: 30n },
  ]);

  const again = await client.postTransaction({
    ...request,
    metadata: request.metadata.toReversed(),
  });
  expect(again).toMatchObject({ replayed: true, balances: [] });
  expect(again.transaction).toEqual(transaction);
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  for (const name of [
    { case: "ledgerSequence", value: ledgerSequence } as const,
    { case: "idempotencyKey", value: "first" } as const,
  ]) {
    expect((await client.getTransaction({ ledgerId, name })).transaction).toEqual(transaction);
  }
  await refusal(client.postTransaction(sale("first", 31n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
    idempotencyKey: "first",
    ledgerSequence,
  });
});

test("without an effective time a transaction counts when it is recorded", async () => {
  const { transaction } = await client.postTransaction(sale("now", 1n));
  expect(transaction?.effectiveTime).toEqual(transaction?.recordedTime);
});

test("a refused transaction says why, and stays refused", async () => {
  const unbalanced = sale("crooked", 5n);
  unbalanced.entries[1]!.amountMinor = 4n;
  const detail = {
    refusal: Refusal.UNBALANCED,
    idempotencyKey: "crooked",
    assetCode: "USD",
    debitsMinor: 5n,
    creditsMinor: 4n,
  };
  await refusal(client.postTransaction(unbalanced), Code.FailedPrecondition, detail);
  await refusal(client.postTransaction(unbalanced), Code.FailedPrecondition, detail);
  await refusal(client.postTransaction(sale("crooked", 5n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
  });
  const name = { case: "idempotencyKey", value: "crooked" } as const;
  await refusal(client.getTransaction({ ledgerId, name }), Code.NotFound, {
    refusal: Refusal.TRANSACTION_NOT_FOUND,
  });
});

test("sums beyond int64 are refused without telling sums that cannot be told", async () => {
  const huge = sale("huge", 2n ** 63n - 1n);
  huge.entries.push(...sale("", 2n ** 63n - 1n).entries.slice(0, 1));
  await refusal(client.postTransaction(huge), Code.FailedPrecondition, {
    refusal: Refusal.UNBALANCED,
    debitsMinor: 0n,
    creditsMinor: 0n,
  });
  const most = sale("most", 2n ** 63n - 1n);
  await refusal(client.postTransaction(most), Code.FailedPrecondition, {
    refusal: Refusal.AMOUNT_OUT_OF_RANGE,
    account: { accountCode: "assets:cash" },
  });
});

test.each<[string, Code, Partial<{ refusal: Refusal }>, () => Promise<unknown>]>([
  [
    "a ledger that does not exist",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.postTransaction({ ...sale("k", 1n), ledgerId: "nowhere" }),
  ],
  [
    "an account that does not exist",
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.postTransaction(sale("unknown account", 1n, { debit: "assets:nobody" })),
  ],
  [
    "an asset that is not registered",
    Code.FailedPrecondition,
    { refusal: Refusal.ASSET_NOT_FOUND },
    () => client.postTransaction(sale("unknown asset", 1n, { assetCode: "XAU" })),
  ],
  [
    "notes with the same key",
    Code.FailedPrecondition,
    { refusal: Refusal.METADATA_DUPLICATE },
    () => client.postTransaction({ ...sale("twice", 1n), metadata: [note, note] }),
  ],
  [
    "a reversal of nothing",
    Code.NotFound,
    { refusal: Refusal.TRANSACTION_NOT_FOUND },
    () => client.reverseTransaction({ ledgerId, idempotencyKey: "r0", ledgerSequence: 1n }),
  ],
  [
    "the balance of no account",
    Code.NotFound,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.getBalance({ ledgerId, account: { accountCode: "a:b", assetCode: "USD" } }),
  ],
  [
    "the entries of no account",
    Code.NotFound,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.listEntries({ ledgerId, account: { accountCode: "a:b", assetCode: "USD" } }),
  ],
  [
    "the trial balance of no ledger",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.getTrialBalance({ ledgerId: "nowhere" }),
  ],
  [
    "no ledger",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.getLedger({ ledgerId: "nowhere" }),
  ],
])("refuses %s", async (_, code, detail, call) => {
  await refusal(call(), code, detail);
});

const note = { key: "a", value: "" };

test.each<[string, () => Promise<unknown>]>([
  ["an amount of zero", () => client.postTransaction(sale("k", 0n))],
  ["a negative amount", () => client.postTransaction(sale("k", -1n))],
  [
    "one entry",
    () => client.postTransaction({ ...sale("k", 1n), entries: sale("k", 1n).entries.slice(1) }),
  ],
  ["no key", () => client.postTransaction(sale("", 1n))],
  ["a key that no column holds", () => client.postTransaction(sale("a\0b", 1n))],
  [
    "a time beyond the year 9999",
    () =>
      client.postTransaction({ ...sale("k", 1n), effectiveTime: { seconds: 2n ** 40n, nanos: 0 } }),
  ],
  [
    "a batch for two ledgers",
    () =>
      client.batchPostTransactions({
        ledgerId,
        requests: [{ ...sale("k", 1n), ledgerId: "other" }],
      }),
  ],
  ["a page token of nobody", () => client.listAccounts({ ledgerId, pageToken: "x" })],
  ["a page of negative size", () => client.listAccounts({ ledgerId, pageSize: -1 })],
])("%s is an invalid argument, and uses no key up", async (_, call) => {
  const error = await call().then(() => undefined, ConnectError.from);
  expect(error?.code).toBe(Code.InvalidArgument);
  const [row] = await database.pool`select count(*)::int as n from idempotency where key = 'k'`;
  expect(row?.["n"]).toBe(0);
});

test("each transaction of a batch has its own answer", async () => {
  const crooked = sale("batch-2", 2n);
  crooked.entries[0]!.amountMinor = 3n;
  const requests = [
    sale("batch-1", 1n),
    crooked,
    sale("batch-3", 3n),
    sale("batch-1", 1n),
    sale("batch-1", 2n),
  ];
  const { results } = await client.batchPostTransactions({ ledgerId, requests });
  expect(results.map(({ result }) => result.case)).toEqual([
    "posted",
    "refused",
    "posted",
    "posted",
    "refused",
  ]);
  expect(results[1]?.result.value).toMatchObject({ refusal: Refusal.UNBALANCED });
  expect(results[3]?.result.value).toMatchObject({ replayed: true });
  expect(results[4]?.result.value).toMatchObject({ refusal: Refusal.IDEMPOTENCY_CONFLICT });
});

test("a transaction is reversed once", async () => {
  const { transaction } = await client.postTransaction(sale("wrong", 9n));
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  const before = await balance("assets:cash");
  const request = { ledgerId, idempotencyKey: "undo", ledgerSequence, description: "wrong" };
  const reversed = await client.reverseTransaction(request);
  expect(reversed.transaction).toMatchObject({
    reversesSequence: ledgerSequence,
    entries: [
      { side: Side.CREDIT, amountMinor: 9n },
      { side: Side.DEBIT, amountMinor: 9n },
    ],
  });
  expect(await balance("assets:cash")).toBe(before - 9n);
  expect(await client.reverseTransaction(request)).toMatchObject({ replayed: true });
  const twice = client.reverseTransaction({ ...request, idempotencyKey: "undo again" });
  await refusal(twice, Code.FailedPrecondition, {
    refusal: Refusal.ALREADY_REVERSED,
    ledgerSequence: reversed.transaction?.ledgerSequence ?? 0n,
  });
  await refusal(client.postTransaction(sale("undo", 9n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
  });
});

test("the trial balance is balanced, and as of the latest fact", async () => {
  await client.postTransaction(sale("euro", 4n, { assetCode: "EUR" }));
  const { balances, totals, ledgerSequence } = await client.getTrialBalance({ ledgerId });
  expect(totals.map(({ assetCode }) => assetCode)).toEqual(["EUR", "USD"]);
  for (const { debitsMinor, creditsMinor } of totals) {
    expect(debitsMinor).toBe(creditsMinor);
    expect(debitsMinor).toBeGreaterThan(0n);
  }
  expect(balances.map(({ accountCode, assetCode }) => `${accountCode} ${assetCode}`)).toEqual([
    "assets:cash EUR",
    "assets:cash USD",
    "income:sales EUR",
    "income:sales USD",
  ]);
  const { ledger } = await client.getLedger({ ledgerId });
  expect(ledgerSequence).toBe(ledger?.headSequence);
});

test("the trial balance stays balanced while others post", async () => {
  const posting = Promise.all(
    Array.from({ length: 60 }, (_, n) => client.postTransaction(sale(`busy-${n}`, BigInt(n + 1)))),
  );
  for (let n = 0; n < 15; n++) {
    const { totals } = await client.getTrialBalance({ ledgerId });
    for (const { debitsMinor, creditsMinor } of totals) expect(debitsMinor).toBe(creditsMinor);
  }
  await posting;
});

test("pages follow each other without loss or repetition", async () => {
  const ids = ["page-a", "page-b", "page-c"];
  for (const id of ids) await client.createLedger({ ledgerId: id, displayName: "" });
  const account = { accountCode: "assets:cash", assetCode: "USD" };

  const ledgers = await pages(
    (page) => client.listLedgers(page),
    (page) => page.ledgers,
  );
  expect(ledgers.map((it) => it.ledgerId)).toEqual(expect.arrayContaining([...ids, ledgerId]));
  expect(ledgers.map((it) => it.ledgerId)).toEqual(ledgers.map((it) => it.ledgerId).toSorted());

  const accounts = await pages(
    (page) => client.listAccounts({ ledgerId, ...page }),
    (page) => page.accounts,
  );
  expect(accounts.map((it) => `${it.accountCode} ${it.assetCode}`)).toEqual([
    "assets:cash EUR",
    "assets:cash USD",
    "income:sales EUR",
    "income:sales USD",
  ]);

  const entries = await pages(
    (page) => client.listEntries({ ledgerId, account, ...page }),
    (page) => page.entries,
  );
  expect(entries.map(({ version }) => version)).toEqual(entries.map((_, n) => BigInt(n + 1)));
  let sum = 0n;
  for (const { side, amountMinor, balanceMinor } of entries) {
    sum += side === Side.DEBIT ? amountMinor : -amountMinor;
    expect(balanceMinor).toBe(sum);
  }
  expect(sum).toBe(await balance("assets:cash"));

  const transactions = await pages(
    (page) => client.listTransactions({ ledgerId, ...page }),
    (page) => page.transactions,
  );
  const sequences = transactions.map((it) => it.ledgerSequence);
  expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => Number(a - b)));
  const [count] = await database.pool`
    select count(*)::int as n from transaction join ledger on id = ledger_id
    where ledger_code = ${ledgerId}
  `;
  expect(transactions).toHaveLength(count?.["n"]);
});

test("accounts are listed by whole segments", async () => {
  await open(client, "assets:cashier", AccountKind.ASSET, "USD");
  const codes = async (codePrefix: string) => {
    const { accounts } = await client.listAccounts({ ledgerId, codePrefix });
    return [...new Set(accounts.map(({ accountCode }) => accountCode))];
  };
  expect(await codes("assets:cash")).toEqual(["assets:cash"]);
  expect(await codes("assets")).toEqual(["assets:cash", "assets:cashier"]);
  expect(await codes("nothing")).toEqual([]);
});

test("a page token is bound to its request", async () => {
  const { nextPageToken: pageToken } = await client.listAccounts({ ledgerId, pageSize: 1 });
  expect(pageToken).not.toBe("");
  for (const call of [
    client.listAccounts({ ledgerId, pageSize: 1, pageToken, codePrefix: "assets" }),
    client.listAccounts({ ledgerId: "other", pageSize: 1, pageToken }),
    client.listTransactions({ ledgerId, pageToken }),
  ]) {
    const error = await call.then(() => undefined, ConnectError.from);
    expect(error?.code).toBe(Code.InvalidArgument);
  }
});

test("payments are listed with their totals, and with what they caused", async () => {
  const long = `pi_${"x".repeat(200)}`;
  const events = [
    ...["pi_1", "pi_2", long].map((id) =>
      succeeded(id, 100n, { ledgerId: "paid", orderId: `order-${id.slice(0, 4)}` }),
    ),
    { ...refunded("pi_1", "re_1", 30n) },
    { ...disputeOpened("pi_1", "dp_1", 20n) },
  ].map((report) => receive({ ...report, event: { ...report.event, ledgerId: "paid" } as never }));
  await inTransaction(database.pool, (tx) => handlePayments(tx, events));

  const ledger = { ledgerId: "paid" };
  const states = await pages(
    (page) => client.listPaymentStates({ ...ledger, ...page }),
    (page) => page.paymentStates,
  );
  expect(states.map(({ paymentId }) => paymentId)).toEqual([
    "stripe/acct_1/pi_1",
    "stripe/acct_1/pi_2",
    `stripe/acct_1/${long}`,
  ]);
  expect(states[0]).toMatchObject({
    orderId: "order-pi_1",
    ledgerId: "paid",
    currencyCode: "USD",
    paidMinor: 100n,
    refundedMinor: 30n,
    disputedMinor: 20n,
    lostMinor: 0n,
  });
  const ofOrder = await client.listPaymentStates({ ...ledger, orderId: "order-pi_2" });
  expect(ofOrder.paymentStates.map(({ paymentId }) => paymentId)).toEqual(["stripe/acct_1/pi_2"]);

  const caused = await pages(
    (page) => client.listTransactions({ ...ledger, paymentId: "stripe/acct_1/pi_1", ...page }),
    (page) => page.transactions,
  );
  expect(caused.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
    "payment/stripe/acct_1/pi_1/succeeded",
    "refund/stripe/acct_1/re_1",
    "dispute/stripe/acct_1/dp_1/opened",
  ]);
  expect(caused.at(-1)?.paymentState).toEqual(states[0]);
  expect(await verifyLedger(database.pool, "paid")).toEqual([]);
});

test("the key of a provider's fact finds the fact, not a caller's posting under the same key", async () => {
  const fact = "payment/stripe/acct_1/pi_2/succeeded";
  await open(client, "assets:stripe:clearing", AccountKind.ASSET, "USD", "paid");
  await open(client, "assets:cash", AccountKind.ASSET, "USD", "paid");
  const forged = await client.postTransaction({
    ...sale(fact, 1n, { credit: "income:sales" }),
    ledgerId: "paid",
  });
  expect(forged.replayed).toBe(false);
  const name = { case: "idempotencyKey", value: fact } as const;
  const { transaction } = await client.getTransaction({ ledgerId: "paid", name });
  expect(transaction?.paymentState?.paymentId).toBe("stripe/acct_1/pi_2");
});

test("a caller touches only the ledgers it was granted", async () => {
  const narrow = await server.client(LedgerService, "narrow");
  await narrow.createLedger({ ledgerId: "another", displayName: "" });
  const { ledgers } = await narrow.listLedgers({});
  expect(ledgers.map((it) => it.ledgerId)).toEqual(["another", "other"]);
  const name = { case: "ledgerSequence", value: 5n } as const;
  const account = { accountCode: "assets:cash", assetCode: "USD" };
  for (const call of [
    narrow.createLedger({ ledgerId, displayName: "School" }),
    narrow.getLedger({ ledgerId }),
    narrow.registerAsset({ ledgerId, assetCode: "CHF", scale: 2 }),
    narrow.listAssets({ ledgerId }),
    narrow.createAccount({ ledgerId, account, kind: AccountKind.ASSET }),
    narrow.listAccounts({ ledgerId }),
    narrow.postTransaction(sale("mine", 1n)),
    narrow.batchPostTransactions({ ledgerId, requests: [sale("mine", 1n)] }),
    narrow.reverseTransaction({ ledgerId, idempotencyKey: "mine", ledgerSequence: 8n }),
    narrow.getTransaction({ ledgerId, name }),
    narrow.listTransactions({ ledgerId }),
    narrow.getBalance({ ledgerId, account }),
    narrow.listEntries({ ledgerId, account }),
    narrow.getTrialBalance({ ledgerId }),
    narrow.listPaymentStates({ ledgerId }),
  ]) {
    const error = await call.then(() => undefined, ConnectError.from);
    expect(error?.code).toBe(Code.PermissionDenied);
  }
});

test("a caller without the scope may not post", async () => {
  const reader = await server.client(LedgerService, "reader");
  const error = await reader
    .postTransaction(sale("mine", 1n))
    .then(() => undefined, ConnectError.from);
  expect(error?.code).toBe(Code.PermissionDenied);
  expect((await reader.getTrialBalance({ ledgerId })).totals).not.toEqual([]);
});

function sale(
  idempotencyKey: string,
  amountMinor: bigint,
  { debit = "assets:cash", credit = "income:sales", assetCode = "USD" } = {},
) {
  const entries: {
    account: { accountCode: string; assetCode: string };
    side: Side;
    amountMinor: bigint;
  }[] = [
    { account: { accountCode: debit, assetCode }, side: Side.DEBIT, amountMinor },
    { account: { accountCode: credit, assetCode }, side: Side.CREDIT, amountMinor },
  ];
  return { ledgerId, idempotencyKey, entries };
}

async function open(
  ledger: Ledger,
  accountCode: string,
  kind: AccountKind,
  assetCode: string,
  of = ledgerId,
): Promise<void> {
  await ledger.createAccount({ ledgerId: of, account: { accountCode, assetCode }, kind });
}

async function balance(accountCode: string): Promise<bigint> {
  const account = { accountCode, assetCode: "USD" };
  return (await client.getBalance({ ledgerId, account })).balance?.balanceMinor ?? 0n;
}

async function refusal(
  call: Promise<unknown>,
  code: Code,
  detail: Record<string, unknown>,
): Promise<void> {
  const error = await call.then(() => undefined, ConnectError.from);
  expect(error, "it was accepted").toBeDefined();
  expect([error?.code, error?.message]).toEqual([code, expect.any(String)]);
  expect(error?.findDetails(RefusalDetailSchema)[0]).toMatchObject(detail);
}

/** Everything, two at a time. */
async function pages<P extends { nextPageToken: string }, T>(
  read: (page: { pageSize: number; pageToken: string }) => Promise<P>,
  pick: (page: P) => readonly T[],
): Promise<T[]> {
  const items: T[] = [];
  for (let pageToken = ""; ; ) {
    const page = await read({ pageSize: 2, pageToken });
    expect(pick(page).length).toBeLessThanOrEqual(2);
    items.push(...pick(page));
    pageToken = page.nextPageToken;
    if (pageToken === "") return items;
  }
}
