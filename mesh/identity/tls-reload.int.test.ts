import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { expect, test, vi } from "vitest";
import type { TlsFiles } from "../process/config.ts";
import { createLog } from "../process/log.ts";
import { createMetrics } from "../process/metrics.ts";
import { listen } from "../rpc/listener.ts";
import { type TestCertificates, testCertificates } from "../testing/certificates.ts";
import { issueLeaf } from "./authority.ts";
import { readTls } from "./tls.ts";
import { checkMaterial } from "./tls-reload.ts";

/** Far longer than a test waits: what is noticed sooner was told by the system. */
const pollMs = 600_000;
const protocols = ["h2", "http/1.1"];

test("a renewed certificate is served at once, in both protocols, without resuming sessions", async () => {
  await using world = await startWorld();
  const before = await world.serials();

  world.place(await world.certificates.identity("service", { lifeMs: 3_600_000 }));

  await vi.waitFor(async () => expect(await world.serials()).not.toEqual(before));
  const [h2, http1] = await world.serials();
  expect(h2).toBe(http1);
  // A resumed session would carry the first identity over to whoever shows it.
  const { socket } = await world.connect({ ALPNProtocols: ["h2"] });
  const [session] = (await once(socket.resume(), "session")) as [Buffer];
  const again = await world.connect({ ALPNProtocols: ["h2"], session });
  expect(again.socket.isSessionReused()).toBe(false);
  expect(await world.metric()).toContain('{what="certificate",outcome="taken",service="s"} 1');
});

test("a link that is turned to another folder is noticed, as Kubernetes mounts secrets", async () => {
  await using world = await startWorld({ linked: true });
  const before = await world.serials();

  world.place(await world.certificates.identity("service", { lifeMs: 3_600_000 }));

  await vi.waitFor(async () => expect(await world.serials()).not.toEqual(before));
});

test.each<[string, (world: World) => Promise<void>, RegExp]>([
  ["whose key is another's", otherKey, /the key is not the key/],
  ["cut short", async (world) => world.write("cert", (text) => text.slice(0, 200)), /holds none/],
  ["whose key is cut short", async (world) => world.write("key", (text) => text.slice(0, 80)), /./],
  ["whose authority is gone", async (world) => world.write("ca", () => ""), /authorities/],
  ["of another identity", otherIdentity, /is of spiffe:\/\/bursar\/other/],
  ["that has expired", expired, /has expired/],
])("a certificate %s is not taken, and said once", async (_name, spoil, problem) => {
  await using world = await startWorld();
  const before = await world.serials();

  await spoil(world);

  await vi.waitFor(() => expect(world.refusals()).toHaveLength(1));
  expect(world.refusals()[0]?.error.message).toMatch(problem);
  expect(JSON.stringify(world.refusals())).not.toMatch(/PRIVATE|BEGIN/);
  expect(await world.serials()).toEqual(before);
  // The same bytes again are no news.
  world.write("cert", (text) => text);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(world.refusals()).toHaveLength(1);

  world.place(await world.certificates.identity("service", { lifeMs: 3_600_000 }));
  await vi.waitFor(async () => expect(await world.serials()).not.toEqual(before));
});

test("while authorities change, both are trusted", async () => {
  await using world = await startWorld();
  await using next = await testCertificates();
  const isTrusted = async (files: TlsFiles) => {
    const { socket } = await world.connect({ ...readTls(files), ca: world.ca() });
    const proof = Promise.withResolvers<boolean>();
    // The server says nothing about it in the handshake: it answers a request with what it saw.
    socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.on("data", (answer) => proof.resolve(/authorized: true/.test(answer.toString())));
    return proof.promise;
  };
  const [old, fresh] = [await world.certificates.identity("a"), await next.identity("b")];
  expect([await isTrusted(old), await isTrusted(fresh)]).toEqual([true, false]);

  world.write("ca", (text) => text + readFileSync(next.caFile, "utf8"));
  await vi.waitFor(async () => expect(await isTrusted(fresh)).toBe(true));
  expect(await isTrusted(old)).toBe(true);

  world.write("ca", () => readFileSync(next.caFile, "utf8"));
  await vi.waitFor(async () => expect(await isTrusted(old)).toBe(false));
  expect(await isTrusted(fresh)).toBe(true);
});

