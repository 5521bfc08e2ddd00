// Where an event lives, and who writes and reads it.

import type { DescMessage } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { keyFieldProblems } from "./key-field.ts";
import { ownProblems } from "./own-rules.ts";
import { missing, optionOf, type PolicyProblem, remembered, throwProblems } from "./problem.ts";
import { countProblem, findStreams } from "./stream-policy.ts";

/** Throws when the message is not an event or its policy is not valid. */
export const eventPolicy = remembered((event: DescMessage): options.EventPolicy => {
  throwProblems(event.typeName, eventProblems(event));
  return optionOf(event, options.event) as options.EventPolicy;
});

export function isEvent(message: DescMessage): boolean {
  return optionOf(message, options.event) !== undefined;
}

/** What is wrong with the event's policy, its fields left aside. */
export function eventProblems(event: DescMessage): readonly PolicyProblem[] {
  const policy = optionOf(event, options.event);
  if (policy === undefined) return [missing(event, "event")];
  const problems = [...ownProblems(event, options.EventPolicySchema, policy)];
  problems.push(...keyFieldProblems(event, event, "key_field", [policy.keyField]));
  problems.push(...keyFieldProblems(event, event, "dedupe_id_fields", policy.dedupeIdFields));
  const streams = findStreams(event.file);
  const [stream] = streams;
  if (stream === undefined || streams.length > 1) problems.push(countProblem(event, streams));
  else if (stream.policy.name !== policy.stream) {
    const declared = `${stream.policy.name} (${stream.file.name}.proto)`;
    const problem = `says stream ${policy.stream}, and its package declares ${declared}: say that`;
    problems.push({ at: event, problem });
  }
  if (event.parent !== undefined) {
    const problem = "is an event inside another message, which no subject names: move it out";
    problems.push({ at: event, problem });
  }
  return problems;
}
