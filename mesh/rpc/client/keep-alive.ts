// Whether the other side of a connection is still there: a server that vanished says nothing, and
// neither does the network. Asked while calls wait, and before one is made after a long silence.

import type { ClientHttp2Session } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

export type KeepAlive = Disposable & {
  readonly heard: () => void;
  /** Nothing was heard for so long that a call had better ask first. */
  readonly isSilent: () => boolean;
  /** A session that does not answer is destroyed. */
  readonly verify: () => Promise<void>;
};

export type KeepAliveOptions = {
  /** Calls are under way. */
  readonly isBusy: () => boolean;
  /** There were none for a long time. */
  readonly onIdle: () => void;
};

const silentMs = 30_000;
const idleMs = 5 * 60_000;
const pingTimeoutMs = 10_000;
/** A call waits for this one. */
const verifyTimeoutMs = 2_000;

export function keepAlive(session: ClientHttp2Session, options: KeepAliveOptions): KeepAlive {
  let heardAt = performance.now();
  let usedAt = heardAt;
  let verifying: Promise<void> | undefined;
  const ticking = setInterval(tick, silentMs / 2);
  ticking.unref();

  function tick(): void {
    const now = performance.now();
    if (options.isBusy()) usedAt = now;
    if (now - usedAt > idleMs) options.onIdle();
    else if (usedAt === now && isSilent()) void ping(pingTimeoutMs);
  }

  function heard(): void {
    heardAt = performance.now();
  }

  function isSilent(): boolean {
    return performance.now() - heardAt > silentMs;
  }

  function ping(timeoutMs: number): Promise<void> {
    if (session.destroyed || session.closed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      session.destroy(new ConnectError("the server does not answer pings", Code.Unavailable));
    }, timeoutMs);
    timer.unref();
    session.ping((error) => {
      clearTimeout(timer);
      if (!error) heard();
      resolve();
    });
    return promise;
  }

  return {
    heard,
    isSilent,
    verify() {
      verifying ??= ping(verifyTimeoutMs).finally(() => {
        verifying = undefined;
      });
      return verifying;
    },
    [Symbol.dispose]: () => clearInterval(ticking),
  };
}
