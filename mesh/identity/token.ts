// End users' tokens: a JWT whose subject is the learner. It accompanies a call
// of a service and narrows what that service may do for this one call.

import { createPublicKey, type webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
// Its parts by their own names: all of it is twice as many files to load.
import type { JSONWebKeySet, JWK, JWTVerifyGetKey } from "jose";
import { JOSEError } from "jose/errors";
import { createLocalJWKSet } from "jose/jwks/local";
import { jwtVerify } from "jose/jwt/verify";
import { isText } from "../policy/text.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createScopes, type Scopes } from "./access.ts";
import { openReloaded } from "./reloaded.ts";

const expectations = {
  /** Only asymmetric signatures: whoever checks a token must not be able to make one. */
  algorithms: ["EdDSA", "ES256"],
  /** Seconds by which the clocks of who issues and who checks may differ. */
  clockTolerance: 5,
  requiredClaims: ["sub", "exp", "scope"],
};
/** Far more than a subject and its scopes take, and little to verify. */
const tokenLengthMax = 8 * 1024;
/** What the fields of requests hold: a longer id could act and never be named. */
const learnerIdLengthMax = 128;

export type EndUser = { readonly learnerId: string; readonly scopes: Scopes };

export type TokenOutcome =
  | { readonly ok: true; readonly user: EndUser }
  | { readonly ok: false; readonly problem: string };

export type TokenVerifier = (token: string) => Promise<TokenOutcome>;

/** Verifies tokens for one service by the public keys in a JWKS file, which it follows. */
export function openTokenVerifier(options: {
  readonly jwksFile: string;
  /** The service the token must be meant for (`aud`). */
  readonly audience: string;
  readonly log?: Log;
  readonly metrics?: Metrics;
  readonly pollMs?: number;
}): TokenVerifier & Disposable {
  const { jwksFile, audience, ...reload } = options;
  const keys = openReloaded({
    ...reload,
    what: "token keys",
    files: [jwksFile],
    read: () => createLocalJWKSet(readKeys(jwksFile)),
  });
  const verify: TokenVerifier = (token) => verifyToken(token, keys.current, audience);
  return Object.assign(verify, { [Symbol.dispose]: () => keys[Symbol.dispose]() });
}

async function verifyToken(
  token: string,
  keys: JWTVerifyGetKey,
  audience: string,
): Promise<TokenOutcome> {
  if (token.length > tokenLengthMax) {
    return { ok: false, problem: `it is longer than ${tokenLengthMax} characters` };
  }
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      ...expectations,
      audience,
    });
    // One key alone would be guessed, and no longer once a second stands beside it.
    if (protectedHeader.kid === undefined) {
      return { ok: false, problem: "it does not say which key signed it (kid)" };
    }
    const { sub, scope } = payload;
    // What is signed may still hold anything.
    const isRead = typeof sub === "string" && sub !== "" && isText(sub);
    if (!isRead || typeof scope !== "string") {
      return { ok: false, problem: "sub and scope must be texts" };
    }
    if (sub.length > learnerIdLengthMax) {
      return { ok: false, problem: `sub is longer than ${learnerIdLengthMax} characters` };
    }
    const scopes = createScopes(scope.split(" ").filter(Boolean));
    return { ok: true, user: { learnerId: sub, scopes } };
  } catch (error) {
    if (error instanceof JOSEError) return { ok: false, problem: error.message };
    throw error;
  }
}

function readKeys(file: string): JSONWebKeySet {
  const set = JSON.parse(readFileSync(file, "utf8")) as JSONWebKeySet;
  if (!Array.isArray(set.keys) || set.keys.length === 0) {
    throw new Error(`${file} holds no keys: expected a JSON Web Key Set`);
  }
  const names = new Set<string>();
  for (const key of set.keys) {
    const name = key.kid ?? "without kid";
    if (key.d !== undefined || key.k !== undefined) {
      throw new Error(`${file} holds a secret key (${name}): keep only public keys there`);
    }
    checkKey(file, name, key);
    if (key.kid === undefined) throw new Error(`${file} holds a key without kid: give it one`);
    if (names.has(name)) {
      throw new Error(`${file} holds two keys with the kid ${name}: give each its own`);
    }
    names.add(name);
  }
  return set;
}

function checkKey(file: string, name: string, key: JWK): void {
  try {
    createPublicKey({ key: key as webcrypto.JsonWebKey, format: "jwk" });
  } catch (cause) {
    throw new Error(`${file} holds a key that cannot be read (${name})`, { cause });
  }
}
