import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { echo, startEchoServer, type Untyped } from "#mesh/testing/echo-server.ts";
import { keepRenewed, renewAll } from "./certificates.ts";

const run = promisify(execFile);
const lifeMs = 3_000;

test("calls go on while certificates end and are renewed; who is left behind is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const { authority, dir } = certificates;
  const service = await certificates.identity("test-service", { lifeMs });
  const kept = await certificates.identity("test-client", { lifeMs });
  const problems: string[] = [];
  const onTrouble = (line: string) => void problems.push(line);
  stack.use(keepRenewed({ authority, dir, lifeMs, onTrouble }));
  const behind = stack.use(await testCertificates(authority));
  const leftBehind = await behind.identity("test-client", { lifeMs });
  const server = stack.use(await startEchoServer({}, { config: { tls: service } }));
  const clientOf = (tls: typeof kept): Untyped =>
    stack.use(openClient(echo.service as Untyped, { url: server.url, tls })).rpc;
  const [client, left] = [clientOf(kept), clientOf(leftBehind)];
  expect((await left.echo({ text: "in time" })).text).toBe("in time");

  const seen = new Set<string>();
  let calls = 0;
  for (const end = performance.now() + 2.5 * lifeMs; performance.now() < end; calls++) {
    expect((await client.echo({ text: `${calls}` })).text).toBe(`${calls}`);
    for (const { certFile } of [service, kept]) seen.add(readFileSync(certFile, "utf8"));
    await sleep(20);
  }

  expect(problems).toEqual([]);
  // Both were replaced, and more than once: the first and its successor have ended by now.
  expect(seen.size).toBeGreaterThanOrEqual(6);
  const refused = ConnectError.from(
    await left.echo({ text: "late" }).catch((error: unknown) => error),
  );
  expect(requestRefusalOf(refused)?.refusal).toBe(RequestRefusal.UNAUTHENTICATED);
  // The same with a connection of its own: the handshake says nothing, the gate does.
  const late = clientOf(leftBehind);
  const again = ConnectError.from(
    await late.echo({ text: "late" }).catch((error: unknown) => error),
  );
  expect(requestRefusalOf(again)?.refusal).toBe(RequestRefusal.UNAUTHENTICATED);
});

test("the command gives a service its files, the same as long as they last", async () => {
  await using certificates = await testCertificates();
  const ask = (...args: string[]) => {
    const script = join(import.meta.dirname, "identity.ts");
    return run(process.execPath, [script, ...args, "--dir", certificates.dir]);
  };
  const [first, again] = [await ask("receipt-service"), await ask("receipt-service")];
  const file = (name: string) => join(certificates.dir, name);
  expect(first.stdout.trim().split("\n")).toEqual([
    `export TLS_CA_FILE=${file("ca.pem")}`,
    `export TLS_CERT_FILE=${file("receipt-service.pem")}`,
    `export TLS_KEY_FILE=${file("receipt-service-key.pem")}`,
  ]);
  expect(again).toEqual(first);
  const more = await ask("receipt-service", "--host", "receipt.internal");
  expect(more.stdout).toBe(first.stdout);
  const leaf = new X509Certificate(readFileSync(file("receipt-service.pem")));
  expect(leaf.subjectAltName).toMatch(
    /^URI:spiffe:\/\/bursar\/receipt-service, .*receipt.internal/,
  );
  for (const name of ["", "ca", "door", "browser", "../x"]) {
    await expect(ask(name), name).rejects.toMatchObject({ code: 2 });
  }
});

test("every leaf beside its key is renewed with the names it has, and nothing else is", async () => {
  await using certificates = await testCertificates();
  const { authority, dir } = certificates;
  const hosts = ["pay.example.com", "127.0.0.1", "::1"];
  const door = await issueServerCertificate(authority, {
    name: "door",
    dir,
    hosts,
    lifeMs: 60_000,
  });
  const own = await certificates.identity("own-service", { lifeMs: 60_000 });
  const read = () =>
    [authority.caFile, door.certFile, own.certFile].map((file) => readFileSync(file, "utf8"));
  const before = read();

  expect(await renewAll({ authority, dir })).toEqual([]);

  const after = read();
  expect(after.map((text, n) => text === before[n])).toEqual([true, false, false]);
  expect(await renewAll({ authority, dir })).toEqual([]);
  expect(read()).toEqual(after);
});
