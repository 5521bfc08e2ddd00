// Who did something, as it is written beside what was done: the calling service, and the end user
// it acted for where there was one.

import type { HandlerContext } from "@connectrpc/connect";
import { identityPrefix } from "#mesh/identity/tls.ts";
import { callerOf } from "#mesh/rpc/caller.ts";

/** `admin-console`, or `shop/learner-17`. */
export function actorOf(context: HandlerContext): string {
  const { identity, learnerId } = callerOf(context);
  const name = identity.replace(identityPrefix, "");
  return learnerId === undefined ? name : `${name}/${learnerId}`;
}
