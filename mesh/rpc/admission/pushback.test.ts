import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { createPushback, roundedUp } from "./pushback.ts";

test("a wait is never told shorter than it is, nor a tenth longer", () => {
  for (let waitMs = 0.1; waitMs < 100_000; waitMs *= 1.07) {
    const told = roundedUp(waitMs);
    expect(told).toBeGreaterThanOrEqual(waitMs);
    expect(told).toBeLessThanOrEqual(Math.max(waitMs * 1.1, waitMs + 1));
    expect(Number.isInteger(told)).toBe(true);
  }
});

test("the headers say when to come back, and the same refusal is made once", () => {
  const pushback = createPushback();
  const refuse = (waitMs: number) => pushback.refuse(RequestRefusal.RATE_LIMITED, "slowly", waitMs);
  expect(refuse(1_500.2).metadata.get("retry-after")).toBe("2");
  expect(refuse(1_500.2).metadata.get("grpc-retry-pushback-ms")).toBe("1600");
  expect(refuse(1_500.2)).toBe(refuse(1_501));
});
