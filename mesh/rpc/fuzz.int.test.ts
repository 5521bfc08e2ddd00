import { type ClientHttp2Session, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { send, startEchoServer } from "../testing/echo-server.ts";
import { echoPath, exchange, framed, type RawRequest } from "../testing/exchange.ts";
import type { TestServer } from "../testing/rpc.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
/** Longer: FUZZ_REQUESTS=100000 vitest run --project house mesh/rpc/fuzz */
const requestsMax = Number(process.env["FUZZ_REQUESTS"] ?? 600);

const good: RawRequest = { headers: { "content-type": "application/proto" }, body: "" };

test(`whatever comes, the server stays and answers the next good call (seed ${seed})`, async () => {
  await using server = await startEchoServer();
  const chance = createChance(seed);
  const tls = readTls(await server.certificates.identity("test-client"));
  const open = () => {
    const session = connect(server.url, tls);
    session.on("error", () => undefined);
    return session;
  };
  const healthy = open();
  const outcomes = new Map<string, number>();
  for (let sent = 0; sent < requestsMax; ) {
    const session = open();
    const batch = Array.from({ length: 30 }, () => oddRequest(chance));
    sent += batch.length;
    const answers = await Promise.all(batch.map((request) => answered(session, request)));
    for (const outcome of answers) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    session.destroy();
    await Promise.all([
      spoken(server, tls, "h2", oddFrames(chance)),
      spoken(server, tls, "http/1.1", oddText(chance)),
      spoken(server, tls, chance.pick(["h2", "http/1.1"]), chance.bytes(200)),
    ]);
    expect((await exchange(healthy, good)).outcome).toBe("ok");
  }
  // Nobody is told that the server is at fault, and nothing is held any more.
  expect(
    [...outcomes.keys()].filter((outcome) => /^(internal|unknown|unreadable)/.test(outcome)),
  ).toEqual([]);
  expect(outcomes.size).toBeGreaterThan(8);
  healthy.destroy();
  await expect.poll(() => held(server)).toEqual(["0", "0"]);
  const bugs = server.logLines.filter(({ level }) => level === "error");
  expect(bugs).toEqual([]);
  await server.stop();
  expect(server.logLines.at(-1)).toMatchObject({ message: "served", answered: true });
}, 600_000);

async function held(server: TestServer): Promise<(string | undefined)[]> {
  const { body } = await send(server, "/metrics");
  const value = (name: string) =>
    new RegExp(`^${name}\\{.*\\} (\\d+)$`, "m").exec(body.toString())?.[1];
  return [value("bursar_rpc_concurrency"), value("bursar_rpc_streams")];
}

async function answered(session: ClientHttp2Session, request: RawRequest): Promise<string> {
  try {
    const { outcome } = await exchange(session, { ...request, timeoutMs: 300 });
    const isCutOff = typeof request.body === "function";
    return outcome === "unreadable" && isCutOff ? "none" : outcome;
  } catch {
    // A watch that goes on, or what Node's own client would not send.
    return "none";
  }
}

function oddRequest(chance: Chance): RawRequest {
  const { pick } = chance;
  const path = pick([...paths, `/${chance.text(20)}`]);
  const headers: Record<string, string | undefined> = {
    ":method": pick(["POST", "POST", "POST", "POST", "GET", "PUT", "OPTIONS"]),
    "content-type": pick(types),
    [pick(["connect-timeout-ms", "grpc-timeout"])]: pick(timeouts),
    [pick(["content-encoding", "grpc-encoding", "connect-content-encoding"])]: pick(encodings),
    authorization: pick([undefined, undefined, undefined, `Bearer ${chance.text(30)}`]),
    [pick(["accept-encoding", "grpc-accept-encoding", "te", "connect-protocol-version"])]:
      pick(odds),
  };
  const bytes = oddBody(chance);
  if (chance.below(5) > 0) return { path, headers, body: bytes };
  // Some never end, and some stop in the middle.
  const reset = chance.below(2) === 0;
  return {
    path,
    headers,
    body(stream) {
      if (headers[":method"] !== "GET") stream.write(bytes);
      setTimeout(() => stream.close(reset ? 8 : 0), chance.below(20));
    },
  };
}

const service = "/bursar.testing.v1.EchoService";
const paths = [
  ...[echoPath, echoPath, `${service}/Write`, `${service}/Repeat`, `${service}/Collect`],
  ...["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/metrics", "/", "//"],
  ...["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", `${echoPath}?connect=v1`],
  `${echoPath}?connect=v1&encoding=json&message=%7B`,
  `${echoPath}?connect=v1&encoding=proto&base64=1&compression=gzip&message=AAAA`,
];
const types = [
  ...["application/proto", "application/json", "application/grpc", "application/grpc+json"],
  ...["application/grpc-web", "application/grpc-web+json", "application/connect+proto"],
  ...["application/connect+json", "application/json; charset=utf-16", "application/grpc+xml"],
  ...["", "text/plain", "application/", undefined],
];
const timeouts = [
  undefined,
  undefined,
  "100",
  "100m",
  "0",
  "99999999H",
  "-1",
  "1e9",
  "",
  "soon",
  "1n",
];
const encodings = [
  undefined,
  undefined,
  undefined,
  "gzip",
  "br",
  "identity",
  "zstd",
  "",
  "gzip, br",
];
const odds = [undefined, "gzip", "trailers", "2", "", ",,,", "\u00ff"];

function oddBody(chance: Chance): Buffer {
  const { pick } = chance;
  const message = pick([
    () => Buffer.from([0x0a, 2, 0x68, 0x69]),
    () => Buffer.from('{"text":"hi","amountMinor":"5"}'),
    () => Buffer.from(chance.text(60)),
    () => chance.bytes(60),
    () => Buffer.alloc(chance.below(200_000)),
  ])();
  const packed = pick([message, message, gzipSync(message), gzipSync(message).subarray(0, 15)]);
  const framedOnce = framed(packed, pick([0, 0, 1, 2, 3, 128, 255]));
  const body = pick([packed, framedOnce, framedOnce, Buffer.concat([framedOnce, framedOnce])]);
  if (chance.below(3) > 0) return body;
  // One byte other than it was, or an end before the end.
  const broken = Buffer.from(body.subarray(0, 1 + chance.below(body.byteLength + 1)));
  if (broken.byteLength > 0) broken[chance.below(broken.byteLength)] = chance.below(256);
  return broken;
}

/** HTTP/2's preface and settings, then frames that may be anything. */
function oddFrames(chance: Chance): Buffer {
  const parts = [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))];
  for (let count = chance.below(12); count >= 0; count--) {
    const type = chance.below(12);
    const stream = chance.pick([0, 1, 1, 3, 5, 2, 2 ** 31 - 1]);
    const size = chance.pick([0, 4, 5, 6, 8, chance.below(100)]);
    parts.push(frame(type, chance.below(256), stream, chance.bytes(size)));
  }
  return Buffer.concat(parts);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const verbs = ["POST", "GET", "PRI", "CONNECT"];
