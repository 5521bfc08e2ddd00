import { fromJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileSchemas } from "../testing/schema.ts";
import { scanJson } from "./json.ts";
import { checkJson } from "./json-fields.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

// Every kind of field that a message can have, as one, as a list and as a map.
const scalars = "bool bytes string float double int32 uint32 sint32 fixed32 sfixed32 int64 uint64";
const messages = [
  ..."Timestamp Duration FieldMask Struct Value ListValue".split(" "),
  ..."BoolValue BytesValue StringValue DoubleValue Int32Value UInt32Value Int64Value".split(" "),
].map((name) => `google.protobuf.${name}`);
const types = [...scalars.split(" "), "Colour", "google.protobuf.NullValue", "All", ...messages];
const keys = ["bool", "int32", "int64", "string"];

function schemaOfAll(): string {
  let number = 1;
  const names: string[] = [];
  const field = (type: string, name: string) => {
    names.push(name);
    return `${type} ${name} = ${number++};`;
  };
  const ones = types.map((type, index) => field(type, `one_${index}`));
  const lists = types.map((type, index) => field(`repeated ${type}`, `list_${index}`));
  const maps = types.map((type, index) =>
    field(`map<${keys[index % keys.length]}, ${type}>`, `map_${index}`),
  );
  const choices = types.map((type, index) => field(type, `choice_${index}`));
  const imports = ["timestamp", "duration", "field_mask", "struct", "wrappers"].map(
    (name) => `import "google/protobuf/${name}.proto";`,
  );
  fieldNames = names;
  return [
    'syntax = "proto3";',
    "package bursar.testing.v1;",
    ...imports,
    "enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }",
    `message All { ${ones.join(" ")} ${lists.join(" ")} ${maps.join(" ")}`,
    `oneof choice { ${choices.join(" ")} } }`,
  ].join("\n");
}

let fieldNames: string[] = [];

test(`what passes is decoded, and what does not would not be, or not exactly (seed ${seed})`, () => {
  const registry = compileSchemas({ "bursar/testing/v1/all.proto": schemaOfAll() });
  const all = registry.getMessage("bursar.testing.v1.All")!;
  const texts = fc.constantFrom(
    ..."true false 0 1 -1 1.5 1e2 0x10 NaN Infinity aGk= COLOUR_RED COLOUR_BLUE title,price".split(
      " ",
    ),
    ...["", " 1", "4294967296", "9223372036854775808", "é", "***", "1.5s", "1x", "a\u0000"],
    ...["2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-31", "1e400"],
  );
  const numbers = fc.constantFrom(0, 1, -1, 1.5, 100, 2 ** 31, 2 ** 32, 2 ** 53, 1e39, 1e300);
  const key = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fieldNames) }, texts);
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(texts, numbers, fc.boolean(), fc.constant(null)),
      fc.array(tie("value"), { maxLength: 2 }),
      fc.dictionary(key, tie("value"), { maxKeys: 2 }),
    ),
  }));
  const requests = fc.dictionary(key, value, { minKeys: 1, maxKeys: 3 });
  const seen = { passed: 0, refused: 0 };
  const property = fc.property(requests, (request) => {
    const json = JSON.stringify(request);
    const scan = scanJson(json);
    if (!scan.ok) throw new Error(scan.problem);
    const { inexact, duplicate, malformed, unknown } = checkJson(all, scan.value);
    const problems = [...inexact, ...duplicate, ...malformed, ...unknown];
    if (problems.length === 0) {
      seen.passed += 1;
      fromJsonString(all, json);
      return;
    }
    seen.refused += 1;
    const isStricter = inexact.length > 0 || malformed.some(({ problem }) => rolls.test(problem));
    if (!isStricter) expect(() => fromJsonString(all, json), json).toThrow();
  });
  fc.assert(property, { seed, numRuns: 3_000 });
  expect(seen.passed).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(1_000);
});

/** What the decoder takes and should not: 30 February, and 1.5sx for a duration. */
const rolls = /no day of the calendar|must be a duration/;
