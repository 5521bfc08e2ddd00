// The rules of single values that can be checked quickly: lengths, patterns, bounds, defined names.
// A rule that is not listed here makes the answer no, and the validator is asked.

import {
  type DescField,
  type DescMessage,
  isFieldSet,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  type BytesRules,
  BytesRulesSchema,
  type EnumRules,
  EnumRulesSchema,
  type FieldRules,
  Int32RulesSchema,
  Int64RulesSchema,
  type StringRules,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { matcherOf } from "./pattern.ts";

/** True: the value surely holds. */
export type Check = (value: unknown) => boolean;

export const never = (): boolean => false;

/** Undefined: nothing is asked of the value. */
export function checkOfRules(field: DescField, rules: FieldRules | undefined): Check | undefined {
  const type = rules?.type;
  switch (type?.case) {
    case undefined:
      return undefined;
    case "string":
      return onlyWith(StringRulesSchema, type.value, stringRules) ? stringCheck(type.value) : never;
    case "int32":
      return onlyWith(Int32RulesSchema, type.value, bounds) ? boundsCheck(type.value) : never;
    case "int64":
      return onlyWith(Int64RulesSchema, type.value, bounds) ? boundsCheck(type.value) : never;
    case "bytes":
      return onlyWith(BytesRulesSchema, type.value, bytesRules) ? bytesCheck(type.value) : never;
    case "enum":
      return onlyWith(EnumRulesSchema, type.value, enumRules)
        ? enumCheck(field, type.value)
        : never;
    default:
      return never;
  }
}

const stringRules = ["min_len", "max_len", "pattern"];
const bounds = ["gt", "gte", "lt", "lte"];
const bytesRules = ["len"];
const enumRules = ["defined_only", "not_in"];

/** No rule is set but these. */
function onlyWith<D extends DescMessage>(
  schema: D,
  rules: MessageShape<D>,
  names: readonly string[],
): boolean {
  if (rules.$unknown) return false;
  return schema.fields.every((rule) => names.includes(rule.name) || !isFieldSet(rules, rule));
}

function stringCheck(rules: StringRules): Check {
  const { pattern } = rules;
  const min = Number(rules.minLen);
  const isBounded = isFieldSet(rules, StringRulesSchema.field.maxLen);
  const max = isBounded ? Number(rules.maxLen) : Number.POSITIVE_INFINITY;
  const matches = pattern === "" ? undefined : matcherOf(pattern);
  return (value) => {
    const text = value as string;
    // A character is one unit or two: who is short in units has few, who is long by far has many.
    const { length } = text;
    if (length > max || (length + 1) >> 1 < min) {
      const characters = countCharacters(text);
      if (characters > max || characters < min) return false;
    }
    return matches === undefined || matches(text);
  };
}

function bytesCheck(rules: BytesRules): Check {
  if (!isFieldSet(rules, BytesRulesSchema.field.len)) return always;
  const length = Number(rules.len);
  return (value) => (value as Uint8Array).length === length;
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

type Bound<T> = { readonly case: string | undefined; readonly value?: T | undefined };

/** A lower bound above the upper one means something else: what is outside of both. */
function boundsCheck(rules: {
  readonly lessThan: Bound<bigint | number>;
  readonly greaterThan: Bound<bigint | number>;
}): Check {
  const { lessThan, greaterThan } = rules;
  const [high, low] = [lessThan.value, greaterThan.value];
  if (high !== undefined && low !== undefined && low >= high) return never;
  const lowest = low === undefined ? never : lower(low, greaterThan.case === "gte");
  const highest = high === undefined ? never : upper(high, lessThan.case === "lte");
  if (low === undefined) return high === undefined ? always : highest;
  return high === undefined ? lowest : (value) => lowest(value) && highest(value);
}

const always = (): boolean => true;

function lower(low: bigint | number, isAllowed: boolean): Check {
  return isAllowed ? (value) => (value as number) >= low : (value) => (value as number) > low;
}

function upper(high: bigint | number, isAllowed: boolean): Check {
  return isAllowed ? (value) => (value as number) <= high : (value) => (value as number) < high;
}

function enumCheck({ enum: named }: DescField, { definedOnly, notIn }: EnumRules): Check {
  const defined = definedOnly ? new Set(named?.values.map(({ number }) => number)) : undefined;
  return (value) => {
    const number = value as number;
    return (defined === undefined || defined.has(number)) && !notIn.includes(number);
  };
}
