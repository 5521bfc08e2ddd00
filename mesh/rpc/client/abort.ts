// Waiting that ends early. Signals are joined by hand and taken apart again, because
// AbortSignal.any keeps what it joined for as long as the longest of them lives
// (nodejs/node#54614).

import { Code, ConnectError } from "@connectrpc/connect";

export type Patience = {
  /** On the clock of `performance.now()`; undefined: no end. */
  readonly deadlineAt: number | undefined;
  readonly signal: AbortSignal | undefined;
};

/** Why the signal was aborted, as the error of a call. */
export function abortError(signal: AbortSignal): ConnectError {
  return ConnectError.from(signal.reason, Code.Canceled);
}

export function timedOut(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/** Follows `promise`, but not beyond the caller's patience. */
export async function within<T>(promise: Promise<T>, { deadlineAt, signal }: Patience): Promise<T> {
  if (signal?.aborted) throw abortError(signal);
  const { promise: early, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal && abortError(signal));
  signal?.addEventListener("abort", onAbort);
  const timer =
    deadlineAt === undefined
      ? undefined
      : setTimeout(() => reject(timedOut()), deadlineAt - performance.now());
  try {
    return await Promise.race([promise, early]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

export type Link = Disposable & { readonly signal: AbortSignal; abort(reason: unknown): void };

/** A signal that follows another one until it is disposed, and can be aborted by itself. */
export function linkTo(signal: AbortSignal | undefined): Link {
  const controller = new AbortController();
  const follow = () => controller.abort(signal?.reason);
  if (signal?.aborted) follow();
  else signal?.addEventListener("abort", follow);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => signal?.removeEventListener("abort", follow),
  };
}

/** Resolves early when the signal is aborted. Keeps no process alive. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(wake, ms);
  timer.unref();
  function wake(): void {
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    resolve();
  }
  if (signal.aborted) wake();
  else signal.addEventListener("abort", wake);
  return promise;
}
