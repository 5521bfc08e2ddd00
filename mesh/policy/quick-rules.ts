// Says yes to a message that surely breaks no rule, at a sixth of the validator's cost: nearly
// every message is valid, and the validator makes an object of every step on its way. Whatever is
// not known here makes it say no, which only means: ask the validator. It alone finds problems.

import {
  type DescField,
  type DescMessage,
  getOption,
  isFieldSet,
  ScalarType,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  field as fieldOption,
  Ignore,
  message as messageOption,
  oneof as oneofOption,
  RepeatedRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Check, checkOfRules, never } from "./quick-values.ts";
import { isText } from "./text.ts";

type Values = Readonly<Record<string, unknown>>;
type MessageCheck = (message: Values) => boolean;

const known = new WeakMap<DescMessage, MessageCheck>();

/** True: every rule holds, and every string is text. False: nobody knows. */
export function surelyValid(schema: DescMessage, message: object): boolean {
  return checkOf(schema)(message as Values);
}

function checkOf(schema: DescMessage): MessageCheck {
  let check = known.get(schema);
  if (check === undefined) {
    check = compile(schema);
    known.set(schema, check);
  }
  return check;
}

function compile(schema: DescMessage): MessageCheck {
  if (!isPlain(schema)) return never;
  const { typeName } = schema;
  let checks: readonly MessageCheck[] | undefined;
  return (message) => {
    // Not before: a message may contain its like.
    checks ??= [...schema.oneofs.map(checkOfOneof), ...schema.fields.map(checkOfField)];
    if (message["$typeName"] !== typeName) return false;
    for (const check of checks) if (!check(message)) return false;
    return true;
  };
}

/** Its fields stand in the message as they are in the schema, and have all the rules there are. */
function isPlain(schema: DescMessage): boolean {
  const { typeName, file } = schema;
  if (file.proto.syntax !== "proto3") return false;
  if (typeName.startsWith("google.protobuf.")) return timeTypes.has(typeName);
  const rules = getOption(schema, messageOption);
  return isEmpty(rules);
}

const timeTypes = new Set(["google.protobuf.Timestamp", "google.protobuf.Duration"]);

function checkOfOneof(oneof: DescMessage["oneofs"][number]): MessageCheck {
  const { localName } = oneof;
  const isRequired = getOption(oneof, oneofOption).required;
  return (message) => {
    const chosen = message[localName] as { case?: unknown } | undefined;
    if (typeof chosen !== "object" || chosen === null) return false;
    return !isRequired || chosen.case !== undefined;
  };
}

function checkOfField(field: DescField): MessageCheck {
  const { localName, oneof } = field;
  const rules = getOption(field, fieldOption);
  const whole = checkOfValue(field, rules);
  if (oneof !== undefined) {
    const name = oneof.localName;
    return (message) => {
      const chosen = message[name] as { case?: unknown; value?: unknown };
      return chosen.case === localName ? whole(chosen.value) : !rules.required;
    };
  }
  return (message) => whole(message[localName]);
}

/** Of a value that may be absent, or what stands for that. */
function checkOfValue(field: DescField, rules: FieldRules): Check {
  const { required, ignore } = rules;
  const isKnown = ignore === Ignore.UNSPECIFIED || ignore === Ignore.IF_ZERO_VALUE;
  if (!isKnown || rules.cel.length + rules.celExpression.length > 0 || rules.$unknown) return never;
  switch (field.fieldKind) {
    case "message": {
      if (rules.type.case !== undefined) return never;
      const check = checkOfMessage(field.message);
      return (value) => (value === undefined ? !required : check(value));
    }
    case "list":
      return checkOfList(field, rules);
    case "map":
      return never;
    default: {
      const check = checkOfOne(field, rules);
      const { presence } = field;
      if (presence !== FeatureSet_FieldPresence.IMPLICIT) {
        return (value) => (value === undefined ? !required : check(value));
      }
      if (required) return (value) => !isZero(value) && check(value);
      if (ignore === Ignore.UNSPECIFIED) return check;
      const isRightType = typeCheckOf(field);
      return (value) => (isZero(value) ? isRightType(value) : check(value));
    }
  }
}

function checkOfList(field: DescField & { fieldKind: "list" }, rules: FieldRules): Check {
  const { type, required, ignore } = rules;
  if (type.case !== undefined && type.case !== "repeated") return never;
  const list = type.value;
  if (list?.unique || list?.$unknown) return never;
  const min = Number(list?.minItems ?? 0n);
  const max =
    list && isFieldSet(list, RepeatedRulesSchema.field.maxItems)
      ? Number(list.maxItems)
      : Number.POSITIVE_INFINITY;
  const each = list?.items;
  if (each !== undefined && (each.ignore !== Ignore.UNSPECIFIED || each.required)) return never;
  if (each !== undefined && (each.cel.length + each.celExpression.length > 0 || each.$unknown)) {
    return never;
  }
  const hasRules = each !== undefined && each.type.case !== undefined;
  let check: Check;
  if (field.listKind === "message") check = hasRules ? never : checkOfMessage(field.message);
  else check = checkOfOne(field, each);
  return (value) => {
    if (!Array.isArray(value)) return false;
    const { length } = value;
    if (length === 0 && (required || ignore === Ignore.IF_ZERO_VALUE)) return !required;
    if (length < min || length > max) return false;
    for (let n = 0; n < length; n += 1) if (!check(value[n])) return false;
    return true;
  };
}

function checkOfMessage(schema: DescMessage): Check {
  let check: MessageCheck | undefined;
  return (value) => {
    if (typeof value !== "object" || value === null) return false;
    check ??= checkOf(schema);
    return check(value as Values);
  };
}

/** Of one scalar or enum value that is there. */
function checkOfOne(field: DescField, rules: FieldRules | undefined): Check {
  const isRightType = typeCheckOf(field);
  const check = checkOfRules(field, rules);
  return check === undefined ? isRightType : (value) => isRightType(value) && check(value);
}

function typeCheckOf({ scalar, enum: named }: DescField): Check {
  if (named !== undefined) return (value) => typeof value === "number";
  switch (scalar) {
    case ScalarType.STRING:
      return (value) => typeof value === "string" && isText(value);
    case ScalarType.BYTES:
      return (value) => value instanceof Uint8Array;
    case ScalarType.BOOL:
      return (value) => typeof value === "boolean";
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return (value) => typeof value === "bigint";
    default:
      return (value) => typeof value === "number";
  }
}

function isZero(value: unknown): boolean {
  return (
    value === "" ||
    value === 0n ||
    value === false ||
    Object.is(value, 0) ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

/** No rule is set in it, not even one that this release has no name for. */
function isEmpty(rules: object): boolean {
  return Object.entries(rules).every(([name, value]) => {
    return name === "$typeName" || (Array.isArray(value) && value.length === 0);
  });
}
