// One server of a service: the connections to it, the calls it has, and what is held of it.

import type { ConnectError, Transport } from "@connectrpc/connect";
import { type Patience, within } from "./abort.ts";
import type { Candidate } from "./choice.ts";
import { type ConnectionsOptions, openConnections } from "./connections.ts";
import type { Target } from "./dial.ts";
import { neverSent, saysStopping } from "./failure.ts";
import { watchHealth } from "./health-watch.ts";
import { outsideCalls } from "./outside-calls.ts";
import { createReputation, type ReputationOptions } from "./reputation.ts";
import type { Session } from "./session.ts";

export type EndpointOptions = ReputationOptions &
  Omit<ConnectionsOptions, "onOpened" | "onEnding" | "onFailed"> & {
    /** Full name of the gRPC service that is called there. */
    readonly service: string;
    /** Connections that calls can use: one more, or one less. */
    readonly onConnections: (change: 1 | -1) => void;
  };

export type Endpoint = Candidate & {
  readonly target: Target;
  /** True for the one call that is to look whether an ejected endpoint does well again. */
  readonly takesProbe: () => boolean;
  readonly enter: (patience: Patience, isProbe: boolean) => Place | Promise<Place>;
  /** Listens to the server's own word on its health, or no longer. */
  readonly watchHealth: (on: boolean) => void;
  /** Takes no more calls; settles when those under way are over. */
  readonly retire: () => Promise<void>;
  /** Breaks the calls under way. */
  readonly destroy: (reason: ConnectError) => Promise<void>;
};

/** A call's place on a connection of an endpoint. */
export type Place = {
  readonly transport: Transport;
  readonly streamTransport: Session["streamTransport"];
  /** What became of the call, as soon as it is known. */
  readonly judge: (error: ConnectError | undefined, isTimed: boolean) => void;
  /** The call is over. Once. */
  readonly leave: () => void;
};

const boardTriesMax = 3;

export function openEndpoint(options: EndpointOptions): Endpoint {
  const reputation = createReputation(options);
  let inFlight = 0;
  let probe: "none" | "connecting" | "calling" = "none";
  let isWatching = false;
  let watch: { readonly session: Session; readonly stop: () => void } | undefined;
  const ready = new Set<Session>();

  const connections = openConnections({
    ...options,
    onOpened(session) {
      ready.add(session);
      options.onConnections(1);
      if (probe === "connecting") probe = "none";
      reputation.reachable();
      listen();
    },
    onEnding(session) {
      if (!ready.delete(session)) return;
      options.onConnections(-1);
      if (watch?.session !== session) return;
      deafen();
      listen();
    },
    onFailed(error) {
      const wasProbe = probe === "connecting";
      if (wasProbe) probe = "none";
      reputation.unreachable(error, wasProbe);
    },
  });

  /** On one of the connections that calls have opened. */
  function listen(): void {
    const [session] = ready;
    if (!isWatching || watch || session === undefined) return;
    const { service, random } = options;
    const onHealth = reputation.says;
    const stop = outsideCalls(watchHealth, { session, service, random, onHealth });
    watch = { session, stop };
  }

  function deafen(): void {
    watch?.stop();
    watch = undefined;
    reputation.says(true);
  }

  /** Counted on its connection, which may still be opening and may be gone when it is looked at. */
  async function board(patience: Patience): Promise<Session> {
    for (let tries = 0; tries < boardTriesMax; tries++) {
      const session = connections.pick();
      session.enter();
      try {
        if (!session.isOpen()) await within(session.opened, patience);
        else if (session.isSilent()) await within(session.verify(), patience);
        if (session.isOpen()) return session;
      } catch (error) {
        session.leave();
        throw error;
      }
      session.leave();
    }
    const error = neverSent(`${options.target.origin} closes connections at once`, undefined);
    reputation.unreachable(error, false);
    throw error;
  }

  function enter(patience: Patience, isProbe: boolean): Place | Promise<Place> {
    // At once, so that calls made in the same moment see each other.
    inFlight += 1;
    try {
      const session = connections.pick();
      if (!session.isOpen() || session.isSilent()) return enterLater(patience, isProbe);
      session.enter();
      return placeOn(session, isProbe);
    } catch (error) {
      return turnBack(isProbe, error);
    }
  }

  async function enterLater(patience: Patience, isProbe: boolean): Promise<Place> {
    try {
      return placeOn(await board(patience), isProbe);
    } catch (error) {
      return turnBack(isProbe, error);
    }
  }

  function turnBack(isProbe: boolean, error: unknown): never {
    inFlight -= 1;
    if (isProbe) probe = "none";
    throw error;
  }

  function placeOn(session: Session, isProbe: boolean): Place {
    const startedAt = performance.now();
    let wasProbe = isProbe;
    return {
      transport: session.transport,
      streamTransport: session.streamTransport,
      judge(error, isTimed) {
        const elapsedMs = performance.now() - startedAt;
        if (wasProbe) probe = "none";
        reputation.judge({ error, elapsedMs, isTimed, wasProbe });
        wasProbe = false;
        // The next connection may lead to the server that takes its place.
        if (error && saysStopping(error)) session.retire();
      },
      leave() {
        inFlight -= 1;
        session.leave();
      },
    };
  }

  return {
    target: options.target,
    get inFlight() {
      return inFlight;
    },
    get latencyMs() {
      return reputation.latencyMs;
    },
    get observedAt() {
      return reputation.observedAt;
    },
    get state() {
      return reputation.state;
    },
    takesProbe() {
      if (probe !== "none" || !reputation.isProbeDue()) return false;
      if (connections.isOpen()) {
        probe = "calling";
        return true;
      }
      // No caller waits for a connection that has failed before.
      probe = "connecting";
      connections.warm();
      return false;
    },
    enter,
    watchHealth(on) {
      isWatching = on;
      if (on) listen();
      else deafen();
    },
    retire() {
      isWatching = false;
      deafen();
      return connections.retire();
    },
    destroy(reason) {
      isWatching = false;
      deafen();
      return connections.destroy(reason);
    },
  };
}
