// What a field holds and how it is treated. A field that says nothing is internal to the company,
// may change, and is no money.

import type { DescField } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { optionOf, remembered } from "./problem.ts";

export type FieldPolicy = {
  /** Never DATA_CLASS_UNSPECIFIED; a secret is DATA_CLASS_SENSITIVE. */
  readonly dataClass: options.DataClass;
  readonly secret: boolean;
  readonly immutable: boolean;
  readonly money: boolean;
};

const { PUBLIC, INTERNAL, PERSONAL, SENSITIVE, UNSPECIFIED } = options.DataClass;
const silent: FieldPolicy = {
  dataClass: INTERNAL,
  secret: false,
  immutable: false,
  money: false,
};

/** Never throws: what is wrong with a declaration is told by fieldProblems. */
export const fieldPolicy = remembered((field: DescField): FieldPolicy => {
  const declared = optionOf(field, options.field);
  if (declared === undefined) return silent;
  const { secret, immutable, money } = declared;
  return { dataClass: secret ? SENSITIVE : known(declared.dataClass), secret, immutable, money };
});

/** A class that this release does not know is taken for the closest. */
function known(dataClass: options.DataClass): options.DataClass {
  if (dataClass === UNSPECIFIED) return INTERNAL;
  return [PUBLIC, INTERNAL, PERSONAL].includes(dataClass as never) ? dataClass : SENSITIVE;
}

/** The word that stands for a field's value in logs; undefined where the value may be seen. */
export function maskOf(field: DescField): string | undefined {
  const { secret, dataClass } = fieldPolicy(field);
  if (secret) return "[secret]";
  return dataClass >= PERSONAL ? `[${className(dataClass)}]` : undefined;
}

/** `DATA_CLASS_PERSONAL` → `personal`. */
export function className(dataClass: options.DataClass): string {
  const value = options.DataClassSchema.value[dataClass];
  return value?.name.replace("DATA_CLASS_", "").toLowerCase() ?? `class ${dataClass}`;
}
