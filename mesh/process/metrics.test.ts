import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("each service instance has its own registry, with metrics of the process", async () => {
  const [one, other] = [createMetrics("one"), createMetrics("other")];
  one.counter({ name: "bursar_things_total", help: "things", labels: ["kind"] }).inc({ kind: "a" });
  const text = await one.render();
  expect(text).toContain('bursar_things_total{kind="a",service="one"} 1');
  expect(text).toContain('process_cpu_seconds_total{service="one"}');
  expect(await other.render()).not.toContain("bursar_things_total");
});

test("a metric asked for twice is the same, and of another kind is a bug", async () => {
  const metrics = createMetrics("s");
  const options = { name: "bursar_things_total", help: "things" };
  metrics.counter(options).inc();
  metrics.counter(options).inc();
  expect(await metrics.render()).toContain('bursar_things_total{service="s"} 2');
  expect(() => metrics.gauge(options)).toThrow(/another kind/);
});

test("a gauge may be read when it is asked for", async () => {
  const metrics = createMetrics("s");
  let value = 1;
  metrics.gauge({ name: "bursar_depth", help: "depth", collect: (gauge) => gauge.set(value) });
  value = 7;
  expect(await metrics.render()).toContain('bursar_depth{service="s"} 7');
});
