// Whose business a call is. An end user's token decides; a service that calls
// without one is trusted to name the learner.

import type { HandlerContext } from "@connectrpc/connect";
import { callerOf } from "#mesh/rpc/caller.ts";
import { refused } from "./refusal.ts";

/** The learner of the token, else the one that is named, else undefined. */
export function namedLearner(context: HandlerContext, named: string): string | undefined {
  const { learnerId } = callerOf(context);
  if (learnerId === undefined) return named || undefined;
  if (named !== "" && named !== learnerId) {
    throw refused("LEARNER_MISMATCH", "the end user's token belongs to another learner", {
      resource: named,
    });
  }
  return learnerId;
}

export function requiredLearner(context: HandlerContext, named: string): string {
  const learnerId = namedLearner(context, named);
  if (learnerId === undefined) {
    throw refused("LEARNER_MISSING", "learner_id is empty; name a learner or send a token");
  }
  return learnerId;
}
