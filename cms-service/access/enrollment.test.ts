import { expect, test } from "vitest";
import { enrollmentState, type Grant, grantStateAt, lapseTime, sumUp } from "./enrollment.ts";
import type { GrantState } from "./payment.ts";

const now = new Date("2026-01-10T12:00:00Z");
const earlier = new Date("2026-01-10T11:59:59.999Z");
const later = new Date("2026-02-01T00:00:00Z");
const latest = new Date("2026-03-01T00:00:00Z");

type Terms = readonly [state: GrantState, expireTime?: Date];

const termsOf = ([state, expireTime = null]: readonly [GrantState, (Date | null)?]) => {
  return { state, expireTime };
};

test.each<[readonly Terms[], string]>([
  [[], "none"],
  [[["void"]], "none"],
  [[["active"]], "active"],
  [[["suspended"]], "suspended"],
  [[["revoked"]], "revoked"],
  [[["revoked"], ["active"]], "active"],
  [[["suspended"], ["active"]], "active"],
  [[["void"], ["active"]], "active"],
  [[["revoked"], ["suspended"]], "suspended"],
  [[["void"], ["revoked"]], "revoked"],
  [[["void"], ["suspended"], ["revoked"], ["active"]], "active"],
  [[["active", later]], "active"],
  [[["active", now]], "expired"],
  [[["active", earlier]], "expired"],
  [[["suspended", earlier]], "expired"],
  [[["revoked", earlier]], "revoked"],
  [[["void", earlier]], "none"],
  [[["active", earlier], ["revoked"]], "expired"],
  [[["active", earlier], ["suspended"]], "suspended"],
  [
    [
      ["active", earlier],
      ["active", later],
    ],
    "active",
  ],
])("grants %j make an enrollment %s", (grants, state) => {
  expect(enrollmentState(grants.map(termsOf), now)).toBe(state);
  expect(enrollmentState(grants.toReversed().map(termsOf), now)).toBe(state);
});

test.each<[readonly Terms[], Date | null]>([
  [[], null],
  [[["active"]], null],
  [[["active", later]], later],
  [
    [
      ["active", later],
      ["active", latest],
    ],
    latest,
  ],
  [[["active", later], ["active"]], null],
  // The end of what is not open yet, or not any more, changes nothing.
  [
    [
      ["active", later],
      ["suspended", latest],
    ],
    later,
  ],
  [
    [
      ["suspended", later],
      ["suspended", latest],
    ],
    latest,
  ],
  [[["active", earlier]], null],
  [[["revoked", later]], null],
])("of grants %j the clock changes the sum at %s", (grants, time) => {
  expect(lapseTime(grants.map(termsOf), now)).toEqual(time);
});

test("a grant is expired from the very moment its time runs out", () => {
  const grant = { state: "active", expireTime: now } as const;
  expect(grantStateAt(grant, earlier)).toBe("active");
  expect(grantStateAt(grant, now)).toBe("expired");
});

const key = { learnerId: "ada", courseId: "algebra" };

const manual = (sourceId: string, over: Partial<Grant> = {}): Grant => ({
  ...key,
  ...{ source: "manual", sourceId, sourceVersion: 1n, state: "active", startTime: earlier },
  ...{ ledgerId: null, paymentId: null, orderId: null, expireTime: null },
  ...over,
});

test("a sum that is as it was written down is no change", () => {
  const enrollment = { ...key, state: "active", lapseTime: later } as const;
  const grants = [manual("a", { expireTime: later }), manual("b", { expireTime: earlier })];
  expect(sumUp([enrollment], grants, grants, now)).toEqual([]);
});

test("a longer time is written down, though the state is the same", () => {
  const enrollment = { ...key, state: "active", lapseTime: later } as const;
  const longer = manual("b", { expireTime: latest });
  const grants = [manual("a", { expireTime: later }), longer];
  expect(sumUp([enrollment], grants, [longer], now)).toMatchObject([
    { state: "active", before: "active", lapseTime: latest },
  ]);
});

test("what ran out names when it did, and what gave access longest", () => {
  const enrollment = { ...key, state: "active", lapseTime: earlier } as const;
  const gift = manual("g", { source: "gift", expireTime: earlier });
  const older = manual("m", { expireTime: new Date(0) });
  expect(sumUp([enrollment], [gift, older], [], now)).toMatchObject([
    { state: "expired", before: "active", lapseTime: null, expireTime: earlier },
  ]);
  expect(sumUp([enrollment], [gift, older], [], now)[0]?.cause.source).toBe("gift");
});
