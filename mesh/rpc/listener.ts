// The TLS port: HTTP/2 and HTTP/1.1 by ALPN, client certificates asked for and
// judged later, limits on everything a peer can hold open, and a stop that lets
// calls finish.

import { constants as cryptoConstants } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { readTls } from "../identity/tls.ts";
import type { TlsFiles } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import { createTally } from "./tally.ts";

export type Handle = ReturnType<typeof connectNodeAdapter>;
export type Request = Parameters<Handle>[0];
export type Response = Parameters<Handle>[1];

export type ListenerOptions = {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsFiles;
  readonly log: Log;
  readonly handle: Handle;
  /** How often the certificate files are read again. */
  readonly certificateCheckMs?: number;
};

export type Listener = {
  readonly port: number;
  /** Accepts nothing new and waits for open requests; true when all were answered in time. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
  /** Ends what is still open. */
  readonly destroy: () => Promise<void>;
};

const limits = {
  handshakeTimeout: 10_000,
  // HTTP/2
  maxSessionMemory: 32, // megabytes
  maxHeaderListPairs: 100,
  settings: {
    enablePush: false,
    maxConcurrentStreams: 256,
    maxHeaderListSize: 32 * 1024,
    initialWindowSize: 1024 * 1024,
  },
  // HTTP/1.1
  maxHeaderSize: 32 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  keepAliveTimeout: 60_000,
  // TCP: a peer that vanished is noticed
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
  noDelay: true,
} as const;

const connectionsMax = 10_000;
const sessionWindowBytes = 4 * 1024 * 1024;
const certificateCheckMsDefault = 60_000;
const trailersMs = 20;

export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, log, handle, certificateCheckMs = certificateCheckMsDefault } = options;
  const server = createSecureServer({
    ...limits,
    ...readTls(options.tls),
    minVersion: "TLSv1.3",
    allowHTTP1: true,
    ALPNProtocols: ["h2", "http/1.1"],
    // The gate answers who has no certificate, in words instead of with a TLS alert.
    requestCert: true,
    rejectUnauthorized: false,
    // A resumed session would carry over the identity of the first one.
    secureOptions: cryptoConstants.SSL_OP_NO_TICKET,
  });
  server.maxConnections = connectionsMax;
  const connections = trackConnections(server, log);
  server.on("request", (request, response) => {
    connections.opened(request, response);
    handle(request, response);
  });
  const reloading = setInterval(() => reloadCertificate(server, options), certificateCheckMs);
  reloading.unref();

  server.listen(port, host);
  await once(server, "listening");
  server.on("error", (error) => log.error("the listener failed", { error }));
  return {
    port: (server.address() as AddressInfo).port,
    drain: (timeoutMs) => connections.drain(timeoutMs),
    destroy: async () => {
      clearInterval(reloading);
      await connections.destroy();
    },
  };
}

/** Knows every socket, session and open request, because closing a server closes none of them. */
function trackConnections(server: Http2SecureServer, log: Log) {
  const requests = createTally();
  const sockets = new Set<Socket>();
  const openBySocket = new Map<TLSSocket, number>();
  const sessions = new Set<ServerHttp2Session>();
  let closed: Promise<unknown> | undefined;

  // Also those whose handshake is still under way.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    openBySocket.set(socket, 0);
    socket.once("close", () => openBySocket.delete(socket));
    socket.on("error", (error) => log.debug("connection failed", { error }));
  });
  server.on("tlsClientError", (error) => log.debug("TLS handshake failed", { error }));
  server.on("sessionError", (error) => log.debug("HTTP/2 session failed", { error }));
  server.on("session", (session) => {
    session.setLocalWindowSize(sessionWindowBytes);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    if (closed) session.close();
  });

  function finished(request: Request): void {
    requests.leave();
    if ("stream" in request) return;
    const socket = request.socket as TLSSocket;
    const open = (openBySocket.get(socket) ?? 1) - 1;
    if (openBySocket.has(socket)) openBySocket.set(socket, open);
    if (closed && open === 0) socket.end();
  }

  return {
    opened(request: Request, response: Response): void {
      requests.enter();
      if ("stream" in request) {
        closeWhenAnswered(request.stream);
      } else {
        const socket = request.socket as TLSSocket;
        openBySocket.set(socket, (openBySocket.get(socket) ?? 0) + 1);
        if (closed) (response as ServerResponse).setHeader("connection", "close");
      }
      (response as ServerResponse).once("close", () => finished(request));
    },
    async drain(timeoutMs: number): Promise<boolean> {
      if (!closed) {
        closed = once(server, "close");
        server.close();
      }
      for (const session of sessions) session.close();
      const multiplexed = new Set([...sessions].map((session) => session.socket));
      for (const [socket, open] of openBySocket) {
        if (open === 0 && socket.alpnProtocol !== "h2" && !multiplexed.has(socket)) socket.end();
      }
      return requests.whenNone(timeoutMs);
    },
    async destroy(): Promise<void> {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * An answer may come before the end of its request, as when that is too large.
 * The rest is not wanted: left alone, the stream and its session stay open for good.
 */
function closeWhenAnswered(stream: ServerHttp2Stream): void {
  stream.once("finish", () => {
    if (stream.readableEnded) return;
    // Trailers are sent after the last data; they must not be cut off.
    setTimeout(() => {
      if (stream.destroyed) return;
      stream.close(constants.NGHTTP2_NO_ERROR);
      // What arrived and was not read would hold the stream as well.
      stream.destroy();
    }, trailersMs);
  });
}

/** Certificates live a day; new files are taken up without a restart. */
function reloadCertificate(server: Http2SecureServer, { tls, log }: ListenerOptions): void {
  try {
    server.setSecureContext({ ...readTls(tls), minVersion: "TLSv1.3" });
  } catch (error) {
    log.warn("the new certificate cannot be read, keeping the old one", { error, ...tls });
  }
}
