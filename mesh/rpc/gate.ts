// Decides, from headers alone and before a body is read, whether a call may
// come in: identity of the connection, scopes of the identity, and an end user's
// token where the method admits one. What no rule allows is denied.

import type { TLSSocket } from "node:tls";
import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { type Access, decideAccess, type Grant, narrowScopes } from "../identity/access.ts";
import { peerIdentity } from "../identity/tls.ts";
import type { EndUser, TokenVerifier } from "../identity/token.ts";
import { type Caller, callerKey } from "./caller.ts";
import { refuseRequest } from "./errors.ts";

/** The TLS socket a call came in on; undefined when it is gone already. */
export const socketKey = createContextKey<TLSSocket | undefined>(undefined);

/** What a method asks of its caller: scopes, or only an identity. */
export type GateRule =
  | { readonly kind: "identity" }
  | { readonly kind: "scopes"; readonly scopes: readonly string[]; readonly endUsers: boolean };

export type GateOptions = {
  readonly ruleOf: (method: DescMethod) => GateRule | undefined;
  readonly access: Access;
  /** Undefined: the service knows no keys, so every token is refused. */
  readonly verifyToken: TokenVerifier | undefined;
};

export type Gate = (context: HandlerContext) => Promise<Caller>;

export function createGate({ ruleOf, access, verifyToken }: GateOptions): Gate {
  return async (context) => {
    const identity = requireIdentity(context.values.get(socketKey));
    const rule = ruleOf(context.method);
    if (rule === undefined) throw scopeMissing(identity, [], "the method has no policy");
    const authorization = context.requestHeader.get("authorization");
    const endUsers = rule.kind === "scopes" && rule.endUsers;
    const user = await endUser(authorization, endUsers ? verifyToken : undefined);
    const caller = callerFrom(identity, access.get(identity), user);
    if (rule.kind === "scopes") requireScopes(rule.scopes, caller, user !== undefined);
    context.values.set(callerKey, caller);
    return caller;
  };
}

export function requireIdentity(socket: TLSSocket | undefined): string {
  const identity = socket && peerIdentity(socket);
  if (identity !== undefined) return identity;
  throw refuseRequest(
    RequestRefusal.UNAUTHENTICATED,
    "the connection carries no valid client certificate of this mesh",
  );
}

function callerFrom(identity: string, grant: Grant | undefined, user: EndUser | undefined): Caller {
  const scopes = grant?.scopes ?? nothing;
  return {
    identity,
    scopes: user ? narrowScopes(scopes, user.scopes) : scopes,
    ledgerIds: grant?.ledgerIds ?? new Set(),
    learnerId: user?.learnerId,
  };
}

const nothing = { covers: () => false };

function requireScopes(scopes: readonly string[], caller: Caller, byUser: boolean): void {
  const decision = decideAccess({ scopes }, caller);
  if (decision.allowed) return;
  const problem = byUser
    ? "not granted to the caller and its end user"
    : "not granted to the caller";
  throw scopeMissing(caller.identity, decision.missing, problem);
}

function scopeMissing(identity: string, missing: readonly string[], problem: string) {
  const problems = missing.map((field) => ({ field, problem }));
  const what = missing.length > 0 ? `lacks ${missing.join(", ")}` : `may not: ${problem}`;
  return refuseRequest(RequestRefusal.SCOPE_MISSING, `${identity} ${what}`, problems);
}

async function endUser(
  authorization: string | null,
  verifyToken: TokenVerifier | undefined,
): Promise<EndUser | undefined> {
  if (authorization === null) return undefined;
  const [, token] = /^bearer ([^\s,]+)$/i.exec(authorization) ?? [];
  if (token === undefined) throw tokenInvalid("expected `authorization: Bearer <token>`");
  if (verifyToken === undefined) throw tokenInvalid("the method admits no end user's token");
  const outcome = await verifyToken(token);
  if (!outcome.ok) throw tokenInvalid(outcome.problem);
  return outcome.user;
}

function tokenInvalid(problem: string) {
  return refuseRequest(RequestRefusal.TOKEN_INVALID, `the end user's token is refused: ${problem}`);
}
