import { expect, test } from "vitest";
import { endpointIdOf, isJsonType, isPlainEncoding, readHead } from "./request.ts";

test("an endpoint has one spelling", () => {
  expect(endpointIdOf("/v1/in/stripe-endpoint")).toBe("stripe-endpoint");
});

test.each([
  undefined,
  "",
  "*",
  "/",
  "/v1/in/",
  "/v1/in/short",
  "/v1/in/stripe-endpoint/",
  "/v1/in/stripe-endpoint?x=1",
  "/v1/in/stripe-endpoint#x",
  "/v1/in/../in/stripe-endpoint",
  "/v1/in/%73tripe-endpoint",
  "//v1/in/stripe-endpoint",
  "/V1/in/stripe-endpoint",
  "/v1/in/stripe-endpoint\n",
  "https://door/v1/in/stripe-endpoint",
  `/v1/in/${"x".repeat(10_000)}`,
])("no endpoint is meant by %j", (target) => {
  expect(endpointIdOf(target)).toBeUndefined();
});

test("headers are found in any case, and a second one is noticed", () => {
  const head = readHead(["X-Id", "1", "Accept", "*/*", "x-sig", "a"], ["x-id", "x-sig"]);
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
  expect(readHead(["X-Sig", "a", "x-sig", "a"], ["x-sig"]).duplicated).toBe(true);
  expect(readHead(["Accept", "a", "accept", "b"], ["x-sig"]).duplicated).toBe(false);
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
  [undefined, true],
  ["identity", true],
  ["gzip", false],
  ["identity, gzip", false],
])("content encoding %j: %s", (contentEncoding, accepted) => {
  expect(isPlainEncoding(contentEncoding)).toBe(accepted);
});
