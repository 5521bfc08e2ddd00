// The TLS connection below an HTTP/2 session: to an address, in the name of the service.

import { isIP } from "node:net";
import { connect, type SecureContext, type TLSSocket } from "node:tls";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Credentials } from "./credentials.ts";
import { neverSent } from "./failure.ts";

export type Target = {
  /** `https://<host>:<port>`: what the server's certificate and the requests name. */
  readonly origin: string;
  /** Where to connect to; undefined: wherever the system finds the host. */
  readonly address: string | undefined;
};

export type DialOptions = {
  readonly target: Target;
  readonly context: SecureContext;
  readonly checkServer: Credentials["checkServer"];
};

export function dial({ target, context, checkServer }: DialOptions): TLSSocket {
  const { hostname, port } = new URL(target.origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = connect({
    host: target.address ?? host,
    port: Number(port || 443),
    // The name stays the service's, whatever the address.
    ...(isIP(host) === 0 && { servername: host }),
    secureContext: context,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    checkServerIdentity: (_name, certificate) => checkServer(host, certificate),
  });
  socket.setNoDelay(true);
  return socket;
}

/** Why there is no connection. A server that is not who it must be is told apart from one away. */
export function notConnected(
  { origin, address }: Target,
  { authorizationError }: TLSSocket,
  cause: Error | undefined,
): ConnectError {
  const where = address === undefined ? origin : `${origin} at ${address}`;
  const why = cause?.message ?? "the connection was closed";
  const code = authorizationError ? Code.Unauthenticated : Code.Unavailable;
  return neverSent(`cannot connect to ${where}: ${why}`, cause, code);
}
