// A field that a policy names as a key: it must be there, be one plain value, and hold nothing that
// may not stand where keys end up: in headers, and message ids in logs.

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { DataClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { className, fieldPolicy } from "./field-policy.ts";
import type { Declared, PolicyProblem } from "./problem.ts";

type KeyOption = "key_field" | "dedupe_id_fields" | "idempotency_key_field";

const whole = [
  ScalarType.INT32,
  ScalarType.INT64,
  ScalarType.UINT32,
  ScalarType.UINT64,
  ScalarType.SINT32,
  ScalarType.SINT64,
  ScalarType.FIXED32,
  ScalarType.FIXED64,
  ScalarType.SFIXED32,
  ScalarType.SFIXED64,
];

const fits = {
  key_field: { types: [ScalarType.STRING], said: "a string", closest: DataClass.PERSONAL },
  idempotency_key_field: {
    types: [ScalarType.STRING],
    said: "a string",
    closest: DataClass.PERSONAL,
  },
  // Message ids are logged.
  dedupe_id_fields: {
    types: [ScalarType.STRING, ...whole],
    said: "a string or a whole number",
    closest: DataClass.INTERNAL,
  },
} satisfies Record<KeyOption, unknown>;

export function keyFieldProblems(
  at: Declared,
  message: DescMessage,
  option: KeyOption,
  names: readonly string[],
): readonly PolicyProblem[] {
  return names
    .filter((name) => name !== "")
    .flatMap((name) => {
      const field = message.fields.find((candidate) => candidate.name === name);
      const problem = field ? misfit(field, option) : `no field of ${message.typeName}`;
      if (problem === undefined) return [];
      return [{ at, problem: `${option} names ${name}, which is ${problem}` }];
    });
}

function misfit(field: DescField, option: KeyOption): string | undefined {
  const { types, said, closest } = fits[option];
  const isPlain = field.fieldKind === "scalar" && types.includes(field.scalar as never);
  if (!isPlain) return `not ${said}: name a field that holds ${said}`;
  if (field.oneof !== undefined) return "one of several that may be set: name one that always is";
  const { dataClass } = fieldPolicy(field);
  if (dataClass <= closest) return undefined;
  const where = option === "dedupe_id_fields" ? "message ids are logged" : "keys travel in headers";
  return `${className(dataClass)}, and ${where}: name one that is at most ${className(closest)}`;
}
