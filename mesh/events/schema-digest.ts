// Which schema an event was written with: its version, and a digest of all that decides how its
// bytes are read and whether they are valid. Fields, rules and policies count; comments, the order
// of declarations and the files they stand in do not. docs/events.md gives the form, line by line.

import { hash } from "node:crypto";
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import type { GenExtension } from "@bufbuild/protobuf/codegenv2";
import { FeatureSet_EnumType, FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import * as rules from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import * as policies from "#gen/bursar/mesh/v1/policy_pb.ts";
import { eventPolicy } from "../policy/policy.ts";
import { optionOf, remembered } from "../policy/problem.ts";

/** The `ce-dataschema` of an event: `bursar:<full name>;version=1;sha256=<hex>`. */
export const dataSchemaOf = remembered((event: DescMessage): string => {
  const { version } = eventPolicy(event);
  const digest = hash("sha256", canonicalForm(event), "hex");
  return `bursar:${event.typeName};version=${version};sha256=${digest}`;
});

const dataSchema = /^bursar:([A-Za-z0-9_.]+);version=([1-9][0-9]{0,8});sha256=([0-9a-f]{64})$/;

/** The version that an event was written with; undefined where nobody says so in our form. */
export function schemaVersionIn(uri: string | undefined, typeName: string): number | undefined {
  const [, name, version] = dataSchema.exec(uri ?? "") ?? [];
  return name === typeName ? Number(version) : undefined;
}

/** What the digest is taken of. */
export function canonicalForm(event: DescMessage): string {
  const lines = ["bursar event schema 1", `event ${event.typeName}`];
  lines.push(`policy ${option(event, policies.event, policies.EventPolicySchema)}`);
  const closure = closureOf(event);
  for (const name of [...closure.keys()].sort()) {
    const type = closure.get(name)!;
    lines.push(...(type.kind === "enum" ? enumLines(type) : messageLines(type)));
  }
  return `${lines.join("\n")}\n`;
}

type Closure = Map<string, DescMessage | DescEnum>;

/** The event, and every type that stands in its fields, however deep. */
function closureOf(message: DescMessage, found: Closure = new Map()): Closure {
  if (found.has(message.typeName)) return found;
  found.set(message.typeName, message);
  for (const field of message.fields) {
    if (field.enum) found.set(field.enum.typeName, field.enum);
    if (field.message) closureOf(field.message, found);
  }
  return found;
}

function messageLines(message: DescMessage): string[] {
  const fields = message.fields.toSorted((a, b) => a.number - b.number);
  const oneofs = message.oneofs.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    `message ${message.typeName} ${option(message, rules.message, rules.MessageRulesSchema)}`,
    ...oneofs.map(oneofLine),
    ...fields.map(fieldLine),
  ];
}

function oneofLine(oneof: DescOneof): string {
  return `oneof ${oneof.name} ${option(oneof, rules.oneof, rules.OneofRulesSchema)}`;
}

function fieldLine(field: DescField): string {
  const { number, name, jsonName, presence, oneof, proto } = field;
  return [
    `field ${number} ${name} ${jsonName} ${typeOf(field)}`,
    FeatureSet_FieldPresence[presence],
    encodingOf(field),
    oneof?.name ?? "-",
    proto.defaultValue === "" ? "-" : JSON.stringify(proto.defaultValue),
    option(field, rules.field, rules.FieldRulesSchema),
    option(field, policies.field, policies.FieldPolicySchema),
  ].join(" ");
}

/** Where bytes may differ for one type. */
function encodingOf(field: DescField): string {
  if (field.fieldKind === "list" && field.packed) return "PACKED";
  return "delimitedEncoding" in field && field.delimitedEncoding ? "DELIMITED" : "-";
}

function typeOf(field: DescField): string {
  const of = field.message?.typeName ?? field.enum?.typeName ?? ScalarType[field.scalar!];
  if (field.fieldKind === "map") return `map<${ScalarType[field.mapKey]},${of}>`;
  return field.fieldKind === "list" ? `repeated ${of}` : `${of}`;
}

function enumLines(type: DescEnum): string[] {
  const values = type.values.toSorted((a, b) => {
    return a.number - b.number || (a.name < b.name ? -1 : 1);
  });
  const openness = FeatureSet_EnumType[type.open ? 1 : 2];
  return [
    `enum ${type.typeName} ${openness}`,
    ...values.map(({ number, name }) => `value ${number} ${name}`),
  ];
}

/** In hex: its bytes in the order of its fields' numbers, however the schema's text orders them. */
function option<M extends Message>(
  desc: Parameters<typeof optionOf>[0] | DescOneof,
  extension: GenExtension<Message, M>,
  schema: DescMessage,
): string {
  const value = optionOf(desc as DescField, extension);
  return value === undefined ? "-" : Buffer.from(toBinary(schema, value as never)).toString("hex");
}
