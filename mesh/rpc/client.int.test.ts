import { once } from "node:events";
import { constants, createSecureServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echo, echoClient, echoed, startEchoServer, type Untyped } from "../testing/echo-server.ts";
import { openClient } from "./client.ts";
import { nextTraceparent, traceId } from "./deadline.ts";

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
  const traceparent = nextTraceparent(undefined);
  const options = { timeoutMs: 400, headers: { traceparent } };
  const seen = await client.echo({ text: "relay" }, options);
  expect(seen.text).toBe("relayed");
  expect(Number(seen.timeLeftMs)).toBeLessThanOrEqual(400);
  expect(traceId(seen.traceparent)).toBe(traceId(traceparent));
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

test("a refused stream is sent again, for every method, once", async () => {
  let refusals = 1;
  await using server = await startBareServer((stream) => {
    if (refusals-- <= 0) return false;
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return true;
  });
  expect(await server.client.write({ text: "sent again" })).toMatchObject({ text: "sent again" });
  refusals = 2;
  const error = await server.client.write({ text: "refused twice" }).catch(asError);
  expect(error.code).toBe(Code.Unavailable);
});

test("a server that says goodbye takes no client down with it", async () => {
  await using server = await startBareServer(() => false);
  const codes: unknown[] = [];
  for (let round = 0; round < 60; round++) {
    await server.client.echo({ text: "warm" });
    for (const session of server.sessions) {
      if (round % 2 === 0) session.goaway(constants.NGHTTP2_NO_ERROR);
      else session.close();
    }
    // A request some ticks after the GOAWAY is what raised connect-es#1768.
    for (let tick = 0; tick < round % 5; tick++) await new Promise(setImmediate);
    codes.push(await server.client.echo({ text: "after" }).then(() => "ok", asError));
  }
  expect(codes.filter((code) => code !== "ok")).toEqual([]);
});

/** HTTP/2 with nothing but the protocol, whose streams and sessions the test may disturb. */
async function startBareServer(disturb: (stream: Untyped) => boolean) {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const answer = ({ text }: Untyped) => ({ text });
  const handler = connectNodeAdapter({
    routes: (router) => {
      router.service(echo.service, { echo: answer, write: answer } as Untyped);
    },
  });
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer(readTls(await certificates.identity("bare")));
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => undefined);
  });
  server.on("request", (request, response) => {
    request.stream.on("error", () => undefined);
    if (!disturb(request.stream)) handler(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => void server.close());
  stack.defer(() => {
    for (const session of sessions) session.destroy();
  });
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const tls = await certificates.identity("test-client");
  const { rpc } = stack.use(openClient(echo.service, { url, tls }));
  const owned = stack.move();
  return {
    client: rpc as Untyped,
    sessions,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
