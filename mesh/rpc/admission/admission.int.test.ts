import { type ClientHttp2Session, connect } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { readTls } from "../../identity/tls.ts";
import { send, startEchoServer } from "../../testing/echo-server.ts";
import { echoPath, exchange } from "../../testing/exchange.ts";
import { type TestServer, writeAccess } from "../../testing/rpc.ts";

const service = "/bursar.testing.v1.EchoService";
const types = {
  connect: "application/proto",
  grpc: "application/grpc+proto",
  "grpc-web": "application/grpc-web+proto",
};
const grants = {
  slow: {
    scopes: ["testing.*.*"],
    rateLimits: [{ rateClass: RateClass.INTERACTIVE, callsPerSecond: 1, burst: 3 }],
  },
  metrics: { scopes: ["mesh.metrics.read"] },
};
let server: TestServer;
const sessions: ClientHttp2Session[] = [];

beforeAll(async () => {
  server = await startEchoServer({}, { grants });
});
afterAll(async () => {
  for (const session of sessions) session.destroy();
  await server[Symbol.asyncDispose]();
});

describe("a caller over its rate", () => {
  test("is told when to come back, in every protocol, and only for that class of calls", async () => {
    const session = await openSession("slow");
    const ask = (type: string, path = echoPath) =>
      exchange(session, { path, headers: { "content-type": type } });
    const first = await Promise.all(
      Object.values(types).map((type) => ask(type, `${service}/Export`)),
    );
    expect(first.map(({ outcome }) => outcome)).not.toContain("resource_exhausted RATE_LIMITED");
    for (let n = 0; n < 3; n++) await ask(types.connect);
    for (const type of Object.values(types)) {
      const { outcome, headers } = await ask(type);
      expect(outcome).toBe("resource_exhausted RATE_LIMITED");
      expect(headers["retry-after"]).toBe("1");
      expect(Number(headers["grpc-retry-pushback-ms"])).toBeGreaterThan(0);
    }
    const tls = await server.certificates.identity("metrics");
    const metrics = (await send(server, "/metrics", { tls })).body.toString();
    expect(metrics).toMatch(/bursar_rpc_shed_total\{[^}]*reason="rate"[^}]*\} 3\n/);
  });

  test("may do more as soon as its access says so, without a restart", async () => {
    const session = await openSession("slow");
    const ask = () => exchange(session, { headers: { "content-type": types.connect } });
    expect((await ask()).outcome).toBe("resource_exhausted RATE_LIMITED");
    const everything = { scopes: ["*.*.*"], ledgerIds: ["*"] };
    const wider = { ...grants, "test-client": everything, slow: { scopes: ["testing.*.*"] } };
    writeAccess(server.certificates.dir, wider);
    await expect.poll(async () => (await ask()).outcome, { timeout: 5_000 }).toBe("ok");
  });
});

test("the message of a refusal is legible to grpc-js", async () => {
  const { ca, cert, key } = readTls(await server.certificates.identity("stranger"));
  const client = new grpc.Client(
    `localhost:${server.port}`,
    grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert)),
  );
  const error = await new Promise<grpc.ServiceError | null>((resolve) => {
    const bytes = (message: Buffer) => message;
    client.makeUnaryRequest(`${service}/Settle`, bytes, bytes, Buffer.alloc(0), resolve);
  });
  expect(error?.code).toBe(grpc.status.PERMISSION_DENIED);
  expect(error?.details).toMatch(/^spiffe:\/\/bursar\/stranger may not call bursar\.testing\.v1\./);
  client.close();
});

test("a call that is on record names its caller, refused or answered", async () => {
  const before = server.logLines.length;
  for (const name of ["test-client", "stranger"]) {
    const session = await openSession(name);
    await exchange(session, { path: `${service}/Settle`, headers: { "content-type": types.grpc } });
    await exchange(session, {
      path: `${service}/Settle`,
      headers: { "content-type": types.connect },
    });
  }
  const records = server.logLines.slice(before).filter(({ audit }) => audit === true);
  expect(records.map(({ identity, code, reason }) => [identity, code, reason])).toEqual([
    ["spiffe://bursar/test-client", "unimplemented", "REQUEST_REFUSAL_MALFORMED"],
    ["spiffe://bursar/test-client", "ok", undefined],
    ["spiffe://bursar/stranger", "permission_denied", "REQUEST_REFUSAL_CALLER_NOT_ADMITTED"],
    ["spiffe://bursar/stranger", "permission_denied", "REQUEST_REFUSAL_CALLER_NOT_ADMITTED"],
  ]);
  for (const record of records) {
    expect(record).toMatchObject({
      level: "info",
      method: "bursar.testing.v1.EchoService/Settle",
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      durationMs: expect.any(Number),
    });
  }
});

test("a call too many is refused with its reason, whatever client asks", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using small = await startEchoServer(
    { export: () => held.then(() => ({})) },
    { config: { concurrencyMax: 10 } },
  );
  const tls = readTls(await small.certificates.identity("test-client"));
  const session = connect(small.url, tls);
  const ask = (path: string) =>
    exchange(session, {
      path: `${service}/${path}`,
      headers: { "content-type": types.grpc },
      body: empty,
    });
  const holding = Array.from({ length: 5 }, () => ask("Export"));
  await expect.poll(async () => (await ask("Export")).outcome).toBe("unavailable OVERLOADED");
  expect((await ask("Echo")).outcome).toBe("ok");
  expect((await ask("Settle")).outcome).toBe("ok");
  const health = await exchange(session, {
    path: "/grpc.health.v1.Health/Check",
    headers: { "content-type": types.grpc },
    body: empty,
  });
  expect(health.outcome).toBe("ok");
  release();
  expect((await Promise.all(holding)).map(({ outcome }) => outcome)).toEqual(Array(5).fill("ok"));
  expect((await ask("Export")).outcome).toBe("ok");
  session.destroy();
});

test("a call without time is refused before its handler", async () => {
  const session = await openSession("test-client");
  const headers = { "content-type": types.connect, "connect-timeout-ms": "0" };
  const { status, outcome } = await exchange(session, { headers });
  expect([status, outcome]).toEqual([504, "deadline_exceeded DEADLINE_TOO_SHORT"]);
});

const empty = Buffer.alloc(5);

async function openSession(name: string): Promise<ClientHttp2Session> {
  const session = connect(server.url, readTls(await server.certificates.identity(name)));
  sessions.push(session);
  return session;
}
