import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { createSampler, type SamplerName } from "./sampler.ts";
import {
  currentSpan,
  currentTraceparent,
  type FinishedSpan,
  inSpan,
  outsideSpans,
  recordSpans,
  startSpan,
  withSpan,
} from "./trace.ts";
import { readTraceparent } from "./trace-context.ts";

const received = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
let forget = () => {};
afterEach(() => forget());

test("a span belongs to the received trace, and where there is none to a new one", () => {
  const span = startSpan({ name: "s", kind: "server", parent: received });
  expect(span.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  expect(span.spanId).not.toBe("b7ad6b7169203331");
  const first = startSpan({ name: "s", kind: "server", parent: null });
  const second = startSpan({ name: "s", kind: "server" });
  expect(readTraceparent(first.traceparent)).toMatchObject({ traceId: first.traceId });
  expect(first.traceId).not.toBe(second.traceId);
});

test.each([
  "",
  "garbage",
  received.toUpperCase(),
  `${received} `,
  received.replace("00-", "01-"),
  `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
  `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`,
])("what is no traceparent begins a new trace: %j", (text) => {
  const { traceparent } = startSpan({ name: "s", kind: "internal", parent: text });
  expect(traceparent).not.toContain("0af7651916cd43dd8448eb211c80319c");
  expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test("what runs inside a span is its child, across awaits, and outside it is not", async () => {
  const recorded = record();
  await withSpan({ name: "outer", kind: "server", parent: received }, async (outer) => {
    expect(currentTraceparent()).toBe(outer.traceparent);
    await sleep(1);
    await withSpan({ name: "inner", kind: "internal" }, async () => {});
    outsideSpans(() => expect(currentSpan()).toBeUndefined());
  });
  expect(currentSpan()).toBeUndefined();
  const [inner, outer] = recorded;
  expect(outer).toMatchObject({ name: "outer", parent: { spanId: "b7ad6b7169203331" } });
  expect(outer?.parent?.remote).toBe(true);
  expect(inner).toMatchObject({
    name: "inner",
    traceId: outer?.traceId,
    parent: { spanId: outer?.spanId, remote: false },
  });
  expect(inner!.startMs).toBeGreaterThanOrEqual(outer!.startMs);
  expect(inner!.endMs).toBeLessThanOrEqual(outer!.endMs);
});

test("spans that run at the same time keep apart", async () => {
  const names = Array.from({ length: 50 }, (_, n) => `span ${n}`);
  const parents = await Promise.all(
    names.map((name) =>
      withSpan({ name, kind: "server", parent: null }, async (span) => {
        await sleep(Math.random() * 5);
        return currentTraceparent() === span.traceparent;
      }),
    ),
  );
  expect(parents).not.toContain(false);
});

test("a failure is told by its kind alone, and passes on", async () => {
  const recorded = record();
  const fault = Object.assign(new Error("learner-7 is not here"), { code: "57P01" });
  const work = withSpan({ name: "s", kind: "client" }, () => Promise.reject(fault));
  await expect(work).rejects.toBe(fault);
  expect(recorded).toMatchObject([{ errorType: "57P01" }]);
  expect(JSON.stringify(recorded)).not.toContain("learner-7");
});

test("a span ends once, with all its attributes and its links", () => {
  const recorded = record();
  const links = [received, "garbage"];
  const span = startSpan({ name: "s", kind: "consumer", links, attributes: { a: 1, b: "x" } });
  span.set({ b: "y" });
  span.end();
  span.set({ b: "z" });
  span.end(new Error("late"));
  expect(recorded).toMatchObject([
    { attributes: { a: 1, b: "y" }, links: [{ spanId: "b7ad6b7169203331" }], errorType: undefined },
  ]);
});

test("a trace that is not sampled is carried on and not recorded", () => {
  const recorded = record("parentbased_traceidratio", 1);
  const span = startSpan({ name: "s", kind: "server", parent: received.replace(/1$/, "0") });
  span.end();
  expect(span.recorded).toBe(false);
  const inner = inSpan(span, () => startSpan({ name: "inner", kind: "internal" }));
  expect(inner.traceparent).toMatch(/-00$/);
  expect(recorded).toEqual([]);
});

test.each<[SamplerName, number, (boolean | undefined)[], boolean[]]>([
  ["always_on", 1, [undefined, true, false], [true, true, true]],
  ["always_off", 1, [undefined, true, false], [false, false, false]],
  ["traceidratio", 0, [undefined, true, false], [false, false, false]],
  ["traceidratio", 1, [undefined, true, false], [true, true, true]],
  ["parentbased_always_on", 0, [undefined, true, false], [true, true, false]],
  ["parentbased_always_off", 1, [undefined, true, false], [false, true, false]],
  ["parentbased_traceidratio", 0, [undefined, true, false], [false, true, false]],
])("%s with %d decides as OpenTelemetry says", (name, ratio, parents, decisions) => {
  const sampler = createSampler(name, ratio);
  expect(parents.map((parent) => sampler("f".repeat(32), parent))).toEqual(decisions);
});

test("a ratio takes its share of the traces, and the same ones everywhere", () => {
  const [one, other] = [1, 2].map(() => createSampler("parentbased_traceidratio", 0.25));
  const ids = Array.from({ length: 4_000 }, () => startSpan({ name: "", kind: "server" }).traceId);
  const taken = ids.filter((id) => one?.(id, undefined));
  // Nine standard deviations from 1,000.
  expect(Math.abs(taken.length - 1_000)).toBeLessThan(250);
  expect(taken.every((id) => other?.(id, undefined))).toBe(true);
});

function record(sampler: SamplerName = "parentbased_always_on", ratio = 1): FinishedSpan[] {
  const recorded: FinishedSpan[] = [];
  forget = recordSpans({
    sampler: createSampler(sampler, ratio),
    record: (span) => recorded.push(span),
  });
  return recorded;
}
