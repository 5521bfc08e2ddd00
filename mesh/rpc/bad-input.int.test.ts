import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { send, startEchoServer } from "../testing/echo-server.ts";
import {
  echoPath,
  exchange,
  framed,
  type RawAnswer,
  type RawRequest,
} from "../testing/exchange.ts";
import type { TestServer } from "../testing/rpc.ts";

let server: TestServer;
let session: ClientHttp2Session;

beforeAll(async () => {
  server = await startEchoServer({}, { grants: { reader: { scopes: ["testing.*.read"] } } });
  session = await openSession("test-client");
});
afterAll(async () => {
  session.destroy();
  await server[Symbol.asyncDispose]();
});

const service = "/bursar.testing.v1.EchoService";
const writePath = `${service}/Write`;
const collectPath = `${service}/Collect`;
const bomb = Buffer.alloc(8 * 1024 * 1024, " ");
// What each protocol calls its headers, and how it wraps a message.
const protocols = {
  connect: {
    type: "application/proto",
    timeout: "connect-timeout-ms",
    encoding: "content-encoding",
    wrap: (bytes: Uint8Array) => Buffer.from(bytes),
    flagged: (bytes: Uint8Array) => Buffer.from(bytes),
  },
  grpc: {
    type: "application/grpc+proto",
    timeout: "grpc-timeout",
    encoding: "grpc-encoding",
    wrap: (bytes: Uint8Array) => framed(bytes),
    flagged: (bytes: Uint8Array) => framed(bytes, 1),
  },
  "grpc-web": {
    type: "application/grpc-web+proto",
    timeout: "grpc-timeout",
    encoding: "grpc-encoding",
    wrap: (bytes: Uint8Array) => framed(bytes),
    flagged: (bytes: Uint8Array) => framed(bytes, 1),
  },
} as const;

type Protocol = (typeof protocols)[keyof typeof protocols];
type Case = (protocol: Protocol) => RawRequest;

const good: Case = ({ type, wrap }) => ({
  headers: { "content-type": type },
  body: wrap(Buffer.from([0x0a, 2, 0x68, 0x69])),
});

/** The good request with other headers. */
const withHeaders =
  (over: (protocol: Protocol) => Record<string, string | undefined>): Case =>
  (protocol) => {
    const { headers, ...rest } = good(protocol);
    return { ...rest, headers: { ...headers, ...over(protocol) } };
  };
const withTimeout = (connectMs: string, grpc: string): Case =>
  withHeaders(({ timeout }) => ({ [timeout]: timeout === "grpc-timeout" ? grpc : connectMs }));
const withBody =
  (body: (protocol: Protocol) => Uint8Array, path?: string): Case =>
  (protocol) => ({
    ...(path !== undefined && { path }),
    headers: { "content-type": protocol.type },
    body: body(protocol),
  });
const compressed =
  (name: string, bytes: Uint8Array): Case =>
  ({ type, encoding, flagged }) => ({
    headers: { "content-type": type, [encoding]: name },
    body: flagged(bytes),
  });

const malformed = "invalid_argument MALFORMED";
const tooLarge = "resource_exhausted TOO_LARGE";
const tooShort = "deadline_exceeded DEADLINE_TOO_SHORT";

