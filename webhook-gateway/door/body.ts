// Reads a body into memory: counted while it comes in, whatever its announced
// length, within a time, and within what the whole door may hold.

import type { IncomingMessage } from "node:http";
import { Collected } from "./collect.ts";
import type { Load } from "./load.ts";

export type BodyRead =
  /** `held` bytes are counted against the load until the caller releases them. */
  | { readonly kind: "read"; readonly bytes: Buffer; readonly held: number }
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

export function readBody(
  request: IncomingMessage,
  load: Load,
  { bytesMax, timeoutMs }: BodyLimits,
): Promise<BodyRead> {
  const { promise, resolve } = Promise.withResolvers<BodyRead>();
  const collected = new Collected(load, bytesMax);
  const timer = setTimeout(() => stop({ kind: "too-slow" }), timeoutMs);
  request.on("data", take);
  request.on("end", finish);
  request.on("close", leave);
  request.on("error", leave);
  return promise;

  function take(chunk: Buffer) {
    const shortage = collected.take(chunk);
    if (shortage) stop({ kind: shortage });
  }
  function finish() {
    settle({ kind: "read", bytes: collected.bytes, held: collected.held });
  }
  function leave() {
    stop({ kind: "gone" });
  }
  function stop(result: BodyRead) {
    collected.release();
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
