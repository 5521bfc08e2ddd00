// The HTTP/2 connection of a mesh client: mutual TLS, made on first use and made
// anew when the certificate files change, because certificates live a day.

import { statSync } from "node:fs";
import type { Http2Session } from "node:http2";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ConnectTransportOptions, Http2SessionManager } from "@connectrpc/connect-node";
import { certificateIdentity, readTls } from "../identity/tls.ts";
import type { TlsFiles } from "../process/config.ts";

export type SessionManager = NonNullable<
  Extract<ConnectTransportOptions, { httpVersion: "2" }>["sessionManager"]
> & { abort(reason?: Error): void };

export type SessionOptions = {
  readonly url: string;
  readonly tls: TlsFiles;
  /** Identity the server must prove beside its host name; undefined: any of the mesh. */
  readonly serverIdentity: string | undefined;
};

const keepAlive = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
const filesCheckMs = 10_000;

export function createSessions(options: SessionOptions): SessionManager {
  let current: { manager: Http2SessionManager; version: string } | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;
  const old = new Set<Http2SessionManager>();
  const { origin } = new URL(options.url);

  function manager(): Http2SessionManager {
    const now = performance.now();
    if (current && now - checkedAt < filesCheckMs) return current.manager;
    checkedAt = now;
    const version = filesVersion(options.tls);
    if (current?.version === version) return current.manager;
    // Calls on the old connection finish there; idle, it closes by itself.
    if (current) old.add(current.manager);
    current = { manager: new GuardedSessions(options), version };
    return current.manager;
  }

  return {
    authority: origin,
    request: (...request) => manager().request(...request),
    notifyResponseByteRead(stream) {
      for (const one of [current?.manager, ...old]) one?.notifyResponseByteRead(stream);
    },
    abort(reason) {
      for (const one of [current?.manager, ...old]) one?.abort(reason);
    },
  };
}

/**
 * A GOAWAY that meets a new request on an idle connection makes the session
 * emit an error after everybody has stopped listening, which would end the
 * process (connect-es#1768): an ordinary rolling deploy. Here somebody listens.
 */
class GuardedSessions extends Http2SessionManager {
  readonly #guarded = new WeakSet<Http2Session>();

  constructor({ url, tls, serverIdentity }: SessionOptions) {
    super(
      url,
      { ...keepAlive, idleConnectionTimeoutMs: 5 * 60_000 },
      {
        ...readTls(tls),
        minVersion: "TLSv1.3",
        settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
        checkServerIdentity: (host, certificate) => checkServer(host, certificate, serverIdentity),
      },
    );
  }

  override async request(...request: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...request);
    const { session } = stream;
    if (session && !this.#guarded.has(session)) {
      this.#guarded.add(session);
      session.on("error", () => undefined);
    }
    return stream;
  }
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

function filesVersion(files: TlsFiles): string {
  return [files.caFile, files.certFile, files.keyFile]
    .map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs)
    .join();
}
