// What callers may do: `AccessConfig` maps identities to scopes and ledgers, and
// one pure function decides. Who is not listed may do nothing.

import { readFileSync } from "node:fs";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import {
  AccessConfigSchema,
  type AccessGrant,
  type RateLimit,
} from "#gen/bursar/mesh/v1/access_pb.ts";
import { type RateClass, RateClassSchema } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { validate } from "../policy/validation.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { openReloaded } from "./reloaded.ts";

/** A set of scopes, some of them given by patterns such as `ledger.*.read`. */
export type Scopes = {
  readonly covers: (scope: string) => boolean;
};

export type Grant = {
  readonly scopes: Scopes;
  readonly ledgerIds: ReadonlySet<string> | "all";
  /** By rate class; a class without one is not limited. */
  readonly rates: ReadonlyMap<RateClass, Rate>;
};

export type Rate = {
  readonly perSecond: number;
  /** Calls at once. */
  readonly burst: number;
};

/** Grants by identity, `spiffe://bursar/<name>`. */
export type Access = {
  get(identity: string): Grant | undefined;
};

/** Follows the file: the next call is judged by what it says now, as long as that is valid. */
export function openAccess(
  file: string,
  options: { readonly log?: Log; readonly metrics?: Metrics; readonly pollMs?: number } = {},
): Access & Disposable {
  const what = "access configuration";
  const read = () => readAccess(file);
  const access = openReloaded({ ...options, what, files: [file], read });
  return {
    get: (identity) => access.current.get(identity),
    [Symbol.dispose]: () => access[Symbol.dispose](),
  };
}

/** Reads `AccessConfig` as JSON or YAML; throws with every problem it has. */
export function readAccess(file: string): Access {
  try {
    const json = parse(readFileSync(file, "utf8"), { uniqueKeys: true }) as JsonValue;
    const config = fromJson(AccessConfigSchema, json);
    const problems = [
      ...validate(AccessConfigSchema, config).map(({ field, problem }) => `${field}: ${problem}`),
      ...repetitions(config.grants),
    ];
    if (problems.length > 0) throw new Error(problems.join("; "));
    return createAccess(config.grants);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`access configuration ${file} is not valid: ${reason}`, { cause });
  }
}

/** The grants must be valid and name nobody twice. */
export function createAccess(grants: readonly AccessGrant[]): Access {
  return new Map(
    grants.map(({ identity, scopes, ledgerIds, rateLimits }): [string, Grant] => [
      identity,
      {
        scopes: createScopes(scopes),
        ledgerIds: ledgerIds.includes("*") ? "all" : new Set(ledgerIds),
        rates: createRates(rateLimits),
      },
    ]),
  );
}

function createRates(limits: readonly RateLimit[]): Map<RateClass, Rate> {
  return new Map(
    limits.map(({ rateClass, callsPerSecond, burst }): [RateClass, Rate] => [
      rateClass,
      { perSecond: callsPerSecond, burst: burst || callsPerSecond },
    ]),
  );
}

/** What is said twice, perhaps differently: nobody could tell which of the two counts. */
function repetitions(grants: readonly AccessGrant[]): string[] {
  const problems = repeated(grants.map(({ identity }) => identity)).map(
    (identity) => `${identity} is listed twice`,
  );
  for (const { identity, rateLimits } of grants) {
    const classes = rateLimits.map(({ rateClass }) => nameOf(rateClass));
    problems.push(...repeated(classes).map((name) => `${identity} has two limits for ${name}`));
  }
  return problems;
}

function nameOf(rateClass: RateClass): string {
  return RateClassSchema.value[rateClass]?.name ?? String(rateClass);
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, place) => names.indexOf(name) < place))];
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