test("a bundle that was cut short is not taken for a shorter one", async () => {
  await using certificates = await testCertificates();
  const material = readTls(await certificates.identity("a"));
  const half = material.ca.slice(0, material.ca.length / 2);
  for (const cut of [{ ca: material.ca + half }, { cert: material.cert + half }]) {
    expect(() => checkMaterial({ ...material, ...cut })).toThrow(/cut short/);
  }
});

test("an authority's file with anything but certificates is none", async () => {
  await using certificates = await testCertificates();
  const material = readTls(await certificates.identity("a"));
  expect(() => checkMaterial({ ...material, ca: material.key })).toThrow(/authorities/);
  expect(() =>
    checkMaterial({ ...material, cert: `${material.cert}${material.ca}` }),
  ).not.toThrow();
});

type World = Awaited<ReturnType<typeof startWorld>>;

async function otherKey(world: World): Promise<void> {
  const other = await world.certificates.identity("other");
  world.write("key", () => readFileSync(other.keyFile, "utf8"));
}

async function otherIdentity(world: World): Promise<void> {
  world.place(await world.certificates.identity("other"));
}

async function expired(world: World): Promise<void> {
  const { authority, dir } = world.certificates;
  world.place(await issueLeaf(authority, { name: "service", dir: join(dir, "old"), lifeMs: -1 }));
}

/** A listener whose files stand in a folder of their own, as a mount has them. */
async function startWorld({ linked = false } = {}) {
  const certificates: TestCertificates = await testCertificates();
  const first = await certificates.identity("service", { lifeMs: 60_000 });
  const mount = join(certificates.dir, "mount");
  mkdirSync(mount);
  let generation = 0;
  const files = {
    caFile: join(mount, "ca.crt"),
    certFile: join(mount, "tls.crt"),
    keyFile: join(mount, "tls.key"),
  };
  const copy = (from: TlsFiles, to: string) => {
    cpSync(from.caFile, join(to, "ca.crt"));
    cpSync(from.certFile, join(to, "tls.crt"));
    cpSync(from.keyFile, join(to, "tls.key"));
  };
  const place = (from: TlsFiles) => {
    if (!linked) return copy(from, mount);
    const data = `..${generation++}`;
    mkdirSync(join(mount, data));
    copy(from, join(mount, data));
    symlinkSync(data, join(mount, "..next"));
    renameSync(join(mount, "..next"), join(mount, "..data"));
    if (generation > 1) rmSync(join(mount, `..${generation - 2}`), { recursive: true });
  };
  if (linked) {
    for (const name of ["ca.crt", "tls.crt", "tls.key"]) {
      symlinkSync(join("..data", name), join(mount, name));
    }
  }
  place(first);
  const lines: { message: string; error: { message: string } }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const metrics = createMetrics("s");
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: files,
    log: createLog({ service: "s", level: "info", write }),
    metrics,
    certificateCheckMs: pollMs,
    handle: (request, response) => {
      const { authorized } = request.socket as TLSSocket;
      (response as { end(text: string): void }).end(`authorized: ${authorized}\n`);
    },
  });
  const ca = () => readFileSync(files.caFile);
  const trusted = readFileSync(first.caFile);
  const connectTo = async (over: ConnectionOptions = {}) => {
    const socket: TLSSocket = connect({
      host: "localhost",
      port: listener.port,
      ...over,
      ca: trusted,
    });
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    return { socket, serial: socket.getPeerCertificate().serialNumber };
  };
  return {
    certificates,
    ca,
    place,
    connect: connectTo,
    write(what: "ca" | "cert" | "key", change: (text: string) => string) {
      const file = files[`${what}File`];
      writeFileSync(file, change(readFileSync(file, "utf8")));
    },
    async serials() {
      const found = [];
      for (const protocol of protocols) {
        const { socket, serial } = await connectTo({ ALPNProtocols: [protocol] });
        expect(socket.alpnProtocol).toBe(protocol);
        socket.destroy();
        found.push(serial);
      }
      return found;
    },
    refusals: () => lines.filter(({ message }) => message.includes("not valid")),
    async metric() {
      const text = await metrics.render();
      return text.split("\n").find((line) => line.startsWith("bursar_identity_reloads_total{"));
    },
    async [Symbol.asyncDispose]() {
      await listener.drain(0);
      await listener.destroy();
      await certificates[Symbol.asyncDispose]();
    },
  };
}
