// The TLS port: HTTP/2 and HTTP/1.1 by ALPN, client certificates asked for and
// judged later, limits on everything a peer can hold open, and a stop that lets
// calls finish.

import { constants as cryptoConstants } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
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
import { peerIdentity } from "../identity/tls.ts";
import { type KeyPairFiles, openKeyPair, openTls } from "../identity/tls-reload.ts";
import type { TlsFiles } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createTally } from "./tally.ts";
import { watchUnserved } from "./unserved.ts";

export type Handle = ReturnType<typeof connectNodeAdapter>;
export type Request = Parameters<Handle>[0];
export type Response = Parameters<Handle>[1];

/** The real socket of a request's connection; undefined when it is gone. */
export function socketOf(request: Request): TLSSocket | undefined {
  // Of a stream's own socket there is another proxy for each stream.
  const socket = "stream" in request ? request.stream?.session?.socket : request.socket;
  return socket as TLSSocket | undefined;
}

export type ListenerOptions = {
  readonly host: string;
  readonly port: number;
  /** Without an authority to judge them by, nobody is asked for a certificate. */
  readonly tls: TlsFiles | KeyPairFiles;
  readonly log: Log;
  readonly handle: Handle;
  readonly metrics?: Metrics | undefined;
  /** How often the certificate files are looked at, where the system does not tell of changes. */
  readonly certificateCheckMs?: number;
  /** How long a connection over HTTP/2 that proves no identity may be silent. */
  readonly strangerIdleMs?: number;
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
  // Strict, a header with a blank at its end would vanish in silence: a token, and the call would
  // run with the whole of what the calling service may do.
  strictFieldWhitespaceValidation: false,
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
/** Said again with every new certificate: what is left out is forgotten. */
const secureContext = {
  minVersion: "TLSv1.3",
  // A resumed session would carry over the identity of the first one.
  secureOptions: cryptoConstants.SSL_OP_NO_TICKET,
} as const;
const trailersMs = 20;
const strangerIdleMsDefault = 60_000;
const goodbyeMs = 300;
const restMs = 1_000;

export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, log, handle, tls } = options;
  // Certificates live a day; new files are taken up without a restart.
  const reload = {
    log,
    metrics: options.metrics,
    pollMs: options.certificateCheckMs,
    onChange: (material: object) => server.setSecureContext({ ...secureContext, ...material }),
  };
  const asksForCertificates = "caFile" in tls;
  const certificate = asksForCertificates
    ? openTls({ ...reload, files: tls })
    : openKeyPair({ ...reload, files: tls, what: "public certificate" });
  const server = createSecureServer({
    ...limits,
    ...secureContext,
    ...certificate.current,
    allowHTTP1: true,
    ALPNProtocols: ["h2", "http/1.1"],
    // The gate answers who has no certificate, in words instead of with a TLS alert.
    requestCert: asksForCertificates,
    rejectUnauthorized: false,
  });
  server.maxConnections = connectionsMax;
  watchUnserved(server, options);
  const connections = trackConnections(server, options);
  server.on("request", (request, response) => {
    connections.opened(request, response);
    handle(request, response);
  });

  server.listen(port, host);
  await once(server, "listening").catch((error: unknown) => {
    certificate[Symbol.dispose]();
    throw error;
  });
  server.on("error", (error) => log.error("the listener failed", { error }));
  return {
    port: (server.address() as AddressInfo).port,
    drain: (timeoutMs) => connections.drain(timeoutMs),
    destroy: async () => {
      certificate[Symbol.dispose]();
      await connections.destroy();
    },
  };
}

/** Knows every socket, session and open request, because closing a server closes none of them. */
function trackConnections(
  server: Http2SecureServer,
  { log, strangerIdleMs = strangerIdleMsDefault }: ListenerOptions,
) {
  const requests = createTally();
  const peers = createTally();
  const sockets = new Set<Socket>();
  const openBySocket = new Map<TLSSocket, number>();
  const sessions = new Set<ServerHttp2Session>();
  let closed: Promise<unknown> | undefined;

  // Also those whose handshake is still under way.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    peers.enter();
    socket.once("close", () => {
      sockets.delete(socket);
      peers.leave();
    });
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    openBySocket.set(socket, 0);
    socket.once("close", () => openBySocket.delete(socket));
    socket.on("error", (error) => log.debug("connection failed", { error }));
  });
  server.on("session", (session) => {
    session.setLocalWindowSize(sessionWindowBytes);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // Connections are few, and whoever needs no certificate may open them. What is under way on
    // this one is finished.
    session.setTimeout(strangerIdleMs, () => {
      const { socket } = session;
      if (!socket || peerIdentity(socket as TLSSocket) === undefined) session.close();
    });
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
        dropRest(request, response as ServerResponse);
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
      // A GOAWAY with the last stream that was taken: what the peer sent after it was not looked
      // at, and the peer knows. A notice before it, as nghttp2 has it, is not to be had from Node.
      for (const session of sessions) session.close();
      const multiplexed = new Set([...sessions].map((session) => session.socket));
      for (const [socket, open] of openBySocket) {
        if (open === 0 && socket.alpnProtocol !== "h2" && !multiplexed.has(socket)) socket.end();
      }
      return requests.whenNone(timeoutMs);
    },
    async destroy(): Promise<void> {
      // The last answers are on their way: cut off now, some would be lost in our own buffers.
      await peers.whenNone(goodbyeMs);
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

/**
 * The same over HTTP/1.1, where the next request of the connection stands behind the rest of this
 * one: that is read and dropped. What takes longer than a moment to come costs the connection.
 */
function dropRest(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => {
    if (request.readableEnded) return;
    // Whoever began to read and stopped may have paused it.
    request.removeAllListeners("data");
    request.resume();
    setTimeout(() => {
      if (!request.complete) request.socket.destroy();
    }, restMs).unref();
  });
}
