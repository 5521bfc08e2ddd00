import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { createSampler } from "../telemetry/sampler.ts";
import { currentTraceparent, type FinishedSpan, recordSpans } from "../telemetry/trace.ts";
import {
  echo,
  echoed,
  send,
  sendJson,
  startEchoServer,
  type Untyped,
} from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const method = "bursar.testing.v1.EchoService/Echo";
let server: TestServer;
let spans: FinishedSpan[] = [];
let forget = () => {};

beforeAll(async () => {
  server = await startEchoServer({
    echo(request, context) {
      if (request.text === "bug") throw new TypeError("broken");
      return { ...echoed(request, context), text: currentTraceparent() };
    },
    async *repeat() {
      yield { text: currentTraceparent() };
      yield { text: currentTraceparent() };
    },
  });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  spans = [];
  const sampler = createSampler("parentbased_always_on", 1);
  forget = recordSpans({ sampler, record: (span) => spans.push(span) });
});
afterEach(() => forget());

test("a call is a span of its caller's trace, and its handler runs inside it", async () => {
  const client = await plainClient();
  const { text } = await client.echo({ text: "x" }, { headers: { traceparent } });
  const span = await spanOf(method);
  expect(span).toMatchObject({
    kind: "server",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parent: { spanId: "b7ad6b7169203331", remote: true },
    attributes: {
      "rpc.method": method,
      "rpc.status_code": "ok",
      "bursar.caller": "spiffe://bursar/test-client",
    },
    errorType: undefined,
  });
  expect(text).toContain(span?.spanId);
  expect(await lineOf("call answered")).toMatchObject({
    traceId: span?.traceId,
    spanId: span?.spanId,
  });
});

test("every step of a stream runs inside its call's span", async () => {
  const client = await plainClient();
  const texts: string[] = [];
  for await (const { text } of client.repeat({}, { headers: { traceparent } })) texts.push(text);
  const span = await spanOf("bursar.testing.v1.EchoService/Repeat");
  expect(texts).toEqual([1, 2].map(() => expect.stringContaining(span?.spanId ?? "none")));
});

test("who is not of the mesh begins a trace, whatever it sends", async () => {
  const answer = await sendJson(server, "{}", { tls: null, headers: { traceparent } });
  expect(answer.json).toMatchObject({ code: "unauthenticated" });
  const span = await spanOf(method);
  expect(span).toMatchObject({ parent: undefined, errorType: undefined });
  expect(span?.traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
});

test("a bug fails its span, and its log line belongs to it", async () => {
  const client = await plainClient();
  await expect(client.echo({ text: "bug" })).rejects.toThrow(/internal error/);
  const span = await spanOf(method);
  expect(span).toMatchObject({
    errorType: "ConnectError",
    attributes: { "rpc.status_code": "internal", "error.type": "internal" },
  });
  expect(await lineOf("call failed on a bug")).toMatchObject({ traceId: span?.traceId });
});

test.each([
  [
    "a field that breaks its rule",
    '{"text": "hunter2hunter2"}'.replace(/2h/, "x".repeat(99)),
    ["text"],
  ],
  ["a field of another type", '{"small": "hunter2"}', undefined],
  ["a body that is no JSON", '{"text": "hunter2', undefined],
  ["a key twice", '{"text": "hunter2", "text": "hunter2"}', undefined],
])("%s is logged without what was sent", async (_name, body, fields) => {
  const before = server.logLines.length;
  const answer = await sendJson(server, body, { headers: { "x-secret": "hunter2" } });
  expect(answer.status).toBe(400);
  await spanOf(method);
  const lines = server.logLines.slice(before);
  expect(JSON.stringify(lines)).not.toContain("hunter2");
  const [line] = lines.filter(({ message }) => message === "call refused or failed");
  expect(line).toMatchObject({ code: "invalid_argument", method });
  if (fields) expect(line).toMatchObject({ fields, reason: expect.stringMatching(/^REQUEST_REF/) });
});

test("calls are counted by the labels of their policy, next to the objective", async () => {
  const client = await plainClient();
  await client.echo({ text: "x" });
  const { body } = await send(server, "/metrics");
  const text = body.toString();
  const labels = `method="${method}",owner="platform",rate_class="interactive"`;
  expect(text).toContain(`bursar_rpc_requests_total{${labels},code="ok",service="test-service"}`);
  expect(text).toContain(`le="+Inf",service="test-service",${labels}`);
  const objective = 'rpc_service="bursar.testing.v1.EchoService",owner="platform"';
  expect(text).toContain(`bursar_objective_availability_ppm{${objective}`);
  expect(text).toMatch(/bursar_objective_latency_seconds{rpc_service="bursar.testing.* 1\n/);
});

test("a scraper that asks for OpenMetrics finds the trace of a slow call", async () => {
  const client = await plainClient();
  await client.echo({ text: "x" }, { headers: { traceparent } });
  const headers = { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" };
  const { body, headers: answered } = await send(server, "/metrics", { headers });
  expect(answered["content-type"]).toMatch(/^application\/openmetrics-text/);
  expect(body.toString()).toContain('# {trace_id="0af7651916cd43dd8448eb211c80319c"');
});

/** Without the mesh's own client, which would have its own span. */
async function plainClient(): Promise<Untyped> {
  const nodeOptions = readTls(await server.certificates.identity("test-client"));
  const options = { baseUrl: server.url, httpVersion: "1.1", nodeOptions } as const;
  return createClient(echo.service, createConnectTransport(options));
}

/** The record is closed a moment after the answer is on its way. */
async function spanOf(name: string): Promise<FinishedSpan | undefined> {
  const find = () => spans.find((span) => span.name === name);
  await expect.poll(find).toBeDefined();
  return find();
}

async function lineOf(message: string) {
  const find = () => server.logLines.findLast((line) => line["message"] === message);
  await expect.poll(find).toBeDefined();
  return find();
}
