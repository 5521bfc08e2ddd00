// Runs the handler inside its call (deadline and trace are inherited by what it
// calls), and answers when the time is over, whether or not the handler heeds
// its signal. The handler that runs on is still counted as running.

import { Code, createContextKey, type Interceptor } from "@connectrpc/connect";
import type { Log } from "../../process/log.ts";
import { type Call, withCall } from "../deadline.ts";
import type { Tally } from "../tally.ts";
import { endOf } from "./errors.ts";
import { steppedBy } from "./stream.ts";

export const callKey = createContextKey<Call | undefined>(undefined);

export function deadline(running: Tally, log: Log): Interceptor {
  return (next) => async (request) => {
    const call = request.contextValues.get(callKey);
    if (call === undefined) return next(request);
    const { signal } = request;

    const step = async <R>(work: () => Promise<R>): Promise<R> => {
      signal.throwIfAborted();
      const result = withCall(call, work);
      running.follow(result);
      return untilAborted(result, signal, (error) => {
        const fields = { method: request.method.toString(), error };
        // Without its caller a handler is bound to fail: its request stops in the middle.
        const isExpected = endOf(signal).code === Code.Canceled;
        log[isExpected ? "debug" : "warn"]("handler failed after its call was over", fields);
      });
    };

    const response = await step(() => next(request));
    if (!response.stream) return response;
    return { ...response, message: steppedBy(response.message, step) };
  };
}

function untilAborted<R>(
  work: Promise<R>,
  signal: AbortSignal,
  failedLate: (error: unknown) => void,
): Promise<R> {
  return new Promise((resolve, reject) => {
    let over = false;
    const abort = () => {
      over = true;
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    const settle = () => signal.removeEventListener("abort", abort);
    work.then(
      (result) => {
        settle();
        resolve(result);
      },
      (error: unknown) => {
        settle();
        if (over && error !== signal.reason) failedLate(error);
        reject(error);
      },
    );
  });
}
