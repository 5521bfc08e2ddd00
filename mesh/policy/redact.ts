// A message as logs and operators may see it: like its JSON, but what the schema calls personal,
// sensitive or secret is a word in brackets, and what no schema describes is left out.

import {
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { maskOf } from "./field-policy.ts";
import { remembered } from "./problem.ts";

/** Never throws, whatever the message holds: what cannot be shown is named by its type. */
export function redact(schema: DescMessage, message: Message): unknown {
  return showMessage(schema, message, 0);
}

/** Deeper ones are not shown: a message inside itself must not fill a log. */
const depthMax = 64;

type Show = (value: unknown, depth: number) => unknown;
type ShownField = {
  readonly field: DescField;
  /** Where its value stands: in the message, or in the oneof of this name. */
  readonly oneof: string | undefined;
  readonly show: Show;
};

const shownFields = remembered((schema: DescMessage): readonly ShownField[] =>
  schema.fields.map((field) => ({
    field,
    oneof: field.oneof?.localName,
    show: showField(field),
  })),
);

function showMessage(schema: DescMessage, message: unknown, depth: number): unknown {
  const written = wellKnown.get(schema.typeName);
  if (written) return written(schema, message);
  if (!isMessage(message, schema) || depth > depthMax) return `[${schema.typeName}]`;
  const shown: Record<string, unknown> = {};
  for (const { field, oneof, show } of shownFields(schema)) {
    const value = oneof === undefined ? message[field.localName] : chosen(message[oneof], field);
    if (isSet(field, value)) shown[field.jsonName] = show(value, depth + 1);
  }
  return shown;
}

function isMessage(message: unknown, schema: DescMessage): message is Record<string, unknown> {
  const named = message as { $typeName?: unknown } | null | undefined;
  return typeof named === "object" && named?.$typeName === schema.typeName;
}

function chosen(oneof: unknown, field: DescField): unknown {
  const { case: name, value } = (oneof ?? {}) as { case?: string; value?: unknown };
  return name === field.localName ? value : undefined;
}

/** As in JSON: a value that says nothing is left out where its absence says the same. */
function isSet(field: DescField, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (field.fieldKind === "list") return (value as unknown[]).length > 0;
  if (field.fieldKind === "map") return Object.keys(value).length > 0;
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return true;
  if (value instanceof Uint8Array) return value.length > 0;
  return value !== "" && value !== 0 && value !== 0n && value !== false;
}

function showField(field: DescField): Show {
  const mask = maskOf(field);
  if (mask !== undefined) return () => mask;
  const showOne = showValue(field);
  if (field.fieldKind === "list") {
    return (value, depth) => (value as unknown[]).map((item) => showOne(item, depth));
  }
  if (field.fieldKind === "map") {
    return (value, depth) => {
      const entries = Object.entries(value as Record<string, unknown>);
      return Object.fromEntries(entries.map(([key, item]) => [key, showOne(item, depth)]));
    };
  }
  return showOne;
}

function showValue(field: DescField): Show {
  const { message } = field;
  if (message) return (value, depth) => showMessage(message, value, depth);
  const type = field.enum;
  if (type) return (value) => type.value[value as number]?.name ?? value;
  if (field.scalar === ScalarType.BYTES) {
    return (value) => `[${(value as Uint8Array).length} bytes]`;
  }
  return (value) => {
    if (typeof value === "bigint") return String(value);
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  };
}

type Written = (schema: DescMessage, message: unknown) => unknown;

/** Its text in JSON; the type's name where the value has none, such as a time in the year 10000. */
const asJson: Written = (schema, message) => {
  try {
    return toJson(schema, message as Message);
  } catch {
    return `[${schema.typeName}]`;
  }
};
const asType: Written = (schema) => `[${schema.typeName}]`;
/** Protobuf-es keeps a wrapper in a field of its own as the bare value. */
const asWrapped: Written = (schema, message) => {
  const bare = isMessage(message, schema) ? message["value"] : message;
  if (bare instanceof Uint8Array) return `[${bare.length} bytes]`;
  return typeof bare === "bigint" ? String(bare) : bare;
};

const wellKnown = new Map<string, Written>([
  ["google.protobuf.Timestamp", asJson],
  ["google.protobuf.Duration", asJson],
  ["google.protobuf.FieldMask", asJson],
  // What is inside has no schema, or one that is not at hand.
  [
    "google.protobuf.Any",
    (_schema, message) => ({ "@type": String((message as { typeUrl?: unknown })?.typeUrl ?? "") }),
  ],
  ["google.protobuf.Struct", asType],
  ["google.protobuf.Value", asType],
  ["google.protobuf.ListValue", asType],
  ...["Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes"].map(
    (name): [string, Written] => [`google.protobuf.${name}Value`, asWrapped],
  ),
]);
