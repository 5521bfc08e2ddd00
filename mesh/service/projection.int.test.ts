import { create, type Message } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Receipt, ReceiptSchema } from "#gen/bursar/receipt/v1/receipt_service_pb.ts";
import { openPool } from "../database/pool.ts";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { createProjection, createView } from "./projection.ts";

let database: TestDatabase;

beforeAll(async () => {
  const migrations = new URL("../events/migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "mesh", migrations });
  const owner = openPool({ url: database.ownerUrl, connectionsMax: 1 });
  await owner.unsafe(`
    create table mesh.receipt (
      row_id bigint generated always as identity unique,
      ledger_id text, payment_id text, order_id text, ledger_sequence bigint, currency_code text,
      paid_minor bigint, refunded_minor bigint, disputed_minor bigint, lost_minor bigint,
      recorded_time timestamptz, primary key (ledger_id, payment_id)
    );
    create view mesh.large as select * from mesh.receipt where paid_minor > 100;
  `);
  await owner.unsafe("grant select on mesh.large to mesh_runtime");
  await owner.end();
});
afterAll(() => database[Symbol.asyncDispose]());

const receipts = createProjection(ReceiptSchema, { table: "receipt", version: "ledger_sequence" });
const large = createView(ReceiptSchema, "large");

test("of one key the highest version stands, whatever came first", async () => {
  const { pool } = database;
  const kept = [];
  for (const [ledgerSequence, paidMinor] of [
    [5n, 50n],
    [4n, 40n],
    [5n, 51n],
    [6n, 60n],
  ] as const) {
    kept.push(await receipts.keep(pool, receipt({ ledgerSequence, paidMinor })));
  }
  expect(kept).toEqual([true, false, false, true]);
  const { found } = await receipts.get(pool, "found", { paymentId: "p" });
  expect(found).toEqual(receipt({ ledgerSequence: 6n, paidMinor: 60n }));
});

test("what is not there is NOT_FOUND, and what was asked is not repeated", async () => {
  const error = await receipts.get(database.pool, "receipt", { orderId: "secret" }).catch(asError);
  expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "there is no such Receipt" });
});

test("pages go from the newest to the oldest and miss nothing while rows change", async () => {
  const { pool } = database;
  for (let n = 1; n <= 5; n++) {
    await receipts.keep(pool, receipt({ paymentId: `page-${n}`, orderId: "paged" }));
  }
  const where = { orderId: "paged" };
  const first = await receipts.list(pool, "rows", where, { pageSize: 2, pageToken: "" });
  expect(idsOf(first.rows)).toEqual(["page-5", "page-4"]);
  await receipts.keep(pool, receipt({ paymentId: "page-2", orderId: "paged", ledgerSequence: 9n }));
  await receipts.keep(pool, receipt({ paymentId: "page-6", orderId: "paged" }));
  const pageToken = first.nextPageToken;
  const rest = await receipts.list(pool, "rows", where, { pageSize: 9, pageToken });
  expect(idsOf(rest.rows)).toEqual(["page-3", "page-2", "page-1"]);
  expect(rest.nextPageToken).toBe("");
});

test("a view is read like a table, and its tokens are its own", async () => {
  const { pool } = database;
  for (const n of [1n, 2n, 3n]) {
    await receipts.keep(
      pool,
      receipt({ paymentId: `large-${n}`, orderId: "l", paidMinor: 99n + n }),
    );
  }
  const page = { pageSize: 1, pageToken: "" };
  const found = await large.list(pool, "receipts", { orderId: "l" }, page);
  expect(idsOf(found.receipts)).toEqual(["large-3"]);
  const foreign = receipts.list(
    pool,
    "receipts",
    { orderId: "l" },
    { ...page, pageToken: found.nextPageToken },
  );
  await expect(foreign).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("nobody reads a whole table by forgetting to say which rows", async () => {
  const all = receipts.list(database.pool, "rows", {}, { pageSize: 0, pageToken: "" });
  await expect(all).rejects.toThrow(/without saying which/);
});

test("a column is a name and a value a parameter, whatever stands in them", async () => {
  const { pool } = database;
  const hostile = `x' or 1=1; drop table "receipt"; --`;
  await receipts.keep(pool, receipt({ paymentId: hostile }));
  const { found } = await receipts.get(pool, "found", { paymentId: hostile });
  expect(found.paymentId).toBe(hostile);
  const injected = receipts.get(pool, "found", { [`payment_id" = 'p' or "order_id`]: "x" });
  await expect(injected).rejects.toThrow(/does not exist/);
});

function receipt(over: Partial<Omit<Receipt, keyof Message>>): Receipt {
  return create(ReceiptSchema, {
    ledgerId: "main",
    paymentId: "p",
    orderId: "ord_1",
    ledgerSequence: 1n,
    currencyCode: "USD",
    paidMinor: 100n,
    recordedTime: timestampFromDate(new Date("2026-01-02T03:04:05.678Z")),
    ...over,
  });
}

function idsOf(rows: readonly Receipt[]): string[] {
  return rows.map(({ paymentId }) => paymentId);
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
