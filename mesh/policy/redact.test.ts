import { globSync } from "node:fs";
import { join } from "node:path";
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { compileSchemas } from "../testing/schema.ts";
import { maskOf } from "./field-policy.ts";
import { redact } from "./redact.ts";

const compiled = compileSchemas({
  "x.proto": `syntax = "proto3"; package x; import "bursar/mesh/v1/policy.proto";
    import "google/protobuf/any.proto"; import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    import "google/protobuf/duration.proto"; import "google/protobuf/field_mask.proto";
    enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
    message All {
      string text = 1;
      int64 many = 2; uint64 unsigned = 3; double ratio = 4; bool yes = 5; bytes data = 6;
      Colour colour = 7; repeated Colour colours = 8;
      string personal = 9 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];
      repeated string sensitive = 10 [(bursar.mesh.v1.field).data_class = DATA_CLASS_SENSITIVE];
      int64 secret = 11 [(bursar.mesh.v1.field).secret = true];
      map<string, string> personal_notes = 12
        [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];
      map<string, All> children = 13; map<int64, int64> counts = 14;
      All nested = 15; repeated All list = 16;
      All kept = 17 [(bursar.mesh.v1.field).data_class = DATA_CLASS_SENSITIVE];
      oneof which {
        string shown = 18; All child = 20;
        bytes card = 19 [(bursar.mesh.v1.field).secret = true];
      }
      google.protobuf.Any any = 21; repeated google.protobuf.Any anys = 22;
      google.protobuf.Struct struct = 23; google.protobuf.Value value = 24;
      google.protobuf.ListValue values = 25; repeated google.protobuf.Struct structs = 26;
      google.protobuf.Timestamp time = 27; google.protobuf.Duration duration = 28;
      google.protobuf.FieldMask mask = 29;
      google.protobuf.StringValue wrapped = 30; repeated google.protobuf.Int64Value wraps = 31;
      google.protobuf.BytesValue wrapped_bytes = 32;
      google.protobuf.StringValue wrapped_personal = 33
        [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];
      optional int32 maybe = 34; float small = 35; map<string, bytes> blobs = 36;
    }`,
});
const all = messageOf("x.All");
const show = (init: object) => redact(all, create(all, init as never));

test("what may be seen is shown as in JSON, numbers of 64 bits as text", () => {
  expect(
    show({
      text: "t",
      many: 2n ** 62n,
      unsigned: 1n,
      ratio: 0.5,
      small: Number.POSITIVE_INFINITY,
      yes: true,
      data: new Uint8Array(3),
      colour: 1,
      colours: [1, 7],
      counts: { "7": 8n },
      which: { case: "shown", value: "" },
      time: timestampFromDate(new Date(0)),
      duration: { seconds: 3n },
      mask: { paths: ["a_b", "c"] },
      wrapped: "w",
      wraps: [{ value: 5n }],
      wrappedBytes: new Uint8Array(2),
      maybe: 0,
      blobs: { a: new Uint8Array(1) },
    }),
  ).toEqual({
    text: "t",
    many: "4611686018427387904",
    unsigned: "1",
    ratio: 0.5,
    small: "Infinity",
    yes: true,
    data: "[3 bytes]",
    colour: "COLOUR_RED",
    colours: ["COLOUR_RED", 7],
    counts: { "7": "8" },
    shown: "",
    time: "1970-01-01T00:00:00Z",
    duration: "3s",
    mask: "aB,c",
    wrapped: "w",
    wraps: ["5"],
    wrappedBytes: "[2 bytes]",
    maybe: 0,
    blobs: { a: "[1 bytes]" },
  });
});

test("what the schema hides is a word in its place, and empty when it is", () => {
  expect(
    show({
      personal: "Ada",
      sensitive: ["4242"],
      secret: 7n,
      personalNotes: { Ada: "likes tea" },
      kept: { text: "t" },
      which: { case: "card", value: new Uint8Array(3) },
      wrappedPersonal: "Ada",
    }),
  ).toEqual({
    personal: "[personal]",
    sensitive: "[sensitive]",
    secret: "[secret]",
    personalNotes: "[personal]",
    kept: "[sensitive]",
    card: "[secret]",
    wrappedPersonal: "[personal]",
  });
  expect(show({})).toEqual({});
});

