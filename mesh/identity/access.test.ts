import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createScopes, decideAccess, narrowScopes, readAccess } from "./access.ts";

const dir = mkdtempSync(join(tmpdir(), "bursar-access-"));
afterAll(() => rmSync(dir, { recursive: true }));

test.each([
  [["a.b.c"], "a.b.c", true],
  [["a.b.c"], "a.b.d", false],
  [["a.*.c"], "a.x.c", true],
  [["a.*.c"], "a.x.d", false],
  [["*.*.*"], "a.b.c", true],
  [["*.*.read"], "a.b.write", false],
  [["a.*.*"], "a.b.c.d", false],
  [[], "a.b.c", false],
])("%j covers %s: %s", (patterns, scope, covered) => {
  expect(createScopes(patterns).covers(scope)).toBe(covered);
});

test("every scope of a policy is needed, and a policy without one allows nobody", () => {
  const caller = { scopes: createScopes(["a.b.c"]) };
  expect(decideAccess({ scopes: ["a.b.c"] }, caller)).toEqual({ allowed: true });
  const both = decideAccess({ scopes: ["a.b.c", "d.e.f"] }, caller);
  expect(both).toEqual({ allowed: false, missing: ["d.e.f"] });
  expect(decideAccess({ scopes: [] }, { scopes: createScopes(["*.*.*"]) }).allowed).toBe(false);
});

test("narrowing keeps what both cover", () => {
  const narrow = narrowScopes(createScopes(["a.*.*"]), createScopes(["*.*.read"]));
  expect(["a.b.read", "a.b.write", "b.b.read"].map(narrow.covers)).toEqual([true, false, false]);
});

test.each(["json", "yaml"])("reads a configuration in %s", (kind) => {
  const yaml =
    "grants:\n  - identity: spiffe://bursar/x\n    scopes: [a.b.c]\n    ledger_ids: ['*']";
  const json = '{"grants":[{"identity":"spiffe://bursar/x","scopes":["a.b.c"],"ledgerIds":["*"]}]}';
  const grant = readAccess(written(kind === "json" ? json : yaml)).get("spiffe://bursar/x");
  expect(grant?.scopes.covers("a.b.c")).toBe(true);
  expect(grant?.ledgerIds).toBe("all");
});

test.each([
  ["an identity elsewhere", "grants: [{identity: 'spiffe://else/x', scopes: [a.b.c]}]", /identity/],
  [
    "a scope that is none",
    "grants: [{identity: 'spiffe://bursar/x', scopes: [all]}]",
    /scopes\[0\]/,
  ],
  ["an unknown field", "grantz: []", /grantz/],
  ["an identity twice", twice(), /listed twice/],
  ["no text", "{", /not valid/],
])("a configuration with %s is refused, naming file and problem", (_name, text, problem) => {
  const file = written(text);
  expect(() => readAccess(file)).toThrow(file);
  expect(() => readAccess(file)).toThrow(problem);
});

function twice(): string {
  const grant = "{identity: 'spiffe://bursar/x', scopes: [a.b.c]}";
  return `grants: [${grant}, ${grant}]`;
}

function written(text: string): string {
  const file = join(dir, "access");
  writeFileSync(file, text);
  return file;
}
