import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lastRelease } from "../release.ts";
import { buildImage, builtSchema, readSchema } from "../schema.ts";
import { breakingFindings } from "./breaking.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-breaking-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["proto", "proto-foreign", "buf.yaml"]) {
  cpSync(name, join(folder, name), { recursive: true });
}
const image = join(folder, "1.0.0.binpb");
writeFileSync(image, buildImage(folder));
const proto = join(folder, "proto");

function after(file: string, from: string, to: string) {
  const path = join(proto, "bursar", file);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
  try {
    return breakingFindings(proto, image, readSchema(image));
  } finally {
    writeFileSync(path, text);
  }
}

test("a schema breaks nothing of its own image, nor does a field more", () => {
  expect(breakingFindings(proto, image, readSchema(image))).toEqual([]);
  const money = 'syntax = "proto3";\n\npackage bursar.money.v1;\n';
  expect(after("money/v1/money.proto", money, `${money}\nmessage Purse {}\n`)).toEqual([]);
});

test("a field that has another name is told with its place and whom it hurts", () => {
  const [first] = after(
    "cms/v1/order_service.proto",
    "string order_id = 1",
    "string orders_id = 1",
  );
  expect(first).toMatchObject({
    effect: "breaks-callers",
    name: "bursar/cms/v1/order_service.proto",
    place: { file: expect.stringMatching(/order_service\.proto$/), line: expect.any(Number) },
  });
  expect(first?.change).toMatch(/^FIELD_SAME_(JSON_)?NAME: /);
  expect(first?.affected.join()).toContain("bursar.cms.v1.OrderService.");
});

test("an event that changes its bytes hurts consumers", () => {
  const file = "ledger/v1/events.proto";
  const findings = after(file, "string ledger_id = 1", "bytes ledger_id = 1");
  expect(findings.map(({ effect }) => effect)).toContain("breaks-consumers");
  expect(findings[0]?.affected.join()).toContain("bursar.ledger.v1.");
});

test.for([
  ["that is not there", undefined],
  ["that is empty", ""],
  ["that is text", "no image at all"],
  ["that is cut off", "cut"],
] as const)("an image %s is told with its file and a remedy", ([, content]) => {
  const path = join(folder, "bad.binpb");
  rmSync(path, { force: true });
  const bytes = content === "cut" ? readFileSync(image).subarray(0, 5_000) : content;
  if (bytes !== undefined) writeFileSync(path, bytes);
  expect(() => readSchema(path)).toThrow(/bad\.binpb is no image of a schema; take it from git/);
  expect(() => breakingFindings(proto, path, readSchema(image))).toThrow(/bad\.binpb/);
});

test("a folder without a release is told, and the newest of several counts", () => {
  const empty = mkdtempSync(join(folder, "none-"));
  expect(() => lastRelease(empty)).toThrow(/holds no image of a release.*take it from git/);
  for (const version of ["0.9.0", "0.10.0"]) writeFileSync(join(empty, `${version}.binpb`), "");
  expect(lastRelease(empty).version).toBe("0.10.0");
});

test("an option on the wrong target is told with its file and line", () => {
  const path = join(proto, "bursar/money/v1/money.proto");
  const text = readFileSync(path, "utf8");
  const option = '\nmessage Bad {\n  option (bursar.mesh.v1.method) = {scopes: "a.b.c"};\n}\n';
  writeFileSync(path, `${text}${option}`);
  try {
    expect(() => builtSchema(folder)).toThrow(
      /mend it there: .*\n?.*money\.proto:22:10:.*MessageOptions.*found.*MethodOptions/,
    );
  } finally {
    writeFileSync(path, text);
  }
});
