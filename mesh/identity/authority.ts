// Makes the certificates of the mesh: a local authority, and short-lived leaves
// whose URI name is the identity `spiffe://bursar/<name>`. Development and tests
// use what production would get from its own authority: the same files.

import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { TlsFiles } from "../process/config.ts";
import { identityPrefix } from "./tls.ts";
import { type AlternativeName, createCertificate } from "./x509.ts";

const hourMs = 3_600_000;
const authorityLifeMs = 3_650 * 24 * hourMs;
const leafLifeMs = 24 * hourMs;
/** A kept leaf is made anew when less of its life than this is left. */
const leafLeftMsMin = 12 * hourMs;
/** Certificates begin a little earlier, for machines whose clocks differ. */
const clockSkewMs = 5 * 60_000;
const authorityName = "Bursar local authority";

export type Authority = {
  readonly caFile: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
};

/** The authority kept in `dir`, made there on first use. */
export function ensureAuthority(dir: string): Authority {
  const caFile = join(dir, "ca.pem");
  const keyFile = join(dir, "ca-key.pem");
  if (!existsSync(caFile) || !existsSync(keyFile)) makeAuthority(dir, caFile, keyFile);
  return {
    caFile,
    certificate: new X509Certificate(readFileSync(caFile)),
    key: createPrivateKey(readFileSync(keyFile)),
  };
}

export type LeafOptions = {
  readonly name: string;
  readonly dir: string;
  /** DNS names and addresses the certificate is valid for. */
  readonly hosts?: readonly string[];
  /** Shorter than a day in tests of expiry. */
  readonly lifeMs?: number;
};

const localHosts = ["localhost", "127.0.0.1", "::1"] as const;

/** The mesh certificate of `spiffe://bursar/<name>`; kept files are used while they last. */
export function issueLeaf(authority: Authority, options: LeafOptions): TlsFiles {
  const identity = { kind: "uri", value: `${identityPrefix}${options.name}` } as const;
  return issue(authority, options, { identities: [identity], client: true });
}

/** The certificate of a public HTTPS listener: no identity, and no use as a client. */
export function issueServerCertificate(authority: Authority, options: LeafOptions): TlsFiles {
  return issue(authority, options, { identities: [], client: false });
}

function makeAuthority(dir: string, caFile: string, keyFile: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = createCertificate({
    subject: authorityName,
    subjectKey: privateKey,
    issuer: authorityName,
    issuerKey: privateKey,
    ...validity(authorityLifeMs),
    use: { kind: "authority" },
  });
  writeKey(keyFile, privateKey);
  writeWhole(caFile, pem, 0o644);
}

function issue(
  authority: Authority,
  { name, dir, hosts = localHosts, lifeMs = leafLifeMs }: LeafOptions,
  { identities, client }: { identities: readonly AlternativeName[]; client: boolean },
): TlsFiles {
  const certFile = join(dir, `${name}.pem`);
  const keyFile = join(dir, `${name}-key.pem`);
  const files = { caFile: authority.caFile, certFile, keyFile };
  if (isFresh(authority, files)) return files;

  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = createCertificate({
    subject: name,
    subjectKey: privateKey,
    issuer: authorityName,
    issuerKey: authority.key,
    ...validity(lifeMs),
    use: { kind: "leaf", names: [...identities, ...hosts.map(hostName)], client, server: true },
  });
  writeKey(keyFile, privateKey);
  writeWhole(certFile, pem, 0o644);
  return files;
}

/** True when the kept leaf is this authority's, belongs to its key, and has enough life left. */
function isFresh({ certificate: ca }: Authority, { certFile, keyFile }: TlsFiles): boolean {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  const leaf = new X509Certificate(readFileSync(certFile));
  const leftMs = Date.parse(leaf.validTo) - Date.now();
  return (
    leftMs >= leafLeftMsMin &&
    leaf.verify(ca.publicKey) &&
    leaf.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))
  );
}

function hostName(value: string): AlternativeName {
  return { kind: isIP(value) ? "ip" : "dns", value };
}

function validity(lifeMs: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - clockSkewMs), notAfter: new Date(now + lifeMs) };
}

function writeKey(file: string, key: KeyObject): void {
  writeWhole(file, key.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
}

/** Whole or not at all: a reader never sees half a file. */
function writeWhole(file: string, text: string, mode: number): void {
  const partial = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(partial, text, { mode });
  renameSync(partial, file);
}
