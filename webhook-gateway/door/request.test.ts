import { expect, test } from "vitest";
import { isJsonType, isTypeOf, readEncoding, readHead, readTarget } from "./request.ts";

test("an endpoint has one spelling", () => {
  expect(readTarget("/v1/in/stripe-endpoint")).toEqual({ endpointId: "stripe-endpoint" });
  expect(readTarget("/v1/in/stripe-endpoint?a=1&b")).toEqual({
    endpointId: "stripe-endpoint",
    query: "a=1&b",
  });
});

test.each([
  undefined,
  "",
  "*",
  "/",
  "/v1/in/",
  "/v1/in/short",
  "/v1/in/stripe-endpoint/",
  "/v1/in/stripe-endpoint?a b",
  `/v1/in/stripe-endpoint?${"x".repeat(5_000)}`,
  "/v1/in/stripe-endpoint#x",
  "/v1/in/../in/stripe-endpoint",
  "/v1/in/%73tripe-endpoint",
  "//v1/in/stripe-endpoint",
  "/V1/in/stripe-endpoint",
  "/v1/in/stripe-endpoint\n",
  "https://door/v1/in/stripe-endpoint",
  `/v1/in/${"x".repeat(10_000)}`,
])("no endpoint is meant by %j", (target) => {
  expect(readTarget(target)).toBeUndefined();
});

test("headers are found in any case, and a second one is noticed", () => {
  const head = readHead(["X-Id", "1", "Accept", "*/*", "x-sig", "a"], {
    signatureHeaders: ["x-id", "x-sig"],
  });
  expect([head.header("x-id"), head.header("x-sig"), head.header("accept")]).toEqual([
    "1",
    "a",
    undefined,
  ]);
  expect(head.sent).toEqual([
    { name: "X-Id", value: "1" },
    { name: "x-sig", value: "a" },
  ]);
  expect(head.duplicated).toBe(false);
  const signatureHeaders = ["x-sig"];
  const twice = ["X-Sig", "a", "x-sig", "b"];
  expect(readHead(twice, { signatureHeaders }).duplicated).toBe(true);
  expect(readHead(["Accept", "a", "accept", "b"], { signatureHeaders }).duplicated).toBe(false);
  const repeated = readHead(twice, { signatureHeaders, repeatedHeaders: ["x-sig"] });
  expect([repeated.duplicated, repeated.header("x-sig")]).toEqual([false, "a, b"]);
});

test("an unsigned header that contradicts itself is kept, and says nothing", () => {
  const wanted = { signatureHeaders: ["x-sig"], unsignedHeaders: ["x-id"] };
  const once = readHead(["X-Id", "1", "x-sig", "a"], wanted);
  expect([once.header("x-id"), once.duplicated]).toEqual(["1", false]);
  for (const times of [2, 3, 100]) {
    const ids = Array.from({ length: times }, (_, n) => ["X-Id", String(n)]).flat();
    const head = readHead(["x-sig", "a", ...ids], wanted);
    expect([head.header("x-id"), head.duplicated]).toEqual([undefined, false]);
    expect(head.sent).toHaveLength(Math.min(times + 1, 64));
  }
});

test.each([
  [undefined, true],
  ["", true],
  ["application/json", true],
  ["Application/JSON; charset=utf-8", true],
  ["application/cloudevents+json", true],
  ["application/jsonp", false],
  ["text/plain", false],
  ["application/x-www-form-urlencoded", false],
  ["multipart/form-data; boundary=application/json", false],
  [`application/json; x=${"y".repeat(300)}`, false],
])("content type %j: %s", (contentType, accepted) => {
  expect(isJsonType(contentType)).toBe(accepted);
});

test.each([
  ["json", "application/json", true],
  ["json", "application/x-www-form-urlencoded", false],
  ["form", "application/x-www-form-urlencoded; charset=utf-8", true],
  ["form", "application/json", false],
  ["form", undefined, true],
  ["any", "text/plain", true],
] as const)("an endpoint that wants %s and gets %j: %s", (wanted, contentType, accepted) => {
  expect(isTypeOf(wanted, contentType)).toBe(accepted);
});

test.each([
  [undefined, "identity"],
  ["identity", "identity"],
  [" GZIP ", "gzip"],
  ["identity, gzip", undefined],
  ["gzip, gzip", undefined],
  ["br", undefined],
])("content encoding %j is read as %s", (contentEncoding, encoding) => {
  expect(readEncoding(contentEncoding)).toBe(encoding);
});
