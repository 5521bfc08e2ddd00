// Undoes a body's compression, where an endpoint allows it. The decoded bytes are
// what is verified, so they are bounded and counted like a body: one that decodes
// to more than its limit is given up on when it gets there, not when it ends.

import { createGunzip } from "node:zlib";
import { Collected } from "./collect.ts";
import type { Load } from "./load.ts";

export type Decoded =
  /** `held` bytes are counted against the load until the caller releases them. */
  | { readonly kind: "read"; readonly bytes: Buffer; readonly held: number }
  | { readonly kind: "too-large" }
  | { readonly kind: "no-room" }
  | { readonly kind: "encoding-malformed" };

/** What a decoder holds beside its input and its output: its window and its tables. */
const decoderBytes = 128 * 1024;

export function decodeGzip(body: Buffer, load: Load, bytesMax: number): Promise<Decoded> {
  const { promise, resolve } = Promise.withResolvers<Decoded>();
  if (!load.takeBytes(decoderBytes)) {
    resolve({ kind: "no-room" });
    return promise;
  }
  const collected = new Collected(load, bytesMax);
  const gunzip = createGunzip();
  gunzip.on("data", (chunk: Buffer) => {
    const shortage = collected.take(chunk);
    if (shortage) stop({ kind: shortage });
  });
  gunzip.on("end", () => settle({ kind: "read", bytes: collected.bytes, held: collected.held }));
  gunzip.on("error", () => stop({ kind: "encoding-malformed" }));
  // Once, however it ends.
  gunzip.on("close", () => load.releaseBytes(decoderBytes));
  gunzip.end(body);
  return promise;

  function stop(result: Decoded) {
    gunzip.removeAllListeners("data");
    collected.release();
    settle(result);
  }
  function settle(result: Decoded) {
    gunzip.removeAllListeners("end").destroy();
    resolve(result);
  }
}
