import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { handlePayments } from "./consumer.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  prepareLedger,
  sale,
  submit,
} from "./testing/ledger.ts";
import {
  disputeLost,
  disputeOpened,
  payoutPaid,
  receive,
  refunded,
  refundedTotal,
  refundFailed,
  succeeded,
} from "./testing/payments.ts";
import { verifyLedger } from "./verify.ts";

let database: TestDatabase;
let intruder: Pool;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  for (const key of ["a", "b", "c"]) await submit(poster, sale(key, 5n));
  const payments = [
    succeeded("pi_1", 9_000n, { orderId: "order_1" }),
    refunded("pi_1", "re_1", 100n),
    refundedTotal("pi_1", 300n),
    refundFailed("pi_1", "re_2", 20n),
    disputeOpened("pi_1", "dp_1", 50n),
    disputeLost("pi_1", "dp_2", 60n),
    // A provider's own id may hold slashes.
    succeeded("pi/2/succeeded", 7n),
    refundedTotal("pi/2/succeeded", 7n),
    refunded("pi/2/succeeded", "re/2/failed", 7n),
    payoutPaid("po_1", 5n),
  ].map((report) => receive(report));
  await inTransaction(database.pool, (tx) => handlePayments(tx, payments));
  const { superUrl: url } = database;
  intruder = openPool({ url, schema: "ledger", connectionsMax: 1, applicationName: "intruder" });
});

afterAll(async () => {
  await intruder.end();
  await database[Symbol.asyncDispose]();
});

test("sound books have no problems", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a ledger that does not exist is a problem", async () => {
  expect(await verifyLedger(database.pool, "nothing")).toEqual(["ledger nothing does not exist"]);
});

// Whoever can switch the triggers off can write anything; it does not stay unseen.
test.each<[string, string, RegExp]>([
  [
    "a byte of a fact",
    "update journal set data = data || '\\x00' where sequence = 9",
    /hash of batch/,
  ],
  ["a fact that is gone", "delete from journal where sequence = 9", /missing|ends at|hash/],
  ["a batch that is gone", "delete from batch where first_sequence = 9", /does not follow/],
  ["a batch's hash", "update batch set hash = decode(repeat('01', 32), 'hex')", /hash of batch/],
  [
    "a batch's time",
    "update batch set recorded_time = recorded_time - interval '1 s'",
    /hash of batch/,
  ],
  [
    "the head's hash",
    "update ledger set head_hash = decode(repeat('01', 32), 'hex')",
    /head's hash/,
  ],
  [
    "a balance",
    "update account_state set debits_minor = 16 where debits_minor = 15",
    /account assets:cash USD/,
  ],
  [
    "an amount",
    "update entry set amount_minor = 6 where version = 2 and amount_minor = 5",
    /entry assets:cash USD 2/,
  ],
  ["a missing entry", "delete from entry where version = 2", /entry .* missing/],
  ["an asset's total", "update asset set posted_minor = 1 where asset_code = 'USD'", /asset USD/],
  ["a transaction", "update transaction set legs = 3 where sequence = 9", /transaction 9/],
  ["a key", "delete from idempotency where key = 'b'", /fact 9 has no key/],
  [
    "a key without a fact",
    "insert into fact select id, 'payment/x', '', 99 from ledger",
    /payment\/x/,
  ],
  [
    "a payment",
    "insert into payment select id, 'p', '', 'USD', 1, 0, 0, 0, 0, 0, 9, 9 from ledger",
    /payment p/,
  ],
  ["what is refunded", payments("refunds_stated_minor = 4000"), /payment stripe.acct_1.pi_1 is/],
  [
    "a refund that hides behind a total",
    payments("refunds_named_minor = refunds_named_minor + 1"),
    /totals of payment.stripe.acct_1.pi_1/,
  ],
  [
    "a failed refund that a total makes up for",
    payments("refunds_failed_minor = 0, refunds_stated_minor = refunds_stated_minor - 20"),
    /totals of payment.stripe.acct_1.pi_1/,
  ],
  ["where a payment begins", payments("first_sequence = 1"), /totals of payment/],
  [
    "what a fact said",
    "update fact set content = 'nothing' where key like 'refund/%'",
    /cannot be read: nothing/,
  ],
])("finds %s that was changed behind its back", async (_, change, problem) => {
  await intruder.unsafe("create table if not exists kept (n int)");
  await intruder
    .begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx.unsafe(change);
      // The check runs in the same SQL transaction, which is then undone.
      const inside = Object.assign(Object.create(tx), {
        begin: (_options: string, work: (same: typeof tx) => Promise<unknown>) => work(tx),
      });
      const problems = await verifyLedger(inside as Pool, ledgerId);
      expect(problems.join("\n")).toMatch(problem);
      throw new Error("undo");
    })
    .catch((error: Error) => {
      if (error.message !== "undo") throw error;
    });
});

function payments(change: string): string {
  return `update payment set ${change} where payment_id = 'stripe/acct_1/pi_1'`;
}
