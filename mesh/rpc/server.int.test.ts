import { connect as connectHttp2 } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { readTls } from "../identity/tls.ts";
import {
  echo,
  echoClient,
  echoed,
  http2Status,
  send,
  sendJson,
  startEchoServer,
  type Untyped,
} from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";
import { requestRefusalOf } from "./errors.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startEchoServer({
    echo(request, context) {
      if (request.text === "throw") throw new TypeError("password=hunter2 in relation account");
      if (request.text === "fault") {
        throw Object.assign(new Error("connect to 10.0.0.1"), { code: "ECONNREFUSED" });
      }
      if (request.text === "sleep") return new Promise(() => undefined);
      return echoed(request, context);
    },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("protocols", () => {
  const transports: Record<string, () => Untyped> = {
    "Connect over HTTP/2": () => transport(createConnectTransport, { httpVersion: "2" }),
    "Connect over HTTP/1.1": () => transport(createConnectTransport, { httpVersion: "1.1" }),
    "Connect GET over HTTP/1.1": () =>
      transport(createConnectTransport, { httpVersion: "1.1", useHttpGet: true }),
    "Connect with JSON": () =>
      transport(createConnectTransport, { httpVersion: "2", useBinaryFormat: false }),
    "Connect GET with JSON": () =>
      transport(createConnectTransport, {
        httpVersion: "2",
        useBinaryFormat: false,
        useHttpGet: true,
      }),
    gRPC: () => transport(createGrpcTransport, {}),
    "gRPC with JSON": () => transport(createGrpcTransport, { useBinaryFormat: false }),
    "gRPC-Web over HTTP/1.1": () => transport(createGrpcWebTransport, { httpVersion: "1.1" }),
    "gRPC-Web over HTTP/2": () => transport(createGrpcWebTransport, { httpVersion: "2" }),
  };

  test.each(Object.keys(transports))(
    "%s answers, and refuses with a typed detail",
    async (name) => {
      const client: Untyped = createClient(echo.service, await transports[name]?.());
      const response = await client.echo({ text: "hello", amountMinor: 2n ** 62n });
      expect(response).toMatchObject({
        text: "hello",
        amountMinor: 2n ** 62n,
        identity: "spiffe://bursar/test-client",
      });

      const error = await client.echo({ text: "x".repeat(101), small: -1 }).catch(asError);
      expect(error.code).toBe(Code.InvalidArgument);
      expect(requestRefusalOf(error)).toMatchObject({
        refusal: RequestRefusal.INVALID_FIELD,
        problems: [{ field: "text" }, { field: "small" }],
      });
    },
  );

  test("streams, and validates every message of one", async () => {
    const client: Untyped = createClient(
      echo.service,
      await transport(createConnectTransport, { httpVersion: "2" }),
    );
    const texts = [];
    for await (const { text } of client.repeat({ text: "again" })) texts.push(text);
    expect(texts).toEqual(["again", "again", "again"]);
    expect(await client.collect(messages("a", "b"))).toMatchObject({ text: "a b" });

    const error = await client.collect(messages("a", "x".repeat(101))).catch(asError);
    expect(requestRefusalOf(error)?.problems).toMatchObject([{ field: "text" }]);
  });

  test("a gRPC client of another make is served", async () => {
    const { ca, cert, key } = readTls(await server.certificates.identity("test-client"));
    const client = new grpc.Client(
      `localhost:${server.port}`,
      grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert)),
    );
    const answer = await grpcCall(client, { text: "hello" });
    expect(answer).toMatchObject({ text: "hello", identity: "spiffe://bursar/test-client" });
    const refused = (await grpcCall(client, { text: "x".repeat(101) }).catch(
      (error) => error,
    )) as grpc.ServiceError;
    expect(refused.code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(refused.metadata.get("grpc-status-details-bin")).toHaveLength(1);
    client.close();
  });

  test("a method nobody has is unimplemented, in every protocol", async () => {
    const path = "/bursar.testing.v1.EchoService/Nothing";
    const plain = await send(server, path, json("{}"));
    expect([plain.status, plain.json.code]).toEqual([404, "unimplemented"]);
    const type = { "content-type": "application/grpc-web+proto" };
    const web = await send(server, path, { headers: type, body: "" });
    expect(web.headers["grpc-status"]).toBe("12");
  });
});

