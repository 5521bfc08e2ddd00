// How a field's validation rules changed: whether they accept less than before, more than before, or
// something else. Rules whose order is not known are told as both, never as harmless.

/** The rules of a field or message as plain values, by path: `string.min_len`, `required`. */
export type Rules = ReadonlyMap<string, RuleValue>;

export type RuleValue = bigint | number | string | boolean | readonly string[];

export type RuleChange = {
  readonly rule: string;
  readonly before: RuleValue | undefined;
  readonly after: RuleValue | undefined;
  /** Something that was accepted may be refused now. */
  readonly tightened: boolean;
  /** Something that was refused may be accepted now. */
  readonly loosened: boolean;
};

export function compareRules(before: Rules, after: Rules): RuleChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((rule) => {
    const [was, is] = [before.get(rule), after.get(rule)];
    if (textOf(was) === textOf(is)) return [];
    return [{ rule, before: was, after: is, ...directionOf(rule, was, is) }];
  });
}

type Direction = Pick<RuleChange, "tightened" | "loosened">;

const tightened: Direction = { tightened: true, loosened: false };
const loosened: Direction = { tightened: false, loosened: true };
const both: Direction = { tightened: true, loosened: true };

function directionOf(
  rule: string,
  before: RuleValue | undefined,
  after: RuleValue | undefined,
): Direction {
  const name = rule.split(".").at(-1) ?? "";
  if (name === "ignore") return both;
  if (before === undefined) return after === false ? both : tightened;
  if (after === undefined) return before === false ? both : loosened;
  if (typeof before === "boolean") return after === true ? tightened : loosened;
  if (isCount(before) && isCount(after)) {
    if (/^(gte?|min_.*)$/.test(name)) return after > before ? tightened : loosened;
    if (/^(lte?|max_.*)$/.test(name)) return after < before ? tightened : loosened;
  }
  if (name === "in") return directionOfSets(before, after);
  if (name === "not_in") return directionOfSets(after, before);
  return both;
}

/** A set of allowed values that grew accepts more. */
function directionOfSets(before: RuleValue, after: RuleValue): Direction {
  const [was, is] = [setOf(before), setOf(after)];
  const isTightened = [...was].some((value) => !is.has(value));
  const isLoosened = [...is].some((value) => !was.has(value));
  return { tightened: isTightened, loosened: isLoosened };
}

function setOf(value: RuleValue): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value : [String(value)]);
}

function isCount(value: RuleValue): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

export function textOf(value: RuleValue | undefined): string {
  if (value === undefined) return "not there";
  if (Array.isArray(value)) return `[${[...value].sort().join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
