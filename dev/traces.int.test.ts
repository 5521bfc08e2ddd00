import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { openTraces, type Traces } from "./traces.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";

test("a trace is told once nothing more comes for it, and stands on the page", async () => {
  const said: string[] = [];
  await using traces = await openTraces({ say: (tree) => said.push(tree) });
  expect((await post(traces, otlp(["00f067aa0ba902b7", "", "<door>"]))).status).toBe(200);
  const zipped = gzipSync(otlp(["00f067aa0ba902b8", "00f067aa0ba902b7", "grant"]));
  expect((await post(traces, zipped, { "content-encoding": "gzip" })).status).toBe(200);
  await expect.poll(() => said.length, { timeout: 10_000 }).toBe(1);
  expect(said[0]).toMatch(/^trace 0af7.*2 spans, 1 service\n.*<door> .*test-service/);
  expect(said[0]).toMatch(/\n {4}grant/);

  const page = await get(traces, "/");
  expect(page.text).toContain("&#60;door&#62;");
  expect(page.text).not.toContain("<door>");
  const { text } = await get(traces, "/traces.json");
  expect(JSON.parse(text)).toMatchObject({ traces: [{ traceId, services: ["test-service"] }] });
});

test("what is no OTLP, too much, or another page's is refused, and memory is bounded", async () => {
  await using traces = await openTraces();
  expect((await post(traces, "{")).status).toBe(400);
  expect((await post(traces, "x", { "content-type": "text/plain" })).status).toBe(415);
  expect(
    (
      await post(traces, gzipSync(Buffer.alloc(17 * 1024 ** 2)), {
        "content-encoding": "gzip",
      })
    ).status,
  ).toBe(400);
  expect((await get(traces, "/traces.json", { host: "attacker.example" })).status).toBe(403);
  expect((await get(traces, "/elsewhere")).status).toBe(404);
  for (const strange of ["null", "[]", '{"resourceSpans": [null, 1, {"scopeSpans": 7}]}']) {
    expect((await post(traces, strange)).status).toBe(200);
  }
  expect(traces.all()).toEqual([]);

  const ids = Array.from({ length: 600 }, (_, n) => String(n).padStart(32, "a"));
  for (const id of ids) await post(traces, otlp(["00f067aa0ba902b7", "", "x"], id));
  expect(traces.all().length).toBe(500);
  expect(traces.all().at(-1)?.[0]?.traceId).toBe(ids.at(-1));
});

type SpanRow = readonly [spanId: string, parentSpanId: string, name: string];

function otlp([spanId, parentSpanId, name]: SpanRow, id = traceId): string {
  const times = {
    startTimeUnixNano: "1700000000000000000",
    endTimeUnixNano: "1700000000000500000",
  };
  const span = { traceId: id, spanId, parentSpanId, name, kind: 2, ...times, status: { code: 0 } };
  const attributes = [{ key: "service.name", value: { stringValue: "test-service" } }];
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [span] }] }],
  });
}

function post(traces: Traces, body: string | Buffer, headers: Record<string, string> = {}) {
  return ask(
    traces,
    "/v1/traces",
    "POST",
    { "content-type": "application/json", ...headers },
    body,
  );
}

function get(traces: Traces, path: string, headers: Record<string, string> = {}) {
  return ask(traces, path, "GET", headers);
}

function ask(
  { url }: Traces,
  path: string,
  method: string,
  headers: Record<string, string>,
  body?: string | Buffer,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { method, headers, agent: false }, async (reply) => {
      const text = (await reply.toArray()).join("");
      resolve({ status: reply.statusCode ?? 0, text });
    });
    asked.once("error", reject);
    asked.end(body);
  });
}
