// The fields that a message holds, itself and through the messages inside it, each with the class
// of data that its value has there.

import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { DataClass, field as fieldOption } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { fieldPolicy } from "./field-policy.ts";
import { optionOf } from "./problem.ts";

export type Reached = {
  readonly field: DescField;
  /** From the outer message, in proto names: `transaction.entries.amount_minor`. */
  readonly path: string;
  readonly dataClass: DataClass;
  /** True where no field around it has this class already. */
  readonly rises: boolean;
};

/** Whatever stands inside a personal message is personal; what is closer by itself stays so. */
export function reachableFields(message: DescMessage): readonly Reached[] {
  const found: Reached[] = [];
  const seen = new Set<string>();
  const look = (inside: DescMessage, prefix: string, around: DataClass) => {
    const key = `${inside.typeName} ${around}`;
    if (seen.has(key)) return;
    seen.add(key);
    for (const field of inside.fields) {
      const path = prefix + field.name;
      const own = classOf(field, around);
      const dataClass = own > around ? own : around;
      found.push({ field, path, dataClass, rises: dataClass > around });
      if (field.message && speaks(field.message)) look(field.message, `${path}.`, dataClass);
    }
  };
  look(message, "", DataClass.UNSPECIFIED);
  return found;
}

/** A message that says nothing of itself is what its fields are. */
function classOf(field: DescField, around: DataClass): DataClass {
  const { secret, dataClass = DataClass.UNSPECIFIED } = optionOf(field, fieldOption) ?? {};
  if (secret || dataClass !== DataClass.UNSPECIFIED) return fieldPolicy(field).dataClass;
  if (field.message && speaks(field.message)) return around;
  return around === DataClass.UNSPECIFIED ? DataClass.INTERNAL : around;
}

/** Google's own types say nothing about their fields: the field that holds one speaks for it. */
function speaks({ file }: DescMessage): boolean {
  return file.proto.package !== "google.protobuf";
}
