// The public listener: HTTPS without client certificates, or plain HTTP on loopback for a proxy
// in front; HTTP/1.1, everything bounded. Stopping lets accepted requests finish first.

import { once } from "node:events";
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type KeyPair, openKeyPair } from "#mesh/identity/tls-reload.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { isLoopback } from "./addresses.ts";

export type DoorConfig = {
  readonly host: string;
  /** Zero: any free port. */
  readonly port: number;
  /** Undefined, both: plain HTTP, and the host must be loopback. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly connectionsMax: number;
  /** From the first byte of a request to the last. */
  readonly requestTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** Given where several processes listen on the port: a session of one is known to the others. */
  readonly ticketKeys?: Buffer;
};

export type Handle = (
  request: IncomingMessage,
  response: ServerResponse,
  connection: { readonly closing: boolean },
) => void;

export type Door = AsyncDisposable & { readonly port: number };

/** Said again with every new certificate: what is left out is forgotten. */
const secureContext = { minVersion: "TLSv1.2" } as const;

export async function startDoor(
  config: DoorConfig,
  log: Log,
  handle: Handle,
  metrics?: Metrics,
): Promise<Door> {
  const connection = { closing: false };
  using stack = new DisposableStack();
  const server = createServer(config, stack, log, metrics);
  server.maxConnections = config.connectionsMax;
  server.maxHeadersCount = 100;
  server.maxRequestsPerSocket = 100_000;
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response, connection);
  };
  server.on("request", listener);
  // The body is asked for when it is read, so that what is refused before is never sent.
  server.on("checkContinue", listener);
  server.on("checkExpectation", (_, response) => {
    response.writeHead(417, { connection: "close" }).end();
  });
  server.on("tlsClientError", (error) => log.debug("TLS handshake failed", { error }));

  const reusePort = config.ticketKeys !== undefined;
  server.listen({ host: config.host, port: config.port, backlog: 4096, reusePort });
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  if (config.certFile === undefined && !isLoopback(address)) {
    server.close();
    throw new Error(`the door has no certificate, and ${config.host} is not loopback`);
  }
  log.info("the door is open", { host: config.host, port });
  const followed = stack.move();
  return {
    port,
    async [Symbol.asyncDispose]() {
      connection.closing = true;
      await close(server, config.drainTimeoutMs);
      followed.dispose();
      log.info("the door is closed");
    },
  };
}

function createServer(
  config: DoorConfig,
  stack: DisposableStack,
  log: Log,
  metrics: Metrics | undefined,
): Server {
  const { certFile, keyFile, requestTimeoutMs, ticketKeys } = config;
  const bounds = {
    // Signatures of several keys fit; whatever is larger is no provider's.
    maxHeaderSize: 16_384,
    headersTimeout: Math.min(10_000, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    noDelay: true,
  };
  if (certFile === undefined || keyFile === undefined) return createPlainServer(bounds);
  const certificate = stack.use(
    openKeyPair({
      what: "door certificate",
      files: { certFile, keyFile },
      log,
      metrics,
      onChange: (pair: KeyPair) => server.setSecureContext({ ...secureContext, ...pair }),
    }),
  );
  const server = createTlsServer({
    ...secureContext,
    ...certificate.current,
    ...bounds,
    ALPNProtocols: ["http/1.1"],
    ...(ticketKeys && { ticketKeys }),
    handshakeTimeout: 10_000,
  });
  return server;
}

/** No new connections, idle ones closed, the others after their answer or at the timeout. */
async function close(server: Server, drainTimeoutMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainTimeoutMs);
  await closed;
  clearTimeout(timer);
}
