import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createLog, type Fields } from "../process/log.ts";
import { createMetrics } from "../process/metrics.ts";
import { startTelemetry } from "./start.ts";
import { startSpan, withSpan } from "./trace.ts";

const received = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("spans arrive at the collector as OTLP, the last ones before the process stops", async () => {
  await using collector = await openCollector();
  const world = await start(collector.url);
  await withSpan({ name: "outer", kind: "server", parent: received, links: [received] }, () =>
    withSpan({ name: "inner", kind: "producer", attributes: { a: "x", n: 1, yes: true } }, () =>
      Promise.reject(Object.assign(new Error("hunter2"), { code: "57P01" })),
    ),
  ).catch(() => {});
  await world.stop();

  const [resource] = collector.resources();
  expect(resource).toMatchObject({ "service.name": "test-service", "service.namespace": "bursar" });
  const [inner, outer] = collector.spans();
  expect(outer).toMatchObject({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parentSpanId: "b7ad6b7169203331",
    name: "outer",
    kind: 2,
    status: { code: 2 },
    links: [{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }],
  });
  expect(inner).toMatchObject({ parentSpanId: outer?.["spanId"], name: "inner", kind: 4 });
  expect(inner?.["attributes"]).toEqual([
    { key: "a", value: { stringValue: "x" } },
    { key: "n", value: { intValue: 1 } },
    { key: "yes", value: { boolValue: true } },
    { key: "error.type", value: { stringValue: "57P01" } },
  ]);
  const startMs = Number(BigInt(inner?.["startTimeUnixNano"] as string) / 1_000_000n);
  expect(Math.abs(Date.now() - startMs)).toBeLessThan(60_000);
  expect(JSON.stringify(collector.spans())).not.toContain("hunter2");
  expect(await world.metrics.render()).toMatch(/spans_total{outcome="exported",.* 2\n/);
});

test("a collector that is away costs spans, is told once, and again when it is back", async () => {
  await using collector = await openCollector();
  const world = await start(collector.url);
  const outcome = async (name: string, count: number) => {
    const wanted = new RegExp(`spans_total{outcome="${name}",.* ${count}\\n`);
    await expect.poll(() => world.metrics.render(), { timeout: 10_000 }).toMatch(wanted);
  };
  collector.answer = 400;
  for (const count of [1, 2]) {
    startSpan({ name: "lost", kind: "internal" }).end();
    await outcome("failed", count);
  }
  collector.answer = 200;
  startSpan({ name: "kept", kind: "internal" }).end();
  await outcome("exported", 1);
  await world.stop();
  const told = world.lines.map(({ message }) => message).filter((text) => /export/.test(`${text}`));
  expect(told).toEqual([
    "spans are exported",
    "spans cannot be exported",
    "spans are exported again",
  ]);
});

test("what does not fit is dropped and counted, and a stop does not wait for it", async () => {
  await using collector = await openCollector();
  collector.answer = "never";
  const world = await start(collector.url);
  for (let n = 0; n < 6_000; n++) startSpan({ name: "flood", kind: "internal" }).end();
  await world.stop();
  expect(await world.metrics.render()).toMatch(/spans_total{outcome="dropped",.* 1904\n/);
  const [line] = world.lines.filter(({ message }) => message === "spans were given up");
  expect(line).toMatchObject({ level: "warn", count: 4_096 });
});

test("without an endpoint no code of OpenTelemetry is loaded", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    const { startTelemetry } = await import("./start.ts");
    const { readEnv, readTelemetryConfig } = await import("../process/config.ts");
    const { createMetrics } = await import("../process/metrics.ts");
    const config = readEnv({}, readTelemetryConfig);
    const metrics = createMetrics("s");
    await using telemetry = await startTelemetry({ service: "s", config, metrics });
    const foreign = loaded.filter((url) => url.includes("@opentelemetry/"));
    // Prom-client brings the bare API along.
    console.log(JSON.stringify(foreign.filter((url) => !url.includes("@opentelemetry/api/"))));
    console.log(loaded.length);
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module-typescript", "-e", script],
    { cwd: fileURLToPath(new URL(".", import.meta.url)) },
  );
  const [foreign, count] = stdout.trim().split("\n");
  expect(foreign).toBe("[]");
  expect(Number(count)).toBeGreaterThan(5);
});

async function start(tracesUrl: string) {
  const lines: Fields[] = [];
  const log = createLog({
    service: "test-service",
    level: "debug",
    write: (line) => lines.push(JSON.parse(line)),
  });
  const metrics = createMetrics("test-service");
  const telemetry = await startTelemetry({
    service: "test-service",
    config: { tracesUrl, sampler: "parentbased_always_on", sampledRatio: 1 },
    log,
    metrics,
  });
  return { lines, metrics, stop: () => telemetry[Symbol.asyncDispose]() };
}

type Json = Record<string, unknown>;
type Sent = {
  resourceSpans: { resource: { attributes: Pair[] }; scopeSpans: { spans: Json[] }[] }[];
};
type Pair = { key: string; value: { stringValue?: string } };

/** Takes OTLP over HTTP, as a collector does. */
async function openCollector() {
  const sent: Sent[] = [];
  const collector = {
    answer: 200 as number | "never",
    url: "",
    resources: () =>
      sent.flatMap(({ resourceSpans }) =>
        resourceSpans.map(({ resource }) =>
          Object.fromEntries(resource.attributes.map(({ key, value }) => [key, value.stringValue])),
        ),
      ),
    spans: () =>
      sent.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const server: Server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    if (collector.answer === "never") return;
    if (collector.answer === 200) sent.push(JSON.parse(body));
    response.writeHead(collector.answer, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  return collector;
}
