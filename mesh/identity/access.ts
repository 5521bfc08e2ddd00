// What callers may do: `AccessConfig` maps identities to scopes and ledgers, and
// one pure function decides. Who is not listed may do nothing.

import { readFileSync } from "node:fs";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { AccessConfigSchema, type AccessGrant } from "#gen/bursar/mesh/v1/access_pb.ts";
import { validate } from "../policy/validation.ts";

/** A set of scopes, some of them given by patterns such as `ledger.*.read`. */
export type Scopes = {
  readonly covers: (scope: string) => boolean;
};

export type Grant = {
  readonly scopes: Scopes;
  readonly ledgerIds: ReadonlySet<string> | "all";
};

/** Grants by identity, `spiffe://bursar/<name>`. */
export type Access = ReadonlyMap<string, Grant>;

/** Reads `AccessConfig` as JSON or YAML; throws with every problem it has. */
export function readAccess(file: string): Access {
  try {
    const json = parse(readFileSync(file, "utf8"), { uniqueKeys: true }) as JsonValue;
    const config = fromJson(AccessConfigSchema, json);
    const problems = validate(AccessConfigSchema, config);
    if (problems.length > 0) {
      throw new Error(problems.map(({ field, problem }) => `${field}: ${problem}`).join("; "));
    }
    return createAccess(config.grants);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`access configuration ${file} is not valid: ${reason}`, { cause });
  }
}

export function createAccess(grants: readonly AccessGrant[]): Access {
  const access = new Map<string, Grant>();
  for (const { identity, scopes, ledgerIds } of grants) {
    if (access.has(identity)) throw new Error(`${identity} is listed twice`);
    access.set(identity, {
      scopes: createScopes(scopes),
      ledgerIds: ledgerIds.includes("*") ? "all" : new Set(ledgerIds),
    });
  }
  return access;
}

/** Scopes from patterns `<domain>.<noun>.<verb>` of which a part may be `*`. */
export function createScopes(patterns: readonly string[]): Scopes {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const wild = patterns.filter((pattern) => pattern.includes("*")).map((text) => text.split("."));
  return {
    covers: (scope) => exact.has(scope) || wild.some((pattern) => matches(pattern, scope)),
  };
}

/** What both allow: a token narrows what the calling service may do, never widens it. */
export function narrowScopes(scopes: Scopes, by: Scopes): Scopes {
  return { covers: (scope) => scopes.covers(scope) && by.covers(scope) };
}

export type AccessDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly missing: readonly string[] };

/** The caller needs every scope of the policy. A policy without scopes allows nobody. */
export function decideAccess(
  policy: { readonly scopes: readonly string[] },
  caller: { readonly scopes: Scopes },
): AccessDecision {
  const missing = policy.scopes.filter((scope) => !caller.scopes.covers(scope));
  if (missing.length > 0 || policy.scopes.length === 0) return { allowed: false, missing };
  return { allowed: true };
}

function matches(pattern: readonly string[], scope: string): boolean {
  const parts = scope.split(".");
  return (
    parts.length === pattern.length &&
    pattern.every((part, place) => part === "*" || part === parts[place])
  );
}
