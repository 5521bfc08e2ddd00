import { expect, test } from "vitest";
import { boundDeadline } from "./deadline.ts";

const policy = { deadlineDefaultMs: 100, deadlineMaxMs: 1_000 };
test.each<["connect" | "grpc", string | undefined, string | undefined, number]>([
  ["connect", undefined, "100", 100],
  ["connect", "0", "0", 0],
  ["connect", "50", "50", 50],
  ["connect", "1001", "1000", 1_000],
  ["connect", "9999999999", "1000", 1_000],
  ["grpc", undefined, "100m", 100],
  ["grpc", "5u", "5u", 0.005],
  ["grpc", "1S", "1S", 1_000],
  ["grpc", "2S", "1000m", 1_000],
  ["grpc", "99999999H", "1000m", 1_000],
])("%s: a deadline of %s becomes %s", (protocol, asked, text, timeoutMs) => {
  expect(boundDeadline(asked, protocol === "grpc", policy)).toEqual({ text, timeoutMs });
});

test.each(["soon", "-1", "1.5", "1e3", "99999999999", ""])(
  "%j is no deadline of Connect",
  (asked) => {
    expect(boundDeadline(asked, false, policy)).toBeUndefined();
  },
);

test.each(["1x", "-1S", "1", "999999999S", "1.5S", " 1S", ""])(
  "%j is no deadline of gRPC",
  (asked) => {
    expect(boundDeadline(asked, true, policy)).toBeUndefined();
  },
);

test("a method that may last has no deadline, and none that a timer could not hold", () => {
  const open = { deadlineDefaultMs: undefined, deadlineMaxMs: 86_400_000 };
  expect(boundDeadline(undefined, true, open)).toEqual({ timeoutMs: undefined, text: undefined });
  const bound = { timeoutMs: 86_400_000, text: "86400000m" };
  expect(boundDeadline("99999999H", true, open)).toEqual(bound);
});
