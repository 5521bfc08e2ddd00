import { expect, test } from "vitest";
import {
  file_bursar_ledger_v1_events,
  TransactionPostedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import { eventsOfOthers } from "#mesh/events/pass-over.ts";
import { ledgerConsumer } from "./consumer.ts";

test("the ledger's other facts are passed over, and none waits for another release", () => {
  const passedOver = eventsOfOthers("cms-service", ledgerConsumer);
  const { messages } = file_bursar_ledger_v1_events;
  const others = messages.filter((event) => event.typeName !== TransactionPostedSchema.typeName);
  expect([...passedOver.keys()].sort()).toEqual(others.map(({ typeName }) => typeName).sort());
  expect(others.length).toBeGreaterThan(10);
});