test("what no schema describes is named by its type", () => {
  const any = anyPack(MoneySchema, create(MoneySchema, { currencyCode: "USD" }));
  const note = { note: "hidden" };
  const value = { kind: { case: "stringValue", value: "hidden" } };
  expect(
    show({ any, anys: [any], struct: note, value, values: { values: [value] }, structs: [note] }),
  ).toEqual({
    any: { "@type": "type.googleapis.com/bursar.money.v1.Money" },
    anys: [{ "@type": "type.googleapis.com/bursar.money.v1.Money" }],
    struct: "[google.protobuf.Struct]",
    value: "[google.protobuf.Value]",
    values: "[google.protobuf.ListValue]",
    structs: ["[google.protobuf.Struct]"],
  });
});

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["null", null],
  ["text", "hidden"],
  ["a message of another type", create(MoneySchema, { currencyCode: "HID" })],
  ["an object", { text: "hidden" }],
])("%s in place of the message is not shown", (_name, value) => {
  expect(redact(all, value as Message)).toBe("[x.All]");
});

test("a time that has no text, and a message that goes on for ever, are named by their type", () => {
  expect(show({ time: { seconds: 10n ** 15n } })).toEqual({ time: "[google.protobuf.Timestamp]" });
  const endless = create(all) as Message & { nested?: unknown };
  endless.nested = endless;
  expect(JSON.stringify(redact(all, endless))).toMatch(/"nested":"\[x\.All\]"\}+$/);
});

test("fields of a newer schema are not shown", () => {
  const message = create(MoneySchema, { currencyCode: "USD" });
  message.$unknown = [{ no: 99, wireType: 2, data: Buffer.from("hidden") }];
  expect(redact(MoneySchema, message)).toEqual({ currencyCode: "USD" });
});

test("no value that the schema hides is shown, and every text that it does not", async () => {
  const schemas = [all, ...(await ourMessages())];
  expect(schemas.length).toBeGreaterThan(100);
  const message = fc
    .constantFrom(...schemas)
    .chain((schema) => fillOf(schema, false, 3).map((init) => ({ schema, init })));
  fc.assert(
    fc.property(message, ({ schema, init }) => {
      const shown = JSON.stringify(redact(schema, create(schema, init as never)));
      expect(shown).not.toMatch(/hidden|98765432|aGlkZGVu/);
      for (const [text] of inspect(init).matchAll(/shown-[0-9a-f-]{36}/g)) {
        expect(shown).toContain(text);
      }
    }),
    { numRuns: 500 },
  );
});

test("what shows no secret is shown as its JSON", () => {
  const amount = create(MoneySchema, { amountMinor: 5n, currencyCode: "USD" });
  expect(redact(MoneySchema, amount)).toEqual(toJson(MoneySchema, amount));
  const posted = create(TransactionPostedSchema, {
    ledgerId: "demo",
    transaction: { entries: [{ amountMinor: 3n, side: 1, account: { assetCode: "USD" } }] },
  });
  expect(redact(TransactionPostedSchema, posted)).toEqual(toJson(TransactionPostedSchema, posted));
  const payment = create(PaymentSucceededSchema, { fee: amount, occurredTime: { nanos: 5 } });
  expect(redact(PaymentSucceededSchema, payment)).toEqual(toJson(PaymentSucceededSchema, payment));
});

/** Values of which each says whether the schema hides it: by its own field or by one around it. */
function fillOf(schema: DescMessage, hidden: boolean, depth: number): fc.Arbitrary<object> {
  const oneofs = schema.oneofs.filter(({ fields }) => fields[0]?.oneof);
  const parts = [
    ...schema.fields
      .filter(({ oneof }) => !oneof)
      .map((field) => ({
        name: field.localName,
        value: fc.option(fieldValue(field, hidden, depth), { nil: undefined, freq: 4 }),
      })),
    ...oneofs.map(({ localName, fields }) => ({
      name: localName,
      value: fc.oneof(
        ...fields.map((field) =>
          fieldValue(field, hidden, depth).map((value) =>
            value === undefined ? { case: undefined } : { case: field.localName, value },
          ),
        ),
      ),
    })),
  ];
  return fc
    .tuple(...parts.map(({ value }) => value))
    .map((values) => Object.fromEntries(values.map((value, n) => [parts[n]?.name, value])))
    .map((init) =>
      Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined)),
    );
}

