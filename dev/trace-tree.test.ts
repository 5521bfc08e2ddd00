import { expect, test } from "vitest";
import { printedTree, type TraceSpan, treeOf } from "./trace-tree.ts";

test("a trace is a tree in the order of time, whichever way its spans came", () => {
  const spans = [
    span("c", "b", 3, 4, { service: "ledger", failed: true }),
    span("d", "a", 5, 6),
    span("a", "elsewhere", 0, 10),
    span("b", "a", 1, 4),
  ];
  expect(treeOf(spans).map(({ span, depth }) => `${depth}${span.spanId}`)).toEqual([
    "0a",
    "1b",
    "2c",
    "1d",
  ]);
  expect(printedTree(spans).split("\n")).toEqual([
    "trace t  10.0 ms  4 spans, 2 services",
    "  name a      gateway  +0.00 ms  10.0 ms",
    "    name b    gateway  +1.00 ms  3.00 ms",
    "      name c  ledger   +3.00 ms  1.00 ms  failed: unavailable",
    "    name d    gateway  +5.00 ms  1.00 ms",
  ]);
});

test("spans that name each other as parents end somewhere", () => {
  const nodes = treeOf([span("a", "b", 0, 1), span("b", "a", 0, 1), span("c", "", 0, 1)]);
  expect(nodes.map(({ span }) => span.spanId)).toEqual(["c"]);
});

test("a span without a parent here says what else led to it", () => {
  const links = [{ traceId: "other", spanId: "x" }];
  expect(printedTree([span("a", "", 0, 1, { links })])).toContain("linked to 1 other span");
});

function span(
  spanId: string,
  parentSpanId: string,
  startMs: number,
  endMs: number,
  more: Partial<TraceSpan> = {},
): TraceSpan {
  return {
    traceId: "t",
    spanId,
    parentSpanId,
    name: `name ${spanId}`,
    kind: 1,
    service: "gateway",
    startMs,
    endMs,
    failed: false,
    attributes: { "error.type": "unavailable" },
    links: [],
    ...more,
  };
}
