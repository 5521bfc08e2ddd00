import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "#gen/grpc/health/v1/health_pb.ts";
import { readTls } from "../identity/tls.ts";
import { testCertificates } from "../testing/certificates.ts";
import {
  echo,
  echoClient,
  http2Status,
  send,
  sendJson,
  startEchoServer,
} from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";
import { requestRefusalOf } from "./errors.ts";

const refusals = ["unauthenticated", "permission_denied", "invalid_argument", "resource_exhausted"];
let server: TestServer;
let problems: string[] = [];

beforeAll(async () => {
  server = await startEchoServer(
    {},
    {
      readiness: () => problems,
      grants: {
        reader: { scopes: ["testing.*.read"], ledgerIds: ["main"] },
        metrics: { scopes: ["mesh.metrics.read"] },
      },
    },
  );
});
afterAll(() => server[Symbol.asyncDispose]());

describe("the gate", () => {
  test.each(["no certificate", "a certificate of another authority"])(
    "%s is unauthenticated, before the body is read",
    async (which) => {
      await using foreign = await testCertificates();
      const tls = which === "no certificate" ? null : await foreign.identity("test-client");
      const answer = await sendJson(server, "not even JSON", { tls });
      expect([answer.status, answer.json.code]).toEqual([401, "unauthenticated"]);
      expect(answer.json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_UNAUTHENTICATED");
    },
  );

  test("a resumed TLS session does not lend its identity", async () => {
    const ca = readFileSync(server.certificates.caFile);
    const first = await tlsSession({
      ...readTls(await server.certificates.identity("test-client")),
    });
    const options = first.session ? { ca, session: first.session } : { ca };
    const second = await tlsSession(options);
    expect(second.reused).toBe(false);
    expect(second.answer).toMatch(/^HTTP\/1.1 401 /);
  });

  test("an identity that expires loses its access while connected", async () => {
    const tls = await server.certificates.identity("short-lived", { lifeMs: 2_000 });
    const session = connectHttp2(server.url, readTls(tls));
    const ask = () => http2Status(session, "/bursar.testing.v1.EchoService/Echo");
    expect(await ask()).toBe(403);
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(await ask()).toBe(401);
    session.close();
  });

  test("an identity without the scope, or that nobody listed, is denied by name", async () => {
    for (const name of ["reader", "stranger"]) {
      const client = await echoClient(server, name);
      const error = await client.write({ text: "x" }).catch(asError);
      expect(error.code).toBe(Code.PermissionDenied);
      expect(requestRefusalOf(error)).toMatchObject({
        refusal: RequestRefusal.SCOPE_MISSING,
        problems: [{ field: "testing.echo.write" }],
      });
    }
    const reader = await echoClient(server, "reader");
    expect(await reader.echo({ text: "ok" })).toMatchObject({ text: "ok" });
  });
});

describe("what operators see", () => {
  test("livez and readyz need no certificate and say no more than a status", async () => {
    problems = ["database: connection refused to 10.0.0.1"];
    const before = await send(server, "/readyz", { tls: null });
    expect([before.status, before.body.toString()]).toEqual([503, "not ready\n"]);
    problems = [];
    expect((await send(server, "/readyz", { tls: null })).status).toBe(200);
    expect((await send(server, "/livez", { tls: null })).status).toBe(200);
  });

  test("metrics need their scope, and count every call, refused ones too", async () => {
    expect((await send(server, "/metrics", { tls: null })).status).toBe(401);
    const tls = await server.certificates.identity("reader");
    expect((await send(server, "/metrics", { tls })).status).toBe(403);
    expect((await sendJson(server, '{"amountMinor":1e2}')).status).toBe(400);
    expect((await sendJson(server, " ".repeat(5_000_000))).status).toBe(429);
    expect((await sendJson(server, "{}")).status).toBe(200);
    expect((await sendJson(server, "{}", { tls: null })).status).toBe(401);
    const stranger = await server.certificates.identity("stranger");
    expect((await sendJson(server, "{}", { tls: stranger })).status).toBe(403);
    const allowed = { tls: await server.certificates.identity("metrics") };
    const text = (await send(server, "/metrics", allowed)).body.toString();
    for (const code of ["ok", ...refusals]) {
      expect(text).toMatch(
        new RegExp(`bursar_rpc_requests_total\\{[^}]*code="${code}"[^}]*\\} \\d`),
      );
    }
    expect(text).toMatch(/bursar_rpc_duration_seconds_bucket/);
    expect(text).toMatch(/process_resident_memory_bytes/);
  });

  test("health follows readiness and knows its services", async () => {
    const client = await server.client(Health);
    const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
    expect(await client.check({ service: echo.service.typeName })).toMatchObject({
      status: SERVING,
    });
    problems = ["something"];
    expect(await client.check({})).toMatchObject({ status: NOT_SERVING });
    problems = [];
    const unknown = await client.check({ service: "nobody" }).then(() => undefined, asError);
    expect(unknown?.code).toBe(Code.NotFound);
    const anonymous = await send(server, "/grpc.health.v1.Health/Check", {
      ...json("{}"),
      tls: null,
    });
    expect(anonymous.status).toBe(401);
  });

  test("buf curl needs no schema: reflection has it", async () => {
    const { caFile, certFile, keyFile } = await server.certificates.identity("test-client");
    const tls = ["--cacert", caFile, "--cert", certFile, "--key", keyFile];
    const curl = (...rest: string[]) =>
      promisify(execFile)("node_modules/.bin/buf", ["curl", ...tls, ...rest]);
    const url = `${server.url}/bursar.testing.v1.EchoService`;
    for (const protocol of ["grpc", "connect", "grpcweb"]) {
      const data = ["--protocol", protocol, "--data", '{"text":"hello"}'];
      const { stdout } = await curl(...data, `${url}/Echo`);
      expect(JSON.parse(stdout)).toMatchObject({ text: "hello" });
    }
    const { stdout } = await curl("--list-methods", server.url);
    expect(stdout).toContain("bursar.testing.v1.EchoService/Echo");
    expect(stdout).toContain("grpc.health.v1.Health/Check");
  });
});

const json = (body: string) => ({ headers: { "content-type": "application/json" }, body });

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}

/** One HTTP/1.1 request over a TLS socket, and the session to resume it with. */
function tlsSession(options: object) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    session: Buffer | undefined;
    reused: boolean;
    answer: string;
  }>();
  let session: Buffer | undefined;
  const socket: TLSSocket = connectTls(
    { host: "localhost", port: server.port, ALPNProtocols: ["http/1.1"], ...options },
    () => {
      const path = "/bursar.testing.v1.EchoService/Echo";
      const headers = "host: localhost\r\ncontent-type: application/json\r\ncontent-length: 2";
      socket.write(`POST ${path} HTTP/1.1\r\n${headers}\r\n\r\n{}`);
    },
  );
  socket.on("session", (received) => {
    session = received;
  });
  socket.on("error", reject);
  socket.once("data", (data) => {
    resolve({ session, reused: socket.isSessionReused(), answer: data.toString() });
    socket.destroy();
  });
  return promise;
}