const versions = ["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""];

function oddText(chance: Chance): Buffer {
  const { pick } = chance;
  const lines = [
    [pick([...verbs, chance.text(5)]), pick(paths), pick(versions)].join(" "),
    pick(["host: localhost", "host: [", "Host", ""]),
    `content-type: ${pick(types)}`,
    pick(["content-length: 5", "content-length: -1", "content-length: 5\r\ncontent-length: 6"]),
    pick(["transfer-encoding: chunked", "transfer-encoding: gzip", "expect: 100-continue", "x: y"]),
    `${chance.text(10)}: ${chance.text(30)}`,
  ];
  const kept = lines.filter(() => chance.below(5) > 0);
  return Buffer.concat([
    Buffer.from(`${kept.join("\r\n")}\r\n\r\n`),
    oddBody(chance).subarray(0, 500),
  ]);
}

/** Says it on a connection of its own, and hangs up a little later. */
async function spoken(
  server: TestServer,
  tls: ReturnType<typeof readTls>,
  protocol: string,
  bytes: Buffer,
): Promise<void> {
  const socket = connectTls({
    host: "localhost",
    port: server.port,
    ...tls,
    ALPNProtocols: [protocol],
  });
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(bytes);
  await sleep(15);
  socket.destroy();
}

type Chance = ReturnType<typeof createChance>;

/** The same for the same seed. */
function createChance(from: number) {
  let state = from >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    below,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    bytes: (max: number) => Buffer.from(Array.from({ length: below(max + 1) }, () => below(256))),
    text: (max: number) =>
      Array.from({ length: below(max + 1) }, () => String.fromCharCode(33 + below(94))).join(""),
  };
}
