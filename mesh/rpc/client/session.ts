// One HTTP/2 connection to a server of the mesh: its life from the handshake to an end that lets
// calls finish. Nothing that happens to it can end the process: somebody always listens.

import { type ClientHttp2Stream, connect, constants } from "node:http2";
import type { ConnectError, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { type DialOptions, dial, notConnected } from "./dial.ts";
import { neverSent } from "./failure.ts";
import { keepAlive } from "./keep-alive.ts";
import { guardStream } from "./stream-guard.ts";

export type Protocol = "connect" | "grpc";

export type SessionOptions = DialOptions & {
  readonly protocol: Protocol;
  readonly connectTimeoutMs: number;
  /** It takes no more calls: closing, closed, or never opened. Once. */
  readonly onEnding: () => void;
};

export type Session = {
  /**
   * Settles when the handshake is over, or when it is retired before. Fails with the error of a
   * call that was never sent.
   */
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  /** Takes new calls. */
  readonly isOpen: () => boolean;
  /** Nothing was heard for so long that a call had better verify it first. */
  readonly isSilent: () => boolean;
  /** Asks whether the server is still there; a session that does not answer is destroyed. */
  readonly verify: () => Promise<void>;
  /** Calls that were begun here and are not over. */
  readonly calls: () => number;
  /** Streams that the server allows at once. */
  readonly streamsMax: () => number;
  /** A call that holds the connection, and with it the process, until it leaves. */
  readonly enter: () => void;
  readonly leave: () => void;
  readonly transport: Transport;
  /** For one stream; tells when it is closed, also where nobody reads it to its end. */
  readonly streamTransport: (onClosed: () => void) => Transport;
  /** Takes no more calls, closes when those under way are over. */
  readonly retire: () => void;
  readonly destroy: (reason: ConnectError) => void;
};

const farewellMs = 1_000;
const sessionWindowBytes = 4 * 1024 * 1024;
const http2Options = {
  settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
  maxSessionMemory: 32, // megabytes
};
/** What is assumed until the server says how many streams it allows. */
const streamsMaxUntilKnown = 100;

export function openSession(options: SessionOptions): Session {
  const { target } = options;
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  // Whoever waits for it hears of it; nobody needs to wait.
  opened.promise.catch(() => undefined);
  let phase: "opening" | "open" | "ending" | "closed" = "opening";
  let calls = 0;
  let streamsMax = streamsMaxUntilKnown;
  let failure: Error | undefined;
  let destroyedFor: ConnectError | undefined;

  const socket = dial(options);
  const session = connect(target.origin, { ...http2Options, createConnection: () => socket });
  session.unref();
  const alive = keepAlive(session, { isBusy: () => calls > 0, onIdle: retire });
  const connecting = setTimeout(() => {
    session.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`));
  }, options.connectTimeoutMs);
  connecting.unref();

  // A GOAWAY that meets a new request on an idle connection makes the session emit an error after
  // everybody has stopped listening, which ends the process (connect-es#1768): an ordinary rolling
  // deploy. This listener is there from the first moment and is never taken away.
  session.on("error", (error) => {
    failure ??= error;
  });
  session.once("connect", () => {
    clearTimeout(connecting);
    if (socket.alpnProtocol !== "h2") {
      session.destroy(new Error("the server does not speak HTTP/2"));
      return;
    }
    session.setLocalWindowSize(sessionWindowBytes);
    alive.heard();
    if (phase === "opening") phase = "open";
    opened.resolve();
  });
  session.on("remoteSettings", ({ maxConcurrentStreams }) => {
    streamsMax = maxConcurrentStreams ?? streamsMaxUntilKnown;
  });
  session.on("goaway", retire);
  session.once("close", () => {
    clearTimeout(connecting);
    alive[Symbol.dispose]();
    if (phase === "ending" && !destroyedFor) opened.resolve();
    else opened.reject(destroyedFor ?? notConnected(target, socket, failure));
    end();
    phase = "closed";
    closed.resolve();
  });

  function end(): void {
    if (phase === "ending" || phase === "closed") return;
    phase = "ending";
    options.onEnding();
  }

  function retire(): void {
    end();
    if (calls === 0) sayGoodbye();
  }

  function sayGoodbye(): void {
    if (session.connecting) {
      session.destroy();
      return;
    }
    session.close();
    // Neither a stream that nobody waits for, such as a health watch, nor a peer that does not
    // close its side holds the connection for longer than this.
    setTimeout(() => socket.destroy(), farewellMs).unref();
  }

  const manager: SessionManager = {
    authority: target.origin,
    async request(method, path, headers) {
      let stream: ClientHttp2Stream;
      try {
        stream = session.request({ ...headers, ":method": method, ":path": path });
      } catch (cause) {
        retire();
        throw neverSent(`the connection to ${target.origin} is closing`, cause);
      }
      guardStream(stream, alive.heard);
      return stream;
    },
    notifyResponseByteRead: alive.heard,
  };

  return {
    opened: opened.promise,
    closed: closed.promise,
    isOpen: () => phase === "open" && !session.closed && !session.destroyed,
    isSilent: alive.isSilent,
    verify: alive.verify,
    calls: () => calls,
    streamsMax: () => streamsMax,
    enter() {
      calls += 1;
      if (calls === 1) session.ref();
    },
    leave() {
      calls -= 1;
      if (calls > 0) return;
      session.unref();
      if (phase === "ending") sayGoodbye();
    },
    transport: transportOf(options.protocol, manager),
    streamTransport: (onClosed) => transportOf(options.protocol, telling(manager, onClosed)),
    retire,
    destroy(reason) {
      destroyedFor ??= reason;
      end();
      session.destroy(reason, constants.NGHTTP2_CANCEL);
      socket.destroy();
    },
  };
}

type SessionManager = NonNullable<Parameters<typeof createGrpcTransport>[0]["sessionManager"]>;

const readMaxBytes = 16 * 1024 * 1024;

function transportOf(protocol: Protocol, sessionManager: SessionManager): Transport {
  const common = { baseUrl: sessionManager.authority, sessionManager, readMaxBytes };
  return protocol === "grpc"
    ? createGrpcTransport(common)
    : createConnectTransport({ ...common, httpVersion: "2" });
}

function telling(manager: SessionManager, onClosed: () => void): SessionManager {
  return {
    ...manager,
    async request(...request) {
      const stream = await manager.request(...request);
      stream.once("close", onClosed);
      return stream;
    },
  };
}
