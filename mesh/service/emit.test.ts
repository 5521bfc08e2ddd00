import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { ReceiptIssuedSchema } from "#gen/bursar/receipt/v1/events_pb.ts";
import type { Tx } from "../database/pool.ts";
import { createEmit } from "./emit.ts";
import { initOf } from "./fields.ts";

test("what a service does not declare it does not publish", async () => {
  const emit = createEmit("receipt-service", [ReceiptIssuedSchema]);
  const emitted = emit(undefined as unknown as Tx, OrderChangedSchema, create(OrderChangedSchema));
  await expect(emitted).rejects.toThrow(/OrderChanged, which it does not declare/);
});

test("a message takes the fields it has from another, and nothing else", () => {
  const order = create(OrderChangedSchema, { orderId: "ord_1", learnerId: "ada" });
  const receipt = create(ReceiptIssuedSchema);
  expect(initOf(ReceiptIssuedSchema, { ...receipt, ...order })).toMatchObject({ orderId: "ord_1" });
  expect(initOf(ReceiptIssuedSchema, { ...receipt, ...order })).not.toHaveProperty("learnerId");
});
