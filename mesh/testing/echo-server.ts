// The echo service on a test server, and plain HTTP requests to it as a foreign
// client would write them.

import { readFileSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Client, HandlerContext } from "@connectrpc/connect";
import { readTls } from "../identity/tls.ts";
import type { TlsFiles } from "../process/config.ts";
import { callerOf } from "../rpc/caller.ts";
import { currentCall } from "../rpc/deadline.ts";
import { currentTraceparent } from "../telemetry/trace.ts";
import { compileEcho } from "./echo.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "./rpc.ts";

export const echo = compileEcho();

/** echo.proto is compiled when the test runs, so its messages have no types. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Untyped = any;

export type EchoHandler = (request: Untyped, context: HandlerContext) => Untyped;

/** What the handler saw of its request and its call. */
export function echoed(request: Untyped, context: HandlerContext) {
  const call = currentCall();
  const { identity, learnerId } = callerOf(context);
  const leftMs = call?.deadlineAt === undefined ? 0 : call.deadlineAt - performance.now();
  return {
    text: request.text,
    amountMinor: request.amountMinor ?? 0n,
    timeLeftMs: BigInt(Math.ceil(leftMs)),
    identity,
    learnerId: learnerId ?? "",
    traceparent: currentTraceparent() ?? "",
  };
}

export function startEchoServer(
  handlers: Readonly<Record<string, EchoHandler>> = {},
  options: Partial<TestServerOptions> = {},
): Promise<TestServer> {
  const implementation = {
    echo: echoed,
    hurry: echoed,
    write: echoed,
    settle: echoed,
    export: echoed,
    async *repeat(request: Untyped, context: HandlerContext) {
      for (let count = 0; count < 3; count++) yield echoed(request, context);
    },
    async collect(requests: AsyncIterable<Untyped>, context: HandlerContext) {
      const texts = [];
      for await (const request of requests) texts.push(request.text);
      return echoed({ text: texts.join(" ") }, context);
    },
    ...handlers,
  };
  return startTestServer({
    routes: (router) => void router.service(echo.service, implementation as Untyped),
    ...options,
  });
}

export async function echoClient(server: TestServer, name?: string): Promise<Untyped> {
  return (await server.client(echo.service, name)) as Client<never>;
}

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly json: Untyped;
};

export type PlainRequest = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Client certificate; null: none. */
  readonly tls?: TlsFiles | null;
};

/** One HTTP/1.1 request with a connection of its own. */
export async function send(
  server: TestServer,
  path: string,
  plain: PlainRequest = {},
): Promise<Answer> {
  const { method, headers = {}, body } = plain;
  const { tls = await server.certificates.identity("test-client") } = plain;
  const ca = readFileSync(server.certificates.caFile);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpsRequest(
    `${server.url}${path}`,
    {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      agent: false,
      ...(tls && readTls(tls)),
      ca,
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: { ...response.headers, ...response.trailers },
          body: bytes,
          json: parsed(bytes),
        });
      });
    },
  );
  request.on("error", reject);
  request.end(body);
  return promise;
}

export function sendJson(server: TestServer, json: string, plain: PlainRequest = {}) {
  return send(server, "/bursar.testing.v1.EchoService/Echo", {
    ...plain,
    headers: { "content-type": "application/json", ...plain.headers },
    body: plain.body ?? json,
  });
}

function parsed(bytes: Buffer): Untyped {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** Status of one HTTP/2 request; `end` false: the body never ends. */
export function http2Status(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
  end = true,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/json",
    ...headers,
  });
  stream.on("response", (response) => resolve(Number(response[":status"])));
  stream.on("error", reject);
  stream.resume();
  if (end) stream.end("{}");
  return promise;
}
