import { create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import {
  EventPolicySchema,
  event,
  MethodPolicySchema,
  method,
  RateClass,
} from "#gen/bursar/mesh/v1/policy_pb.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { eventPolicy, isRepeatable, methodPolicy, servicePolicy } from "./policy.ts";

const good = {
  scopes: ["a.b.c"],
  deadlineDefaultMs: 1,
  deadlineMaxMs: 2,
  callers: ["*"],
  rateClass: RateClass.INTERACTIVE,
};

test("a policy is read from the schema", () => {
  expect(methodPolicy(DeadLetterService.method.listDeadLetters)).toMatchObject({
    scopes: ["mesh.dead_letters.read"],
    deadlineDefaultMs: 5_000,
  });
  expect(servicePolicy(ConsumerService).identity).toBe("");
});

test("what has no policy is named", () => {
  expect(() => methodPolicy(Health.method.check)).toThrow(
    /grpc.health.v1.Health.Check has no policy/,
  );
  expect(() => servicePolicy(Health)).toThrow(/grpc.health.v1.Health has no policy/);
  expect(() => eventPolicy(ConsumerService.method.listParked.input)).toThrow(/has no policy/);
});

test.each([
  ["no scope", { ...good, scopes: [] }, /scopes: /],
  ["a scope that is none", { ...good, scopes: ["all"] }, /scopes\[0\]: /],
  ["no deadline", { ...good, deadlineDefaultMs: 0 }, /deadline_default_ms: /],
  ["a default over the longest", { ...good, deadlineDefaultMs: 3 }, /must not exceed/],
  ["an unknown key field", { ...good, idempotencyKeyField: "nothing" }, /names nothing/],
])("a method policy with %s is refused by name", (_name, policy, problem) => {
  const { rpc } = schema({ policy });
  expect(() => methodPolicy(rpc)).toThrow(/x\.S\.M/);
  expect(() => methodPolicy(rpc)).toThrow(problem);
});

test("an event policy whose key is no field is refused", () => {
  const { message } = schema({ keyField: "nothing" });
  expect(() => eventPolicy(message)).toThrow(/the policy of x\.R is not valid: key_field/);
  expect(eventPolicy(schema({ keyField: "key" }).message).stream).toBe("S");
});

test("a call may be repeated when it changes nothing or carries its key", () => {
  const { NO_SIDE_EFFECTS } = MethodOptions_IdempotencyLevel;
  const read = schema({ policy: good, idempotency: NO_SIDE_EFFECTS });
  expect(isRepeatable(read.rpc, create(read.message))).toBe(true);
  const keyed = schema({ policy: { ...good, idempotencyKeyField: "key" } });
  expect(isRepeatable(keyed.rpc, create(keyed.message))).toBe(false);
  expect(isRepeatable(keyed.rpc, create(keyed.message, { key: "k" } as never))).toBe(true);
  const plain = schema({ policy: good });
  expect(isRepeatable(plain.rpc, create(plain.message, { key: "k" } as never))).toBe(false);
});

type SchemaOptions = {
  policy?: Parameters<typeof create<typeof MethodPolicySchema>>[1];
  keyField?: string;
  idempotency?: MethodOptions_IdempotencyLevel;
};

/** Service x.S with method M over message x.R {string key}. */
function schema({ policy = good, keyField = "key", idempotency }: SchemaOptions) {
  const options = create(MethodOptionsSchema);
  if (idempotency !== undefined) options.idempotencyLevel = idempotency;
  setExtension(options, method, create(MethodPolicySchema, policy));
  const messageOptions = create(MessageOptionsSchema);
  const eventOptions = { stream: "S", producers: ["p"], keyField, version: 1 };
  setExtension(messageOptions, event, create(EventPolicySchema, eventOptions));
  const key = { name: "key", number: 1, jsonName: "key" };
  const type = {
    type: FieldDescriptorProto_Type.STRING,
    label: FieldDescriptorProto_Label.OPTIONAL,
  };
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [
      create(DescriptorProtoSchema, {
        name: "R",
        field: [{ ...key, ...type }],
        options: messageOptions,
      }),
    ],
    service: [
      { name: "S", method: [{ name: "M", inputType: ".x.R", outputType: ".x.R", options }] },
    ],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const rpc = registry.getService("x.S")?.methods[0];
  const message = registry.getMessage("x.R");
  if (!rpc || !message) throw new Error("the schema of the test is wrong");
  return { rpc, message };
}
