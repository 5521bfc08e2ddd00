import "reflect-metadata";
import { KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import { type TestCertificates, testCertificates } from "#mesh/testing/certificates.ts";
import { createCertificates } from "./certificates.ts";

const name = "messageverificationcerts.paypal.com";
const url = "https://api.paypal.com/v1/notifications/certs/CERT-1";
const dayMs = 86_400_000;
const rsa = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

let certificates: TestCertificates;
let other: TestCertificates;
let server: ReturnType<typeof createServer>;
let baseUrl: string;
let reply: { status: number; body: string | Buffer; headers?: Record<string, string> };
let asked: string[];
let now: Date;

beforeAll(async () => {
  certificates = await testCertificates();
  other = await testCertificates();
  const { authority, dir } = certificates;
  const files = await issueServerCertificate(authority, { name: "certs", dir });
  const tls = { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
  server = createServer(tls, (request, response) => {
    asked.push(request.url ?? "");
    if (reply.status > 0) response.writeHead(reply.status, reply.headers).end(reply.body);
    else response.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  baseUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await certificates[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});
beforeEach(() => {
  asked = [];
  now = new Date();
});

test("a certificate in the right name under a trusted root is found, fetched once", async () => {
  reply = { status: 200, body: await pemOf({}) };
  const it = open();
  const [one, two] = await Promise.all([it.get(url), it.get(url)]);
  expect(one).toMatchObject({ certificate: expect.any(X509Certificate) });
  expect(two).toBe(one);
  expect(await it.get(url)).toBe(one);
  expect(asked).toEqual(["/v1/notifications/certs/CERT-1"]);
  now = new Date(now.getTime() + 2 * dayMs);
  await it.get(url);
  expect(asked, "not for ever").toHaveLength(2);
});

test.each<[string, () => Promise<string>, string]>([
  ["another name", () => pemOf({ name: "evil.example" }), "does not bear the name"],
  ["a name around it", () => pemOf({ name: `${name}.evil.example` }), "does not bear the name"],
  ["another root", () => pemOf({ signer: other }), "leads to no trusted root"],
  ["one that has ended", () => pemOf({ fromMs: -2 * dayMs, toMs: -dayMs }), "is not valid now"],
  ["one that has not begun", () => pemOf({ fromMs: dayMs, toMs: 2 * dayMs }), "is not valid now"],
  ["an authority", () => pemOf({ ca: true }), "is an authority's"],
  ["no certificate", async () => "<html>", "is no certificate"],
  ["a broken one", async () => (await pemOf({})).replace(/[A-Z]{5}/, "@@@@@"), "is no certificate"],
  ["too large a text", async () => "x".repeat(100_000), "is larger than"],
])("refuses: %s, and remembers that", async (_, body, detail) => {
  reply = { status: 200, body: await body() };
  const it = open();
  for (let again = 0; again < 2; again++) {
    expect(await it.get(url)).toEqual({
      problem: "refused",
      detail: expect.stringContaining(detail),
    });
  }
  expect(asked).toHaveLength(1);
});

test("faults are not remembered for long, and no redirect is followed", async () => {
  const it = open();
  reply = { status: 503, body: "" };
  expect(await it.get(url)).toMatchObject({ problem: "unreachable" });
  reply = { status: 0, body: "" };
  now = new Date(now.getTime() + 10_000);
  expect(await it.get(url)).toMatchObject({ problem: "unreachable" });
  reply = { status: 302, body: "", headers: { location: `${baseUrl}/elsewhere` } };
  now = new Date(now.getTime() + 10_000);
  expect(await it.get(url)).toMatchObject({ problem: "refused", detail: "it was answered 302" });
  expect(asked).not.toContain("/elsewhere");
});

test("no other address is asked for, and no more than a few at a time or in a minute", async () => {
  const it = open();
  for (const strange of ["https://evil.example/CERT-1", "http://api.paypal.com/x", "", "x"]) {
    expect(await it.get(strange)).toMatchObject({ problem: "refused" });
  }
  expect(asked).toEqual([]);
  reply = { status: 404, body: "" };
  await Promise.all(Array.from({ length: 50 }, (_, n) => it.get(`${url}-${n}`)));
  expect(asked).toHaveLength(4);
  for (let n = 100; n < 200; n++) await it.get(`${url}-${n}`);
  expect(asked).toHaveLength(60);
});

test("instead of the providers only loopback can be asked", () => {
  for (const strange of [
    "https://evil.example",
    "http://127.0.0.1",
    "https://127.0.0.1.evil.example",
  ]) {
    const instead = { baseUrl: strange, ca: "" };
    expect(() => createCertificates({ now: () => now, instead })).toThrow(strange);
  }
});

function open() {
  const ca = readFileSync(certificates.caFile, "utf8");
  return createCertificates({ now: () => now, instead: { baseUrl, ca } });
}

type Leaf = {
  name?: string;
  signer?: TestCertificates;
  fromMs?: number;
  toMs?: number;
  ca?: boolean;
};

async function pemOf({ name: common = name, signer = certificates, ca = false, ...valid }: Leaf) {
  const { certificate, key } = signer.authority;
  const keys = await webcrypto.subtle.generateKey(rsa, true, ["sign", "verify"]);
  const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${common}`,
    issuer: new x509.X509Certificate(certificate.raw).subject,
    publicKey: keys.publicKey,
    signingKey: KeyObject.from(key.toCryptoKey(ecdsa, false, ["sign"])).toCryptoKey(ecdsa, false, [
      "sign",
    ]),
    signingAlgorithm: ecdsa,
    notBefore: new Date(Date.now() + (valid.fromMs ?? -dayMs)),
    notAfter: new Date(Date.now() + (valid.toMs ?? 30 * dayMs)),
    extensions: [new x509.BasicConstraintsExtension(ca, undefined, true)],
  });
  return leaf.toString("pem");
}
