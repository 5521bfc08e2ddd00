import { getExtension, setExtension } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { LedgerCreatedSchema, TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { stream } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { createMetrics } from "../process/metrics.ts";
import { silentLog } from "../testing/broker.ts";
import { otherRelease } from "../testing/other-release.ts";
import { openBroker } from "./broker.ts";
import { ensureStream, streamsOf } from "./streams.ts";

const days = (count: number) => count * 24 * 60 * 60_000;

test("the streams are those that the events' packages declare", () => {
  const events = [
    WebhookReceivedSchema,
    PaymentSucceededSchema,
    LedgerCreatedSchema,
    TransactionPostedSchema,
    CoursePublishedSchema,
  ];
  const standard = { ageMsMax: days(30), messageBytesMax: 262_144, duplicateWindowMs: 1_200_000 };
  expect([...streamsOf(events).values()]).toEqual([
    {
      name: "WEBHOOKS",
      subject: "bursar.webhook.v1.>",
      ageMsMax: days(90),
      messageBytesMax: 2_097_152,
      duplicateWindowMs: 3_600_000,
    },
    { ...standard, name: "PAYMENTS", subject: "bursar.payments.v1.>" },
    { ...standard, name: "LEDGER", subject: "bursar.ledger.v1.>", messageBytesMax: 1_048_576 },
    { ...standard, name: "CMS", subject: "bursar.cms.v1.>" },
  ]);
});

test("what declares no stream, or one that another package declares, is refused", () => {
  expect(() => streamsOf([MoneySchema])).toThrow(/bursar.money.v1.* declares a stream/);
  const greedy = otherRelease(({ file }) => {
    const options = file("bursar/payments/v1/events.proto").options!;
    setExtension(options, stream, { ...getExtension(options, stream), name: "LEDGER" });
  });
  const events = [LedgerCreatedSchema, greedy.message("PaymentSucceeded")];
  expect(() => streamsOf(events)).toThrow(
    "bursar.ledger.v1.> and bursar.payments.v1.> both declare the stream LEDGER: rename one",
  );
});

test("a stream that nobody gave to the broker is not made", async () => {
  await using broker = openBroker({
    ...{ url: "nats://127.0.0.1:1", name: "ledger-service", events: [PaymentSucceededSchema] },
    ...{ log: silentLog(), metrics: createMetrics("test") },
  });
  await expect(ensureStream(broker, "LEDGER")).rejects.toThrow(
    "stream LEDGER is not known here (known: PAYMENTS): give openBroker the events",
  );
});
