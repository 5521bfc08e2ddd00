// The public listener: HTTPS without client certificates, HTTP/1.1, everything
// bounded. Stopping lets accepted requests finish first.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Log } from "#mesh/process/log.ts";

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

export async function startDoor(config: DoorConfig, log: Log, handle: Handle): Promise<Door> {
  const connection = { closing: false };
  const server = createServer({
    cert: readFileSync(config.certFile),
    key: readFileSync(config.keyFile),
    minVersion: "TLSv1.2",
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
  return {
    port,
    async [Symbol.asyncDispose]() {
      connection.closing = true;
      await close(server, config.drainTimeoutMs);
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
