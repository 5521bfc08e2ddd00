// Whether a message holds a value of an enum that this release has no name for: its sender knows
// more than we do.

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";

export function hasUnknownValues(schema: DescMessage, message: Message): boolean {
  const values = message as unknown as Record<string, unknown>;
  return schema.fields.some((field) => {
    if (field.enum === undefined && field.message === undefined) return false;
    const value = chosenValue(field, values);
    if (value === undefined || value === null) return false;
    if (field.fieldKind === "list")
      return (value as unknown[]).some((one) => isUnknown(field, one));
    if (field.fieldKind === "map") return Object.values(value).some((one) => isUnknown(field, one));
    return isUnknown(field, value);
  });
}

function chosenValue(field: DescField, values: Record<string, unknown>): unknown {
  if (field.oneof === undefined) return values[field.localName];
  const chosen = values[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

function isUnknown(field: DescField, value: unknown): boolean {
  if (field.enum) return field.enum.value[value as number] === undefined;
  // What stands as itself in TypeScript, such as a wrapped number, holds no enum.
  const isMessage = typeof value === "object" && value !== null && "$typeName" in value;
  return (
    field.message !== undefined && isMessage && hasUnknownValues(field.message, value as Message)
  );
}
