import { toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { encodedPayment, encodedRefund, paymentSucceeded } from "../testing/payments.ts";
import { createDecoder, encodeEvent } from "./event.ts";
import type { RawMessage } from "./raw-message.ts";

const options = { messageId: "m-1", source: "webhook-gateway", time: new Date(0) };

const rawOf = (over: Partial<RawMessage>): RawMessage => ({
  messageId: "m-1",
  subject: PaymentSucceededSchema.typeName,
  stream: "PAYMENTS",
  streamSequence: 1n,
  deliveryCount: 1,
  data: new Uint8Array(),
  headers: [],
  ...over,
});

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
    "ce-subject": "stripe/acct_demo/pi_1",
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

test("what was encoded decodes to the same event", () => {
  const { data, subject } = encodedPayment("pi_1");
  const decoded = createDecoder([PaymentSucceededSchema])(rawOf({ data, subject }));

  expect(decoded).toMatchObject({
    kind: "event",
    event: { messageId: "m-1", message: paymentSucceeded("pi_1") },
  });
});

test.each<[string, Partial<RawMessage>, DeadLetterReason, RegExp]>([
  [
    "bytes that are no message",
    { data: Uint8Array.of(0xff, 0xff) },
    DeadLetterReason.UNDECODABLE,
    /./,
  ],
  [
    "a text that no column holds",
    { data: toBinary(PaymentSucceededSchema, paymentSucceeded("pi_1", { orderId: "a\0" })) },
    DeadLetterReason.INVALID,
    /^order_id: must be Unicode text/,
  ],
  ["a message that breaks its rules", {}, DeadLetterReason.INVALID, /ledger_id: .*; .*amount/],
  [
    "an event nobody knows",
    encodedRefund("pi_1", "re_1"),
    DeadLetterReason.UNKNOWN_EVENT,
    /no event is called bursar.payments.v1.PaymentRefunded/,
  ],
])("%s is given up with a reason", (_, over, reason, detail) => {
  const decoded = createDecoder([PaymentSucceededSchema])(rawOf(over));
  expect(decoded).toMatchObject({ kind: "dead", reason, detail: expect.stringMatching(detail) });
});
