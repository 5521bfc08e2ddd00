import { create, type DescMessage, setExtension } from "@bufbuild/protobuf";
import { FieldOptionsSchema } from "@bufbuild/protobuf/wkt";
import { FieldRulesSchema, field } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import {
  DataClass,
  FieldPolicySchema,
  field as fieldPolicy,
} from "#gen/bursar/mesh/v1/policy_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { type Change, otherRelease } from "../testing/other-release.ts";
import { canonicalForm, dataSchemaOf, schemaVersionIn } from "./schema-digest.ts";

const provenance = "bursar/payments/v1/provenance.proto";
const events = "bursar/payments/v1/events.proto";
const paymentOf = (change: (change: Change) => void): DescMessage =>
  otherRelease(change).message("PaymentSucceeded");
const optionsOf = (change: Change, name: string) => {
  const proto = change.message("PaymentSucceeded").field.find((found) => found.name === name)!;
  proto.options ??= create(FieldOptionsSchema);
  return proto.options;
};

test("the digest is of the schema, however it was compiled", () => {
  const ours = dataSchemaOf(PaymentSucceededSchema);
  expect(ours).toMatch(
    /^bursar:bursar\.payments\.v1\.PaymentSucceeded;version=2;sha256=[0-9a-f]{64}$/,
  );
  expect(new URL(ours).protocol).toBe("bursar:");
  expect(dataSchemaOf(paymentOf(() => {}))).toBe(ours);
});

test.each<[string, (change: Change) => void]>([
  ["the order of fields", ({ message }) => message("PaymentSucceeded").field.reverse()],
  ["the order of messages", ({ file }) => file(events).messageType.reverse()],
  [
    "the order of enum values beside zero",
    ({ file }) =>
      file(provenance).enumType[0]!.value.splice(
        1,
        2,
        ...file(provenance).enumType[0]!.value.slice(1, 3).reverse(),
      ),
  ],
  ["another event", ({ policy }) => policy("PaymentRefunded", { version: 3 })],
  ["a field of another event", ({ message }) => message("PaymentRefunded").field.pop()],
  ["deprecation", (change) => (optionsOf(change, "order_id").deprecated = true)],
])("%s changes nothing", (_, change) => {
  expect(canonicalForm(paymentOf(change))).toBe(canonicalForm(PaymentSucceededSchema));
});

test.each<[string, (change: Change) => void]>([
  ["a version", ({ policy }) => policy("PaymentSucceeded", { version: 3 })],
  ["a consumer", ({ policy }) => policy("PaymentSucceeded", { consumers: ["a-service"] })],
  ["a field less", ({ message }) => message("PaymentSucceeded").field.splice(2, 1)],
  ["a name", ({ message }) => (message("PaymentSucceeded").field[2]!.name = "purchase_id")],
  ["a number", ({ message }) => (message("PaymentSucceeded").field[2]!.number = 77)],
  [
    "a rule",
    (change) => {
      const rule = create(FieldRulesSchema, {
        type: { case: "string", value: { maxLen: 7n } },
      });
      setExtension(optionsOf(change, "order_id"), field, rule);
    },
  ],
  [
    "what a field holds",
    (change) => {
      const policy = create(FieldPolicySchema, { dataClass: DataClass.PERSONAL });
      setExtension(optionsOf(change, "order_id"), fieldPolicy, policy);
    },
  ],
  [
    "an enum value in another file",
    ({ file }) => (file(provenance).enumType[0]!.value[1]!.name = "COVERAGE_OTHER"),
  ],
  ["a field in another file", ({ file }) => file(provenance).messageType[0]!.field.pop()],
])("%s changes the digest", (_, change) => {
  expect(canonicalForm(paymentOf(change))).not.toBe(canonicalForm(PaymentSucceededSchema));
});

test("the version is read from our own form only, and for the event it names", () => {
  const uri = dataSchemaOf(TransactionPostedSchema);
  expect(schemaVersionIn(uri, TransactionPostedSchema.typeName)).toBe(2);
  expect(schemaVersionIn(uri, PaymentSucceededSchema.typeName)).toBeUndefined();
  expect(
    schemaVersionIn(uri.replace("version=2", "version=0"), TransactionPostedSchema.typeName),
  ).toBeUndefined();
  expect(schemaVersionIn(`${uri} `, TransactionPostedSchema.typeName)).toBeUndefined();
  expect(schemaVersionIn(undefined, TransactionPostedSchema.typeName)).toBeUndefined();
});

test("the canonical form is what docs/events.md says", () => {
  const lines = canonicalForm(PaymentSucceededSchema).split("\n");
  expect(lines.slice(0, 2)).toEqual([
    "bursar event schema 1",
    "event bursar.payments.v1.PaymentSucceeded",
  ]);
  expect(lines[2]).toMatch(/^policy [0-9a-f]+$/);
  expect(lines).toContain("message google.protobuf.Timestamp -");
  expect(lines).toContain("field 1 amount_minor amountMinor INT64 IMPLICIT - - - 22022800 2001");
  expect(lines).toContain("enum bursar.payments.v1.Coverage OPEN");
  expect(lines).toContain("value 3 COVERAGE_BODY");
});
