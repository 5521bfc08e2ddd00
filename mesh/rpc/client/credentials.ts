// What a client proves and whom it believes: its certificate, read again when the files change,
// because certificates live a day, and the check that a server is who its policy names.

import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Reloaded } from "../../identity/reloaded.ts";
import { certificateIdentity, type TlsMaterial } from "../../identity/tls.ts";
import { openTls } from "../../identity/tls-reload.ts";
import type { TlsFiles } from "../../process/config.ts";
import type { Log } from "../../process/log.ts";
import { outsideCalls } from "./outside-calls.ts";

export type Credentials = Disposable & {
  /** Another object once the files have changed: connections made with the old one are replaced. */
  readonly current: () => SecureContext;
  /** Undefined: the server is the one we mean. */
  readonly checkServer: (host: string, certificate: PeerCertificate) => Error | undefined;
};

export type CredentialsOptions = {
  readonly tls: TlsFiles;
  /** Identity the server must prove beside its host name; undefined: any of the mesh. */
  readonly serverIdentity: string | undefined;
  readonly log: Log | undefined;
};

/** The files are read with the first call, and followed until this is disposed. */
export function createCredentials({ tls, serverIdentity, log }: CredentialsOptions): Credentials {
  const contexts = new WeakMap<TlsMaterial, SecureContext>();
  let files: Reloaded<TlsMaterial> | undefined;
  return {
    current() {
      files ??= outsideCalls(openTls, { files: tls, log });
      const material = files.current;
      const context =
        contexts.get(material) ?? createSecureContext({ ...material, minVersion: "TLSv1.3" });
      contexts.set(material, context);
      return context;
    },
    checkServer: (host, certificate) => checkServer(host, certificate, serverIdentity),
    [Symbol.dispose]: () => files?.[Symbol.dispose](),
  };
}

/** The certificate must be for the host, and for the service whose policy names its identity. */
export function checkServer(
  host: string,
  certificate: PeerCertificate,
  expected: string | undefined,
): Error | undefined {
  const identity = certificateIdentity(certificate);
  if (expected !== undefined && identity !== expected) {
    const proved = identity ?? "no identity";
    return new ConnectError(
      `the server must be ${expected}, it is ${proved}`,
      Code.Unauthenticated,
    );
  }
  return checkServerIdentity(host, certificate);
}
