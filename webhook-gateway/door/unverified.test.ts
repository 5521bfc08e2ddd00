import { expect, test } from "vitest";
import { createUnverified, retryAfterSeconds } from "./unverified.ts";

const limit = { perMinute: 60, burst: 3 };
const forger = "192.0.2.1";

function flooded(times: number, address = forger) {
  const unverified = createUnverified();
  const over = Array.from({ length: times }, () => unverified.failed(address, limit, 0));
  return { unverified, over };
}

test("failures count once the burst is used up, and a minute brings some back", () => {
  const { unverified, over } = flooded(5);
  expect(over).toEqual([false, false, false, true, true]);
  expect(unverified.failed(forger, limit, 1_000)).toBe(false);
  expect(unverified.failed(forger, limit, 1_000)).toBe(true);
  expect(unverified.failed("192.0.2.2", limit, 0)).toBe(false);
});

test("an address over its limit has a narrow lane, so that it can prove itself", () => {
  const { unverified } = flooded(4);
  const admit = () => unverified.admit(forger, limit, false, 0);
  expect([1, 2, 3, 4, 5].map(admit)).toEqual([...Array(4).fill("watched"), "refused"]);
  unverified.leave(forger);
  expect([admit(), admit()]).toEqual(["watched", "refused"]);
  expect(unverified.admit("192.0.2.2", limit, false, 0)).toBe("free");
});

test("an address that was authentic lately is let in, whoever shares it, and its failures still count", () => {
  const { unverified } = flooded(100);
  unverified.verified(forger, 0);
  const admitted = Array.from({ length: 100 }, () => unverified.admit(forger, limit, false, 0));
  expect(new Set(admitted)).toEqual(new Set(["free"]));
  expect(unverified.failed(forger, limit, 0)).toBe(true);
});

test("a proof is worth something for a day", () => {
  const unverified = createUnverified();
  const dayMs = 24 * 3_600_000;
  const slow = { perMinute: 0, burst: 1 };
  unverified.verified(forger, 0);
  unverified.failed(forger, slow, 0);
  for (let n = 0; n < 4; n++) unverified.admit(forger, slow, false, dayMs);
  expect(unverified.admit(forger, slow, false, dayMs - 1)).toBe("free");
  expect(unverified.admit(forger, slow, false, dayMs)).toBe("refused");
});

test("an address that the endpoint lists as its provider's is let in", () => {
  const { unverified } = flooded(100);
  for (let n = 0; n < 10; n++) unverified.admit(forger, limit, false, 0);
  expect(unverified.admit(forger, limit, true, 0)).toBe("free");
});

test("an IPv6 client counts by its 64 bits", () => {
  const { unverified } = flooded(3, "2001:db8::1");
  expect(unverified.failed("2001:db8::ffff", limit, 0)).toBe(true);
  expect(unverified.failed("2001:db8:0:1::1", limit, 0)).toBe(false);
});

test("a million addresses are not remembered, but the latest are", () => {
  const unverified = createUnverified({ addressesMax: 100 });
  for (let n = 0; n < 10_000; n++) {
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    unverified.failed(address, limit, 0);
    unverified.verified(address, 0);
  }
  expect(unverified.size).toBe(200);
  unverified.leave("10.0.0.1");
});

test("whoever is refused learns when one failure is to spare again", () => {
  expect([60, 1, 600, 0].map((perMinute) => retryAfterSeconds({ perMinute, burst: 1 }))).toEqual([
    1, 60, 1, 60,
  ]);
});
