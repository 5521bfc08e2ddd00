// Reads a body into memory: counted while it comes in, whatever its announced
// length, within a time, and within what the whole door may hold.

import type { IncomingMessage } from "node:http";
import type { Load } from "./load.ts";

export type BodyRead =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | { readonly kind: "too-large" }
  | { readonly kind: "too-slow" }
  | { readonly kind: "no-room" }
  /** The sender has gone; nobody waits for an answer. */
  | { readonly kind: "gone" };

export type BodyLimits = { readonly bytesMax: number; readonly timeoutMs: number };

/** Refused before it is read; a body that announces no length is counted. */
export function announcesMoreThan(request: IncomingMessage, bytesMax: number): boolean {
  return Number(request.headers["content-length"] ?? 0) > bytesMax;
}

/** The bytes are counted against `load` until the caller releases them. */
export function readBody(
  request: IncomingMessage,
  load: Load,
  { bytesMax, timeoutMs }: BodyLimits,
): Promise<BodyRead> {
  const { promise, resolve } = Promise.withResolvers<BodyRead>();
  const chunks: Buffer[] = [];
  let length = 0;
  const timer = setTimeout(() => stop({ kind: "too-slow" }), timeoutMs);
  request.on("data", take);
  request.on("end", finish);
  request.on("close", leave);
  request.on("error", leave);
  return promise;

  function take(chunk: Buffer) {
    length += chunk.byteLength;
    if (length > bytesMax) stop({ kind: "too-large" });
    else if (load.takeBytes(chunk.byteLength)) chunks.push(chunk);
    else stop({ kind: "no-room" });
  }
  function finish() {
    const [first] = chunks;
    const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks);
    settle({ kind: "read", bytes });
  }
  function leave() {
    stop({ kind: "gone" });
  }
  function stop(result: BodyRead) {
    for (const chunk of chunks.splice(0)) load.releaseBytes(chunk.byteLength);
    settle(result);
  }
  function settle(result: BodyRead) {
    clearTimeout(timer);
    request.off("data", take);
    request.off("end", finish);
    request.off("close", leave);
    // An error may still come when the socket goes; nobody is interested any more.
    request.off("error", leave).on("error", () => {});
    resolve(result);
  }
}
