// A database that release 0.1.0 filled, found by this one: what was written stands and is told
// again, what waited is released, and what is new works on it.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { publish } from "#mesh/events/publish.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import type { Answer } from "../answer.ts";
import { handlePayments, paymentEvents } from "../consumer.ts";
import type { Command } from "../rules/commands.ts";
import { findNoted } from "../store/notes.ts";
import { report } from "../testing/facts.ts";
import { entry, ledgerId, openPoster, posting, reversal, sale, submit } from "../testing/ledger.ts";
import { again, encode, succeeded, usd } from "../testing/payments.ts";
import { publishedUpTo, relayOf } from "../testing/relay.ts";
import { indexNotes } from "../upkeep/note-index.ts";
import { verifyLedger } from "../verify/verify.ts";

const older = ["0001_ledger", "0002_invariants", "0003_traceparent"];
/** Sequence of the last fact of the older release, and of the last one it published. */
const olderSequence = 32n;
const digest = "00".repeat(32);

test("books of an older release are sound, and every key answers as it did", async () => {
  await using database = await openOlderBooks();
  const { pool } = database;
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
  await using poster = openPoster(database);
  expect((await submit(poster, ...olderRequests)).map(inShort)).toEqual([
    "8 replayed",
    "9 replayed",
    "10 replayed",
    "11 replayed",
    "refused 8",
    "refused 6",
    "refused 9",
    "15 replayed",
    "refused 11",
    "refused 10",
  ]);
  const [conflict] = await submit(poster, sale("k0", 101n));
  expect(inShort(conflict!)).toBe("refused 1");
  await report(pool, [again(succeeded("pi_1", 10_000n, paid("pi_1")), "reported again")]);
  expect(await headOf(database)).toBe(olderSequence);
});

test("what is new works on them", async () => {
  await using database = await openOlderBooks();
  const { pool } = database;
  await using poster = openPoster(database);
  const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 50n }));
  const answers = await submit(
    poster,
    reversal("some of what is reversed", 8n, { parts }),
    reversal("some of what is not", 9n, { parts }),
    reversal("the rest of it", 9n),
    freeze("income:sales"),
  );
  expect(answers.map(inShort)).toEqual(["refused 11", "34 written", "35 written", "36 written"]);
  await report(pool, [succeeded("pi_9", 700n)]);
  const items = await pool`select sequence, reason from suspense_item`;
  expect(items).toMatchObject([{ reason: "account-frozen" }]);
  await inTransaction(pool, (tx) => indexNotes(tx, 1n, 1_000));
  const notes = [{ key: "course", value: 'a "quoted" \\ {course}' }];
  const found = await findNoted(pool, 1n, { notes, after: 0n, until: 100n, limit: 5 });
  expect(found.rows.map(({ sequence }) => sequence)).toEqual([11n]);
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
});

test("what waited for its payment is released, and the stream is complete", async () => {
  await using database = await openOlderBooks();
  await using broker = await openTestBroker();
  const { pool } = database;
  await using _consumer = consume(database, broker);
  const event = encode(succeeded("pi_2", 10_000n));
  await publish(broker.broker, event, { deadlineMs: 10_000 });
  await expect.poll(() => pool`select from parked`, { timeout: 15_000 }).toEqual([]);
  const [payment] = await pool`
    select refunds_named_minor as refunds, disputed_minor as disputed from payment
    where payment_id = 'stripe/acct_1/pi_2'
  `;
  expect(payment).toEqual({ refunds: 30n, disputed: 20n });
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);

  await using _relay = relayOf(pool, broker.broker);
  await publishedUpTo(pool, await headOf(database));
  const journal = await pool<{ name: string; data: Buffer }[]>`
    select ledger_code || '/' || sequence as name, data from journal
    join ledger on id = ledger_id order by sequence
  `;
  const manager = await broker.broker.jsm();
  for (const [place, { name, data }] of journal.entries()) {
    const message = await manager.streams.getMessage("LEDGER", { seq: place + 1 });
    expect(message?.header?.get("Nats-Msg-Id")).toBe(name);
    expect(Buffer.from(message?.data ?? []).equals(data)).toBe(true);
  }
});

