// The strict scan of a webhook's body, made once however many look at it: who
// judges it, who filters it, who normalises it.

import { type JsonScan, scanJson } from "#mesh/rpc/json.ts";

/**
 * A tree of small values takes fifty times its text: of 25 MiB that would be a gigabyte, and
 * seconds in which the door of this process stands still. No payment comes near this.
 */
export const scannedBytesMax = 2 * 1024 ** 2;

export const tooLarge = `longer than the ${scannedBytesMax} bytes that are read`;

const scans = new WeakMap<Uint8Array, JsonScan>();

export function scanBody(body: Uint8Array): JsonScan {
  let scan = scans.get(body);
  if (scan === undefined) {
    const scanned = body.byteLength <= scannedBytesMax;
    scan = scanned ? scanJson(body) : { ok: false, problem: tooLarge, offset: scannedBytesMax };
    scans.set(body, scan);
  }
  return scan;
}
