import { toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { LedgerCreatedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { withSpan } from "../telemetry/trace.ts";
import { paymentSucceeded } from "../testing/payments.ts";
import { encodeEvent, wrapEvent } from "./event.ts";
import { dataSchemaOf } from "./schema-digest.ts";

const time = new Date(0);
const options = { messageId: "m-1", source: "webhook-gateway", time };

test("an event travels as its bytes alone, with everything about it in the headers", () => {
  const event = paymentSucceeded("pi_1");
  const encoded = encodeEvent(PaymentSucceededSchema, event, {
    ...options,
    traceparent: "00-a-b-01",
  });

  expect(encoded).toMatchObject({
    subject: "bursar.payments.v1.PaymentSucceeded",
    stream: "PAYMENTS",
    messageId: "m-1",
    data: toBinary(PaymentSucceededSchema, event),
  });
  expect(Object.fromEntries(encoded.headers)).toEqual({
    "ce-specversion": "1.0",
    "ce-id": "m-1",
    "ce-source": "webhook-gateway",
    "ce-type": "bursar.payments.v1.PaymentSucceeded",
    "ce-dataschema": dataSchemaOf(PaymentSucceededSchema),
    "ce-subject": "stripe/acct_demo/pi_1",
    "ce-partitionkey": "stripe/acct_demo/pi_1",
    "ce-time": "1970-01-01T00:00:00.000Z",
    "content-type": "application/protobuf",
    traceparent: "00-a-b-01",
  });
});

test("an invalid event is not published: that is a bug of the publisher", () => {
  const event = paymentSucceeded("pi_1", { ledgerId: "Not A Ledger" });
  expect(() => encodeEvent(PaymentSucceededSchema, event, options)).toThrow(
    /bursar.payments.v1.PaymentSucceeded is invalid: ledger_id/,
  );
});

test.each(["a\0", "\ud800"])("an event with the text %j is not published", (orderId) => {
  const event = paymentSucceeded("pi_1", { orderId });
  expect(() => encodeEvent(PaymentSucceededSchema, event, options)).toThrow(/order_id: must be/);
});

test.each(["", "two words", "line\nbreak", "ü", "x".repeat(513)])(
  "%j cannot be a message id",
  (messageId) => {
    const event = paymentSucceeded("pi_1");
    expect(() => encodeEvent(PaymentSucceededSchema, event, { ...options, messageId })).toThrow(
      "is not a header value",
    );
  },
);

test.each(["", "two words", "x".repeat(513)])("%j cannot be a dedupe id", (dedupeId) => {
  const event = paymentSucceeded("pi_1");
  expect(() => encodeEvent(PaymentSucceededSchema, event, { ...options, dedupeId })).toThrow(
    "is not a header value",
  );
});

test("an event whose policy names its id has that one, and no other", () => {
  const event = { ledgerId: "main", ledgerSequence: 7n, recordedTime: timestampFromDate(time) };
  const published = { source: "ledger-service", time };

  expect(encodeEvent(LedgerCreatedSchema, event, published).messageId).toBe("main/7");
  expect(() =>
    encodeEvent(LedgerCreatedSchema, event, { ...published, messageId: "main/8" }),
  ).toThrow("made of its dedupe_id_fields: main/7, not main/8");
});

test("an event whose policy names no id needs one", () => {
  const { messageId: _, ...without } = options;
  expect(() => encodeEvent(PaymentSucceededSchema, paymentSucceeded("pi_1"), without)).toThrow(
    "bursar.payments.v1.PaymentSucceeded names no dedupe_id_fields: give it a messageId",
  );
});

test("nobody but its producers publishes an event", () => {
  const event = paymentSucceeded("pi_1");
  const forged = { ...options, source: "cms-service" };
  const refusal = /cms-service is none of the producers .*\.PaymentSucceeded lists/;
  expect(() => encodeEvent(PaymentSucceededSchema, event, forged)).toThrow(refusal);
  const bytes = toBinary(PaymentSucceededSchema, event);
  expect(() => wrapEvent(PaymentSucceededSchema, bytes, { ...forged, key: "k" })).toThrow(refusal);
});

test("an event is of the span that runs when it is encoded, unless told otherwise", async () => {
  const event = paymentSucceeded("pi_1");
  const traceparentOf = (given?: string) => {
    const encoded = encodeEvent(PaymentSucceededSchema, event, { ...options, traceparent: given });
    return Object.fromEntries(encoded.headers)["traceparent"];
  };
  expect(traceparentOf()).toBeUndefined();
  await withSpan({ name: "test", kind: "internal" }, async (span) => {
    expect(traceparentOf()).toBe(span.traceparent);
    expect(traceparentOf("00-a-b-01")).toBe("00-a-b-01");
  });
});
