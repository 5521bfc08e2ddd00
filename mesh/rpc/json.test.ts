import fc from "fast-check";
import { expect, test } from "vitest";
import { type Json, jsonMember, scanJson } from "./json.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

test("keeps the source text of numbers", () => {
  const source = '{"a":9007199254740993,"b":1e2,"c":-0,"d":100.50}';
  const { value } = scanned(source);
  const numbers = ["a", "b", "c", "d"].map((name) => jsonMember(value, name));
  expect(numbers).toEqual(
    ["9007199254740993", "1e2", "-0", "100.50"].map((text) => ({ kind: "number", text })),
  );
});

test("reports members that appear twice, with their paths", () => {
  expect(scanned('{"a":1,"b":{"c":1,"c":2},"a":3}').duplicates).toEqual(["b.c", "a"]);
  expect(scanned('[{"x y":0,"x y":1}]').duplicates).toEqual(['[0]["x y"]']);
  expect(scanned('{"\\u0061":1,"a":2}').duplicates).toEqual(["a"]);
  const many = Array.from({ length: 20 }, (_, n) => `"n${n}":0`).join();
  expect(scanned(`{${many},"n3":1,"n19":1}`).duplicates).toEqual(["n3", "n19"]);
});

test("names a hundred duplicates at most, each name in them cut", () => {
  const twice = (name: string) => `{"${name}":0,"${name}":0}`;
  const { duplicates } = scanned(`[${Array.from({ length: 101 }, () => twice("a")).join()}]`);
  expect(duplicates).toHaveLength(100);
  expect(scanned(twice("n".repeat(101))).duplicates).toEqual([`["${"n".repeat(100)}"]`]);
});

test("keeps members in order, and names that JavaScript objects treat specially", () => {
  const { value } = scanned('{"b":1,"__proto__":2,"1":3,"a":4}');
  expect(value.kind === "object" && value.members.map(([name]) => name)).toEqual([
    "b",
    "__proto__",
    "1",
    "a",
  ]);
});

test("refuses what is nested too deeply, without running out of stack", () => {
  expect(scanJson(`${"[".repeat(64)}${"]".repeat(64)}`).ok).toBe(true);
  expect(scanJson("[".repeat(1_000_000))).toMatchObject({ ok: false, offset: 64 });
  expect(scanJson("[[1]]", { depthMax: 1 })).toEqual({
    ok: false,
    problem: "nested deeper than 1 levels",
    offset: 1,
  });
});

test.each<[string, Uint8Array | string]>([
  ["invalid UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
  ["an overlong encoding", Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)],
  ["a byte order mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)],
  ["nothing", ""],
  ["text after the value", "1 2"],
  ["a leading zero", "01"],
  ["hexadecimal", "0x10"],
  ["a plus sign", "+1"],
  ["a bare dot", "1."],
  ["not a number", "NaN"],
  ["a trailing comma", "[1,]"],
  ["single quotes", "{'a':1}"],
  ["a raw line break in a string", '"a\nb"'],
  ["an unknown escape", '"\\x41"'],
  ["a string that ends in its escape", '"\\"'],
])("refuses %s", (_, source) => {
  expect(scanJson(source).ok).toBe(false);
});

test(`accepts what JSON.parse accepts, with the same value (seed ${seed})`, () => {
  const noise = fc.tuple(fc.json({ depthSize: "medium" }), fc.nat(), fc.string()).map(mutated);
  const crumbs = fc
    .array(fc.constantFrom(...'{}[]",:01-+.eE\\utrnfalse \n\u2028\ud800', "null", "true"))
    .map((parts) => parts.join(""));
  const spaced = fc.jsonValue().map((value) => JSON.stringify(value, null, 2));
  const text = fc.oneof(fc.json(), fc.json({ stringUnit: "binary" }), spaced, noise, crumbs);
  fc.assert(fc.property(text, sameAsJsonParse), { seed, numRuns: 5_000 });
});

function sameAsJsonParse(text: string): void {
  let expected: { value: unknown } | undefined;
  try {
    expected = { value: JSON.parse(text) };
  } catch {
    expected = undefined;
  }
  const scan = scanJson(text, { depthMax: 10_000 });
  expect(scan.ok ? { value: plainOf(scan.value) } : undefined).toEqual(expected);
}

/** A valid text with one piece of it replaced. */
function mutated([json, place, piece]: [string, number, string]): string {
  const at = place % (json.length + 1);
  return json.slice(0, at) + piece + json.slice(at + (place % 3));
}

function plainOf(json: Json): unknown {
  switch (json.kind) {
    case "object": {
      const object = {};
      for (const [name, value] of json.members) {
        const property = { value: plainOf(value), enumerable: true };
        Object.defineProperty(object, name, { ...property, writable: true, configurable: true });
      }
      return object;
    }
    case "array":
      return json.items.map(plainOf);
    case "number":
      return Number(json.text);
    case "null":
      return null;
    default:
      return json.value;
  }
}

function scanned(source: string) {
  const scan = scanJson(source);
  if (!scan.ok) throw new Error(`${scan.problem} at ${scan.offset}`);
  return scan;
}
