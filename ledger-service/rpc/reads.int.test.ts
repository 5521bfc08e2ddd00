import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { handlePayments } from "../consumer.ts";
import { disputeOpened, receive, refunded, succeeded } from "../testing/payments.ts";
import {
  balanceOf,
  errorOf,
  type LedgerClient,
  openAccount,
  openSchool,
  type School,
  saleRequest,
  schoolId,
} from "../testing/school.ts";
import { verifyLedger } from "../verify/verify.ts";

let school: School;
let client: LedgerClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

test("the trial balance is balanced, and as of the latest fact", async () => {
  await client.postTransaction(saleRequest("dollar", 3n));
  await client.postTransaction(saleRequest("euro", 4n, { assetCode: "EUR" }));
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
    Array.from({ length: 60 }, (_, n) =>
      client.postTransaction(saleRequest(`busy-${n}`, BigInt(n + 1))),
    ),
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
  expect(sum).toBe(await balanceOf(client, "assets:cash"));

  const transactions = await pages(
    (page) => client.listTransactions({ ledgerId, ...page }),
    (page) => page.transactions,
  );
  const sequences = transactions.map((it) => it.ledgerSequence);
  expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => Number(a - b)));
  const [count] = await school.database.pool`
    select count(*)::int as n from transaction join ledger on id = ledger_id
    where ledger_code = ${ledgerId}
  `;
  expect(transactions).toHaveLength(count?.["n"]);
});

test("accounts are listed by whole segments", async () => {
  await openAccount(client, "assets:cashier", AccountKind.ASSET);
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
  await client.createLedger({ ledgerId: "other", displayName: "" });
  for (const call of [
    () => client.listAccounts({ ledgerId, pageSize: 1, pageToken, codePrefix: "assets" }),
    () => client.listAccounts({ ledgerId: "other", pageSize: 1, pageToken }),
    () => client.listTransactions({ ledgerId, pageToken }),
  ]) {
    const error = await errorOf(call());
    expect(error.code).toBe(Code.InvalidArgument);
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
  await inTransaction(school.database.pool, (tx) => handlePayments(tx, events));

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
  expect(await verifyLedger(school.database.pool, "paid")).toEqual([]);
});

test("the key of a provider's fact finds the fact, whatever a caller posted under it", async () => {
  const fact = "payment/stripe/acct_1/pi_2/succeeded";
  await openAccount(client, "assets:stripe:clearing", AccountKind.ASSET, { ledgerId: "paid" });
  await openAccount(client, "assets:cash", AccountKind.ASSET, { ledgerId: "paid" });
  const forged = await client.postTransaction({
    ...saleRequest(fact, 1n, { credit: "income:sales" }),
    ledgerId: "paid",
  });
  expect(forged.replayed).toBe(false);
  const name = { case: "idempotencyKey", value: fact } as const;
  const { transaction } = await client.getTransaction({ ledgerId: "paid", name });
  expect(transaction?.paymentState?.paymentId).toBe("stripe/acct_1/pi_2");
});

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
