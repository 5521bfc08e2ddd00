// Compares the meaning of two schemas beyond their bytes: validation rules and policies. What
// `buf breaking` sees is left to it.

import type { AnyDesc, DescMessage, DescMethod, Registry } from "@bufbuild/protobuf";
import type { Finding } from "../finding.ts";
import { type Directions, directionsIn } from "./directions.ts";
import {
  compareEvent,
  compareFieldPolicy,
  compareMethod,
  compareService,
  compareStream,
} from "./policies.ts";
import { rulesOfField, rulesOfMessage, rulesOfOneof } from "./read-rules.ts";
import { compareRules, type RuleChange, type Rules, textOf } from "./rule-changes.ts";

/** What changed for things that are in both; what came and went is in the bytes. */
export function compareSchemas(before: Registry, after: Registry): Finding[] {
  // Only who sent or read it before can be hurt.
  const directions = directionsIn(before);
  const was = new Map([...before].map((desc) => [keyOf(desc), desc]));
  const findings: Finding[] = [];
  for (const desc of after) {
    const old = was.get(keyOf(desc));
    if (desc.kind === "message" && old?.kind === "message") {
      findings.push(...compareMessages(old, desc, directions));
    }
    if (desc.kind === "service" && old?.kind === "service") {
      findings.push(...compareService(old, desc));
      findings.push(...pairsOf(old.methods, desc.methods).flatMap(([a, b]) => compareMethod(a, b)));
    }
  }
  const files = pairsOf([...filesOf(before)], [...filesOf(after)]);
  findings.push(...files.flatMap(([a, b]) => compareStream(a, b)));
  return findings;
}

function compareMessages(
  before: DescMessage,
  after: DescMessage,
  directions: Directions,
): Finding[] {
  const at = (rulesBefore: Rules, rulesAfter: Rules, name: string) =>
    compareRules(rulesBefore, rulesAfter).flatMap((change) =>
      ruleFindings(change, name, after, directions),
    );
  const { typeName } = after;
  return [
    ...at(rulesOfMessage(before), rulesOfMessage(after), typeName),
    ...pairsOf(before.oneofs, after.oneofs).flatMap(([a, b]) =>
      at(rulesOfOneof(a), rulesOfOneof(b), `${typeName}.${b.name}`),
    ),
    ...pairsOf(before.fields, after.fields).flatMap(([a, b]) => [
      ...at(rulesOfField(a), rulesOfField(b), `${typeName}.${b.name}`),
      ...compareFieldPolicy(a, b, directions(after)),
    ]),
    ...compareEvent(before, after),
  ];
}

function ruleFindings(
  change: RuleChange,
  name: string,
  message: DescMessage,
  directions: Directions,
): Finding[] {
  const { sent, answered, told } = directions(message);
  const readers = [...answered, ...told];
  const phrase = `${change.rule} was ${textOf(change.before)} and is ${textOf(change.after)}`;
  const findings: Finding[] = [];
  if (change.tightened && sent.size > 0) {
    findings.push({
      effect: "breaks-callers",
      name,
      change: phrase,
      why: "requests that were accepted are refused with INVALID_ARGUMENT",
      affected: [...sent].sort(),
      remedy: "accept what was accepted, or add a field or an RPC with the closer rule",
    });
  }
  if (change.tightened && told.size > 0) {
    findings.push({
      effect: "breaks-consumers",
      name,
      change: phrase,
      why: "events that are on the stream may break the rule and go to the dead letters",
      affected: [...told].sort(),
      remedy: "keep the rule as wide as the oldest event on the stream, or make a new event",
    });
  } else if (change.loosened && readers.length > 0) {
    findings.push({
      effect: "breaks-consumers",
      name,
      change: phrase,
      why: "readers were told that such values never come, and may not handle them",
      affected: readers.sort(),
      remedy: "keep the rule for what is answered and told, or tell the readers first",
    });
  }
  if (findings.length === 0) {
    const why = "nobody sends or reads what it bounds in a way that this touches";
    findings.push({ effect: "none", name, change: phrase, why, affected: [], remedy: "nothing" });
  }
  return findings;
}

function pairsOf<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
): (readonly [T, T])[] {
  const was = new Map(before.map((each) => [each.name, each]));
  return after.flatMap((each) => {
    const old = was.get(each.name);
    return old ? [[old, each] as const] : [];
  });
}

function* filesOf(registry: Registry) {
  const seen = new Set<string>();
  for (const desc of registry) {
    if (desc.kind === "extension" || seen.has(desc.file.name)) continue;
    seen.add(desc.file.name);
    yield desc.file;
  }
}

function keyOf(desc: Exclude<AnyDesc, DescMethod>): string {
  return "typeName" in desc ? `${desc.kind} ${desc.typeName}` : `${desc.kind}`;
}