const cases: Readonly<Record<string, readonly [Case, expected: string]>> = {
  "a good request": [good, "ok"],
  "a method nobody has": [
    (protocol) => ({ ...good(protocol), path: `${service}/Nothing` }),
    "unimplemented UNKNOWN_METHOD",
  ],
  "a service nobody has": [
    (protocol) => ({ ...good(protocol), path: "/nobody.v1.Nothing/Do" }),
    "unimplemented UNKNOWN_METHOD",
  ],
  "a path that is none": [
    (protocol) => ({ ...good(protocol), path: "/" }),
    "unimplemented UNKNOWN_METHOD",
  ],
  "an authority that is no host": [withHeaders(() => ({ ":authority": "[" })), malformed],
  "another HTTP method": [withHeaders(() => ({ ":method": "PUT" })), malformed],
  "GET for what changes something": [
    (protocol) => ({ ...withHeaders(() => ({ ":method": "GET" }))(protocol), path: writePath }),
    malformed,
  ],
  "a content type of a codec nobody has": [
    withHeaders(({ type }) => ({ "content-type": type.replace("proto", "thrift") })),
    malformed,
  ],
  "a deadline beyond every bound": [withTimeout("9999999999", "99999999H"), "ok"],
  "a deadline of nothing": [withTimeout("0", "0n"), tooShort],
  "a deadline below zero": [withTimeout("-1", "-1S"), malformed],
  "a deadline that is text": [withTimeout("soon", "soon"), malformed],
  "a deadline that is a fraction": [withTimeout("1.5", "1.5S"), malformed],
  "a deadline with too many digits": [withTimeout("10000000000", "100000000S"), malformed],
  "a body that is declared too large": [
    (protocol) => ({
      path: writePath,
      headers: { "content-type": protocol.type, "content-length": "70000" },
      body: (stream) => void stream.write(Buffer.alloc(100)),
    }),
    tooLarge,
  ],
  "a body that is too large": [
    withBody(({ wrap }) => wrap(Buffer.alloc(70_000)), writePath),
    tooLarge,
  ],
  "a gzip bomb": [compressed("gzip", gzipSync(bomb)), tooLarge],
  "a brotli bomb": [compressed("br", brotliCompressSync(bomb)), tooLarge],
  "gzip that is none": [compressed("gzip", Buffer.from("no gzip")), malformed],
  "gzip cut short": [compressed("gzip", gzipSync(Buffer.alloc(1_000)).subarray(0, 20)), malformed],
  "brotli that is none": [compressed("br", Buffer.alloc(50, 0xff)), malformed],
  "an encoding nobody knows": [compressed("zstd", Buffer.from("x")), "unimplemented MALFORMED"],
  "bytes that are no message": [
    withBody(({ wrap }) => wrap(Buffer.from([0x0a, 0xff, 0xff]))),
    malformed,
  ],
  "a message nested beyond every bound": [withBody(({ wrap }) => wrap(nested(20_000))), malformed],
  "text that is no UTF-8": [
    withBody(({ wrap }) => wrap(Buffer.from([0x0a, 2, 0xc3, 0x28]))),
    malformed,
  ],
};

/** Cases of frames: Connect's unary calls have none. */
const frames: Readonly<Record<string, readonly [Uint8Array, expected: string]>> = {
  "no frame": [Buffer.alloc(0), "unimplemented MALFORMED"],
  "half a head": [Buffer.from([0, 0]), malformed],
  "a frame cut short": [framed("abcdef").subarray(0, 8), malformed],
  "a frame that promises gigabytes": [Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0]), tooLarge],
  "a compressed frame without an encoding": [framed("abc", 1), malformed],
  "two messages for one call": [Buffer.concat([framed(""), framed("")]), "unimplemented MALFORMED"],
  "bytes after the message": [Buffer.concat([framed(""), Buffer.from("rest")]), malformed],
};

describe.each(Object.entries(protocols))("%s", (_name, protocol) => {
  test.each(Object.entries(cases))("%s", async (_case, [request, expected]) => {
    const before = await counted();
    const answer = await exchange(session, request(protocol));
    expect(answer.outcome).toBe(expected);
    expectNoInternals(answer);
    expect(await counted()).toBe(before + 1);
  });

  if (protocol.type !== "application/proto") {
    test.each(Object.entries(frames))("%s", async (_case, [body, expected]) => {
      for (const path of [echoPath, `${service}/Repeat`]) {
        const answer = await exchange(session, {
          path,
          headers: { "content-type": protocol.type },
          body,
        });
        expect(answer.outcome).toBe(expected);
        expectNoInternals(answer);
      }
    });
  }

  test("a caller that leaves in the middle leaves nothing behind", async () => {
    const before = await counted();
    for (let n = 0; n < 5; n++) {
      const answer = await exchange(session, {
        headers: { "content-type": protocol.type },
        body(stream) {
          stream.write(Buffer.from([0, 0, 0, 0, 9, 1]));
          setTimeout(() => stream.close(8), 5);
        },
      });
      expect(answer.outcome).toBe("reset 8");
    }
    await expect.poll(counted).toBe(before + 5);
  });

  test("whoever may not is told so before the body is looked at", async () => {
    for (const [name, expected] of [
      ["reader", "permission_denied SCOPE_MISSING"],
      ["friend", "permission_denied SCOPE_MISSING"],
      ["stranger", "permission_denied CALLER_NOT_ADMITTED"],
    ] as const) {
      const other = await openSession(name);
      const path = name === "reader" ? writePath : `${service}/Settle`;
      const headers = { "content-type": protocol.type };
      const answer = await exchange(other, { path, headers, body: "neither JSON nor a message" });
      expect(answer.outcome).toBe(expected);
      other.destroy();
    }
    const nobody = await openSession(undefined);
    const answer = await exchange(nobody, good(protocol));
    expect(answer.outcome).toBe("unauthenticated UNAUTHENTICATED");
    expectNoInternals(answer);
    nobody.destroy();
  });
});

