import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { expect, test } from "vitest";
import { readTls } from "#mesh/identity/tls.ts";
import { openBridge } from "./bridge.ts";
import { openPki } from "./pki.ts";

test("bytes pass both ways, and an end passes with them", async () => {
  await using far = await openFar((socket) => socket.pipe(socket));
  await using bridge = await openBridge(createServer(), () => connect(far.port, "127.0.0.1"));
  const socket = connect(bridge.port, "127.0.0.1");
  const text = "x".repeat(300_000);
  socket.end(text);
  expect(await textOf(socket)).toBe(text);
});

test("the last bytes arrive though the far side is gone already", async () => {
  const answer = "y".repeat(200_000);
  await using far = await openFar((socket) => socket.end(answer));
  await using bridge = await openBridge(createServer(), () => connect(far.port, "127.0.0.1"));
  expect(await textOf(connect(bridge.port, "127.0.0.1"))).toBe(answer);
});

test("a near side that breaks off takes the far side with it", async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  await using far = await openFar((socket) => {
    socket.on("error", () => undefined);
    socket.once("close", () => resolve());
    socket.resume();
  });
  await using bridge = await openBridge(createServer(), () => connect(far.port, "127.0.0.1"));
  const socket = connect(bridge.port, "127.0.0.1");
  await once(socket, "connect");
  await new Promise((written) => socket.write("x", written));
  socket.resetAndDestroy();
  await closed;
});

test("a far side that cannot be reached ends the near side", async () => {
  await using bridge = await openBridge(createServer(), () => connect(1, "127.0.0.1"));
  const socket = connect(bridge.port, "127.0.0.1");
  expect(await textOf(socket)).toBe("");
});

test("TLS is taken off on the way", async () => {
  using pki = await openPki();
  const tls = readTls(await pki.leaf("bridge"));
  await using far = await openFar((socket) => socket.end("plain"));
  await using bridge = await openBridge(createTlsServer(tls), () => connect(far.port, "127.0.0.1"));
  const socket = tlsConnect({ ca: tls.ca, host: "localhost", port: bridge.port });
  expect(await textOf(socket)).toBe("plain");
});

async function openFar(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: false }, serve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}
