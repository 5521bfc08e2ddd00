// Makes the certificates of the mesh: a local authority, and short-lived leaves
// whose URI name is the identity `spiffe://bursar/<name>`. Development and tests
// use what production would get from its own authority: the same files.

import "reflect-metadata";
import {
  createPrivateKey,
  createPublicKey,
  KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { TlsFiles } from "../process/config.ts";
import { identityPrefix } from "./tls.ts";

const hourMs = 3_600_000;
const authorityLifeMs = 3_650 * 24 * hourMs;
const leafLifeMs = 24 * hourMs;
/** A kept leaf is made anew when less than this part of its life is left. */
const leafLeftMin = 1 / 3;
/** Certificates begin a little earlier, for machines whose clocks differ. */
const clockSkewMs = 5 * 60_000;
const authorityName = "Bursar local authority";
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export type Authority = {
  readonly caFile: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
};

/** The authority kept in `dir`, made there on first use, whoever else makes it at the same time. */
export async function ensureAuthority(dir: string): Promise<Authority> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const caFile = join(dir, "ca.pem");
  const keyFile = join(dir, "ca-key.pem");
  if (!existsSync(keyFile)) writeFirst(keyFile, pemOf((await generateKeys()).privateKey), 0o600);
  const key = createPrivateKey(readFileSync(keyFile));
  if (!existsSync(caFile)) writeFirst(caFile, await authorityCertificate(key), 0o644);
  const certificate = new X509Certificate(readFileSync(caFile));
  if (!certificate.checkPrivateKey(key)) {
    throw new Error(`${keyFile} is not the key of ${caFile}: bring back the right one of the two`);
  }
  return { caFile, certificate, key };
}

export type LeafOptions = {
  readonly name: string;
  readonly dir: string;
  /** DNS names and addresses the certificate is valid for. */
  readonly hosts?: readonly string[];
  /** Shorter than a day in tests of expiry. */
  readonly lifeMs?: number;
};

const leafName = /^[a-z][a-z0-9-]*$/;
/** How this machine is called by itself. */
export const localHosts = ["localhost", "127.0.0.1", "::1"] as const;

/** The mesh certificate of `spiffe://bursar/<name>`; kept files are used while they last. */
export function issueLeaf(authority: Authority, options: LeafOptions): Promise<TlsFiles> {
  const identity = { type: "url", value: `${identityPrefix}${options.name}` } as const;
  return issue(authority, options, { identities: [identity], client: true });
}

/** The certificate of a public HTTPS listener: no identity, and no use as a client. */
export function issueServerCertificate(
  authority: Authority,
  options: LeafOptions,
): Promise<TlsFiles> {
  return issue(authority, options, { identities: [], client: false });
}

async function authorityCertificate(key: KeyObject): Promise<string> {
  const [privateKey, publicKey] = [
    key.toCryptoKey(algorithm, false, ["sign"]),
    createPublicKey(key).toCryptoKey(algorithm, true, ["verify"]),
  ];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf(authorityName),
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
    ...validity(authorityLifeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

async function issue(
  authority: Authority,
  { name, dir, hosts = localHosts, lifeMs = leafLifeMs }: LeafOptions,
  { identities, client }: { identities: x509.JsonGeneralNames; client: boolean },
): Promise<TlsFiles> {
  if (!leafName.test(name) || name === "ca") {
    throw new Error(`${name} is no name of an identity: lower-case letters, digits and dashes`);
  }
  const certFile = join(dir, `${name}.pem`);
  const keyFile = join(dir, `${name}-key.pem`);
  const files = { caFile: authority.caFile, certFile, keyFile };
  const wanted = [...identities.map(({ value }) => value as string), ...hosts];
  if (isFresh(authority, files, { lifeMs, wanted })) return files;

  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate.raw);
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: nameOf(name),
    publicKey: keys.publicKey,
    issuer: issuer.subjectName,
    signingKey: authority.key.toCryptoKey(algorithm, false, ["sign"]),
    signingAlgorithm: algorithm,
    ...validity(lifeMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(client ? [serverAuth, clientAuth] : [serverAuth]),
      new x509.SubjectAlternativeNameExtension([...identities, ...hosts.map(hostName)]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.AuthorityKeyIdentifierExtension(keyIdOf(issuer)),
    ],
  });
  writeWhole(keyFile, pemOf(keys.privateKey), 0o600);
  writeWhole(certFile, `${certificate.toString("pem")}\n`, 0o644);
  return files;
}

/** True when the kept leaf is this authority's and its key's, says what is wanted, and lasts. */
function isFresh(
  { certificate: ca }: Authority,
  { certFile, keyFile }: TlsFiles,
  { lifeMs, wanted }: { readonly lifeMs: number; readonly wanted: readonly string[] },
): boolean {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  try {
    const leaf = new X509Certificate(readFileSync(certFile));
    const names = new Set(alternativeNames(leaf));
    return (
      Date.parse(leaf.validTo) - Date.now() >= lifeMs * leafLeftMin &&
      wanted.every((name) => names.has(name)) &&
      leaf.verify(ca.publicKey) &&
      leaf.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))
    );
  } catch {
    // Not what we wrote: it is written again.
    return false;
  }
}

/** The URIs, hosts and addresses that a certificate names. */
export function alternativeNames({ raw }: X509Certificate): readonly string[] {
  const names = new x509.X509Certificate(raw).getExtension(x509.SubjectAlternativeNameExtension);
  return names?.names.items.map(({ value }) => value) ?? [];
}

function generateKeys() {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

/** As the authority calls its key; whoever made it chose how. */
function keyIdOf(issuer: x509.X509Certificate): string {
  const extension = issuer.getExtension(x509.SubjectKeyIdentifierExtension);
  if (!extension) throw new Error(`${issuer.subject} has no subject key identifier`);
  return extension.keyId;
}

function nameOf(commonName: string): x509.JsonName {
  return [{ CN: [commonName] }];
}

function hostName(value: string): x509.JsonGeneralName {
  return { type: isIP(value) ? "ip" : "dns", value };
}

function validity(lifeMs: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - clockSkewMs), notAfter: new Date(now + lifeMs) };
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }).toString();
}

/** Whole or not at all: a reader never sees half a file. */
function writeWhole(file: string, text: string, mode: number): void {
  const partial = partialOf(file);
  writeFileSync(partial, text, { mode });
  renameSync(partial, file);
}

/** As above, but what is there already stays. */
function writeFirst(file: string, text: string, mode: number): void {
  const partial = partialOf(file);
  writeFileSync(partial, text, { mode });
  try {
    linkSync(partial, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(partial);
  }
}

function partialOf(file: string): string {
  return `${file}.${randomBytes(6).toString("hex")}`;
}
