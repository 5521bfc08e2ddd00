// Decides, from headers alone and before a body is read, who calls and whether they may: identity
// of the connection, callers and scopes of the method's policy, and an end user's token where the
// method admits one. What no rule allows is denied.

import type { TLSSocket } from "node:tls";
import type { DescMethod } from "@bufbuild/protobuf";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { type Access, decideAccess, type Grant, narrowScopes } from "../identity/access.ts";
import { identityPrefix, peerIdentity } from "../identity/tls.ts";
import type { EndUser, TokenVerifier } from "../identity/token.ts";
import type { Caller } from "./caller.ts";
import { refuseRequest } from "./errors.ts";
import { type Request, socketOf } from "./listener.ts";
import { headerOf, isRepeated } from "./protocol.ts";

/** What a method asks of its caller: callers and scopes, or only an identity. */
export type GateRule =
  | { readonly kind: "identity" }
  | {
      readonly kind: "policy";
      /** Last parts of identities, or `*`. */
      readonly callers: readonly string[];
      readonly scopes: readonly string[];
      readonly endUsers: boolean;
    };

export type GateOptions = {
  /** Read anew for every call: it may follow a file. */
  readonly access: Pick<Access, "get">;
  /** Undefined: the service knows no keys, so every token is refused. */
  readonly verifyToken: TokenVerifier | undefined;
  /** Identity of whoever sent the request; undefined when they proved none. */
  readonly identify?: (request: Request) => string | undefined;
  /** No call without an end user: for who has no certificate. */
  readonly tokenRequired?: boolean;
};

/** Who passed so far; what is left is an end user's token, which takes work to verify. */
export type Passed = {
  readonly identity: string;
  readonly grant: Grant | undefined;
  readonly token: string | undefined;
};

export type Gate = {
  /** Whoever passes is of the mesh itself. */
  readonly ofMesh: boolean;
  readonly identify: (request: Request) => string | undefined;
  /** Throws the refusal. */
  readonly pass: (
    request: Request,
    identity: string | undefined,
    method: DescMethod,
    rule: GateRule | undefined,
  ) => Passed;
  /** Of a call without a token. */
  readonly caller: (passed: Passed) => Caller;
  /** Of a call with one: rejects with the refusal. */
  readonly verify: (passed: Passed, rule: GateRule) => Promise<Caller>;
};

export function createGate({
  access,
  verifyToken,
  identify = (request) => identityOf(socketOf(request)),
  tokenRequired = false,
}: GateOptions): Gate {
  return {
    ofMesh: !tokenRequired,
    identify,
    pass(request, proved, method, rule) {
      const identity = proved ?? unauthenticated();
      if (rule === undefined) throw scopeMissing(identity, [], "the method has no policy");
      const grant = access.get(identity);
      if (rule.kind === "policy") {
        requireAdmitted(rule.callers, identity, method);
        requireScopes(rule.scopes, identity, grant, "not granted to the caller");
      }
      const authorization = headerOf(request, "authorization");
      if (authorization !== undefined && isRepeated(request, "authorization")) {
        throw tokenInvalid("there are several `authorization` headers");
      }
      const admits = rule.kind === "policy" && rule.endUsers;
      const token = readToken(authorization, admits && verifyToken !== undefined);
      if (token === undefined && tokenRequired) throw tokenInvalid("the call comes without one");
      return { identity, grant, token };
    },
    caller: ({ identity, grant }) => callerFrom(identity, grant, undefined),
    async verify({ identity, grant, token }, rule) {
      const user = await verified(token ?? "", verifyToken);
      const caller = callerFrom(identity, grant, user);
      const problem = "not granted to the caller and its end user";
      if (rule.kind === "policy") requireScopes(rule.scopes, identity, caller, problem);
      return caller;
    },
  };
}

function identityOf(socket: TLSSocket | undefined): string | undefined {
  return socket && peerIdentity(socket);
}

export function requireIdentity(socket: TLSSocket | undefined): string {
  return identityOf(socket) ?? unauthenticated();
}

function unauthenticated(): never {
  throw refuseRequest(
    RequestRefusal.UNAUTHENTICATED,
    "the connection carries no valid client certificate of this mesh",
  );
}

function requireAdmitted(callers: readonly string[], identity: string, method: DescMethod): void {
  const isAdmitted = callers.some((name) => name === "*" || identity === identityPrefix + name);
  if (isAdmitted) return;
  const problem = "is not among the callers of the method's policy";
  throw refuseRequest(
    RequestRefusal.CALLER_NOT_ADMITTED,
    `${identity} may not call ${method.parent.typeName}/${method.name}: it ${problem}`,
    [{ field: "", problem }],
  );
}

function callerFrom(identity: string, grant: Grant | undefined, user: EndUser | undefined): Caller {
  const scopes = grant?.scopes ?? nothing;
  return {
    identity,
    scopes: user ? narrowScopes(scopes, user.scopes) : scopes,
    ledgerIds: grant?.ledgerIds ?? noLedgers,
    learnerId: user?.learnerId,
  };
}

const nothing = { covers: () => false };
const noLedgers: ReadonlySet<string> = new Set();

function requireScopes(
  scopes: readonly string[],
  identity: string,
  holder: Pick<Grant, "scopes"> | undefined,
  problem: string,
): void {
  const decision = decideAccess({ scopes }, holder ?? { scopes: nothing });
  if (!decision.allowed) throw scopeMissing(identity, decision.missing, problem);
}

function scopeMissing(identity: string, missing: readonly string[], problem: string) {
  const problems = missing.map((field) => ({ field, problem }));
  const what = missing.length > 0 ? `lacks ${missing.join(", ")}` : `may not: ${problem}`;
  return refuseRequest(RequestRefusal.SCOPE_MISSING, `${identity} ${what}`, problems);
}

function readToken(authorization: string | undefined, admitted: boolean): string | undefined {
  if (authorization === undefined) return undefined;
  const [, token] = /^bearer ([^\s,]+)$/i.exec(authorization) ?? [];
  if (token === undefined) throw tokenInvalid("expected `authorization: Bearer <token>`");
  if (!admitted) throw tokenInvalid("the method admits no end user's token");
  return token;
}

async function verified(token: string, verifyToken: TokenVerifier | undefined): Promise<EndUser> {
  if (verifyToken === undefined) throw tokenInvalid("the service knows no keys");
  const outcome = await verifyToken(token);
  if (!outcome.ok) throw tokenInvalid(outcome.problem);
  return outcome.user;
}

function tokenInvalid(problem: string) {
  return refuseRequest(RequestRefusal.TOKEN_INVALID, `the end user's token is refused: ${problem}`);
}
