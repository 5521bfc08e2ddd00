// Proof that whoever calls to do something has the time for it, and that retries on the way do not
// multiply without bound. It counts as the mesh client works: all attempts of a call share one
// deadline, which never outlives that of the call being served; each attempt is work for whoever is
// called.

import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { optionOf } from "#mesh/policy/problem.ts";
import { retryDelayMs } from "#mesh/rpc/client/retry.ts";
import { readPlan } from "#mesh/rpc/client/transport.ts";
import { timeoutMsDefault } from "#mesh/rpc/client.ts";
import type { Finding } from "../finding.ts";
import { type CodeGraph, graphError } from "./code.ts";
import { type Declared, type Method, type Purpose, purposesOf } from "./declared.ts";

/**
 * Most calls that one call may become at the end of a path: three attempts at each of two steps. A
 * third step has to do with fewer.
 */
export const amplificationMax = 9;

/**
 * A handler holds an SQL transaction, which Postgres ends when it is silent for so long:
 * DATABASE_IDLE_IN_TRANSACTION_MS when unset.
 */
export const handlerMsMax = 60_000;

export type Path = {
  /** From what is done to the last method that is called for it. */
  readonly steps: readonly string[];
  /** What the last one is given, in milliseconds; infinite where nothing bounds it. */
  readonly givenMs: number;
  /** Calls of the last one that one call of the first may become. */
  readonly amplification: number;
};

export type Budget = { readonly paths: readonly Path[]; readonly findings: readonly Finding[] };

export function proveBudgets(declared: Declared, code: CodeGraph): Budget {
  const paths: Path[] = [];
  const findings: Finding[] = [];
  for (const purpose of purposesOf(declared)) {
    const start = { steps: [purpose.what], ...boundsOf(purpose) };
    walk({ declared, code, paths, findings }, purpose, start);
  }
  return { paths, findings };
}

function boundsOf({ method, what }: Purpose): Pick<Path, "givenMs" | "amplification"> {
  if (method !== undefined) {
    return { givenMs: longestMs(method), amplification: attemptsOf(method) };
  }
  const isHandler = !what.endsWith("in the background");
  return { givenMs: isHandler ? handlerMsMax : Number.POSITIVE_INFINITY, amplification: 1 };
}

type World = {
  readonly declared: Declared;
  readonly code: CodeGraph;
  readonly paths: Path[];
  readonly findings: Finding[];
};

function walk(world: World, from: Omit<Purpose, "what" | "method">, path: Path): void {
  const { declared, code, paths, findings } = world;
  const called = from.calls.flatMap((name) => declared.methods.get(name) ?? []);
  const costs = called.map((method) => costOf(code, from.caller, method));
  // One after the other, as a handler that waits for each would.
  const neededMs = costs.reduce((sum, { costMs }) => sum + costMs, 0);
  const about = { ...graphError(path.steps.join(" → "), from.place), affected: [from.caller] };
  if (neededMs > path.givenMs) {
    findings.push({
      ...about,
      change: `its calls take up to ${neededMs} ms, and it is given at most ${path.givenMs} ms`,
      why: "it would be cut off while it waits, and its caller learns nothing of what failed",
      remedy: "raise its deadline_max_ms, or open the client with a shorter timeoutMs",
    });
  }
  for (const { method, timeoutMs } of costs) {
    const steps = [...path.steps, method.name];
    if (path.steps.includes(method.name)) {
      findings.push({
        ...about,
        name: steps.join(" → "),
        change: "the calls go in a circle",
        why: "one request would keep every service of the circle busy until its deadline",
        remedy: "take one of the calls out: let an event carry what it asks for",
      });
      continue;
    }
    const givenMs = Math.min(path.givenMs, timeoutMs, longestMs(method));
    const next = { steps, givenMs, amplification: path.amplification * attemptsOf(method) };
    paths.push(next);
    if (next.amplification > amplificationMax) {
      findings.push({
        ...about,
        name: steps.join(" → "),
        affected: [method.server],
        change: `one call may become ${next.amplification}, and ${amplificationMax} are allowed`,
        why: "where the last one fails, every step before it repeats it: an outage feeds itself",
        remedy: "lower attempts_max of retry or hedge on the way (contracts/graph/budget.ts)",
      });
    }
    walk(world, { caller: method.server, calls: method.calls, place: method.place }, next);
  }
}

/** What is wrong with a policy itself is told elsewhere. */
function longestMs({ desc }: Method): number {
  return optionOf(desc, options.method)?.deadlineMaxMs ?? 0;
}

/** Of a request that may be repeated. */
function attemptsOf({ desc }: Method): number {
  const { repeatable, single } = readPlan(desc);
  return (desc.methodKind === "unary" ? repeatable : single).attemptsMax;
}

type Cost = { readonly method: Method; readonly timeoutMs: number; readonly costMs: number };

/** The longest that a caller waits for it, attempts and the time between them included. */
function costOf({ services }: CodeGraph, caller: string, method: Method): Cost {
  const calls = services.find(({ service }) => service === caller)?.calls ?? [];
  const own = calls.filter((call) => call.method === method.name);
  const timeoutMs = own.reduce((most, call) => Math.max(most, call.timeoutMs), 0);
  const boundMs = timeoutMs || timeoutMsDefault;
  const attempts = attemptsOf(method);
  const attemptMs = Math.min(boundMs, longestMs(method));
  const waitsMs = Array.from({ length: attempts - 1 }, (_, n) => longestWaitMs(method, n + 1));
  const allMs = waitsMs.reduce((sum, ms) => sum + ms, attempts * attemptMs);
  return { method, timeoutMs: boundMs, costMs: Math.min(boundMs, allMs) };
}

function longestWaitMs({ desc }: Method, attempts: number): number {
  return retryDelayMs(attempts, readPlan(desc).repeatable, () => 1);
}

export function describePath({ steps, givenMs, amplification }: Path): string {
  const time = Number.isFinite(givenMs) ? `within ${givenMs} ms` : "without a deadline";
  return `${steps.join(" → ")}: ${time}, at most ${amplification} for one`;
}
