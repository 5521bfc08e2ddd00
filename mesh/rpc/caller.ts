// Who calls: the identity of the connection, narrowed by an end user's token
// where the method admits one. The gate writes it, handlers read it.

import assert from "node:assert/strict";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Scopes } from "../identity/access.ts";
import { refuseRequest } from "./errors.ts";

export type Caller = {
  /** `spiffe://bursar/<name>` from the client certificate. */
  readonly identity: string;
  readonly scopes: Scopes;
  readonly ledgerIds: ReadonlySet<string> | "all";
  /** Subject of the end user's token, when one came along. */
  readonly learnerId: string | undefined;
};

export const callerKey = createContextKey<Caller | undefined>(undefined);

export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  assert(caller, `${context.method.toString()} was reached without passing the gate`);
  return caller;
}

/** The ledger, if the caller may touch it; throws a refusal otherwise. */
export function requireLedger(context: HandlerContext, ledgerId: string): string {
  const { identity, ledgerIds } = callerOf(context);
  if (ledgerIds === "all" || ledgerIds.has(ledgerId)) return ledgerId;
  throw refuseRequest(
    RequestRefusal.LEDGER_DENIED,
    `${identity} may not touch ledger ${JSON.stringify(ledgerId)}`,
    [{ field: "ledger_id", problem: "not among the ledgers granted to the caller" }],
  );
}

/**
 * Whose business the call is: an end user's token decides; a service that calls without one is
 * trusted to name the learner. Throws a refusal where both are missing or contradict each other.
 */
export function requireLearner(context: HandlerContext, named: string): string {
  const learnerId = callerOf(context).learnerId ?? named;
  const problems = (problem: string) => [{ field: "learner_id", problem }];
  if (learnerId === "") {
    const what = "learner_id is empty; name a learner or send an end user's token";
    throw refuseRequest(RequestRefusal.INVALID_FIELD, what, problems("is empty"));
  }
  if (named === "" || named === learnerId) return learnerId;
  const what = "learner_id is another learner than the end user's token";
  throw refuseRequest(RequestRefusal.LEARNER_MISMATCH, what, problems("is another learner"));
}
