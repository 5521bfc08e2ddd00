import { expect, test } from "vitest";
import { createSampler } from "../telemetry/sampler.ts";
import { recordSpans, startSpan } from "../telemetry/trace.ts";
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

const openMetrics =
  "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

test("a time names a trace that took as long, for scrapers that ask for OpenMetrics", async () => {
  const metrics = createMetrics("s");
  const seconds = metrics.timing({ name: "bursar_call_seconds", help: "s", labels: ["method"] });
  const unrecorded = startSpan({ name: "s", kind: "server", parent: null });
  const sampler = createSampler("always_on", 1);
  const forget = recordSpans({ sampler, record: () => {} });
  const recorded = startSpan({ name: "s", kind: "server", parent: null });
  forget();
  seconds.observe({ method: "m" }, 0.003, recorded);
  seconds.observe({ method: "m" }, 0.3, unrecorded);
  seconds.observe({ method: "m" }, 0.3);

  const { text, contentType } = await metrics.scrape(openMetrics);
  expect(contentType).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
  const examples = text.split("\n").filter((line) => line.includes(" # {"));
  expect(examples).toEqual([
    expect.stringMatching(
      new RegExp(`^bursar_call_seconds_bucket.le="0.005".* 1 # .trace_id="${recorded.traceId}"`),
    ),
  ]);
  expect(text.endsWith("# EOF\n")).toBe(true);
  expect(await metrics.render()).not.toContain("trace_id");
});

test("the format of one scrape does not change the next", async () => {
  const metrics = createMetrics("s");
  metrics.counter({ name: "bursar_things_total", help: "things" }).inc();
  let reads = 0;
  metrics.gauge({ name: "bursar_reads", help: "r", collect: (gauge) => gauge.set(++reads) });
  const plain = 'bursar_things_total{service="s"} 1';
  const accepts = [undefined, openMetrics, "*/*", openMetrics, "text/plain"];
  const scrapes = await Promise.all(accepts.map((accept) => metrics.scrape(accept)));
  for (const { text } of scrapes) expect(text).toContain(plain);
  expect(scrapes.map(({ contentType }) => contentType.split(";")[0])).toEqual([
    "text/plain",
    "application/openmetrics-text",
    "text/plain",
    "application/openmetrics-text",
    "text/plain",
  ]);
  expect(scrapes[1]?.text).toContain("# TYPE bursar_things counter");
  expect(scrapes[2]?.text).toContain("# TYPE bursar_things_total counter");
  expect(reads).toBe(accepts.length);
});
