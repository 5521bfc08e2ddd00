// How policies changed, and whom that hurts: callers that lose a scope, a deadline or a retry,
// readers whose subject, key or identity of an event moved, and people whose data travels farther.

import type {
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescService,
  Message,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { className, fieldPolicy } from "#mesh/policy/field-policy.ts";
import { nameOf, optionOf } from "#mesh/policy/problem.ts";
import type { Effect, Finding } from "../finding.ts";
import type { Travels } from "./directions.ts";

type Verdict = { readonly effect: Effect; readonly why: string; readonly remedy: string };

const none: Verdict = { effect: "none", why: "nobody has to do anything", remedy: "nothing" };
const restore = "take the change back, or tell those affected first and acknowledge it";

export function compareService(before: DescService, after: DescService): Finding[] {
  const [was, is] = [optionOf(before, options.service), optionOf(after, options.service)];
  if (was === undefined || is === undefined) return [];
  return differ(nameOf(after), was, is, ["every caller"], (field) => {
    if (field === "identity") return breaks("clients believe no certificate but the former one's");
    if (field !== "data_class" || is.dataClass <= was.dataClass) return none;
    return wider("it may hold data of a closer class than callers were told");
  });
}

export function compareMethod(before: DescMethod, after: DescMethod): Finding[] {
  const [was, is] = [optionOf(before, options.method), optionOf(after, options.method)];
  if (was === undefined || is === undefined) return [];
  const affected = is.callers.includes("*") ? ["every caller"] : [...was.callers];
  const found = differ(nameOf(after), was, is, affected, (field, a, b) => {
    switch (field) {
      case "scopes":
        return scopesVerdict(was.scopes, is.scopes);
      case "callers":
        return callersVerdict(was.callers, is.callers);
      case "end_users":
        return b ? wider("browsers reach it with an end user's token") : breaks("browsers lose it");
      case "deadline_max_ms":
      case "request_bytes_max":
        return isLower(a, b) ? breaks("calls that fitted no longer do") : none;
      case "idempotency_key_field":
        return was.idempotencyKeyField === ""
          ? none
          : breaks("a call that was repeated safely may be done twice");
      case "retry":
      case "hedge":
        return none;
      case "audit":
        return b ? none : { effect: "security", why: "calls leave no record", remedy: restore };
      default:
        return none;
    }
  });
  return [...found, ...retryWithoutIdempotency(after, is)];
}

function retryWithoutIdempotency(method: DescMethod, is: options.MethodPolicy): Finding[] {
  const isSafe = method.idempotency !== Level.IDEMPOTENCY_UNKNOWN || is.idempotencyKeyField !== "";
  if (isSafe || (is.retry?.attemptsMax ?? 1) <= 1) return [];
  return [
    {
      effect: "error",
      name: nameOf(method),
      change: `retry makes ${is.retry?.attemptsMax} attempts`,
      why: "a repeated call may be done twice",
      affected: [...is.callers],
      remedy: "name an idempotency_key_field or an idempotency_level, or remove retry",
    },
  ];
}

export function compareEvent(before: DescMessage, after: DescMessage): Finding[] {
  const [was, is] = [optionOf(before, options.event), optionOf(after, options.event)];
  if (was === undefined || is === undefined) return [];
  const affected = [...was.consumers].sort();
  return differ(nameOf(after), was, is, affected, (field) => {
    switch (field) {
      case "stream":
        return reads("consumers of the former stream see no more of it");
      case "key_field":
        return reads("what is partitioned by the key changes partition");
      case "dedupe_id_fields":
        return reads("the same fact has another id: it counts twice where it was told before");
      case "version":
        return is.version < was.version ? reads("consumers take it for an older one") : none;
      case "producers":
        return is.producers.every((name) => was.producers.includes(name))
          ? none
          : wider("somebody more may say that it happened");
      case "consumers":
        return was.consumers.every((name) => is.consumers.includes(name))
          ? wider("somebody more reads it")
          : reads("a consumer may not read it any more");
      default:
        return none;
    }
  });
}

export function compareStream(before: DescFile, after: DescFile): Finding[] {
  const [was, is] = [optionOf(before, options.stream), optionOf(after, options.stream)];
  if (was === undefined || is === undefined) return [];
  return differ(nameOf(after), was, is, [is.name], (field, a, b) => {
    if (field === "name") return reads("events go to another stream than they are read from");
    return isLower(a, b) ? reads("what was kept, fitted or recognised no longer is") : none;
  });
}

export function compareFieldPolicy(
  before: DescField,
  after: DescField,
  { sent, answered, told }: Travels,
): Finding[] {
  const [was, is] = [fieldPolicy(before), fieldPolicy(after)];
  const affected = [...sent, ...answered, ...told].sort();
  const at = { name: nameOf(after), affected };
  const findings: Finding[] = [];
  if (was.dataClass !== is.dataClass) {
    const change = `data_class was ${className(was.dataClass)} and is ${className(is.dataClass)}`;
    const verdict = is.dataClass < was.dataClass ? wider("its value may travel farther") : none;
    findings.push({ ...at, change, ...verdict });
  }
  if (was.secret && !is.secret) {
    findings.push({ ...at, change: "it is no secret any more", ...wider("it is logged and told") });
  }
  if (!was.immutable && is.immutable && sent.size > 0) {
    findings.push({ ...at, change: "it is immutable now", ...breaks("masks with it are refused") });
  }
  return findings;
}

function scopesVerdict(was: readonly string[], is: readonly string[]): Verdict {
  if (is.some((scope) => !was.includes(scope))) return breaks("callers need a scope more");
  return wider("callers need fewer scopes");
}

function callersVerdict(was: readonly string[], is: readonly string[]): Verdict {
  // A name beside `*` says who in this repository calls, and admits nobody more.
  if (was.includes("*") && is.includes("*")) return none;
  const isClosed = !is.includes("*") && was.some((name) => !is.includes(name));
  return isClosed
    ? breaks("somebody may not call it any more")
    : wider("somebody more may call it");
}

const breaks = (why: string): Verdict => ({ effect: "breaks-callers", why, remedy: restore });
const reads = (why: string): Verdict => ({ effect: "breaks-consumers", why, remedy: restore });
const wider = (why: string): Verdict => ({ effect: "security", why, remedy: restore });

function isLower(before: unknown, after: unknown): boolean {
  return typeof before === "number" && typeof after === "number" && after < before;
}

/** One finding for every field of the option that differs. */
function differ<M extends Message>(
  name: string,
  before: M,
  after: M,
  affected: readonly string[],
  judge: (field: string, before: unknown, after: unknown) => Verdict,
): Finding[] {
  const value = (message: M, key: string) => (message as unknown as Record<string, unknown>)[key];
  const keys = Object.keys({ ...before, ...after }).filter((key) => !key.startsWith("$"));
  return keys.flatMap((key) => {
    const [was, is] = [value(before, key), value(after, key)];
    if (plain(was) === plain(is)) return [];
    const field = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const change = `${field} was ${plain(was)} and is ${plain(is)}`;
    return [{ name, change, affected, ...judge(field, was, is) }];
  });
}

function plain(value: unknown): string {
  if (value === undefined || value === "") return "not set";
  const text = JSON.stringify(value, (key, inner) => (key.startsWith("$") ? undefined : inner));
  return Array.isArray(value) ? JSON.stringify([...value].sort()) : text;
}
