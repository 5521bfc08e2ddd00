import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HoldStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { type BatchNeeds, needsOf, runBatch } from "../batch.ts";
import { handlePayments } from "../consumer.ts";
import { decideCommand } from "../rules/commands.ts";
import { needAccount } from "../store/load.ts";
import { accountKey, availableOf, newKey, openWallet, shortly, until } from "../testing/holds.ts";
import { posting } from "../testing/ledger.ts";
import { receive, succeeded } from "../testing/payments.ts";
import {
  errorOf,
  expectRefusal,
  type HoldClient,
  type LedgerClient,
  openSchool,
  type School,
  schoolId,
} from "../testing/school.ts";
import { startHoldExpiry } from "./hold-expiry.ts";

let school: School;
let client: LedgerClient;
let holds: HoldClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  ({ client, holds } = school);
});
afterAll(() => school[Symbol.asyncDispose]());

test("a hold is over the moment its time is, though nobody wrote it down", async () => {
  const { wallet, shop, hold } = await openWallet(school, 50n);
  const { hold: made } = await holds.createHold(hold({ amountMinor: 50n, expiration: shortly }));
  const holdSequence = made?.holdSequence ?? 0n;

  const over = await readUntilExpired(holdSequence);
  expect(over).toMatchObject({ capturedMinor: 0n, voidedMinor: 50n, remainingMinor: 0n });
  for (const account of [wallet, shop]) {
    const { balance } = await client.getBalance({ ledgerId, account });
    expect(balance).toMatchObject({ debitsPendingMinor: 0n, creditsPendingMinor: 0n });
  }
  expect(await availableOf(school, wallet)).toBe(50n);
  const { balances } = await client.getTrialBalance({ ledgerId });
  const own = balances.filter(({ accountCode }) => accountCode === wallet.accountCode);
  expect(own).toMatchObject([{ debitsPendingMinor: 0n, availableMinor: 50n }]);
  const listed = { ledgerId, account: wallet };
  const expired = await holds.listHolds({ ...listed, status: HoldStatus.EXPIRED });
  expect(expired.holds).toEqual([over]);
  const open = await holds.listHolds({ ...listed, status: HoldStatus.OPEN });
  expect(open.holds).toEqual([]);
  expect(await statusInDatabase(holdSequence)).toBe("open");

  // Whoever asks about the hold, or posts to its accounts, writes it down first.
  const late = holds.captureHold({ ledgerId, idempotencyKey: newKey(), holdSequence });
  await expectRefusal(late, Code.FailedPrecondition, {
    refusal: Refusal.HOLD_EXPIRED,
    ledgerSequence: holdSequence,
    limitTime: { seconds: made?.expireTime?.seconds, nanos: made?.expireTime?.nanos },
  });
  expect(await statusInDatabase(holdSequence)).toBe("expired");
  const { hold: written } = await holds.getHold({ ledgerId, holdSequence });
  expect(written).toEqual({ ...over, ledgerSequence: written?.ledgerSequence });
});

test("what a hold set aside may be spent as soon as its time is over", async () => {
  const { hold, payment } = await openWallet(school, 50n);
  const { hold: made } = await holds.createHold(hold({ amountMinor: 50n, expiration: shortly }));
  const { transaction } = await until(async () => {
    const spent = await client.postTransaction(payment(50n)).catch(() => undefined);
    if (spent) return spent;
    // It says no for one reason only.
    const answer = await client.simulateTransaction({ request: payment(50n) });
    const { result } = answer.result ?? {};
    if (result?.case === "refused") expect(result.value.refusal).toBe(Refusal.BELOW_FLOOR);
    return undefined;
  });
  const rows = await journal();
  const expired = rows.find(({ subject }) => subject === "HoldExpired");
  expect(expired).toBeDefined();
  expect(rows).toContainEqual({
    subject: "HoldExpired",
    sequence: (transaction?.ledgerSequence ?? 0n) - 1n,
  });
  const time = made?.expireTime?.seconds ?? 0n;
  expect(transaction?.recordedTime?.seconds).toBeGreaterThanOrEqual(time);
});

