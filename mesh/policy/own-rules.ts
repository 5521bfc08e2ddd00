// The policies are messages themselves, with validation rules beside their fields.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Declared, PolicyProblem } from "./problem.ts";
import { validate } from "./validation.ts";

/** What the policy's own schema says of it. */
export function ownProblems(at: Declared, schema: DescMessage, policy: Message): PolicyProblem[] {
  return validate(schema, policy as never).map(({ field, problem }) => ({
    at,
    problem: `${field || "its policy"}: ${problem}`,
  }));
}
