// The one protovalidate validator of a process. The rules stand beside the
// fields in the schema; RPC requests, events and configuration pass through here.

import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { findNoText, textProblem } from "./text.ts";

export type Problem = {
  /** Path in proto names, such as `entries[0].amount_minor`; empty for a rule of the message. */
  readonly field: string;
  readonly problem: string;
};

const validator = createValidator();

/**
 * Every rule the message breaks; where a string is no text, that alone is told. Throws when a
 * rule itself is wrong: a bug in the schema.
 */
export function validate<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): readonly Problem[] {
  const noText = findNoText(schema, message);
  if (noText.length > 0) return noText.map((field) => ({ field, problem: textProblem }));
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return [];
  if (result.kind === "error") {
    throw new Error(`the validation rules of ${schema.typeName} are wrong`, {
      cause: result.error,
    });
  }
  return result.violations.map(({ field, message: problem, ruleId }) => ({
    field: pathToString(field),
    problem: problem || ruleId,
  }));
}

/**
 * Compiles the rules of these messages now: the first validation of a process
 * takes over 100 ms, which must not be some caller's deadline.
 */
export function warmUp(schemas: Iterable<DescMessage>): void {
  for (const schema of new Set(schemas)) validate(schema, create(schema));
}
