import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { readTls } from "../identity/tls.ts";
import { createLog } from "../process/log.ts";
import { testCertificates } from "../testing/certificates.ts";
import { type ListenerOptions, listen } from "./listener.ts";

const log = createLog({ service: "s", level: "silent" });

test("a new certificate is taken up without a restart", async () => {
  await using world = await startListener();
  const before = await world.connect();
  await world.certificates.identity("server");
  let after = before;
  for (let tries = 0; tries < 100 && after.serial === before.serial; tries++) {
    await sleep(10);
    after = await world.connect();
  }
  expect(after.serial).not.toBe(before.serial);
  expect(after.protocol).toBe("TLSv1.3");
  expect(after.alpn).toBe("h2");
});

test("nothing older than TLS 1.3 is spoken", async () => {
  await using world = await startListener();
  await expect(world.connect({ maxVersion: "TLSv1.2" })).rejects.toThrow(/version/i);
});

test("noise on the port does no harm", async () => {
  await using world = await startListener();
  for (const noise of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05hello", "PRI * HTTP/2.0"]) {
    for (const ALPNProtocols of [["h2"], ["http/1.1"]]) {
      const { socket } = await world.connect({ ALPNProtocols });
      socket.on("error", () => undefined);
      socket.write(noise);
      socket.write(Buffer.alloc(100, 0xff));
      await sleep(20);
      socket.destroy();
    }
  }
  expect((await world.connect()).alpn).toBe("h2");
});

test("who proves no identity and says nothing is shown out, who proves one may stay", async () => {
  await using world = await startListener({ strangerIdleMs: 50 });
  const stranger = connectHttp2(world.url, { ca: world.ca });
  const peer = connectHttp2(world.url, readTls(await world.certificates.identity("peer")));
  await once(stranger, "close");
  await sleep(100);
  expect(peer.closed).toBe(false);
  peer.destroy();
});

/** A listener whose certificate is short-lived, so that the next one asked for is another. */
async function startListener(over: Partial<ListenerOptions> = {}) {
  const certificates = await testCertificates();
  const tls = await certificates.identity("server", { lifeMs: 60_000 });
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls,
    log,
    handle: (_request, response) => void (response as { end(): void }).end(),
    certificateCheckMs: 20,
    ...over,
  });
  const ca = readFileSync(certificates.caFile);
  return {
    certificates,
    ca,
    url: `https://localhost:${listener.port}`,
    async connect(over: ConnectionOptions = {}) {
      const options = {
        host: "localhost",
        port: listener.port,
        ca,
        ALPNProtocols: ["h2"],
        ...over,
      };
      const socket: TLSSocket = connect(options);
      await once(socket, "secureConnect");
      const { serialNumber: serial } = socket.getPeerCertificate();
      const { alpnProtocol: alpn } = socket;
      return { socket, serial, alpn, protocol: socket.getProtocol() };
    },
    async [Symbol.asyncDispose]() {
      await listener.drain(0);
      await listener.destroy();
      await certificates[Symbol.asyncDispose]();
    },
  };
}
