// The endpoints by which a process works now. A new configuration is parsed first and put in force
// afterwards, so that several processes can all parse before the first of them switches.

import type { Env } from "#mesh/process/config.ts";
import { type EndpointsSnapshot, parseEndpoints } from "./endpoints.ts";

export type EndpointsInForce = {
  readonly current: EndpointsSnapshot;
  /** Throws ConfigError with everything that is wrong; what it returns puts the text in force. */
  prepare(text: string): () => void;
};

/** Throws ConfigError with everything that is wrong. */
export function openEndpoints(text: string, env: Env): EndpointsInForce {
  let current = parseEndpoints(text, env, new Date());
  return {
    get current() {
      return current;
    },
    prepare(next) {
      const parsed = parseEndpoints(next, env, new Date());
      return () => {
        current = parsed;
      };
    },
  };
}
