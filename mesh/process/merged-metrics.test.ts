import { expect, test } from "vitest";
import { createMetrics, type Metrics } from "./metrics.ts";

const openMetrics = "application/openmetrics-text;version=1.0.0";

function including(...others: Metrics[]): Metrics {
  const metrics = createMetrics("s");
  metrics.include(() => Promise.all(others.map((other) => other.snapshot())));
  return metrics;
}

test("counters and gauges of several processes are added up by their labels", async () => {
  const all = [createMetrics("s"), createMetrics("s")];
  for (const [n, metrics] of all.entries()) {
    const counter = metrics.counter({ name: "bursar_things_total", help: "t", labels: ["kind"] });
    counter.inc({ kind: "a" }, n + 1);
    metrics.gauge({ name: "bursar_depth", help: "d" }).set(10);
  }
  all[1]!.counter({ name: "bursar_things_total", help: "t", labels: ["kind"] }).inc({ kind: "b" });
  const text = await including(...all).render();
  expect(text).toContain('bursar_things_total{kind="a",service="s"} 3');
  expect(text).toContain('bursar_things_total{kind="b",service="s"} 1');
  expect(text).toContain('bursar_depth{service="s"} 20');
});

test("a metric may say that the least or the greatest value counts", async () => {
  const all = [createMetrics("s"), createMetrics("s")];
  for (const [n, metrics] of all.entries()) {
    metrics.gauge({ name: "bursar_connected", help: "c", across: "min" }).set(n);
    metrics.gauge({ name: "bursar_oldest", help: "o", across: "max" }).set(n);
  }
  const text = await including(...all).render();
  expect(text).toContain('bursar_connected{service="s"} 0');
  expect(text).toContain('bursar_oldest{service="s"} 1');
});

test("histograms are added up bucket by bucket, and counters keep their names", async () => {
  const all = [createMetrics("s"), createMetrics("s")];
  for (const metrics of all) {
    metrics.timing({ name: "bursar_call_seconds", help: "c" }).observe({}, 0.002);
    metrics.counter({ name: "bursar_things_total", help: "t" }).inc();
  }
  const metrics = including(...all);
  for (const accept of [undefined, openMetrics]) {
    const { text } = await metrics.scrape(accept);
    expect(text).toContain('bursar_call_seconds_bucket{le="0.0025",service="s"} 2');
    expect(text).toContain('bursar_call_seconds_count{service="s"} 2');
    expect(text).toContain('bursar_things_total{service="s"} 2');
  }
});
