// The one protovalidate validator of a process. The rules stand beside the
// fields in the schema; RPC requests, events and configuration pass through here.

import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import "./lazy-rules.ts";
import { matchesPattern } from "./pattern.ts";
import { surelyValid } from "./quick-rules.ts";
import { findNoText, shownKey, textProblem } from "./text.ts";

export type Problem = {
  /** Path in proto names, such as `entries[0].amount_minor`; empty for a rule of the message. */
  readonly field: string;
  readonly problem: string;
};

/** In one line, for a person. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ field, problem }) => (field ? `${field}: ${problem}` : problem))
    .join("; ");
}

const validator = createValidator({ regexMatch: matchesPattern });

/** Problems travel in headers and stand in logs: a large message may break a rule in every line. */
const problemsMax = 16;

/**
 * The rules that the message breaks, the first ones and how many more; where a string is no text,
 * that alone is told. Throws when a rule itself is wrong: a bug in the schema.
 */
export function validate<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): readonly Problem[] {
  if (surelyValid(schema, message)) return [];
  const noText = findNoText(schema, message);
  if (noText.length > 0) {
    return firstOf(noText, (field) => ({ field, problem: textProblem }));
  }
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return [];
  if (result.kind === "error") {
    throw new Error(`the validation rules of ${schema.typeName} are wrong`, {
      cause: result.error,
    });
  }
  return firstOf(result.violations, ({ field, message: problem, ruleId }) => ({
    field: shownPath(field),
    problem: problem || ruleId,
  }));
}

/** As many as an answer can carry, and how many more there are. */
export function firstOf<T>(all: readonly T[], problemOf: (one: T) => Problem): readonly Problem[] {
  const first = all.slice(0, problemsMax).map(problemOf);
  const more = all.length - first.length;
  return more === 0 ? first : [...first, { field: "", problem: `and ${more} more` }];
}

function shownPath(path: Path): string {
  return path.reduce((shown, part, n) => {
    const before = path[n - 1];
    if (part.kind === "map_sub" && before?.kind === "field") {
      return `${shown}[${shownKey(before, part.key)}]`;
    }
    const isMember = n > 0 && (part.kind === "field" || part.kind === "oneof");
    return `${shown}${isMember ? "." : ""}${pathToString([part])}`;
  }, "");
}

/**
 * Compiles the rules of these messages now: the first validation of a process
 * takes tens of milliseconds, which must not be some caller's deadline.
 */
export function warmUp(schemas: Iterable<DescMessage>): void {
  for (const schema of new Set(schemas)) {
    const empty = create(schema);
    surelyValid(schema, empty);
    validator.validate(schema, empty);
  }
}
