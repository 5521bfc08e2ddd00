// The certificate of a process as its files hold it now. Whoever made them, a developer's command,
// cert-manager or SPIRE, replaces them while we run: new connections use the new pair, and a pair
// that is half-written or does not fit together is left alone.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { TlsFiles } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { openReloaded, type Reloaded } from "./reloaded.ts";
import { certificateIdentity, readTls, type TlsMaterial } from "./tls.ts";

export type ReloadOptions<M> = {
  readonly onChange?: (material: M) => void;
  readonly log?: Log | undefined;
  readonly metrics?: Metrics | undefined;
  readonly pollMs?: number | undefined;
};

/** `current` is another object after every change. */
export function openTls(
  options: ReloadOptions<TlsMaterial> & { readonly files: TlsFiles },
): Reloaded<TlsMaterial> {
  const { files } = options;
  const paths = [files.caFile, files.certFile, files.keyFile];
  return follow({ ...options, what: "certificate", files: paths, read: () => readTls(files) });
}

export type KeyPair = Omit<TlsMaterial, "ca">;
export type KeyPairFiles = Omit<TlsFiles, "caFile">;

/** Of a public listener, which asks nobody for a certificate. */
export function openKeyPair(
  options: ReloadOptions<KeyPair> & { readonly what: string; readonly files: KeyPairFiles },
): Reloaded<KeyPair> {
  const { certFile, keyFile } = options.files;
  const read = () => ({
    cert: readFileSync(certFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
  });
  return follow({ ...options, files: [certFile, keyFile], read });
}

type FollowOptions<M> = ReloadOptions<M> & {
  readonly what: string;
  readonly files: readonly string[];
  readonly read: () => M;
};

function follow<M extends KeyPair>(options: FollowOptions<M>): Reloaded<M> {
  const { what, metrics, log } = options;
  const expiry = metrics?.gauge({
    name: "bursar_certificate_expires_timestamp_seconds",
    help: "When a certificate of this process ends, in seconds since 1970",
    labels: ["what"],
    across: "min",
  });
  return openReloaded({
    ...options,
    read(before) {
      const material = options.read();
      const leaf = checkMaterial(material);
      if (before !== undefined) checkSuccessor(leaf, new X509Certificate(before.cert));
      else if (hasExpired(leaf)) log?.error(`${what} has expired`, { expired: leaf.validTo });
      expiry?.set({ what }, Date.parse(leaf.validTo) / 1_000);
      return material;
    },
  });
}

/** Throws unless key and certificate are a pair, and who is to trust others knows whom. */
export function checkMaterial(material: KeyPair & Partial<TlsMaterial>): X509Certificate {
  // Without an authority Node would trust all that the system trusts.
  if (material.ca !== undefined && certificatesIn(material.ca).length === 0) {
    throw new Error("the file of authorities holds none");
  }
  const [leaf] = certificatesIn(material.cert);
  if (leaf === undefined) throw new Error("the file of the certificate holds none");
  if (!leaf.checkPrivateKey(createPrivateKey(material.key))) {
    throw new Error("the key is not the key of the certificate");
  }
  return leaf;
}

function checkSuccessor(leaf: X509Certificate, before: X509Certificate): void {
  if (hasExpired(leaf)) throw new Error(`the new certificate has expired, ${leaf.validTo}`);
  const [was, is] = [before, leaf].map(identityOf);
  if (was !== is) throw new Error(`the new certificate is of ${is}, this process is ${was}`);
}

function hasExpired({ validTo }: X509Certificate): boolean {
  return Date.parse(validTo) <= Date.now();
}

function identityOf({ subjectAltName }: X509Certificate): string {
  return certificateIdentity({ subjectaltname: subjectAltName ?? "" }) ?? "nobody";
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  // Half a bundle would pass for a shorter one: an authority less, or a chain that ends too soon.
  const begun = pem.match(/-----BEGIN CERTIFICATE-----/g) ?? [];
  if (blocks.length > 0 && begun.length > blocks.length) {
    throw new Error("a file of certificates holds one that was cut short");
  }
  return blocks.map((block) => new X509Certificate(block));
}
