import { expect, test } from "vitest";
import { boundDeadline, boundedTimeoutMs, nextTraceparent, traceId, withCall } from "./deadline.ts";

const policy = { deadlineDefaultMs: 100, deadlineMaxMs: 1_000 };
const json = "application/json";
const grpc = "application/grpc+proto";

test.each<[string, string, string | undefined, string | undefined, number | undefined]>([
  [json, "connect-timeout-ms", undefined, "100", 100],
  [json, "connect-timeout-ms", "50", "50", 50],
  [json, "connect-timeout-ms", "1001", "1000", 1_000],
  [json, "connect-timeout-ms", "soon", "soon", undefined],
  [grpc, "grpc-timeout", undefined, "100m", 100],
  [grpc, "grpc-timeout", "5u", "5u", 0.005],
  [grpc, "grpc-timeout", "1S", "1S", 1_000],
  [grpc, "grpc-timeout", "2S", "1000m", 1_000],
  [grpc, "grpc-timeout", "99999999H", "1000m", 1_000],
  [grpc, "grpc-timeout", "1x", "1x", undefined],
  ["application/grpc-web+json", "grpc-timeout", "1H", "1000m", 1_000],
])("%s with %s %s becomes %s", (type, name, asked, bounded, timeoutMs) => {
  const header = new Headers({ "content-type": type });
  if (asked !== undefined) header.set(name, asked);
  const result = boundDeadline(header, policy);
  expect(result.header.get(name)).toBe(bounded);
  expect(result.timeoutMs).toBe(timeoutMs);
});

test("a timeout never outlives the call being served, and is at least a millisecond", () => {
  const within = (leftMs: number, timeoutMs: number | undefined) =>
    withCall({ deadlineAt: performance.now() + leftMs, traceparent: "" }, () =>
      boundedTimeoutMs(timeoutMs),
    );
  expect(within(1_000, 100)).toBe(100);
  expect(within(1_000, 5_000)).toBeLessThanOrEqual(1_000);
  expect(within(1_000, undefined)).toBeLessThanOrEqual(1_000);
  expect(within(-50, 100)).toBe(1);
  expect(boundedTimeoutMs(100)).toBe(100);
  expect(boundedTimeoutMs(undefined)).toBeUndefined();
});

test("a span stays in its caller's trace; a broken context begins a new one", () => {
  const first = nextTraceparent(null);
  expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  const next = nextTraceparent(first);
  expect(traceId(next)).toBe(traceId(first));
  expect(next).not.toBe(first);
  for (const broken of ["", "junk", `00-${"0".repeat(32)}-${"1".repeat(16)}-01`]) {
    expect(traceId(nextTraceparent(broken))).not.toBe("0".repeat(32));
  }
});
