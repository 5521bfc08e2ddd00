import { afterAll, beforeAll, expect, test } from "vitest";
import { inTransaction } from "#mesh/database/transaction.ts";
import { inSpan, startSpan } from "#mesh/telemetry/trace.ts";
import { openTestBroker } from "#mesh/testing/broker.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { handlePayments } from "../consumer.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { receive, refunded, succeeded } from "../testing/payments.ts";
import { publishedUpTo, relayOf } from "../testing/relay.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openLedgerDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const newSpan = () => startSpan({ name: "test", kind: "server", parent: null });

test("facts of one batch keep the traces of the calls and events that caused them", async () => {
  const { pool } = database;
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const spans = [newSpan(), newSpan(), newSpan(), newSpan()] as const;
  // The first call sets the queue going; the others wait together and share a commit.
  await Promise.all([
    inSpan(spans[0], () => submit(poster, sale("first", 1n))),
    inSpan(spans[1], () => submit(poster, sale("second", 2n))),
    submit(poster, sale("nobody's", 3n)),
  ]);
  await inTransaction(pool, (tx) =>
    handlePayments(tx, [
      receive(succeeded("pi_1", 4_900n), spans[2].traceparent),
      receive(succeeded("pi_2", 4_900n), spans[3].traceparent),
      receive(refunded("pi_1", "re_1", 100n), spans[2].traceparent),
      receive(succeeded("pi_3", 4_900n)),
    ]),
  );
  const rows = await pool<{ subject: string; traceparent: string | null }[]>`
    select split_part(subject, '.', 4) as subject, traceparent from journal
    where sequence > ${preparedSequence} order by sequence
  `;
  const [first, second, third, fourth] = spans.map(({ traceparent }) => traceparent);
  const posted = rows.filter(({ subject }) => subject === "TransactionPosted");
  expect(posted.map(({ traceparent }) => traceparent)).toEqual([
    first,
    second,
    null,
    third,
    fourth,
    third,
    null,
  ]);
  // The accounts that the first payment needed were opened for it.
  const opened = rows.filter(({ subject }) => subject === "AccountOpened");
  expect(opened.length).toBeGreaterThan(0);
  expect(new Set(opened.map(({ traceparent }) => traceparent))).toEqual(new Set([third]));
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);

  const last = preparedSequence + BigInt(rows.length);
  await using _relay = relayOf(pool, broker.broker);
  await publishedUpTo(pool, last);
  const manager = await broker.broker.jsm();
  const carried = await Promise.all(
    rows.map(async (_, n) => {
      const seq = Number(preparedSequence) + n + 1;
      const message = await manager.streams.getMessage("LEDGER", { seq });
      return message?.header.get("traceparent") || null;
    }),
  );
  const traceOf = (traceparent: string | null) => traceparent?.slice(0, 35) ?? null;
  expect(carried.map(traceOf)).toEqual(rows.map(({ traceparent }) => traceOf(traceparent)));
});

test("the trace of a fact is never changed", async () => {
  const change = database.pool`update journal set traceparent = 'another'`;
  await expect(change).rejects.toThrow(/append-only|permission denied/);
});
