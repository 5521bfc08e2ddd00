// Validation rules of a field, message or oneof as plain values, read from the option that
// protovalidate defines, so that a rule this code never heard of is compared too.

import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  hasOption,
  type Message,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  FieldRulesSchema,
  field as fieldRules,
  MessageRulesSchema,
  message as messageRules,
  OneofRulesSchema,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Rules, RuleValue } from "./rule-changes.ts";

export function rulesOfField(field: DescField): Rules {
  if (!hasOption(field, fieldRules)) return new Map();
  return flat(FieldRulesSchema, getOption(field, fieldRules));
}

export function rulesOfMessage(message: DescMessage): Rules {
  if (!hasOption(message, messageRules)) return new Map();
  return flat(MessageRulesSchema, getOption(message, messageRules));
}

export function rulesOfOneof(oneof: DescOneof): Rules {
  if (!hasOption(oneof, oneofRules)) return new Map();
  return flat(OneofRulesSchema, getOption(oneof, oneofRules));
}

/** Everything that is set, by path; a CEL rule by its id. */
export function flat(schema: DescMessage, message: Message): Rules {
  const found = new Map<string, RuleValue>();
  look(reflect(schema, message), "", found);
  return found;
}

function look(message: ReflectMessage, prefix: string, found: Map<string, RuleValue>): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const path = prefix + field.name;
    if (field.fieldKind === "message") {
      look(message.get(field), `${path}.`, found);
    } else if (field.fieldKind === "list") {
      const values = [...message.get(field)];
      if (field.listKind === "message") lookAtList(values as ReflectMessage[], path, found);
      else found.set(path, values.map(String));
    } else {
      found.set(path, scalarOf(message.get(field)));
    }
  }
}

function lookAtList(
  values: readonly ReflectMessage[],
  path: string,
  found: Map<string, RuleValue>,
): void {
  for (const [place, value] of values.entries()) {
    const id = value.fields.find(({ name }) => name === "id");
    const named = id === undefined ? "" : String(value.get(id));
    look(value, `${path}(${named || place}).`, found);
  }
}

function scalarOf(value: unknown): RuleValue {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return value as RuleValue;
}
