// The connections to one endpoint. One carries all calls until the server's limit of streams is
// near; only then another is made. New certificate files make new connections: what runs on the old
// ones finishes there.

import type { SecureContext } from "node:tls";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Credentials } from "./credentials.ts";
import type { Target } from "./dial.ts";
import { neverSent } from "./failure.ts";
import { outsideCalls } from "./outside-calls.ts";
import { openSession, type Protocol, type Session } from "./session.ts";

export type ConnectionsOptions = {
  readonly target: Target;
  readonly protocol: Protocol;
  readonly credentials: Credentials;
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  readonly random: () => number;
  readonly onOpened: (session: Session) => void;
  /** It takes no more calls, or never took one. */
  readonly onEnding: (session: Session) => void;
  /** Once a connection that could not be made, however many calls waited for it. */
  readonly onFailed: (error: ConnectError) => void;
};

export type Connections = {
  /** The one to make a call on, which may still be opening; throws what was never sent. */
  readonly pick: () => Session;
  /** Makes a connection though no call waits for it. */
  readonly warm: () => void;
  /** At least one takes calls. */
  readonly isOpen: () => boolean;
  /** Takes no more calls; settles when those under way are over. */
  readonly retire: () => Promise<void>;
  /** Breaks what is under way. */
  readonly destroy: (reason: ConnectError) => Promise<void>;
};

/** Of the streams that the server allows, so many are used before another connection is made. */
const fullShare = 0.75;
const redialMsMin = 10;
/** A server that came back is not kept waiting longer. */
const redialMsMax = 250;

export function openConnections(options: ConnectionsOptions): Connections {
  const { target, credentials, connectionsMax, random } = options;
  /** Opening or open, in the order in which they are filled. */
  const sessions: Session[] = [];
  /** Also those that only finish what they have. */
  const alive = new Set<Session>();
  let known: SecureContext | undefined;
  let over: ConnectError | undefined;
  let failuresInRow = 0;
  let redialAt = Number.NEGATIVE_INFINITY;
  let lastError: ConnectError | undefined;

  function pick(): Session {
    if (over) throw over;
    const context = renew();
    const open = sessions.filter((session) => session.isOpen());
    const roomy = open.find((session) => !isFull(session));
    if (roomy) return roomy;
    const isOpening = open.length < sessions.length;
    if (!isOpening && sessions.length < connectionsMax) {
      const isTooSoon = performance.now() < redialAt;
      if (open.length === 0 && isTooSoon && lastError) throw lastError;
      if (open.length === 0) return dial(context);
      if (!isTooSoon) dial(context);
    }
    return leastBusy(open.length > 0 ? open : sessions);
  }

  /** Connections that prove an old certificate take no more calls. */
  function renew(): SecureContext {
    const current = readContext(credentials);
    if (known !== undefined && current !== known) {
      for (const session of [...sessions]) session.retire();
    }
    known = current;
    return current;
  }

  function dial(context: SecureContext): Session {
    const session = outsideCalls(openSession, {
      target,
      protocol: options.protocol,
      context,
      checkServer: credentials.checkServer,
      connectTimeoutMs: options.connectTimeoutMs,
      onEnding: () => remove(session),
    });
    sessions.push(session);
    alive.add(session);
    session.opened.then(() => succeeded(session), failed);
    void session.closed.then(() => alive.delete(session));
    return session;
  }

  function remove(session: Session): void {
    const place = sessions.indexOf(session);
    if (place >= 0) sessions.splice(place, 1);
    options.onEnding(session);
  }

  function succeeded(session: Session): void {
    if (!session.isOpen()) return;
    failuresInRow = 0;
    lastError = undefined;
    options.onOpened(session);
  }

  /** The next one is made at once, then after waits that double: handshakes cost a server most. */
  function failed(error: ConnectError): void {
    if (over) return;
    failuresInRow += 1;
    lastError = error;
    const boundMs = Math.min(redialMsMax, redialMsMin * 2 ** failuresInRow);
    const delayMs = failuresInRow === 1 ? 0 : redialMsMin + random() * (boundMs - redialMsMin);
    redialAt = performance.now() + delayMs;
    options.onFailed(error);
  }

  async function allClosed(): Promise<void> {
    await Promise.all([...alive].map(({ closed }) => closed));
  }

  function warm(): void {
    if (over || sessions.length > 0) return;
    try {
      dial(renew());
    } catch (error) {
      options.onFailed(error as ConnectError);
    }
  }

  return {
    pick,
    warm,
    isOpen: () => sessions.some((session) => session.isOpen()),
    async retire() {
      over ??= neverSent(`${target.origin} is no longer an endpoint`, undefined);
      for (const session of alive) session.retire();
      await allClosed();
    },
    async destroy(reason) {
      over = reason;
      for (const session of alive) session.destroy(reason);
      await allClosed();
    },
  };
}

function isFull(session: Session): boolean {
  return session.calls() >= session.streamsMax() * fullShare;
}

function leastBusy(sessions: readonly Session[]): Session {
  return sessions.reduce((least, session) => (session.calls() < least.calls() ? session : least));
}

function readContext(credentials: Credentials): SecureContext {
  try {
    return credentials.current();
  } catch (cause) {
    const message = "the client's certificate cannot be read";
    throw neverSent(`${message}: ${(cause as Error).message}`, cause, Code.Internal);
  }
}
