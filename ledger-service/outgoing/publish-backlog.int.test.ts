import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { validate } from "#mesh/policy/validation.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker } from "#mesh/testing/broker.ts";
import { postCommand } from "../rpc/commands-of.ts";
import { noLimits } from "../rules/records.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { publishedUpTo, relayOf, storedMessages } from "../testing/relay.ts";

test("the largest transaction that is valid is published", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const account = { accountCode: `assets:${"a".repeat(121)}`, assetCode: "ABCDEFGHIJKL" };
  await submit(
    poster,
    { kind: "register-asset", assetCode: account.assetCode, scale: 0 },
    { kind: "create-account", account, accountKind: "asset", limits: noLimits, metadata: [] },
  );
  const request = largestPosting(account);
  expect(validate(PostTransactionRequestSchema, request)).toEqual([]);
  const [answer] = await submit(poster, postCommand(request));
  expect(answer?.kind).toBe("written");

  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence + 3n);
  expect(await storedMessages(broker.broker)).toBe(Number(preparedSequence + 3n));
  const [size] = await database.pool`select max(length(data))::int as bytes from journal`;
  expect(size?.["bytes"]).toBeGreaterThan(256 * 1024);
});

function largestPosting(account: { accountCode: string; assetCode: string }) {
  const fourBytes = "\u{1d11e}";
  return create(PostTransactionRequestSchema, {
    ledgerId,
    idempotencyKey: fourBytes.repeat(255),
    description: fourBytes.repeat(512),
    entries: Array.from({ length: 1_000 }, (_, n) => {
      return { account, side: n % 2 ? Side.DEBIT : Side.CREDIT, amountMinor: 2n ** 54n - 1n };
    }),
    metadata: Array.from({ length: 32 }, (_, n) => {
      return { key: `k${"k".repeat(61)}${n + 10}`, value: fourBytes.repeat(1_024) };
    }),
    effectiveTime: { seconds: -62_135_596_800n, nanos: 999_999_999 },
  });
}

test("a ledger that cannot be published does not stop the others, and is tried again", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  const signal = new AbortController().signal;
  await poster.submit("broken", [{ kind: "create-ledger", displayName: "Broken" }], signal);
  await prepareLedger(poster);
  // More than the stream takes, as no code of ours would write it.
  await changeJournal(database.superUrl, "data || decode(repeat('00', 1100000), 'hex')");

  const metrics = createMetrics("test");
  await using _relay = relayOf(database.pool, broker.broker, metrics);
  await publishedUpTo(database.pool, preparedSequence);
  await submit(poster, sale("after", 1n));
  await publishedUpTo(database.pool, preparedSequence + 1n);
  expect(await metrics.render()).toMatch(/^bursar_ledger_relay_stuck_ledgers\S* 1$/m);

  await changeJournal(database.superUrl, "substring(data for length(data) - 1100000)");
  const stored = () => storedMessages(broker.broker);
  await expect.poll(stored, { timeout: 15_000 }).toBe(Number(preparedSequence) + 2);
  await expect.poll(() => metrics.render()).toMatch(/^bursar_ledger_relay_stuck_ledgers\S* 0$/m);
});

async function changeJournal(url: string, data: string): Promise<void> {
  const pool = openPool({ url, schema: "ledger", connectionsMax: 1, applicationName: "intruder" });
  await pool.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx.unsafe(`update journal set data = ${data}
      where ledger_id = (select id from ledger where ledger_code = 'broken')`);
  });
  await pool.end({ timeout: 5 });
}
