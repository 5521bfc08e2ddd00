// The bytes of a request as they come. Connect would read them for as long as that takes; here the
// call's deadline counts for them too.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Request } from "./listener.ts";

const bufferedBytesMax = 64 * 1024;

/** Nothing is read before somebody asks for it. */
export function bodyOf(request: Request, timeoutMs: number | undefined): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => readBody(request, timeoutMs) };
}

type Result = IteratorResult<Uint8Array, undefined>;
type Waiting = {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
};

// By hand, because the generators that Connect has for it cost a tenth of a small call.
function readBody(
  request: Request,
  timeoutMs: number | undefined,
): AsyncIterator<Uint8Array, undefined> {
  // The stream itself: the object that stands for it in HTTP/1.1's likeness copies every chunk.
  const source = "stream" in request ? request.stream : request;
  const chunks: Uint8Array[] = [];
  let bufferedBytes = 0;
  let waiting: Waiting | undefined;
  let end: "ended" | Error | undefined;
  let timer: NodeJS.Timeout | undefined;
  let started = false;

  function start(): void {
    started = true;
    source.on("data", onData);
    source.once("end", onEnd);
    source.once("close", onClose);
    source.once("error", onClose);
    // It may have ended, or left, while its token was verified.
    if (source.readableEnded) onEnd();
    else if (source.destroyed) onClose();
    if (end === undefined && timeoutMs !== undefined) timer = setTimeout(onLate, timeoutMs);
  }

  function finish(how: "ended" | Error): void {
    if (end !== undefined) return;
    end = how;
    clearTimeout(timer);
    if (waiting === undefined) return;
    if (how === "ended") waiting.resolve({ done: true, value: undefined });
    else waiting.reject(how);
    waiting = undefined;
  }

  function onData(chunk: Uint8Array): void {
    if (end !== undefined) return;
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: chunk });
      waiting = undefined;
      return;
    }
    chunks.push(chunk);
    bufferedBytes += chunk.byteLength;
    if (bufferedBytes > bufferedBytesMax) source.pause();
  }

  // A stream of HTTP/2 that was reset, or lost with its connection, ends as if it were complete.
  function onEnd(): void {
    if ("stream" in request && request.stream.aborted) onClose();
    else finish("ended");
  }

  function onClose(): void {
    if (end !== undefined) return;
    finish(new ConnectError("the caller left before its request was complete", Code.Canceled));
  }

  function onLate(): void {
    finish(new ConnectError("the request took too long to arrive", Code.DeadlineExceeded));
  }

  return {
    next() {
      if (!started) start();
      const chunk = chunks.shift();
      if (chunk !== undefined) {
        bufferedBytes -= chunk.byteLength;
        if (source.isPaused() && bufferedBytes <= bufferedBytesMax) source.resume();
        return Promise.resolve({ done: false, value: chunk });
      }
      if (end === "ended") return Promise.resolve({ done: true, value: undefined });
      if (end !== undefined) return Promise.reject(end);
      return new Promise<Result>((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    return() {
      finish("ended");
      chunks.length = 0;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
