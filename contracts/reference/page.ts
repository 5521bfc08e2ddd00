// A page of the reference: everything that one package offers, in the words of its own comments.

import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { className, fieldPolicy } from "#mesh/policy/field-policy.ts";
import { optionOf } from "#mesh/policy/problem.ts";
import { rulesOfField } from "../compare/read-rules.ts";
import { textOf } from "../compare/rule-changes.ts";
import { commentOf } from "./comments.ts";

export type Package = {
  readonly name: string;
  readonly services: readonly DescService[];
  readonly messages: readonly DescMessage[];
  readonly enums: readonly DescEnum[];
};

export function pageOf({ name, services, messages, enums }: Package): string {
  const sections = [
    `# ${name}\n\nGenerated from \`proto/${name.replaceAll(".", "/")}\` by \`make gen\`.`,
    ...services.map(serviceSection),
    ...(messages.length > 0 ? ["## Messages", ...messages.map(messageSection)] : []),
    ...(enums.length > 0 ? ["## Enums", ...enums.map(enumSection)] : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

function serviceSection(service: DescService): string {
  const policy = optionOf(service, options.service);
  const served = policy?.identity
    ? `Served by \`${policy.identity}\`.`
    : "Served by every service.";
  const methods = service.methods.map(methodSection);
  return [`## ${service.name}`, commentOf(service), served, ...methods].join("\n\n");
}

function methodSection(method: DescMethod): string {
  const { input, output, methodKind, name } = method;
  const isSent = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const isAnswered = methodKind === "server_streaming" || methodKind === "bidi_streaming";
  const signature = `\`${name}(${isSent ? "stream " : ""}${input.name}) → ${
    isAnswered ? "stream " : ""
  }${output.name}\``;
  return [`### ${name}`, signature, commentOf(method), policyOf(method)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function policyOf(method: DescMethod): string {
  const policy = optionOf(method, options.method);
  if (policy === undefined) return "";
  const facts = [
    `scopes ${policy.scopes.map((scope) => `\`${scope}\``).join(", ")}`,
    `deadline ${policy.deadlineDefaultMs} ms, at most ${policy.deadlineMaxMs} ms`,
    method.idempotency === Level.NO_SIDE_EFFECTS ? "no side effects" : "",
    method.idempotency === Level.IDEMPOTENT ? "idempotent" : "",
    policy.idempotencyKeyField ? `safe to repeat by \`${policy.idempotencyKeyField}\`` : "",
    policy.endUsers ? "end users" : "",
    policy.audit ? "audited" : "",
    policy.callers.includes("*") ? "" : `callers ${policy.callers.join(", ")}`,
  ];
  return `*${facts.filter((fact) => fact !== "").join("; ")}*`;
}

function messageSection(message: DescMessage): string {
  const event = optionOf(message, options.event);
  const told = event
    ? `Event on \`${event.stream}\`, version ${event.version}, keyed by \`${event.keyField}\`; ` +
      `told by ${listOf(event.producers)}, read by ${listOf(event.consumers)}.`
    : "";
  const fields = message.fields.map(fieldRow);
  const table =
    fields.length > 0
      ? ["| field | type | rules | class | |", "|---|---|---|---|---|", ...fields].join("\n")
      : "";
  return [`### ${message.name}`, commentOf(message), told, table]
    .filter((part) => part !== "")
    .join("\n\n");
}

function fieldRow(field: DescField): string {
  const rules = [...rulesOfField(field)].map(([rule, value]) => `${rule} ${textOf(value)}`);
  const cells = [
    `\`${field.name}\` ${field.number}`,
    typeOf(field),
    rules.map((rule) => `\`${rule}\``).join("<br>"),
    className(fieldPolicy(field).dataClass),
    commentOf(field) + (field.proto.options?.deprecated ? " *Deprecated.*" : ""),
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

function typeOf(field: DescField): string {
  const type = field.message?.name ?? field.enum?.name ?? scalarOf(field);
  const oneof = field.oneof ? `, one of \`${field.oneof.name}\`` : "";
  return (field.fieldKind === "list" ? `repeated ${type}` : type) + oneof;
}

const scalars = (
  "double float int64 uint64 int32 fixed64 fixed32 bool string group message bytes uint32 enum " +
  "sfixed32 sfixed64 sint32 sint64"
).split(" ");

function scalarOf(field: DescField): string {
  return scalars[(field.proto.type ?? 1) - 1] ?? "";
}

function enumSection(desc: DescEnum): string {
  const rows = desc.values.map(
    (value) => `| \`${value.name}\` | ${value.number} | ${cell(commentOf(value))} |`,
  );
  const table = ["| value | number | |", "|---|---|---|", ...rows].join("\n");
  return [`### ${desc.name}`, commentOf(desc), table].join("\n\n");
}

function listOf(names: readonly string[]): string {
  return names.length > 0 ? [...names].sort().join(", ") : "nobody yet";
}

/** A bar or a line end would end the cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
}
