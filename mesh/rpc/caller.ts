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

/** Throws a refusal unless the caller may touch the ledger. */
export function requireLedger(context: HandlerContext, ledgerId: string): void {
  const { identity, ledgerIds } = callerOf(context);
  if (ledgerIds === "all" || ledgerIds.has(ledgerId)) return;
  throw refuseRequest(
    RequestRefusal.LEDGER_DENIED,
    `${identity} may not touch ledger ${JSON.stringify(ledgerId)}`,
    [{ field: "ledger_id", problem: "not among the ledgers granted to the caller" }],
  );
}
