// What no field may say of itself: money that is not exact, a secret that anybody may see, a thing
// that never changes and does.

import { type DescField, ScalarType } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { className, fieldPolicy } from "./field-policy.ts";
import { ownProblems } from "./own-rules.ts";
import { optionOf, type PolicyProblem } from "./problem.ts";

export function fieldProblems(field: DescField): readonly PolicyProblem[] {
  const declared = optionOf(field, options.field);
  const own = declared ? ownProblems(field, options.FieldPolicySchema, declared) : [];
  const problems = [moneyProblem(field), secretProblem(declared), immutableProblem(field)];
  return [...own, ...problems.flatMap((problem) => (problem ? [{ at: field, problem }] : []))];
}

function moneyProblem(field: DescField): string | undefined {
  const { money } = fieldPolicy(field);
  if (money) {
    if (field.scalar === ScalarType.INT64) return undefined;
    return (
      `is money, and money is counted in whole minor units by an int64, not by ` +
      `${typeOf(field)}: make it an int64 under a new number`
    );
  }
  if (!field.name.endsWith("_minor") || !looksLikeAmount(field)) return undefined;
  return (
    "is named like an amount in minor units: say `money: true` in its " +
    "(bursar.mesh.v1.field) option, or give it another name"
  );
}

const amounts = new Set<ScalarType | undefined>([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.DOUBLE,
  ScalarType.FLOAT,
]);

/** 32 bits are left out: `version_minor` is no amount, and no amount fits into them. */
function looksLikeAmount({ scalar, message }: DescField): boolean {
  if (message === undefined) return amounts.has(scalar);
  return /^google\.protobuf\.(U?Int64|Double|Float)Value$/.test(message.typeName);
}

function secretProblem(declared: options.FieldPolicy | undefined): string | undefined {
  if (!declared?.secret) return undefined;
  const { dataClass } = declared;
  const { UNSPECIFIED, SENSITIVE } = options.DataClass;
  if (dataClass === UNSPECIFIED || dataClass === SENSITIVE) return undefined;
  return `is a secret, which is sensitive, and says it is ${className(dataClass)}: drop data_class`;
}

const alwaysChanging = new Set(["etag", "update_time", "update_mask"]);

function immutableProblem(field: DescField): string | undefined {
  if (!fieldPolicy(field).immutable) return undefined;
  if (field.message?.typeName === "google.protobuf.FieldMask" || alwaysChanging.has(field.name)) {
    return "is immutable, and changes by what it is: drop immutable";
  }
  return undefined;
}

function typeOf(field: DescField): string {
  const { scalar } = field;
  if (scalar !== undefined) return ScalarType[scalar]?.toLowerCase() ?? "another scalar";
  return (field.message ?? field.enum)?.typeName ?? "another type";
}
