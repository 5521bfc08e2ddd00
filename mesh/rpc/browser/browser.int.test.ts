import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { issueServerCertificate } from "../../identity/authority.ts";
import { readTls } from "../../identity/tls.ts";
import type { TlsFiles } from "../../process/config.ts";
import { type TestCertificates, testCertificates } from "../../testing/certificates.ts";
import { echo, startEchoServer, type Untyped } from "../../testing/echo-server.ts";
import type { TestGrant, TestServer } from "../../testing/rpc.ts";
import { type TestTokens, testTokens } from "../../testing/tokens.ts";
import { requestRefusalOf } from "../errors.ts";

const page = "https://school.example";
const echoPath = "/bursar.testing.v1.EchoService/Echo";

let certificates: TestCertificates;
let tokens: TestTokens;
let server: TestServer;
let ca: Buffer;
let token: string;

beforeAll(async () => {
  certificates = await testCertificates();
  tokens = await testTokens("test-service");
  server = await startBrowserServer();
  ca = readFileSync(certificates.caFile);
  token = await tokens.sign("learner-1");
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await tokens[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

async function startBrowserServer(
  handlers = {},
  scopes = ["testing.*.*"],
  grant: Partial<TestGrant> = {},
): Promise<TestServer> {
  const tls = await issueServerCertificate(certificates.authority, {
    name: "browser-door",
    dir: certificates.dir,
  });
  const { certFile, keyFile } = tls;
  return startEchoServer(handlers, {
    config: {
      jwksFile: tokens.jwksFile,
      browser: { host: "127.0.0.1", port: 0, origins: [page], tls: { certFile, keyFile } },
    },
    grants: { browser: { scopes, ...grant } },
  });
}

const transports: Record<string, (url: string) => Transport> = {
  "Connect over HTTP/2": (url) => connectTransport(url, "2", false),
  "Connect over HTTP/1.1": (url) => connectTransport(url, "1.1", false),
  "Connect with GET": (url) => connectTransport(url, "2", true),
  "gRPC-Web over HTTP/2": (url) => grpcWebTransport(url, "2"),
  "gRPC-Web over HTTP/1.1": (url) => grpcWebTransport(url, "1.1"),
};

test.each(Object.keys(transports))("%s: a learner's call is answered", async (name) => {
  const rpc = clientOver(transports[name]!);
  const headers = { origin: page, authorization: `Bearer ${token}` };
  let answered: Headers | undefined;
  const onHeader = (header: Headers) => {
    answered = header;
  };
  const answer = await rpc.echo({ text: "hello" }, { headers, onHeader });
  expect(answer).toMatchObject({
    text: "hello",
    identity: "spiffe://bursar/browser",
    learnerId: "learner-1",
  });
  expect(answered?.get("access-control-allow-origin")).toBe(page);
  // A request without a byte is over before its token is verified.
  expect(await rpc.echo({}, { headers })).toMatchObject({ text: "", learnerId: "learner-1" });
  expect(answered?.get("vary")).toMatch(/Origin/);
  expect(answered?.get("cache-control")).toBe("no-store");
});

test.each(["Connect over HTTP/2", "gRPC-Web over HTTP/1.1"])("%s: a stream", async (name) => {
  const rpc = clientOver(transports[name]!);
  const texts = [];
  const headers = { origin: page, authorization: `Bearer ${token}` };
  for await (const { text } of rpc.repeat({ text: "again" }, { headers })) texts.push(text);
  expect(texts).toEqual(["again", "again", "again"]);
});

test.each(Object.keys(transports))(
  "%s: a refusal is typed, and the page may read it",
  async (name) => {
    const rpc = clientOver(transports[name]!);
    const headers = { origin: page, authorization: `Bearer ${token}` };
    const error = await rpc.echo({ text: "x".repeat(101) }, { headers }).catch(ConnectError.from);
    expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.INVALID_FIELD);
    const forged = await rpc
      .echo({}, { headers: { ...headers, authorization: "Bearer x" } })
      .catch(ConnectError.from);
    expect(forged).toMatchObject({ code: Code.Unauthenticated });
    expect(requestRefusalOf(forged)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
    expect(forged.metadata.get("access-control-allow-origin")).toBe(page);
  },
);

test("forged tokens do not use up the rate of those who have one", async () => {
  const rateLimits = [{ rateClass: RateClass.INTERACTIVE, callsPerSecond: 1, burst: 2 }];
  await using limited = await startBrowserServer({}, ["testing.*.*"], { rateLimits });
  const rpc = clientOver(transports["Connect over HTTP/2"]!, limited);
  const call = (bearer: string) =>
    rpc.echo({}, { headers: { origin: page, authorization: `Bearer ${bearer}` } });
  for (let n = 0; n < 5; n++) await expect(call("x")).rejects.toThrow();
  expect(await call(token)).toMatchObject({ learnerId: "learner-1" });
});

test("gRPC itself is refused", async () => {
  const rpc = clientOver((baseUrl) => createGrpcTransport({ baseUrl, nodeOptions: { ca } }));
  const headers = { origin: page, authorization: `Bearer ${token}` };
  const error = await rpc.echo({}, { headers }).catch(ConnectError.from);
  expect(error.rawMessage).toMatch(/415|gRPC is not spoken here/);
});

type Refused = [what: string, request: () => Promise<Plain> | Plain, status: number, code: string];

test.each<Refused>([
  ["no token", () => ({}), 401, "unauthenticated"],
  ["a word that is no token", () => bearer("x.y.z"), 401, "unauthenticated"],
  ["another kind of credentials", () => ({ authorization: "Basic eDp4" }), 401, "unauthenticated"],
  [
    "an expired token",
    async () => bearer(await tokens.sign("l", { lifeSeconds: -60 })),
    401,
    "unauthenticated",
  ],
  [
    "a token for another service",
    async () => bearer(await tokens.sign("l", { audience: "cms-service" })),
    401,
    "unauthenticated",
  ],
  [
    "a token without the scope",
    async () => bearer(await tokens.sign("l", { scope: "testing.other.read" })),
    403,
    "permission_denied",
  ],
  ["a token of another issuer", async () => bearer(await foreignToken()), 401, "unauthenticated"],
  [
    "a page that is not listed",
    () => ({ ...bearer(token), origin: "https://evil.example" }),
    403,
    "permission_denied",
  ],
  [
    "a page that hides its name",
    () => ({ ...bearer(token), origin: "null" }),
    403,
    "permission_denied",
  ],
  [
    "an image of another page",
    () => ({ ...bearer(token), origin: undefined, "sec-fetch-site": "cross-site" }),
    403,
    "permission_denied",
  ],
])("%s is refused", async (_, headers, status, code) => {
  const answer = await post(echoPath, { origin: page, ...(await headers()) });
  expect([answer.status, answer.json.code]).toEqual([status, code]);
  const isStranger = answer.headers["access-control-allow-origin"] === undefined;
  expect(isStranger).toBe(answer.asked.origin !== page);
});

test.each([
  ["a method that is not for end users", "/bursar.testing.v1.EchoService/Write"],
  ["a method that does not exist", "/bursar.testing.v1.EchoService/Nothing"],
  ["health", "/grpc.health.v1.Health/Check"],
  ["reflection", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"],
  ["metrics", "/metrics"],
  ["readiness", "/readyz"],
])("%s is not there: denied alike, and unauthenticated without a token", async (_, path) => {
  const denied = await post(path, { origin: page, ...bearer(token) });
  expect([denied.status, denied.json.code]).toEqual([403, "permission_denied"]);
  expect(denied.json.message).not.toMatch(/Write|exist|unknown/);
  const nobody = await post(path, { origin: page });
  expect([nobody.status, nobody.json.code]).toEqual([401, "unauthenticated"]);
});

test.each<[string, Plain, number, boolean]>([
  ["a listed page", { origin: page }, 204, true],
  ["a stranger's page", { origin: "https://evil.example" }, 403, false],
  ["a hidden page", { origin: "null" }, 403, false],
  ["no page", {}, 401, false],
])("the preflight of %s", async (_, headers, status, allowed) => {
  for (const path of [echoPath, "/metrics"]) {
    const answer = await ask("OPTIONS", path, {
      ...headers,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,connect-protocol-version",
    });
    expect(answer.status).toBe(status);
    expect(answer.headers["access-control-allow-origin"]).toBe(allowed ? page : undefined);
    expect(answer.headers["access-control-allow-credentials"]).toBeUndefined();
    expect(answer.headers["vary"]).toBe("Origin");
    if (allowed) expect(answer.headers["access-control-max-age"]).toBe("7200");
  }
});

test("a page never widens what browsers are granted", async () => {
  await using narrow = await startBrowserServer({}, ["testing.other.read"]);
  const answer = await post(echoPath, { origin: page, ...bearer(token) }, narrow);
  expect([answer.status, answer.json.code]).toEqual([403, "permission_denied"]);
});

test("a certificate does not make a browser of a service, nor a service of a browser", async () => {
  const own = await certificates.identity("test-client");
  const withCertificate = await ask(
    "POST",
    echoPath,
    { origin: page, ...bearer(token) },
    { tls: own },
  );
  expect(withCertificate.json).toMatchObject({ identity: "spiffe://bursar/browser" });
  // On the mesh's own port the name proves nothing.
  const browser = await server.certificates.identity("browser");
  const answer = await ask(
    "POST",
    echoPath,
    {},
    { tls: browser, port: server.port, ca: server.certificates.caFile },
  );
  expect([answer.status, answer.json.code]).toEqual([401, "unauthenticated"]);
});

test("what was refused is counted, by reason", async () => {
  const tls = await server.certificates.identity("test-client");
  const way = { tls, port: server.port, ca: server.certificates.caFile };
  const { text } = await ask("GET", "/metrics", {}, way);
  for (const reason of ["origin", "token", "method", "protocol"]) {
    expect(text).toMatch(
      new RegExp(`bursar_browser_refused_total{[^}]*reason="${reason}"[^}]*} [1-9]`),
    );
  }
});

test("headers that are too large end the request and nothing else", async () => {
  const huge = { origin: page, ...bearer("x".repeat(40_000)) };
  const outcome = await post(echoPath, huge).then(
    ({ status }) => status,
    (error) => error.code,
  );
  expect([431, "ECONNRESET", "EPIPE"]).toContain(outcome);
  expect((await post(echoPath, { origin: page, ...bearer(token) })).status).toBe(200);
});

test("a request over HTTP/2 with a strange authority is refused and harms nobody", async () => {
  const session = connectHttp2(`https://localhost:${server.browserPort}`, { ca });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const stream = session.request({
      ":method": "POST",
      ":path": echoPath,
      ":authority": "evil.example:999999",
      "content-type": "application/json",
      origin: page,
      authorization: `Bearer ${token}`,
    });
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
    stream.on("error", reject);
    stream.end("{}");
    expect(await promise).toBe(400);
  } finally {
    session.close();
  }
  expect((await post(echoPath, { origin: page, ...bearer(token) })).status).toBe(200);
});

test("deadlines are bounded by policy here too", async () => {
  const asked = { origin: page, ...bearer(token), "connect-timeout-ms": "9999999" };
  const { json } = await post(echoPath, asked);
  expect(Number(json.timeLeftMs)).toBeLessThanOrEqual(2_000);
});

test("a stop lets the calls of browsers finish", async () => {
  const entered = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const draining = await startBrowserServer({
    async echo() {
      entered.resolve();
      await held.promise;
      return { text: "finished" };
    },
  });
  const answering = post(echoPath, { origin: page, ...bearer(token) }, draining);
  await entered.promise;
  const stopping = draining.stop();
  held.resolve();
  expect((await answering).json).toMatchObject({ text: "finished" });
  await stopping;
  await expect(post(echoPath, { origin: page }, draining)).rejects.toThrow();
  await draining[Symbol.asyncDispose]();
});

function connectTransport(baseUrl: string, httpVersion: "1.1" | "2", useHttpGet: boolean) {
  return createConnectTransport({ baseUrl, httpVersion, useHttpGet, nodeOptions: { ca } });
}

function grpcWebTransport(baseUrl: string, httpVersion: "1.1" | "2") {
  return createGrpcWebTransport({ baseUrl, httpVersion, nodeOptions: { ca } });
}

function clientOver(transport: (url: string) => Transport, on = server): Untyped {
  const url = `https://localhost:${on.browserPort}`;
  return createClient(echo.service, transport(url)) as Client<never>;
}

type Plain = Readonly<Record<string, string | undefined>>;

function bearer(text: string): Plain {
  return { authorization: `Bearer ${text}` };
}

async function foreignToken(): Promise<string> {
  await using others = await testTokens("test-service");
  return others.sign("learner-1");
}

function post(path: string, headers: Plain, to = server) {
  return ask("POST", path, headers, { port: to.browserPort! });
}

type Way = { readonly port?: number; readonly tls?: TlsFiles; readonly ca?: string };

/** One HTTP/1.1 request with a connection of its own. */
function ask(method: string, path: string, asked: Plain, way: Way = {}): Promise<Untyped> {
  const { promise, resolve, reject } = Promise.withResolvers<Untyped>();
  const { port = server.browserPort, tls, ca: caFile } = way;
  const headers = Object.fromEntries(
    Object.entries({ "content-type": "application/json", ...asked }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as Record<string, string>;
  const request = httpsRequest(
    {
      host: "localhost",
      port,
      method,
      path,
      headers,
      agent: false,
      ...(tls && readTls(tls)),
      ca: caFile ? readFileSync(caFile) : ca,
    },
    (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("error", reject);
      response.on("end", () => {
        const json = text.startsWith("{") ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode, headers: response.headers, text, json, asked });
      });
    },
  );
  request.on("error", reject);
  request.end(method === "POST" ? "{}" : undefined);
  return promise;
}
