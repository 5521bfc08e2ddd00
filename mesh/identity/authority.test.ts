import { createPrivateKey, X509Certificate } from "node:crypto";
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { testCertificates } from "../testing/certificates.ts";
import { ensureAuthority, issueLeaf, issueServerCertificate } from "./authority.ts";
import { certificateIdentity } from "./tls.ts";

const certificates = await testCertificates();
const { authority, dir } = certificates;
afterAll(() => certificates[Symbol.asyncDispose]());

const read = (file: string) => new X509Certificate(readFileSync(file));

test("a leaf names one identity and this machine, for a day, under the authority", async () => {
  const leaf = read((await issueLeaf(authority, { name: "ledger-service", dir })).certFile);
  const ca = read(certificates.caFile);
  expect(leaf.checkIssued(ca)).toBe(true);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.ca).toBe(false);
  expect(ca.ca).toBe(true);
  expect(leaf.subjectAltName).toBe(
    "URI:spiffe://bursar/ledger-service, DNS:localhost, " +
      "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
  const lifeHours = (Date.parse(leaf.validTo) - Date.now()) / 3_600_000;
  expect(lifeHours).toBeGreaterThan(23.9);
  expect(lifeHours).toBeLessThanOrEqual(24);
});

test("keys are readable by their owner only", async () => {
  const { keyFile } = await issueLeaf(authority, { name: "private", dir });
  for (const file of [keyFile, join(dir, "ca-key.pem")])
    expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("asked again, it hands out what it kept; what is old or another's is made anew", async () => {
  const again = await ensureAuthority(dir);
  expect(again.certificate.fingerprint256).toBe(authority.certificate.fingerprint256);
  const serial = async (lifeMs?: number) => {
    const options = { name: "kept", dir, ...(lifeMs && { lifeMs }) };
    return read((await issueLeaf(authority, options)).certFile).serialNumber;
  };
  const old = await serial(1_000);
  const fresh = await serial();
  expect(fresh).not.toBe(old);
  expect(await serial()).toBe(fresh);
  await using other = await testCertificates();
  const foreign = await issueLeaf(other.authority, { name: "kept", dir });
  expect(read(foreign.certFile).serialNumber).not.toBe(fresh);
});

test("a leaf that lacks a name it should have is made anew", async () => {
  const issue = (hosts: string[]) => issueLeaf(authority, { name: "named", dir, hosts });
  const serialWith = async (...hosts: string[]) => read((await issue(hosts)).certFile).serialNumber;
  const first = await serialWith("localhost", "::1");
  expect(await serialWith("localhost", "::1")).toBe(first);
  expect(await serialWith("localhost", "a.internal")).not.toBe(first);
});

test("a leaf that is no certificate, or not its key's, is made anew", async () => {
  const files = await issueLeaf(authority, { name: "spoilt", dir });
  const other = await issueLeaf(authority, { name: "other", dir });
  for (const spoil of [
    () => writeFileSync(files.certFile, "x"),
    () => cpSync(other.keyFile, files.keyFile),
  ]) {
    spoil();
    const { certFile, keyFile } = await issueLeaf(authority, { name: "spoilt", dir });
    expect(read(certFile).checkPrivateKey(createPrivateKey(readFileSync(keyFile)))).toBe(true);
  }
});

test("whoever makes the authority at the same time gets the same one", async () => {
  const fresh = join(dir, "raced");
  const made = await Promise.all(Array.from({ length: 8 }, () => ensureAuthority(fresh)));
  const serials = made.map(({ certificate }) => certificate.serialNumber);
  expect(new Set(serials).size).toBe(1);
  expect(readdirSync(fresh).sort()).toEqual(["ca-key.pem", "ca.pem"]);
  cpSync(join(dir, "ca-key.pem"), join(fresh, "ca-key.pem"));
  await expect(ensureAuthority(fresh)).rejects.toThrow(/is not the key of/);
});

test.each(["ca", "", "../x", "A", "a/b", "-"])("no leaf is called %j", async (name) => {
  await expect(issueLeaf(authority, { name, dir })).rejects.toThrow(/is no name of an identity/);
});

test("a public door's certificate has no identity and is no client's", async () => {
  const hosts = ["pay.example.com", "2001:db8::7"];
  const { certFile } = await issueServerCertificate(authority, { name: "door", dir, hosts });
  const door = read(certFile);
  expect(door.subjectAltName).toBe("DNS:pay.example.com, IP Address:2001:DB8:0:0:0:0:0:7");
  expect(door.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
});

test.each<[string | undefined, string | undefined]>([
  ["URI:spiffe://bursar/cms-service, DNS:localhost", "spiffe://bursar/cms-service"],
  ["DNS:localhost", undefined],
  ["URI:spiffe://bursar/a, URI:spiffe://bursar/b", undefined],
  ["URI:spiffe://bursar/a, URI:https://x.test/", undefined],
  ["URI:spiffe://elsewhere/a", undefined],
  ["URI:spiffe://bursar/a/b", undefined],
  ['DNS:"x, URI:spiffe://bursar/a"', undefined],
  [undefined, undefined],
])("of the names %s the identity is %s", (subjectaltname, identity) => {
  expect(certificateIdentity({ subjectaltname: subjectaltname as string })).toBe(identity);
});
