import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { OrderState } from "#gen/bursar/cms/v1/order_service_pb.ts";
import {
  GetReceiptResponseSchema,
  ReceiptSchema,
} from "#gen/bursar/receipt/v1/receipt_service_pb.ts";
import { columnOf, columnsOf, fieldsOf, valuesOf } from "./columns.ts";

const time = new Date("2026-01-02T03:04:05.678Z");

test("a field stands in the column of its name", () => {
  expect(columnsOf(OrderChangedSchema)).toEqual(["order_id", "learner_id", "state", "change_time"]);
  expect(columnOf("ledgerSequence")).toBe("ledger_sequence");
});

test("a time is a Date, an enum its number, and back", () => {
  const state = OrderState.PAID;
  const event = { orderId: "ord_1", learnerId: "ada", state, changeTime: timestampFromDate(time) };
  expect(valuesOf(OrderChangedSchema, event)).toEqual(["ord_1", "ada", 2, time]);
  const row = { order_id: "ord_1", learner_id: "ada", state: 2, change_time: time, row_id: 7n };
  const fields = fieldsOf(OrderChangedSchema, row);
  expect(fields).toEqual(event);
});

test("money keeps every digit", () => {
  const paidMinor = 9_007_199_254_740_993n;
  const row = Object.fromEntries(columnsOf(ReceiptSchema).map((column) => [column, null]));
  const fields = fieldsOf(ReceiptSchema, { ...row, paid_minor: paidMinor, lost_minor: 3 });
  expect(create(ReceiptSchema, fields)).toMatchObject({ paidMinor, lostMinor: 3n });
});

test("an absent message is null, a forgotten number is a mistake", () => {
  const receipt = create(ReceiptSchema, { ledgerId: "main", paidMinor: 1n });
  expect(valuesOf(ReceiptSchema, receipt).at(-1)).toBeNull();
  const { paidMinor: _, ...unpaid } = receipt;
  const values = () => valuesOf(ReceiptSchema, unpaid as typeof receipt);
  expect(values).toThrow(/paid_minor is missing/);
});

test("a message within a message has no column", () => {
  expect(() => columnsOf(GetReceiptResponseSchema)).toThrow(/receipt cannot be a column/);
});

test("a column that a row lacks is a mistake", () => {
  expect(() => fieldsOf(OrderChangedSchema, { order_id: "ord_1" })).toThrow(/no column for/);
});
