import { expect, test } from "vitest";
import { answerHeaders, crossOriginOf, preflightHeaders, type RequestHeaders } from "./cors.ts";

const page = "https://school.example";
const origins = new Set([page]);

test.each<[string, RequestHeaders, string]>([
  ["a listed page", { origin: page }, "listed"],
  ["a page of another port", { origin: `${page}:444` }, "stranger"],
  ["a page of another scheme", { origin: "http://school.example" }, "stranger"],
  ["a page whose name begins alike", { origin: `${page}.evil.example` }, "stranger"],
  ["a page in other letters", { origin: "https://SCHOOL.example" }, "stranger"],
  ["a sandboxed page", { origin: "null" }, "stranger"],
  ["a page without a name", { origin: "" }, "stranger"],
  ["two pages at once", { origin: `${page}, ${page}` }, "stranger"],
  ["no browser", {}, "none"],
  ["a page of this very host", { "sec-fetch-site": "same-origin" }, "none"],
  ["an address that somebody typed", { "sec-fetch-site": "none" }, "none"],
  ["an image in a stranger's page", { "sec-fetch-site": "cross-site" }, "stranger"],
  ["a page of a sibling host", { "sec-fetch-site": "same-site" }, "stranger"],
])("%s", (_, headers, kind) => {
  expect(crossOriginOf(headers, origins).kind).toBe(kind);
});

test("a preflight allows what both protocols send, and no cookies", () => {
  const headers = preflightHeaders(page);
  expect(headers).toMatchObject({
    "access-control-allow-origin": page,
    "access-control-allow-methods": "POST, GET",
    "access-control-max-age": "7200",
    vary: "Origin",
  });
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
  const allowed = headers["access-control-allow-headers"]?.toLowerCase().split(", ");
  expect(allowed).toEqual(
    expect.arrayContaining([
      "content-type",
      "authorization",
      "connect-protocol-version",
      "connect-timeout-ms",
      "grpc-timeout",
      "x-grpc-web",
      "x-user-agent",
      "traceparent",
    ]),
  );
});

test("a page sees why a call failed and when to come back", () => {
  const exposed = answerHeaders({ kind: "listed", origin: page })["access-control-expose-headers"];
  for (const name of ["grpc-status", "grpc-message", "grpc-status-details-bin", "retry-after"]) {
    expect(exposed?.toLowerCase().split(", ")).toContain(name);
  }
});

test("an answer is the asker's alone, and says that it depends on who asks", () => {
  for (const asked of [
    { kind: "none" },
    { kind: "stranger" },
    { kind: "listed", origin: page },
  ] as const) {
    expect(answerHeaders(asked)).toMatchObject({ vary: "Origin", "cache-control": "no-store" });
  }
  expect(answerHeaders({ kind: "stranger" })).not.toHaveProperty("access-control-allow-origin");
});
