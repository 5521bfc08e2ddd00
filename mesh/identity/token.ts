// End users' tokens: a JWT whose subject is the learner. It accompanies a call
// of a service and narrows what that service may do for this one call.

import { readFileSync } from "node:fs";
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from "jose";
import { isText } from "../policy/text.ts";
import { createScopes, type Scopes } from "./access.ts";

/** Only asymmetric signatures: whoever checks a token must not be able to make one. */
const algorithms = ["EdDSA", "ES256"];
const clockToleranceSeconds = 5;
/** What the fields of requests hold: a longer id could act and never be named. */
const learnerIdLengthMax = 128;

export type EndUser = { readonly learnerId: string; readonly scopes: Scopes };

export type TokenOutcome =
  | { readonly ok: true; readonly user: EndUser }
  | { readonly ok: false; readonly problem: string };

export type TokenVerifier = (token: string) => Promise<TokenOutcome>;

/** Verifies tokens for one service by the public keys in a JWKS file. */
export function createTokenVerifier(options: {
  readonly jwksFile: string;
  /** The service the token must be meant for (`aud`). */
  readonly audience: string;
}): TokenVerifier {
  const keys = createLocalJWKSet(readKeys(options.jwksFile));
  const expectations = {
    algorithms,
    audience: options.audience,
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ["sub", "exp", "scope"],
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, expectations);
      const { sub, scope } = payload;
      if (!sub || !isText(sub) || typeof scope !== "string") {
        return { ok: false, problem: "sub and scope must be texts" };
      }
      if (sub.length > learnerIdLengthMax) {
        return { ok: false, problem: `sub is longer than ${learnerIdLengthMax} characters` };
      }
      const scopes = createScopes(scope.split(" ").filter(Boolean));
      return { ok: true, user: { learnerId: sub, scopes } };
    } catch (error) {
      if (error instanceof errors.JOSEError) return { ok: false, problem: error.message };
      throw error;
    }
  };
}

function readKeys(file: string): JSONWebKeySet {
  const set = JSON.parse(readFileSync(file, "utf8")) as JSONWebKeySet;
  if (!Array.isArray(set.keys) || set.keys.length === 0) {
    throw new Error(`${file} holds no keys: expected a JSON Web Key Set`);
  }
  for (const key of set.keys) {
    const name = key.kid ?? "without kid";
    if (key.d !== undefined || key.k !== undefined) {
      throw new Error(`${file} holds a secret key (${name}): keep only public keys there`);
    }
  }
  return set;
}
