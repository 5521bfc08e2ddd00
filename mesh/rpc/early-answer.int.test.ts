import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { startEchoServer } from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";

const tooLarge = "x".repeat(400_000);
const small = JSON.stringify({ requestId: "r", text: "still there" });

type Sent = readonly [name: string, headers: Readonly<Record<string, string>>, body: string];

test.each<Sent>([
  ["whose size was said", { "content-length": `${tooLarge.length}` }, tooLarge],
  ["in chunks", { "transfer-encoding": "chunked" }, `${chunked(tooLarge)}0\r\n\r\n`],
])(
  "after a request that is too large, %s, its connection serves the next",
  async (_name, headers, body) => {
    await using server = await startEchoServer();
    const socket = await dial(server);
    socket.write(head(headers) + body);
    socket.write(head({ "content-length": `${small.length}`, connection: "close" }) + small);
    const answers = await textOf(socket);
    expect(answers).toMatch(/^HTTP\/1\.1 429 [\s\S]*HTTP\/1\.1 200 OK/);
    expect(answers).toContain("still there");
  },
);

test("a connection whose rest does not come is closed", async () => {
  await using server = await startEchoServer();
  const socket = await dial(server);
  // Too large by what was sent, and more is said to follow.
  socket.write(head({ "transfer-encoding": "chunked" }) + chunked(tooLarge));
  expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 429 /);
});

async function dial(server: TestServer): Promise<TLSSocket> {
  const tls = readTls(await server.certificates.identity("test-client"));
  const { port } = server;
  const socket = connect({ ...tls, host: "localhost", port, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  return socket;
}

function head(headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({
    host: "localhost",
    "content-type": "application/json",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /bursar.testing.v1.EchoService/Write HTTP/1.1\r\n${lines.join("")}\r\n`;
}

function chunked(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

async function textOf(socket: TLSSocket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}
