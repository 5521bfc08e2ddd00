// Refusals that say when to come back. Under a flood they must cost next to nothing: each is made
// once for each of a few waiting times, and answered from then on.

import type { ConnectError } from "@connectrpc/connect";
import type { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "../errors.ts";

export type Pushback = {
  readonly refuse: (refusal: RequestRefusal, message: string, waitMs: number) => ConnectError;
};

const knownMax = 1_000;

export function createPushback(): Pushback {
  const known = new Map<string, ConnectError>();
  return {
    refuse(refusal, message, waitMs) {
      const roundedMs = roundedUp(waitMs);
      const key = `${refusal} ${roundedMs} ${message}`;
      let error = known.get(key);
      if (error === undefined) {
        error = refuseRequest(refusal, message);
        error.metadata.set("retry-after", `${Math.ceil(roundedMs / 1_000)}`);
        error.metadata.set("grpc-retry-pushback-ms", `${roundedMs}`);
        // Limits that an operator changes leave their old texts behind.
        if (known.size >= knownMax) known.clear();
        known.set(key, error);
      }
      return error;
    },
  };
}

/** To two digits: never earlier, and at most a tenth later. */
export function roundedUp(waitMs: number): number {
  if (waitMs <= 10) return Math.max(1, Math.ceil(waitMs));
  const step = 10 ** (Math.floor(Math.log10(waitMs)) - 1);
  return Math.ceil(waitMs / step) * step;
}
