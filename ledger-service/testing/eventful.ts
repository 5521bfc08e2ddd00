// Books in which everything has happened at least once: what a verification must know of.

import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { handlePayments } from "../consumer.ts";
import { indexNotes } from "../upkeep/note-index.ts";
import {
  disputeLost,
  disputeOpened,
  payoutPaid,
  type Report,
  receive,
  refunded,
  refundedTotal,
  refundFailed,
  succeeded,
} from "./payments.ts";
import { schoolId as ledgerId, type School, saleRequest } from "./school.ts";

export type Eventful = {
  /** Sequences, by what they are of. */
  readonly sale: bigint;
  readonly reversed: bigint;
  readonly openHold: bigint;
  readonly capturedHold: bigint;
};

const sales = { accountCode: "income:sales", assetCode: "USD" };
const wallet = { accountCode: "liabilities:wallet", assetCode: "USD" };
const shop = { accountCode: "liabilities:shop", assetCode: "USD" };

export async function fillBooks(school: School): Promise<Eventful> {
  const { client } = school;
  const metadata = [{ key: "course", value: "sql" }];
  const sold = await client.postTransaction({ ...saleRequest("a sale", 50n), metadata });
  const crooked = saleRequest("crooked", 5n);
  crooked.entries[1]!.amountMinor = 4n;
  await client.postTransaction(crooked).catch(() => {});
  const sale = sold.transaction?.ledgerSequence ?? 0n;
  const reversed = await reverseSome(school);
  await changeAccounts(school);
  const holds = await makeHolds(school);
  await reportPayments(school);
  await backdate(school);
  const { pool } = school.database;
  const [ledger] = await pool<{ id: bigint }[]>`
    select id from ledger where ledger_code = ${ledgerId}
  `;
  await inTransaction(pool, (tx) => indexNotes(tx, ledger?.id ?? 0n, 10_000));
  return { sale, reversed, ...holds };
}

async function reverseSome({ client }: School): Promise<bigint> {
  const { transaction } = await client.postTransaction(saleRequest("to be reversed", 40n));
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 15n }));
  const request = { ledgerId, ledgerSequence };
  await client.reverseTransaction({ ...request, idempotencyKey: "a part", entries: parts });
  await client.reverseTransaction({ ...request, idempotencyKey: "more of it", entries: parts });
  const other = await client.postTransaction(saleRequest("reversed whole", 4n));
  const whole = { ledgerId, ledgerSequence: other.transaction?.ledgerSequence ?? 0n };
  await client.reverseTransaction({ ...whole, idempotencyKey: "all of it" });
  return ledgerSequence;
}

async function changeAccounts({ client }: School): Promise<void> {
  const kind = AccountKind.LIABILITY;
  await client.createAccount({ ledgerId, account: wallet, kind, limits: { floorMinor: 0n } });
  const metadata = [{ key: "owner", value: "a shop" }];
  await client.createAccount({ ledgerId, account: shop, kind, metadata });
  await client.updateAccountMetadata({
    ledgerId,
    idempotencyKey: "note the wallet",
    account: wallet,
    metadata: [
      { key: "owner", value: "ada" },
      { key: "tier", value: "gold" },
    ],
  });
  const limits = { floorMinor: -5n, ceilingMinor: 1_000_000n };
  const limited = { ledgerId, idempotencyKey: "limit the wallet", account: wallet, limits };
  await client.updateAccountLimits(limited);
  const closing = { accountCode: "liabilities:closed", assetCode: "USD" };
  await client.createAccount({ ledgerId, account: closing, kind });
  await client.closeAccount({ ledgerId, idempotencyKey: "close it", account: closing });
  await client
    .freezeAccount({ ledgerId, idempotencyKey: "again", account: closing })
    .catch(() => {});
  const endTime = { seconds: 1_500_000_000n, nanos: 0 };
  await client.closePeriod({ ledgerId, idempotencyKey: "period", endTime, description: "early" });
}

async function makeHolds({ client, holds }: School) {
  const sides = { debit: "assets:cash", credit: wallet.accountCode };
  await client.postTransaction(saleRequest("top up", 5_000n, sides));
  const make = async (idempotencyKey: string, timeToLive?: { seconds: bigint; nanos: number }) => {
    const accounts = { debitAccount: wallet, creditAccount: shop };
    const expiration = timeToLive && ({ case: "timeToLive", value: timeToLive } as const);
    const request = { ledgerId, idempotencyKey, ...accounts, amountMinor: 100n };
    const more = { toleranceMinor: 10n, ...(expiration && { expiration }) };
    const { hold } = await holds.createHold({ ...request, ...more });
    return { ledgerId, holdSequence: hold?.holdSequence ?? 0n };
  };
  const open = await make("open hold");
  await holds.increaseHold({ ...open, idempotencyKey: "increase", amountMinor: 20n });
  await holds.captureHold({ ...open, idempotencyKey: "capture some", amountMinor: 30n });
  await holds.voidHold({ ...open, idempotencyKey: "void some", amountMinor: 7n });
  const captured = await make("captured hold");
  await holds.captureHold({
    ...captured,
    idempotencyKey: "capture",
    amountMinor: 60n,
    final: true,
  });
  const voided = await make("voided hold");
  await holds.voidHold({ ...voided, idempotencyKey: "void" });
  const expired = await make("expired hold", { seconds: 0n, nanos: 1_000_000 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  // Whoever posts to its accounts finds that it is over.
  const paid = { debit: wallet.accountCode, credit: shop.accountCode };
  await client.postTransaction(saleRequest("after expiry", 1n, paid));
  await holds.captureHold({ ...expired, idempotencyKey: "too late" }).catch(() => {});
  return { openHold: open.holdSequence, capturedHold: captured.holdSequence };
}

async function reportPayments(school: School): Promise<void> {
  const { client } = school;
  await report(school, [
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
  ]);
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze", account: sales });
  await report(school, [succeeded("pi_3", 500n), succeeded("pi_4", 600n)]);
  await client.unfreezeAccount({ ledgerId, idempotencyKey: "unfreeze", account: sales });
  const { items } = await client.listSuspenseItems({ ledgerId });
  const { ledgerSequence, entryIndex } = items[0]!;
  const released = { ledgerId, idempotencyKey: "release", ledgerSequence, entryIndex };
  await client.releaseSuspenseItem(released);
}

async function report({ database }: School, reports: readonly Report[]): Promise<void> {
  const events = reports.map((one) => {
    return receive({ ...one, event: { ...one.event, ledgerId } as typeof one.event });
  });
  await inTransaction(database.pool, (tx) => handlePayments(tx, events));
}

/** As many late entries on one account as make runs of two levels. */
async function backdate({ client, database }: School): Promise<void> {
  const euro = (key: string, seconds: bigint) => {
    const request = saleRequest(key, 1n, { assetCode: "EUR" });
    return { ...request, effectiveTime: { seconds, nanos: 0 } };
  };
  await client.postTransaction(euro("latest", 1_650_000_000n));
  const requests = Array.from({ length: 600 }, (_, n) => {
    return euro(`late ${n}`, 1_600_000_000n + BigInt((n * 7_919) % 601));
  });
  await client.batchPostTransactions({ ledgerId, requests });
  const { pool } = database;
  const [cash] = await pool<{ id: bigint }[]>`
    select account_id as id from account
    where account_code = 'assets:cash' and asset_code = 'EUR'
  `;
  for (let more = true; more; ) {
    const [step] = await pool<{ more: boolean }[]>`
      select index_late_entries(${cash?.id ?? 0n}::bigint, 20, 1000) as more
    `;
    more = step?.more ?? false;
  }
}
