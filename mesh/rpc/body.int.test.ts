import { type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { startEchoServer, type Untyped } from "../testing/echo-server.ts";

type Leave = (stream: ClientHttp2Stream) => void;

// Node's own `close` would end the request first.
const ways: [name: string, leave: Leave][] = [
  ["resets it", (stream) => stream.destroy(new Error("enough"))],
  ["resets it without an error", (stream) => stream.destroy()],
  ["loses its connection", (stream) => stream.session?.destroy()],
];

test.each(ways)("a stream whose caller %s is not taken for complete", async (_name, leave) => {
  const seen: unknown[] = [];
  const over = Promise.withResolvers<void>();
  await using server = await startEchoServer({
    async collect(requests: AsyncIterable<Untyped>) {
      try {
        for await (const { text } of requests) seen.push(text);
        seen.push("complete");
      } catch {
        seen.push("broken off");
      } finally {
        over.resolve();
      }
      return {};
    },
  });
  const tls = readTls(await server.certificates.identity("test-client"));
  const session = connect(server.url, tls);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/bursar.testing.v1.EchoService/Collect",
    "content-type": "application/connect+json",
  });
  stream.on("error", () => undefined);
  stream.write(encodeEnvelope(0, Buffer.from('{"text":"first"}')));
  await expect.poll(() => seen).toEqual(["first"]);
  leave(stream);
  await over.promise;
  expect(seen).toEqual(["first", "broken off"]);
  session.destroy();
});

test.each(ways)("a request whose caller %s reaches no handler", async (_name, leave) => {
  let handled = 0;
  await using server = await startEchoServer({
    write() {
      handled += 1;
      return {};
    },
  });
  const tls = readTls(await server.certificates.identity("test-client"));
  const session = connect(server.url, tls);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/bursar.testing.v1.EchoService/Write",
    "content-type": "application/json",
  });
  stream.on("error", () => undefined);
  stream.write('{"requestId":"r","text":"a whole message, and no end of it"}');
  await sleep(50);
  leave(stream);
  await sleep(100);
  expect(handled).toBe(0);
  session.destroy();
});
