import { once } from "node:events";
import { constants, createSecureServer, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { readTls } from "../../identity/tls.ts";
import { testCertificates } from "../../testing/certificates.ts";
import { echo, type Untyped } from "../../testing/echo-server.ts";
import { openClient } from "../client.ts";

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

const farewells: readonly [string, (session: ServerHttp2Session) => void][] = [
  ["goaway", (session) => session.goaway(constants.NGHTTP2_NO_ERROR)],
  ["close", (session) => session.close()],
  [
    "goaway and close",
    (session) => {
      session.goaway(constants.NGHTTP2_NO_ERROR);
      session.close();
    },
  ],
];

// A request some ticks after the GOAWAY on an idle connection is what raised connect-es#1768: an
// uncaught exception, by which this file would fail.
test.each(farewells)(
  "%s takes no client down, however soon the next call comes",
  async (_name, bid) => {
    await using server = await startBareServer(() => false);
    const outcomes: unknown[] = [];
    for (let round = 0; round < 120; round++) {
      await server.client.write({ text: "warm" });
      for (const session of server.sessions) bid(session);
      for (let tick = 0; tick < round % 8; tick++) await new Promise(setImmediate);
      // Without a request id: only what was not begun is sent again.
      outcomes.push(await server.client.write({ text: "after" }).then(() => "ok", String));
    }
    expect(outcomes.filter((outcome) => outcome !== "ok")).toEqual([]);
  },
);

test.each(farewells)("%s beside many calls fails none of them", async (_name, bid) => {
  await using server = await startBareServer(
    () => false,
    async () => sleep(2),
  );
  const outcomes: unknown[] = [];
  for (let round = 0; round < 30; round++) {
    const calls = Array.from({ length: 20 }, async (_, number) => {
      for (let tick = 0; tick < number; tick++) await new Promise(setImmediate);
      outcomes.push(await server.client.write({ text: "busy" }).then(() => "ok", String));
    });
    for (let tick = 0; tick < round % 10; tick++) await new Promise(setImmediate);
    for (const session of server.sessions) bid(session);
    await Promise.all(calls);
  }
  expect(outcomes.filter((outcome) => outcome !== "ok")).toEqual([]);
});

test.each<[string, (stream: Untyped) => void]>([
  ["whose connection breaks", (stream) => stream.session.destroy()],
  ["whose session ends with an error", (stream) => stream.session.goaway(2)],
  ["that the server resets", (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
  ["that the server cancels", (stream) => stream.close(constants.NGHTTP2_CANCEL)],
  // connect-node waits for the deadline here.
  ["that is closed without a word", (stream) => stream.close(constants.NGHTTP2_NO_ERROR)],
])("a call %s is unavailable, and made again where it may be", async (_name, disturb) => {
  let disturbed = 0;
  let disturbances = 1;
  await using server = await startBareServer((stream) => {
    if (disturbances-- <= 0) return false;
    disturbed += 1;
    disturb(stream);
    return true;
  });
  const error = await server.client.write({ text: "once" }).catch(asError);
  expect(error).toMatchObject({ code: Code.Unavailable });
  expect(disturbed).toBe(1);
  disturbances = 1;
  expect(await server.client.echo({ text: "again" })).toMatchObject({ text: "again" });
  expect(disturbed).toBe(2);
});

test("a server that accepts and says nothing costs no more than the handshake's time", async () => {
  await using certificates = await testCertificates();
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  await using client = openClient(echo.service, {
    url: `https://localhost:${(silent.address() as AddressInfo).port}`,
    tls: await certificates.identity("test-client"),
    limits: { connectTimeoutMs: 50 },
  });
  const error = await (client.rpc as Untyped).echo({}, { timeoutMs: 5_000 }).catch(asError);
  expect(error).toMatchObject({ code: Code.Unavailable });
  expect(error.rawMessage).toMatch(/cannot connect to https:\/\/localhost:\d+: .* within 50 ms/);
  silent.close();
});

test("a server of another authority is told apart from one that is away", async () => {
  await using server = await startBareServer(() => false);
  await using other = await testCertificates();
  const tls = await other.identity("test-client");
  await using client = openClient(echo.service, { url: server.url, tls });
  const error = await (client.rpc as Untyped).echo({}).catch(asError);
  expect(error).toMatchObject({ code: Code.Unauthenticated });
  expect(server.sessions.size).toBe(0);
});

test("closing the client breaks what is under way, and takes no more", async () => {
  await using server = await startBareServer(() => true);
  const call = server.client.write({ text: "never answered" }).catch(asError);
  while (server.sessions.size === 0) await sleep(5);
  await server.closeClient();
  expect(await call).toMatchObject({ code: Code.Canceled, rawMessage: "the client is closed" });
  const late = await server.client.write({ text: "late" }).catch(asError);
  expect(late).toMatchObject({ code: Code.Canceled, rawMessage: "the client is closed" });
});

/** HTTP/2 with nothing but the protocol, whose streams and sessions the test may disturb. */
async function startBareServer(
  disturb: (stream: Untyped) => boolean,
  work: () => Promise<void> = async () => {},
) {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const answer = async ({ text }: Untyped) => {
    await work();
    return { text };
  };
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
  const client = stack.use(openClient(echo.service, { url, tls }));
  const owned = stack.move();
  return {
    url,
    client: client.rpc as Untyped,
    closeClient: () => client[Symbol.asyncDispose](),
    sessions,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
