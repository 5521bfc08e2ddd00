// The public listener: HTTPS without client certificates, HTTP/1.1, everything
// bounded. Stopping lets accepted requests finish first.

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { openKeyPair } from "#mesh/identity/tls-reload.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";

export type DoorConfig = {
  readonly host: string;
  /** Zero: any free port. */
  readonly port: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly connectionsMax: number;
  /** From the first byte of a request to the last. */
  readonly requestTimeoutMs: number;
  readonly drainTimeoutMs: number;
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
  const certificate = stack.use(
    openKeyPair({
      what: "door certificate",
      files: config,
      log,
      metrics,
      onChange: (pair) => server.setSecureContext({ ...secureContext, ...pair }),
    }),
  );
  const server = createServer({
    ...secureContext,
    ...certificate.current,
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: 10_000,
    // Signatures of several keys fit; whatever is larger is no provider's.
    maxHeaderSize: 16_384,
    headersTimeout: Math.min(10_000, config.requestTimeoutMs),
    requestTimeout: config.requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    noDelay: true,
  });
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

  server.listen({ host: config.host, port: config.port, backlog: 4096 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
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

/** No new connections, idle ones closed, the others after their answer or at the timeout. */
async function close(server: Server, drainTimeoutMs: number): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainTimeoutMs);
  await closed;
  clearTimeout(timer);
}
