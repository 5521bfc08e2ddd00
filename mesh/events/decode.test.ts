import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { otherRelease } from "../testing/other-release.ts";
import { encodedPayment, encodedRefund, paymentSucceeded } from "../testing/payments.ts";
import { createDecoder } from "./decode.ts";
import type { RawMessage } from "./raw-message.ts";
import { dataSchemaOf } from "./schema-digest.ts";

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

const decode = createDecoder([PaymentSucceededSchema]);
const newer = otherRelease(({ policy }) => policy("PaymentSucceeded", { version: 3 }));
const newerHeader = ["ce-dataschema", dataSchemaOf(newer.message("PaymentSucceeded"))] as const;
const invalid = toBinary(PaymentSucceededSchema, create(PaymentSucceededSchema));

test("what was encoded decodes to the same event", () => {
  const { data, subject, headers } = encodedPayment("pi_1");
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const traced = [...headers, ["traceparent", traceparent] as const];
  expect(decode(rawOf({ data, subject, headers: traced }))).toMatchObject({
    kind: "event",
    event: { messageId: "m-1", message: paymentSucceeded("pi_1"), traceparent },
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
    "a message that breaks its rules, of another schema of the same version",
    { headers: [["ce-dataschema", `${dataSchemaOf(PaymentSucceededSchema).slice(0, -4)}abcd`]] },
    DeadLetterReason.INVALID,
    /ledger_id: .*\(written with bursar:.*abcd, read with bursar:.*\)$/,
  ],
  [
    "a subject that is no event's name",
    { subject: "bursar.payments.v1.no-name" },
    DeadLetterReason.UNKNOWN_EVENT,
    /no name that an event can have/,
  ],
  [
    "a subject that no index holds",
    { subject: `bursar.payments.v1.${"x".repeat(300)}` },
    DeadLetterReason.UNKNOWN_EVENT,
    /no name that an event can have/,
  ],
])("%s is given up with a reason", (_, over, reason, detail) => {
  const decoded = decode(rawOf(over));
  expect(decoded).toMatchObject({ kind: "dead", reason, detail: expect.stringMatching(detail) });
});

test("an event that nobody knows here waits for a release that does", () => {
  expect(decode(rawOf(encodedRefund("pi_1", "re_1")))).toEqual({
    kind: "parked",
    waitsFor: "schema/bursar.payments.v1.PaymentRefunded",
  });
});

test.each([
  ["no message", Uint8Array.of(0xff, 0xff)],
  ["a message that breaks our rules", invalid],
])("%s, written with a newer schema, waits for a release that knows it", (_, data) => {
  expect(decode(rawOf({ data, headers: [newerHeader] }))).toEqual({
    kind: "parked",
    waitsFor: "schema/bursar.payments.v1.PaymentSucceeded@3",
  });
});

test("what was written with a newer schema and can be read is read", () => {
  const { data } = encodedPayment("pi_1");
  expect(decode(rawOf({ data, headers: [newerHeader] }))).toMatchObject({ kind: "event" });
});

test.each([
  "bursar:bursar.payments.v1.PaymentRefunded;version=3;sha256=".padEnd(124, "a"),
  "https://example.com/schema?version=2",
  "",
])("a schema that says %j is nobody's newer one", (uri) => {
  const headers = [["ce-dataschema", uri]] as const;
  expect(decode(rawOf({ data: invalid, headers }))).toMatchObject({ kind: "dead" });
});

test("a traceparent that is none goes no further", () => {
  const { data } = encodedPayment("pi_1");
  const traced = (traceparent: string) =>
    decode(rawOf({ data, headers: [["traceparent", traceparent]] }));
  const wellFormed = `00-${"a".repeat(32)}-${"b".repeat(16)}-00`;
  expect(traced(wellFormed)).toMatchObject({ event: { traceparent: wellFormed } });
  for (const wrong of ["", "x".repeat(200_000), `${wellFormed} `, wellFormed.toUpperCase()]) {
    expect(traced(wrong)).toMatchObject({ kind: "event", event: { traceparent: undefined } });
  }
});