describe("streams of Connect", () => {
  const type = "application/connect+proto";

  test.each<[string, RawRequest["headers"], Uint8Array | string, string]>([
    ["good", {}, framed(Buffer.from([0x0a, 1, 0x61])), "ok"],
    ["without a frame", {}, "", "ok"],
    ["of a frame cut short", {}, framed("abcdef").subarray(0, 8), malformed],
    ["of no message", {}, framed(Buffer.from([0x0a, 0xff])), malformed],
    [
      "with a good message before a bad one",
      {},
      Buffer.concat([framed(""), framed("\n\xff")]),
      malformed,
    ],
    ["too large", {}, Buffer.from([0, 0xff, 0, 0, 0]), tooLarge],
    ["compressed without an encoding", {}, framed("abc", 1), malformed],
    [
      "of an unknown encoding",
      { "connect-content-encoding": "zstd" },
      framed(""),
      "unimplemented MALFORMED",
    ],
    ["with a deadline that is text", { "connect-timeout-ms": "soon" }, framed(""), malformed],
    ["for a unary call", { ":path": echoPath }, framed(""), malformed],
  ])("%s", async (_name, headers, body, expected) => {
    const answer = await exchange(session, {
      path: collectPath,
      headers: { "content-type": type, ...headers },
      body,
    });
    expect(answer.outcome).toBe(expected);
    expectNoInternals(answer);
  });
});

test.each([undefined, "text/plain", "application/x-www-form-urlencoded", "nonsense"])(
  "a content type of %s is refused in words",
  async (type) => {
    const answer = await exchange(session, { headers: { "content-type": type }, body: "{}" });
    expect([answer.status, answer.outcome]).toEqual([415, malformed]);
    expect(answer.headers["accept-post"]).toContain("application/proto");
  },
);

test("headers beyond their bound are refused in HTTP/1.1, and reset in HTTP/2", async () => {
  const before = await counted();
  const long = await send(server, echoPath, { headers: { long: "x".repeat(40_000) }, body: "{}" });
  expect([long.status, long.json.code]).toEqual([431, "resource_exhausted"]);
  expect(await counted()).toBe(before + 1);
  const other = await openSession("test-client");
  other.on("error", () => undefined);
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`name-${n}`, "value"]));
  const answer = await exchange(other, { headers: many }).catch(() => undefined);
  expect(answer?.status).toBeUndefined();
  other.destroy();
  expect((await exchange(session, good(protocols.connect))).outcome).toBe("ok");
});

test("what is not even a request is counted", async () => {
  const before = await counted();
  const noise = Buffer.alloc(100, 0xff);
  connectTcp(server.port, "127.0.0.1")
    .on("error", () => undefined)
    .end(noise);
  await expect.poll(counted).toBe(before + 1);
  const tls = readTls(await server.certificates.identity("test-client"));
  for (const [index, protocol] of ["h2", "http/1.1"].entries()) {
    const options = { host: "localhost", port: server.port, ...tls, ALPNProtocols: [protocol] };
    connectTls(options)
      .on("error", () => undefined)
      .end(noise);
    await expect.poll(counted).toBe(before + 2 + index);
  }
});

/** Requests that were counted, as calls or as what never became one. */
async function counted(): Promise<number> {
  const { body } = await send(server, "/metrics");
  const lines = body.toString().matchAll(/^bursar_rpc_(?:requests|unserved)_total\{.*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

const internals =
  /openssl|OpenSSL|\bssl|node:|node_modules|\.[cm]?[jt]s\b| {4}at |errno|\bE(RR_|CONN|NOENT|PIPE)|configured|zlib|Z_[A-Z]+|undici|\/work\//;

function expectNoInternals({ text }: RawAnswer): void {
  expect(text).not.toMatch(internals);
}

async function openSession(name: string | undefined): Promise<ClientHttp2Session> {
  const { ca, ...pair } = readTls(await server.certificates.identity(name ?? "nobody"));
  return connect(server.url, name === undefined ? { ca } : { ca, ...pair });
}

function nested(depth: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (let level = 0; level < depth; level++) {
    const head = Buffer.from([0x52, ...varint(length)]);
    parts.unshift(head);
    length += head.byteLength;
  }
  return Buffer.concat(parts);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
