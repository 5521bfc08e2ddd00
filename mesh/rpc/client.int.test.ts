import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { startSpan } from "../telemetry/trace.ts";
import { readTraceparent } from "../telemetry/trace-context.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echo, echoClient, echoed, startEchoServer, type Untyped } from "../testing/echo-server.ts";
import { openClient } from "./client.ts";

test.each(["connect", "grpc"] as const)("a client speaks %s", async (protocol) => {
  await using server = await startEchoServer();
  const tls = await server.certificates.identity("test-client");
  await using client = openClient(echo.service, { url: server.url, tls, protocol });
  expect(await (client.rpc as Untyped).echo({ text: "hi" })).toMatchObject({ text: "hi" });
});

test("a call made while serving one inherits its deadline and its trace", async () => {
  let client: Untyped;
  await using server = await startEchoServer({
    echo: (request, context) =>
      request.text === "relay" ? client.echo({ text: "relayed" }) : echoed(request, context),
  });
  client = await echoClient(server);
  const { traceparent } = startSpan({ name: "s", kind: "client", parent: null });
  const options = { timeoutMs: 400, headers: { traceparent } };
  const seen = await client.echo({ text: "relay" }, options);
  expect(seen.text).toBe("relayed");
  expect(Number(seen.timeLeftMs)).toBeLessThanOrEqual(400);
  const { traceId } = readTraceparent(traceparent) ?? {};
  expect(readTraceparent(seen.traceparent)?.traceId).toBe(traceId);
  expect(seen.traceparent).not.toBe(traceparent);
});

test("the shorter of a call's own timeout and what is left counts", async () => {
  let client: Untyped;
  await using server = await startEchoServer({
    echo: (request, context) =>
      request.text === "relay"
        ? client.echo({ text: "relayed" }, { timeoutMs: 100 })
        : echoed(request, context),
  });
  client = await echoClient(server);
  const seen = await client.echo({ text: "relay" }, { timeoutMs: 1_500 });
  expect(Number(seen.timeLeftMs)).toBeLessThanOrEqual(100);
});

test("only what may be repeated is repeated, three times at most", async () => {
  const calls: string[] = [];
  const fail = ({ text }: Untyped) => {
    calls.push(text);
    throw Object.assign(new Error("no database"), { code: "ECONNREFUSED" });
  };
  await using server = await startEchoServer({ echo: fail, write: fail });
  const client = await echoClient(server);
  for (const call of [
    () => client.echo({ text: "no side effects" }),
    () => client.write({ text: "without a key" }),
    () => client.write({ text: "with a key", requestId: "r1" }),
  ]) {
    const error = await call().catch(asError);
    expect(error.code).toBe(Code.Unavailable);
  }
  const count = (text: string) => calls.filter((call) => call === text).length;
  expect(count("no side effects")).toBe(3);
  expect(count("without a key")).toBe(1);
  expect(count("with a key")).toBe(3);
});

test("retries stop when most calls fail", async () => {
  let calls = 0;
  await using server = await startEchoServer({
    echo() {
      calls += 1;
      throw Object.assign(new Error("no database"), { code: "ECONNREFUSED" });
    },
  });
  const client = await echoClient(server);
  for (let n = 0; n < 10; n++) await client.echo({}).catch(asError);
  expect(calls).toBeLessThan(20);
});

test("a server that is not there is unavailable", async () => {
  await using certificates = await testCertificates();
  const tls = await certificates.identity("test-client");
  await using client = openClient(echo.service, { url: "https://localhost:1", tls });
  const error = await (client.rpc as Untyped).write({}, { timeoutMs: 1_000 }).catch(asError);
  expect(error.code).toBe(Code.Unavailable);
});

test("a server of another authority is not spoken to", async () => {
  await using server = await startEchoServer();
  await using other = await testCertificates();
  const tls = await other.identity("test-client");
  await using client = openClient(echo.service, { url: server.url, tls });
  const error = await (client.rpc as Untyped).echo({}, { timeoutMs: 1_000 }).catch(asError);
  expect(error).toBeInstanceOf(ConnectError);
  expect(server.logLines.filter(({ method }) => method)).toEqual([]);
});

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