describe("errors", () => {
  test.each(["[", "%%%"])(
    "an authority of %j does not take the process down",
    async (authority) => {
      const session = connectHttp2(
        server.url,
        readTls(await server.certificates.identity("test-client")),
      );
      const status = await http2Status(session, "/bursar.testing.v1.EchoService/Echo", {
        ":authority": authority,
      });
      expect(status).toBe(400);
      session.close();
    },
  );

  test("a bug is opaque to the caller and logged with its cause", async () => {
    const client = await echoClient(server);
    const error = await client.echo({ text: "throw" }).catch(asError);
    expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
    expect(error.details).toEqual([]);
    const line = server.logLines.findLast(({ level }) => level === "error");
    expect(line).toMatchObject({ error: { name: "TypeError" } });
  });

  test("a fault is unavailable, and does not say what failed", async () => {
    const client = await echoClient(server);
    const error = await client.echo({ text: "fault" }).catch(asError);
    expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "try again later"]);
  });

  // One row a format and what does not fit it: bytes, or JSON of another shape.
  test.each<[string, Uint8Array]>([
    ["proto", Uint8Array.of(0x0a, 0xff, 0xff)],
    ["json", Buffer.from('{"text":')],
    ["json", Buffer.from('{"text":5}')],
  ])(
    "%s that is no message is the caller's mistake, in every protocol",
    async (format, garbage) => {
      const path = "/bursar.testing.v1.EchoService/Echo";
      const envelope = Buffer.concat([Buffer.of(0, 0, 0, 0, garbage.byteLength), garbage]);
      const answerTo = (type: string, body: Uint8Array) =>
        send(server, path, { headers: { "content-type": `application/${type}` }, body });

      const plain = await answerTo(format, garbage);
      expect([plain.status, plain.json.code]).toEqual([400, "invalid_argument"]);
      expect(plain.json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_MALFORMED");

      const web = await answerTo(`grpc-web+${format}`, envelope);
      expectMalformed(findTrailerError(trailerParse(web.body.subarray(5))));

      const { headers } = await answerTo(`grpc+${format}`, envelope);
      expectMalformed(findTrailerError(new Headers(headers as Record<string, string>)));
    },
  );
});

describe("limits", () => {
  test.each<[string, string, string]>([
    ["Connect", "application/proto", "resource_exhausted"],
    ["Connect with JSON", "application/json", "resource_exhausted"],
  ])("a request over the method's limit is refused: %s", async (_name, type, code) => {
    const answer = await send(server, "/bursar.testing.v1.EchoService/Write", {
      headers: { "content-type": type },
      body: Buffer.alloc(65_537, " "),
    });
    expect([answer.status, answer.json.code]).toEqual([429, code]);
  });

  test("a request over the limit is refused in gRPC, and the connection lives on", async () => {
    const client: Untyped = createClient(echo.service, await transport(createGrpcTransport, {}));
    const error = await client.write({ text: "x".repeat(2_000_000) }).catch(asError);
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(await client.write({ text: "small" })).toMatchObject({ text: "small" });
  });

  test.each([
    ["Connect", "application/json", "connect-timeout-ms", "600000"],
    ["gRPC-Web", "application/grpc-web+json", "grpc-timeout", "10M"],
    ["gRPC", "application/grpc+json", "grpc-timeout", "10M"],
  ])("a deadline is given where none is asked for, and cut to the longest: %s", async (...row) => {
    const [protocol, type, header, long] = row;
    const leftMs = async (headers: Record<string, string>) => {
      const body = protocol === "Connect" ? "{}" : Buffer.from("\0\0\0\0\x02{}");
      const path = "/bursar.testing.v1.EchoService/Echo";
      const answer = await send(server, path, {
        headers: { "content-type": type, ...headers },
        body,
      });
      return Number(/"timeLeftMs":"(\d+)"/.exec(answer.body.toString())?.[1]);
    };
    expectWithin(await leftMs({}), 500, 1_000);
    expectWithin(await leftMs({ [header]: long }), 1_500, 2_000);
    expectWithin(await leftMs({ [header]: protocol === "Connect" ? "300" : "300m" }), 1, 300);
  });

  test("a handler that ignores its deadline does not hold the answer back", async () => {
    const client = await echoClient(server);
    const error = await client.echo({ text: "sleep" }, { timeoutMs: 100 }).catch(asError);
    expect(error.code).toBe(Code.DeadlineExceeded);
    const answer = await sendJson(server, '{"text":"sleep"}', {
      headers: { "connect-timeout-ms": "100" },
    });
    expect(answer.json).toMatchObject({ code: "deadline_exceeded" });
  });

  test("a body that does not come is not waited for beyond the deadline", async () => {
    const session = connectHttp2(
      server.url,
      readTls(await server.certificates.identity("test-client")),
    );
    const path = "/bursar.testing.v1.EchoService/Echo";
    const status = await http2Status(session, path, { "connect-timeout-ms": "100" }, false);
    expect(status).toBe(504);
    session.close();
  });
});

const json = (body: string) => ({ headers: { "content-type": "application/json" }, body });

function expectMalformed(error: ConnectError | undefined): void {
  expect(error?.code).toBe(Code.InvalidArgument);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.MALFORMED);
}

function expectWithin(value: number, min: number, max: number): void {
  expect(value).toBeGreaterThanOrEqual(min);
  expect(value).toBeLessThanOrEqual(max);
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}

async function* messages(...texts: string[]) {
  for (const text of texts) yield { text };
}

async function transport(make: Untyped, options: object): Promise<Untyped> {
  const nodeOptions = readTls(await server.certificates.identity("test-client"));
  return make({ baseUrl: server.url, nodeOptions, ...options });
}

function grpcCall(client: grpc.Client, request: object): Promise<Untyped> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/bursar.testing.v1.EchoService/Echo",
      (message: object) =>
        Buffer.from(toBinary(echo.request, create(echo.request, message as never))),
      (bytes) => fromBinary(echo.response, bytes),
      request,
      (error, response) => (error ? reject(error) : resolve(response)),
    );
  });
}
