// Transport security of the mesh: PEM files in, and the identity that a peer
// proved with its certificate out.

import { readFileSync } from "node:fs";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { TlsFiles } from "../process/config.ts";

export const identityPrefix = "spiffe://bursar/";
/** Of every page in a browser. No certificate proves it: it is what callers without one are. */
export const browserIdentity = `${identityPrefix}browser`;

export type TlsMaterial = { readonly ca: string; readonly cert: string; readonly key: string };

export function readTls({ caFile, certFile, keyFile }: TlsFiles): TlsMaterial {
  return {
    ca: readFileSync(caFile, "utf8"),
    cert: readFileSync(certFile, "utf8"),
    key: readFileSync(keyFile, "utf8"),
  };
}

type PeerIdentity = { readonly identity: string; readonly expiresAtMs: number };

const identities = new WeakMap<TLSSocket, PeerIdentity | undefined>();

/**
 * Identity of the other side, or undefined when it proved none: no certificate,
 * one of another authority, one without exactly one identity, or one that has
 * expired since the connection was made.
 */
export function peerIdentity(socket: TLSSocket, nowMs: number = Date.now()): string | undefined {
  if (!identities.has(socket)) identities.set(socket, provenIdentity(socket));
  const peer = identities.get(socket);
  return peer && nowMs < peer.expiresAtMs ? peer.identity : undefined;
}

function provenIdentity(socket: TLSSocket): PeerIdentity | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  const identity = certificateIdentity(certificate);
  if (identity === undefined) return undefined;
  return { identity, expiresAtMs: Date.parse(certificate.valid_to) };
}

/** The one `spiffe://bursar/<name>` among a certificate's alternative names. */
export function certificateIdentity(
  certificate: Pick<PeerCertificate, "subjectaltname"> | undefined,
): string | undefined {
  // Node quotes names that could be mistaken for a list, so that this split is safe.
  const uris = (certificate?.subjectaltname ?? "")
    .split(", ")
    .filter((name) => name.startsWith("URI:"))
    .map((name) => name.slice("URI:".length));
  const [identity] = uris;
  if (uris.length !== 1 || identity === undefined || identity === browserIdentity) return undefined;
  return identityPattern.test(identity) ? identity : undefined;
}

const identityPattern = /^spiffe:\/\/bursar\/[a-z][a-z0-9-]*$/;
