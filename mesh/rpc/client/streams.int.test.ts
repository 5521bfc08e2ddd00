import { once } from "node:events";
import { constants, createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { readTls } from "../../identity/tls.ts";
import { testCertificates } from "../../testing/certificates.ts";
import { echo, echoed, startEchoServer, type Untyped } from "../../testing/echo-server.ts";
import { openClient } from "../client.ts";
import { refuse, refuseRequest } from "../errors.ts";

test.each(["connect", "grpc"] as const)("streams run both ways over %s", async (protocol) => {
  await using server = await startEchoServer();
  await using client = await open(server, { protocol });
  expect(await all(client.rpc.repeat({ text: "hi" }))).toEqual(["hi", "hi", "hi"]);
  expect(await client.rpc.collect(requests("a", "b", "c"))).toMatchObject({ text: "a b c" });
});

test.each(["connect", "grpc"] as const)(
  "a refused stream is opened again over %s",
  async (protocol) => {
    await using server = await startRefusingServer([0, 2]);
    await using client = await open(server, { protocol });
    expect(await all(client.rpc.repeat({ text: "hi" }))).toEqual(["hi", "hi"]);
    expect(await client.rpc.collect(requests("a", "b", "c"))).toMatchObject({ text: "a b c" });
    expect(server.refused()).toBe(2);
  },
);

test("a refused stream whose requests are gone is not opened again", async () => {
  await using server = await startRefusingServer([0], 50);
  await using client = await open(server);
  const texts = Array.from({ length: 40 }, (_, number) => `${number}`);
  const error = await client.rpc.collect(requests(...texts)).catch(asError);
  expect(error.code).toBe(Code.Unavailable);
});

test.each(["connect", "grpc"] as const)(
  "a server that stops is asked elsewhere over %s",
  async (protocol) => {
    await using first = await startEchoServer({
      // biome-ignore lint/correctness/useYield: it refuses before its first message
      async *repeat() {
        throw refuseRequest(RequestRefusal.STOPPING, "this server is stopping");
      },
    });
    const { authority } = first.certificates;
    await using second = await startEchoServer({}, { authority });
    await using client = await open(first, { protocol, url: [first.url, second.url] });
    for (let count = 0; count < 6; count++) {
      expect(await all(client.rpc.repeat({ text: "hi" }))).toEqual(["hi", "hi", "hi"]);
    }
  },
);

test.each([
  ["connect", "fail"],
  ["connect", "are cancelled"],
  ["grpc", "fail"],
  ["grpc", "are cancelled"],
] as const)("over %s, requests that %s midway are not taken for all", async (protocol, how) => {
  const seen: unknown[] = [];
  const leave = new AbortController();
  await using server = await startEchoServer({
    async collect(taken: AsyncIterable<Untyped>) {
      try {
        for await (const { text } of taken) seen.push(text);
        seen.push("complete");
      } catch {
        seen.push("broken off");
      }
      return {};
    },
  });
  await using client = await open(server, { protocol });
  async function* brokenOff() {
    yield { text: "a" };
    await expect.poll(() => seen).toEqual(["a"]);
    if (how === "fail") throw new Error("the file cannot be read");
    leave.abort();
    await new Promise(() => undefined);
  }
  await client.rpc.collect(brokenOff(), { signal: leave.signal }).catch(asError);
  await expect.poll(() => seen.length).toBe(2);
  expect(seen).toEqual(["a", "broken off"]);
});

test("a stream that broke after its first message is not opened again", async () => {
  let opened = 0;
  await using server = await startEchoServer({
    async *repeat(request, context) {
      opened += 1;
      yield echoed(request, context);
      throw refuse(Code.Unavailable, "no database");
    },
  });
  await using client = await open(server);
  const seen: string[] = [];
  const reading = each(client.rpc.repeat({ text: "hi" }), (text) => seen.push(text));
  expect(await reading.catch(asError)).toMatchObject({ code: Code.Unavailable });
  expect([seen, opened]).toEqual([["hi"], 1]);
});

test("a stream has no deadline of the client's, and obeys the one it is given", async () => {
  await using server = await startEchoServer({
    async *repeat(request, context) {
      yield echoed(request, context);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    },
  });
  await using client = await open(server, { timeoutMs: 1 });
  const reading = all(client.rpc.repeat({ text: "hi" }, { timeoutMs: 100 }));
  expect(await reading.catch(asError)).toMatchObject({ code: Code.DeadlineExceeded });
});

test("a stream that failed before anybody reads it fails its reader, and nothing else", async () => {
  await using server = await startEchoServer();
  await using client = await open(server, { url: "https://localhost:1" });
  const stream = client.rpc.repeat({ text: "hi" }, { timeoutMs: 1_000 });
  await sleep(200);
  expect(await all(stream).catch(asError)).toMatchObject({ code: Code.Unavailable });
});

test("an endpoint counts its streams until they are closed, read to their end or not", async () => {
  await using server = await startEchoServer({
    async *repeat(request, context) {
      yield echoed(request, context);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    },
  });
  await using client = await open(server);
  const abort = new AbortController();
  const stream = client.rpc.repeat({ text: "hi" }, { signal: abort.signal });
  await stream[Symbol.asyncIterator]().next();
  expect(client.endpoints.list()).toMatchObject([{ inFlight: 1 }]);
  abort.abort();
  await expect.poll(() => client.endpoints.list()).toMatchObject([{ inFlight: 0 }]);
});

type Reachable = { readonly url: string; readonly certificates: Untyped };

async function open({ url, certificates }: Reachable, over: Untyped = {}): Promise<Untyped> {
  const tls = await certificates.identity("test-client");
  return openClient(echo.service, { url, tls, ...over });
}

/** Refuses some of the streams it is asked for, each after a while. */
async function startRefusingServer(refusals: readonly number[], afterMs = 0) {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const handler = connectNodeAdapter({
    routes: (router) => {
      router.service(echo.service, {
        async *repeat({ text }: Untyped) {
          yield { text };
          yield { text };
        },
        async collect(stream: AsyncIterable<Untyped>) {
          return { text: (await all(stream)).join(" ") };
        },
      } as Untyped);
    },
  });
  let asked = 0;
  let refused = 0;
  const server = createSecureServer(readTls(await certificates.identity("bare")));
  server.on("request", (request, response) => {
    request.stream.on("error", () => undefined);
    if (!refusals.includes(asked++)) return handler(request, response);
    refused += 1;
    setTimeout(() => request.stream.close(constants.NGHTTP2_REFUSED_STREAM), afterMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => void server.close());
  const owned = stack.move();
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    certificates,
    refused: () => refused,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function* requests(...texts: string[]): AsyncGenerator<Untyped> {
  for (const text of texts) yield { text };
}

async function each(stream: AsyncIterable<Untyped>, see: (text: string) => void): Promise<void> {
  for await (const { text } of stream) see(text);
}

async function all(stream: AsyncIterable<Untyped>): Promise<string[]> {
  const texts: string[] = [];
  await each(stream, (text) => texts.push(text));
  return texts;
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