test("a provider's payment finds no hold on its accounts whose time is over", async () => {
  const { database } = school;
  const pay = (id: string) => {
    const payment = receive(succeeded(id, 100n, { ledgerId }));
    return inTransaction(database.pool, (tx) => handlePayments(tx, [payment]));
  };
  await pay("pi_1");
  const { balances } = await client.getTrialBalance({ ledgerId });
  const [first] = balances.filter(({ accountCode }) => /stripe/.test(accountCode));
  const { hold: made } = await holds.createHold({
    ledgerId,
    idempotencyKey: newKey(),
    debitAccount: accountKey("assets:cash"),
    creditAccount: accountKey(first?.accountCode ?? "", first?.assetCode),
    amountMinor: 10n,
    expiration: shortly,
  });
  const holdSequence = made?.holdSequence ?? 0n;
  await readUntilExpired(holdSequence);
  await pay("pi_2");
  expect(await statusInDatabase(holdSequence)).toBe("expired");
});

test("more that is due than a batch takes is written down in several, before it decides", async () => {
  const { wallet, shop, hold } = await openWallet(school, 50n);
  const made = await Promise.all(
    Array.from({ length: 5 }, () => {
      return holds.createHold(hold({ amountMinor: 10n, expiration: shortly }));
    }),
  );
  const sequences = made.map((answer) => answer.hold?.holdSequence ?? 0n);
  for (const sequence of sequences) await readUntilExpired(sequence);
  const needs: BatchNeeds = new Map();
  for (const account of [wallet, shop]) needAccount(needsOf(needs, ledgerId), account);
  const all = posting(newKey(), [
    { account: wallet, side: "debit", amountMinor: 50n },
    { account: shop, side: "credit", amountMinor: 50n },
  ]);
  const run = (simulating: boolean) => {
    return inTransaction(school.database.pool, (tx) =>
      runBatch(tx, {
        needs,
        creating: [],
        dueHoldsMax: 2,
        simulating,
        decide: (booksOf) => decideCommand(booksOf(ledgerId), all),
      }),
    );
  };
  // Nothing can be written down for what only pretends.
  expect((await errorOf(run(true))).code).toBe(Code.Unavailable);
  const { decided } = await run(false);
  expect(decided).toMatchObject({ kind: "written" });
  for (const sequence of sequences) expect(await statusInDatabase(sequence)).toBe("expired");
  expect(await availableOf(school, wallet)).toBe(0n);
});

test("what nobody asks for is written down all the same, once, by whoever is first", async () => {
  const { pool } = school.database;
  const { hold } = await openWallet(school, 1_000n);
  const made = await Promise.all(
    Array.from({ length: 30 }, () => {
      return holds.createHold(hold({ amountMinor: 10n, expiration: shortly }));
    }),
  );
  const sequences = made.map((answer) => answer.hold?.holdSequence ?? 0n);
  const log = createLog({ service: "test", level: "error", write: () => {} });
  const metrics = createMetrics("test");
  let commits = 0;
  const afterCommit = () => void commits++;
  const options = { pool, log, metrics, afterCommit, pauseMs: 5 };
  {
    await using _one = startHoldExpiry(options);
    await using _other = startHoldExpiry({ ...options, metrics: createMetrics("other") });
    for (const sequence of sequences) {
      await until(async () => {
        return (await statusInDatabase(sequence)) === "expired" ? true : undefined;
      });
    }
    await until(async () => {
      return /^bursar_ledger_holds_due\{.*\} 0$/m.test(await metrics.render()) || undefined;
    });
  }
  expect(commits).toBeGreaterThan(0);
  const [counts] = await pool<{ facts: number; holds: number }[]>`
    select (select count(*)::int from hold where status = 'expired') as holds,
      (select count(*)::int from journal where subject = 'bursar.ledger.v1.HoldExpired') as facts
  `;
  expect(counts?.facts).toBe(counts?.holds);
});

async function readUntilExpired(holdSequence: bigint) {
  return until(async () => {
    const { hold } = await holds.getHold({ ledgerId, holdSequence });
    return hold?.status === HoldStatus.EXPIRED ? hold : undefined;
  });
}

async function statusInDatabase(holdSequence: bigint): Promise<string | undefined> {
  const [row] = await school.database.pool<{ status: string }[]>`
    select status from hold where hold_sequence = ${holdSequence}
  `;
  return row?.status;
}

async function journal() {
  return school.database.pool<{ subject: string; sequence: bigint }[]>`
    select split_part(subject, '.', 4) as subject, sequence from journal order by sequence
  `;
}
