import { brotliCompressSync, gzipSync } from "node:zlib";
import { fromJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { echo, send, sendJson, startEchoServer, type Untyped } from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";
import { scanJson } from "./json.ts";
import { checkJson } from "./json-fields.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const path = "/bursar.testing.v1.EchoService/Echo";
const int64Max = 2n ** 63n - 1n;
let server: TestServer;

beforeAll(async () => {
  server = await startEchoServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const inexact = ["1e2", '"0x10"', "0x10", "100.5", "1.0", "9007199254740993", `"${int64Max + 1n}"`];

test.each([...inexact, '"1e2"', '""', '" 1"', '"+1"', '"01"', '"1.0"', "-9007199254740992"])(
  "an int64 written as %s is refused by the name of its field",
  async (text) => {
    const { status, json } = await sendJson(server, `{"amountMinor":${text}}`);
    expect(status).toBe(400);
    expect(json.code).toBe("invalid_argument");
    // 0x10 without quotes is not even JSON.
    if (text === "0x10") return;
    expect(json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_INEXACT_NUMBER");
    expect(json.details[0].debug.problems).toMatchObject([{ field: "amount_minor" }]);
  },
);

test.each([
  "0",
  "-5",
  "9007199254740991",
  "-9007199254740991",
  `"${int64Max}"`,
  `"${-int64Max - 1n}"`,
  "null",
])("an int64 written as %s is taken exactly", async (text) => {
  const { status, json } = await sendJson(server, `{"amount_minor":${text}}`);
  expect(status).toBe(200);
  const expected = text === "null" ? undefined : text.replaceAll('"', "");
  expect(json.amountMinor ?? "0").toBe(expected ?? "0");
});

test.each([
  ['{"unsigned":-1}', "unsigned"],
  ['{"unsigned":"18446744073709551616"}', "unsigned"],
  ['{"zigzag":1e2}', "zigzag"],
  ['{"fixed":1e2}', "fixed"],
  ['{"signedFixed":1e2}', "signed_fixed"],
  ['{"many":[1,"2",3.5]}', "many[2]"],
  ['{"byNumber":{"0x10":"a"}}', "by_number[0x10]"],
  ['{"byName":{"a b":1e2}}', 'by_name["a b"]'],
  ['{"nested":{"nested":{"amountMinor":1e2}}}', "nested.nested.amount_minor"],
  ['{"children":[{},{"amount_minor":1e2}]}', "children[1].amount_minor"],
  ['{"namedChildren":{"x":{"unsigned":1e2}}}', 'named_children["x"].unsigned'],
  ['{"wrapped":1e2}', "wrapped"],
  ['{"wrappedUnsigned":"-1"}', "wrapped_unsigned"],
  ['{"manyWrapped":["1",1e2]}', "many_wrapped[1]"],
  ['{"chosen":1e2}', "chosen"],
  ['{"called":1e2}', "renamed"],
  ['{"renamed":1e2}', "renamed"],
])("%s is refused as %s", async (body, field) => {
  const { json } = await sendJson(server, body);
  expect(json.details[0].debug).toMatchObject({
    refusal: "REQUEST_REFUSAL_INEXACT_NUMBER",
    problems: [{ field }],
  });
});

test.each([
  ['{"text":"a","text":"b"}', "text"],
  ['{"amountMinor":1,"amount_minor":2}', "amount_minor"],
  ['{"nested":{"text":"a","text":"b"}}', "nested.text"],
  ['{"byName":{"a":1,"a":2}}', 'by_name["a"]'],
  ['{"unknown":{"a":1,"a":2}}', "unknown.a"],
])("%s is refused: %s appears twice", async (body, field) => {
  const { status, json } = await sendJson(server, body);
  expect(status).toBe(400);
  expect(json.details[0].debug).toMatchObject({
    refusal: "REQUEST_REFUSAL_DUPLICATE_FIELD",
    problems: [{ field }],
  });
});

test.each<[string, string | Uint8Array]>([
  ["cut short", '{"text":'],
  ["not UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)],
  ["too deep", `${'{"nested":'.repeat(100)}{}${"}".repeat(100)}`],
  ["empty", ""],
])("JSON that is %s is the caller's mistake", async (_name, body) => {
  const { status, json } = await sendJson(server, "", { body });
  expect([status, json.code]).toEqual([400, "invalid_argument"]);
  expect(json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_MALFORMED");
});

test.each([
  ['{"text":true}', "text", "must be a string, got true or false"],
  ['{"small":true}', "small", "must be a number, got true or false"],
  ['{"small":1.5}', "small", "must be a whole number from -2147483648 to 2147483647"],
  ['{"many":[1,{}]}', "many[1]", "must be a number, got an object"],
  ['{"many":[1,null]}', "many[1]", "must not be null"],
  ['{"many":1}', "many", "must be an array, got a number"],
  [
    '{"nested":{"children":[{"byName":[]}]}}',
    "nested.children[0].by_name",
    "must be an object, got an array",
  ],
  [
    '{"nested":{"chosen":1,"other":"a"}}',
    "nested.other",
    "excludes chosen: only one of choice may be set",
  ],
  ['{"wrapped":{}}', "wrapped", "must be a number, got an object"],
  ["[]", "", "must be an object, got an array"],
])("%s is refused: %s %s", async (body, field, problem) => {
  const { status, json } = await sendJson(server, body);
  expect([status, json.code]).toEqual([400, "invalid_argument"]);
  const { refusal, problems } = json.details[0].debug;
  expect(refusal).toBe("REQUEST_REFUSAL_MALFORMED");
  expect(problems).toEqual([field ? { field, problem } : { problem }]);
});

describe("a field that the message does not have", () => {
  const body = '{"nested":{"txet":"a"},"unsinged":1}';

  test("is refused by its name: it may be a typing error in one that moves money", async () => {
    const { status, json } = await sendJson(server, body);
    expect(status).toBe(400);
    expect(json.details[0].debug).toMatchObject({
      refusal: "REQUEST_REFUSAL_UNKNOWN_FIELD",
      problems: [{ field: "nested.txet" }, { field: "unsinged" }],
    });
  });

  test("is dropped for a caller that says it knows a newer schema, and nothing else is", async () => {
    const headers = { "bursar-unknown-fields": "ignore" };
    expect((await sendJson(server, body, { headers })).status).toBe(200);
    const query = { connect: "v1", encoding: "json", message: body };
    const get = `${path}?${new URLSearchParams(query)}`;
    expect((await send(server, get)).status).toBe(400);
    expect((await send(server, get, { headers })).status).toBe(200);
    const inexactToo = '{"unsinged":1,"amountMinor":1e2}';
    const { json } = await sendJson(server, inexactToo, { headers });
    expect(json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_INEXACT_NUMBER");
  });
});

test("half a character is no JSON text", async () => {
  const { json } = await sendJson(server, '{"nested":{"text":"\\ud800"}}');
  expect(json).toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("text"),
  });
  expect(json.details[0].debug.refusal).toBe("REQUEST_REFUSAL_MALFORMED");
});

test.each([
  ['{"text":"a\\u0000b"}', "text"],
  ['{"children":[{},{"nested":{"other":"\\u0000"}}]}', "children[1].nested.other"],
])("%s is refused: %s is no text", async (body, field) => {
  const { status, json } = await sendJson(server, body);
  expect(status).toBe(400);
  expect(json.details[0].debug).toMatchObject({
    refusal: "REQUEST_REFUSAL_INVALID_FIELD",
    problems: [{ field }],
  });
});

describe("every way that JSON comes in", () => {
  const bad = '{"amountMinor":1e2}';
  const good = '{"text":"ok","amountMinor":"5"}';
  const enveloped = (body: string, compress?: (bytes: Buffer) => Buffer) => {
    const data = compress ? compress(Buffer.from(body)) : Buffer.from(body);
    const head = Buffer.alloc(5);
    head[0] = compress ? 1 : 0;
    head.writeUInt32BE(data.byteLength, 1);
    return Buffer.concat([head, data]);
  };
  const post = (headers: Record<string, string>, body: string | Buffer, to = path) =>
    send(server, to, { headers, body });
  const get = (query: Record<string, string>) =>
    send(server, `${path}?${new URLSearchParams({ connect: "v1", encoding: "json", ...query })}`);
  const plain = { "content-type": "application/json" };
  const grpc = { "content-type": "application/grpc+json" };
  const web = { "content-type": "application/grpc-web+json" };
  const stream = { "content-type": "application/connect+json" };
  const collect = "/bursar.testing.v1.EchoService/Collect";

  const ways: Record<string, (body: string) => Promise<Untyped>> = {
    plain: (body) => post(plain, body),
    "plain with a charset": (body) =>
      post({ "content-type": "application/json; charset=utf-8" }, body),
    gzip: (body) => post({ ...plain, "content-encoding": "gzip" }, gzipSync(body)),
    brotli: (body) => post({ ...plain, "content-encoding": "br" }, brotliCompressSync(body)),
    GET: (body) => get({ message: body }),
    "GET with base64": (body) =>
      get({ base64: "1", message: Buffer.from(body).toString("base64url") }),
    "GET with gzip": (body) =>
      get({
        base64: "1",
        compression: "gzip",
        message: gzipSync(body).toString("base64url"),
      }),
    gRPC: (body) => post(grpc, enveloped(body)),
    "gRPC with gzip": (body) =>
      post({ ...grpc, "grpc-encoding": "gzip" }, enveloped(body, gzipSync)),
    "gRPC-Web": (body) => post(web, enveloped(body)),
    "gRPC-Web with brotli": (body) =>
      post({ ...web, "grpc-encoding": "br" }, enveloped(body, brotliCompressSync)),
    "Connect stream": (body) => post(stream, enveloped(body), collect),
    "Connect stream, second message, gzip": (body) =>
      post(
        { ...stream, "connect-content-encoding": "gzip" },
        Buffer.concat([enveloped("{}"), enveloped(body, gzipSync)]),
        collect,
      ),
  };

  test.each(Object.keys(ways))("%s", async (name) => {
    const refused = await ways[name]?.(bad);
    const text = JSON.stringify(refused.headers) + refused.body.toString("latin1");
    expect(text).toContain("amount_minor");
    expect(text).not.toContain('"amountMinor":"100"');
    const taken = await ways[name]?.(good);
    expect(taken.status).toBe(200);
    expect(taken.body.toString("latin1")).toContain('"text":"');
  });

  test("what is small when compressed and large when not is refused", async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024, " "));
    const answer = await post({ ...plain, "content-encoding": "gzip" }, bomb);
    expect([answer.status, answer.json.code]).toEqual([429, "resource_exhausted"]);
    const framed = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), bomb]);
    framed.writeUInt32BE(bomb.byteLength, 1);
    const stop = await post({ ...web, "grpc-encoding": "gzip" }, framed);
    expect(stop.body.toString("latin1")).toContain("grpc-status: 8");
  });

  test("an encoding nobody knows is unimplemented", async () => {
    const answer = await post({ ...plain, "content-encoding": "zstd" }, good);
    expect(answer.json.code).toBe("unimplemented");
  });
});

test(`what the door lets through is decoded to exactly what was written (seed ${seed})`, () => {
  const digits = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String);
  const odd = fc.array(fc.constantFrom(..."0123456789-+.eEx ")).map((parts) => parts.join(""));
  const token = fc.oneof(digits, fc.double().map(String), odd);
  const property = fc.property(token, fc.boolean(), (text, quoted) => {
    const body = `{"amountMinor":${quoted ? JSON.stringify(text) : text}}`;
    const scan = scanJson(body);
    if (!scan.ok || checkJson(echo.request, scan.value).inexact.length > 0) return;
    const message = fromJsonString(echo.request, body) as Untyped;
    expect(message.amountMinor).toBe(BigInt(text));
  });
  fc.assert(property, { seed, numRuns: 5_000 });
});