test("a process of the older release that still runs is told to wait, not to blame", async () => {
  await using database = await openOlderBooks();
  const { pool } = database;
  const write = inTransaction(pool, async (tx) => {
    await tx`select from ledger where id = 1 for update`;
    // As release 0.1.0 writes an entry, and the state of an account.
    await tx`
      insert into entry (account_id, version, sequence, amount_minor, debits_minor_after,
        credits_minor_after)
      values (3, 1, 33, 5, 5, 0)
    `;
  });
  expect(isFault(await write.catch((error: unknown) => error))).toBe(true);
  const state = inTransaction(pool, async (tx) => {
    await tx`
      insert into account_state (account_id, debits_minor, credits_minor, version, sequence)
      values (3, 5, 0, 1, 33)
      on conflict (account_id) do update set debits_minor = excluded.debits_minor
    `;
  });
  expect(isFault(await state.catch((error: unknown) => error))).toBe(true);
});

const noted = {
  description: "in may",
  effectiveTime: { seconds: 1_600_000_000n, nanos: 123_456_789 },
  metadata: [{ key: "course", value: 'a "quoted" \\ {course}' }],
};
const cashForSales = (debitMinor: bigint, creditMinor = debitMinor) => [
  entry("debit", "assets:cash", debitMinor),
  entry("credit", "income:sales", creditMinor),
];

/** In the order in which they were made. */
const olderRequests: readonly Command[] = [
  sale("k0", 100n),
  sale("k1", 200n),
  sale("k2", 300n),
  posting("noted", cashForSales(40n), noted),
  posting("unbalanced", cashForSales(5n, 6n)),
  posting("nowhere", [entry("debit", "assets:nowhere", 5n), entry("credit", "income:sales", 5n)]),
  posting("huge", cashForSales(2n ** 63n - 1n)),
  reversal("undo", 8n),
  reversal("undo again", 8n),
  reversal("undo nothing", 999n),
];

const paid = (id: string) => ({ fee: usd(320n), orderId: `order-${id}` });

function freeze(accountCode: string): Command {
  const account = { accountCode, assetCode: "USD" };
  const common = { idempotencyKey: `freeze ${accountCode}`, digest, account, description: "" };
  return {
    kind: "update-account",
    change: { what: "freeze" },
    expectedChangedSequence: 0n,
    ...common,
  };
}

function inShort(answer: Answer): string {
  if (answer.kind === "refused") return `refused ${answer.detail.refusal}`;
  if (answer.kind !== "written") return answer.kind;
  return `${answer.row.sequence} ${answer.replayed ? "replayed" : "written"}`;
}

async function headOf({ pool }: TestDatabase): Promise<bigint> {
  const [row] = await pool<{ head: bigint }[]>`select head_sequence as head from ledger`;
  return row?.head ?? 0n;
}

function consume({ pool }: TestDatabase, { broker }: TestBroker) {
  return startConsumer({
    consumer: "ledger-service-PAYMENTS",
    stream: "PAYMENTS",
    events: paymentEvents,
    batchMax: 200,
    pool,
    broker,
    log: silentLog(),
    metrics: createMetrics("test"),
    handle: handlePayments,
  });
}

/** Migrated by this release. */
async function openOlderBooks(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "bursar-migrations-"));
  const newest = new URL("./", import.meta.url);
  for (const name of older) {
    copyFileSync(new URL(`${name}.sql`, newest), join(folder, `${name}.sql`));
  }
  const migrations = pathToFileURL(`${folder}/`);
  const database = await openTestDatabase({ schema: "ledger", migrations });
  rmSync(folder, { recursive: true });
  const root = openPool({ url: database.superUrl, schema: "ledger", connectionsMax: 1 });
  const books = new URL("../testing/books-of-0.1.0.sql", import.meta.url);
  await root.unsafe(`set session_replication_role = replica; ${readFileSync(books, "utf8")}`);
  await root.end();
  await migrate({
    url: database.ownerUrl,
    schema: "ledger",
    migrations: newest,
    log: silentLog(),
  });
  return database;
}
