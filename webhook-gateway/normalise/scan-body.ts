// The strict scan of a webhook's body, made once however many look at it: who
// judges it, who filters it, who normalises it.

import { type JsonScan, scanJson } from "#mesh/rpc/json.ts";

const scans = new WeakMap<Uint8Array, JsonScan>();

export function scanBody(body: Uint8Array): JsonScan {
  let scan = scans.get(body);
  if (scan === undefined) {
    scan = scanJson(body);
    scans.set(body, scan);
  }
  return scan;
}