function fieldValue(field: DescField, around: boolean, depth: number): fc.Arbitrary<unknown> {
  const hidden = around || maskOf(field) !== undefined;
  const one = oneValue(field, hidden, depth);
  if (field.fieldKind === "list") return fc.array(one, { minLength: 1, maxLength: 2 });
  if (field.fieldKind !== "map") return one;
  const key = field.mapKey === ScalarType.STRING ? textOf(hidden) : fc.nat().map(String);
  return fc.dictionary(key, one, { minKeys: 1, maxKeys: 2 });
}

function oneValue(field: DescField, hidden: boolean, depth: number): fc.Arbitrary<unknown> {
  if (field.message) return messageValue(field.message, hidden, depth, field.fieldKind);
  if (field.enum) return fc.constantFrom(...field.enum.values.map(({ number }) => number), 1_000);
  switch (field.scalar) {
    case ScalarType.STRING:
      return textOf(hidden);
    case ScalarType.BYTES:
      return fc.constant(Buffer.from("hidden"));
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return hidden ? fc.constant(98_765_432.5) : fc.double();
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return hidden ? fc.constant(987_654_321) : fc.nat({ max: 900_000_000 });
    default:
      return hidden ? fc.constant(9_876_543_210_123n) : fc.bigInt(0n, 900_000_000n);
  }
}

function messageValue(schema: DescMessage, hidden: boolean, depth: number, kind: string) {
  const name = schema.typeName.replace(/^google\.protobuf\./, "");
  const note = { note: "hidden" };
  const value = { kind: { case: "stringValue", value: "hidden" } };
  const bare = kind === "message";
  const wrapped = (init: fc.Arbitrary<unknown>) => (bare ? init : init.map((value) => ({ value })));
  if (name === "Struct") return fc.constant(note);
  if (name === "Value") return fc.constant(value);
  if (name === "ListValue") return fc.constant({ values: [value] });
  if (name === "Any") return fc.constant({ typeUrl: "x/y", value: Buffer.from("hidden") });
  if (name === "Timestamp") return fc.nat().map((seconds) => ({ seconds: BigInt(seconds) }));
  if (name === "Duration") return fc.constant({ seconds: 5n });
  if (name === "FieldMask") return fc.constant({ paths: ["a_b"] });
  if (name === "StringValue") return wrapped(textOf(hidden));
  if (name === "Int64Value") return wrapped(fc.bigInt(0n, 1_000n));
  if (name === "BytesValue") return wrapped(fc.constant(Buffer.from("hidden")));
  return depth === 0 ? fc.constant(undefined) : fillOf(schema, hidden, depth - 1);
}

function textOf(hidden: boolean): fc.Arbitrary<string> {
  return fc.uuid().map((id) => `${hidden ? "hidden" : "shown"}-${id}`);
}

function inspect(init: object): string {
  return JSON.stringify(init, (_key, value) => (typeof value === "bigint" ? String(value) : value));
}

async function ourMessages(): Promise<DescMessage[]> {
  const root = new URL("../../", import.meta.url).pathname;
  const found: DescMessage[] = [];
  for (const path of globSync("gen/bursar/**/*_pb.ts", { cwd: root })) {
    const exported: unknown[] = Object.values(await import(join(root, path)));
    found.push(...exported.filter(isMessageDesc));
  }
  return found;
}

function isMessageDesc(value: unknown): value is DescMessage {
  return (value as { kind?: unknown } | null)?.kind === "message";
}

function messageOf(name: string): DescMessage {
  const found = compiled.getMessage(name);
  if (!found) throw new Error(`x.proto has no ${name}`);
  return found;
}
