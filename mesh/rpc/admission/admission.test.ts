import { describe, expect, test } from "vitest";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Rate } from "../../identity/access.ts";
import { createMetrics } from "../../process/metrics.ts";
import { requestRefusalOf } from "../errors.ts";
import { type AdmissionRule, createAdmission, slownessOf } from "./admission.ts";

const { BULK, INTERACTIVE } = RateClass;
const { DEADLINE_TOO_SHORT, OVERLOADED, RATE_LIMITED } = RequestRefusal;

describe("deadlines", () => {
  test("a call without any time left is refused", () => {
    const { method } = admission();
    expect(refusalOf(method().enter(call({ timeoutMs: 0 }), 0))).toBe(DEADLINE_TOO_SHORT);
    expect(method().enter(call({ timeoutMs: 0.1 }), 0)).toBeUndefined();
  });

  test("so is one with less than the method takes at best, once that is known; one a second tries", () => {
    const slow = admission().method();
    for (let n = 0; n < 20; n++) {
      slow.enter(call({}), 0);
      slow.leave("answered", 0, 50);
    }
    expect(slow.enter(call({ timeoutMs: 51 }), 60)).toBeUndefined();
    expect(slow.enter(call({ timeoutMs: 49 }), 60)).toBeUndefined();
    expect(refusalOf(slow.enter(call({ timeoutMs: 49 }), 61))).toBe(DEADLINE_TOO_SHORT);
    expect(slow.enter(call({ timeoutMs: 49 }), 1_100)).toBeUndefined();
    expect(slow.enter(call({ timeoutMs: undefined }), 1_101)).toBeUndefined();
  });
});

describe("rates", () => {
  const rates = new Map<RateClass, Rate>([[BULK, { perSecond: 1, burst: 2 }]]);

  test("count for one caller and one class, all methods together", () => {
    const { method } = admission();
    const bulk = method({ name: "a/Bulk", rateClass: BULK });
    const other = method({ name: "a/Other", rateClass: BULK });
    expect(bulk.enter(call({ rates }), 0)).toBeUndefined();
    expect(other.enter(call({ rates }), 0)).toBeUndefined();
    const refused = bulk.enter(call({ rates }), 0);
    expect(refusalOf(refused)).toBe(RATE_LIMITED);
    expect(refused?.metadata.get("retry-after")).toBe("1");
    expect(bulk.enter(call({ rates, identity: "spiffe://bursar/b" }), 0)).toBeUndefined();
    expect(method({ rateClass: INTERACTIVE }).enter(call({ rates }), 0)).toBeUndefined();
  });

  test("that change are taken up with the next call", () => {
    const bulk = admission().method({ rateClass: BULK });
    for (let n = 0; n < 2; n++) bulk.enter(call({ rates }), 0);
    expect(refusalOf(bulk.enter(call({ rates }), 100))).toBe(RATE_LIMITED);
    const wider = new Map([[BULK, { perSecond: 1_000, burst: 1_000 }]]);
    expect(bulk.enter(call({ rates: wider }), 200)).toBeUndefined();
    expect(bulk.enter(call({ rates: undefined }), 200)).toBeUndefined();
  });
});

describe("places", () => {
  test("are taken and given back; without one a call is told when to come back", async () => {
    const metrics = createMetrics("test");
    const { method } = admission({ metrics, max: 10 });
    const bulk = method({ name: "a/Bulk", rateClass: BULK });
    for (let n = 0; n < 5; n++) expect(bulk.enter(call({}), 0)).toBeUndefined();
    const refused = bulk.enter(call({}), 0);
    expect(refusalOf(refused)).toBe(OVERLOADED);
    expect(Number(refused?.metadata.get("grpc-retry-pushback-ms"))).toBeGreaterThan(1_000);
    const { text } = await metrics.scrape(undefined);
    expect(text).toMatch(/bursar_rpc_concurrency\{[^}]*\} 5\n/);
    expect(text).toMatch(/bursar_rpc_concurrency_limit\{[^}]*\} 10\n/);
    expect(text).toMatch(
      /bursar_rpc_shed_total\{method="a\/Bulk",rate_class="bulk",reason="concurrency"[^}]*\} 1\n/,
    );
    bulk.leave("answered", 0, 1);
    expect(bulk.enter(call({}), 1)).toBeUndefined();
  });

  test("of streams are apart, and do not change the limit of calls", () => {
    const { method } = admission({ max: 10, streamsMax: 10 });
    const watch = method({ kind: "stream", rateClass: BULK });
    for (let n = 0; n < 5; n++)
      expect(watch.enter(call({ timeoutMs: undefined }), 0)).toBeUndefined();
    expect(refusalOf(watch.enter(call({}), 0))).toBe(OVERLOADED);
    expect(method({ rateClass: BULK }).enter(call({}), 0)).toBeUndefined();
    watch.leave("cut", 0, 1_000_000);
    expect(watch.enter(call({}), 0)).toBeUndefined();
  });
});

test.each<[Parameters<typeof slownessOf>, number | undefined]>([
  [["answered", 100, 200, undefined], 0.5],
  [["answered", 300, 200, undefined], 1.5],
  [["answered", 300, 200, 300], 0.5],
  [["failed", 300, 200, 10], 1.5],
  [["cut", 15, 200, 10], undefined],
  [["cut", 30, 200, 10], 1.5],
  [["cut", 30, 200, undefined], undefined],
  [["cut", 400, 200, undefined], 2],
])("the slowness of %j is %s", (parameters, slowness) => {
  expect(slownessOf(...parameters)).toBe(slowness);
});

function admission({ metrics = createMetrics("test"), max = 100, streamsMax = 100 } = {}) {
  const made = createAdmission({ concurrency: { min: 4, max }, streamsMax, metrics });
  return {
    method: (over: Partial<AdmissionRule> = {}) =>
      made.method({ name: "a/A", kind: "call", rateClass: INTERACTIVE, targetMs: 125, ...over }),
  };
}

function call(
  over: Partial<Parameters<ReturnType<ReturnType<typeof admission>["method"]>["enter"]>[0]>,
) {
  return { identity: "spiffe://bursar/a", rates: undefined, timeoutMs: 1_000, ...over };
}

function refusalOf(error: unknown): RequestRefusal | undefined {
  return requestRefusalOf(error)?.refusal;
}
