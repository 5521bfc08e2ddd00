import { create, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { OrderSchema } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { DataClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { file_bursar_webhook_v1_webhook } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { compileSchemas } from "../testing/schema.ts";
import {
  eventPolicy,
  fieldPolicy,
  hedgeOf,
  isRepeatable,
  methodPolicy,
  retryOf,
  servicePolicy,
  streamPolicy,
} from "./policy.ts";

test("a policy is read from the schema", () => {
  expect(methodPolicy(DeadLetterService.method.listDeadLetters)).toMatchObject({
    scopes: ["mesh.dead_letters.read"],
    deadlineDefaultMs: 5_000,
  });
  expect(servicePolicy(ConsumerService).identity).toBe("");
  expect(eventPolicy(CoursePublishedSchema)).toMatchObject({ stream: "CMS", version: 1 });
});

test("what has no policy is named", () => {
  expect(() => methodPolicy(Health.method.check)).toThrow(
    /grpc.health.v1.Health.Check: has no policy: add option/,
  );
  expect(() => servicePolicy(Health)).toThrow(/grpc.health.v1.Health: has no policy/);
  expect(() => eventPolicy(ConsumerService.method.listParked.input)).toThrow(/has no policy/);
});

test("an event finds its package's stream, and so does a file", () => {
  expect(streamPolicy(CoursePublishedSchema)).toMatchObject({ name: "CMS", retentionDays: 30 });
  expect(streamPolicy(file_bursar_webhook_v1_webhook).name).toBe("WEBHOOKS");
  expect(() => streamPolicy(OrderSchema)).toThrow(
    /order_service\.proto declares a stream|no file of bursar\.cms\.v1 that it can see/,
  );
});

test("a field that says nothing is internal, and a secret is sensitive", () => {
  const silent = { dataClass: DataClass.INTERNAL, secret: false, immutable: false, money: false };
  expect(fieldPolicy(MoneySchema.field.currencyCode)).toEqual(silent);
  expect(fieldPolicy(MoneySchema.field.amountMinor)).toEqual({ ...silent, money: true });
  expect(fieldPolicy(OrderSchema.field.learnerId).dataClass).toBe(DataClass.PERSONAL);
  const [token] = messageOf("Q").fields.filter(({ name }) => name === "token");
  expect(token && fieldPolicy(token)).toMatchObject({
    dataClass: DataClass.SENSITIVE,
    secret: true,
  });
});

test.each([
  ["no scope", "NoScope", /scopes: /],
  ["a scope that is none", "BadScope", /scopes\[0\]: /],
  ["no deadline", "NoDeadline", /deadline_default_ms: /],
  ["a default over the longest", "LateDefault", /must not exceed/],
  ["an unknown key field", "UnknownKey", /names nothing, which is no field/],
])("a method policy with %s is refused by name", (_name, name, problem) => {
  expect(() => methodPolicy(rpcOf(name))).toThrow(new RegExp(`x\\.S\\.${name}: `));
  expect(() => methodPolicy(rpcOf(name))).toThrow(problem);
});

test("a call may be repeated when it changes nothing, the same again, or carries its key", () => {
  const keyed = (key: string) => create(messageOf("Q"), { key } as never);
  expect(isRepeatable(rpcOf("Read"), keyed(""))).toBe(true);
  expect(isRepeatable(rpcOf("Idempotent"), keyed(""))).toBe(true);
  expect(isRepeatable(rpcOf("Keyed"), keyed(""))).toBe(false);
  expect(isRepeatable(rpcOf("Keyed"), keyed("k"))).toBe(true);
  expect(isRepeatable(rpcOf("Plain"), keyed("k"))).toBe(false);
  expect(isRepeatable(Health.method.check, create(Health.method.check.input))).toBe(false);
});

test("a repeatable call has three attempts unless its policy says otherwise", () => {
  const byDefault = { attemptsMax: 3, backoffMsMin: 25, backoffMsMax: 1_000 };
  for (const name of ["Read", "Idempotent", "Keyed"]) {
    expect(retryOf(rpcOf(name)), name).toEqual(byDefault);
  }
  expect(retryOf(rpcOf("Plain"))).toEqual({ ...byDefault, attemptsMax: 1 });
  expect(retryOf(Health.method.check)).toEqual({ ...byDefault, attemptsMax: 1 });
  const declared = { attemptsMax: 5, backoffMsMin: 10, backoffMsMax: 20 };
  expect(retryOf(rpcOf("Hedged"))).toEqual(declared);
});

test("a call is hedged only where its policy says so", () => {
  expect(hedgeOf(rpcOf("Hedged"))).toEqual({ delayMs: 50, attemptsMax: 2 });
  expect(hedgeOf(rpcOf("Read"))).toBeUndefined();
});

const good = `scopes: "a.b.c" callers: "*" rate_class: RATE_CLASS_BULK`;
const timed = `${good} deadline_default_ms: 1 deadline_max_ms: 100`;
const level = (name: string) => `option idempotency_level = ${name};`;

const methods: Record<string, readonly [policy: string, level?: string]> = {
  NoScope: [timed.replace('scopes: "a.b.c"', "")],
  BadScope: [timed.replace("a.b.c", "all")],
  NoDeadline: [`${good} deadline_max_ms: 100`],
  LateDefault: [`${good} deadline_default_ms: 3 deadline_max_ms: 2`],
  UnknownKey: [`${timed} idempotency_key_field: "nothing"`],
  Read: [timed, level("NO_SIDE_EFFECTS")],
  Idempotent: [timed, level("IDEMPOTENT")],
  Keyed: [`${timed} idempotency_key_field: "key"`],
  Plain: [timed],
  Hedged: [
    `${timed} retry: {attempts_max: 5 backoff_min_ms: 10 backoff_max_ms: 20}
     hedge: {delay_ms: 50 attempts_max: 2}`,
    level("NO_SIDE_EFFECTS"),
  ],
};

const rpcs = Object.entries(methods).map(
  ([name, [policy, option = ""]]) =>
    `rpc ${name}(Q) returns (Q) { ${option} option (bursar.mesh.v1.method) = {${policy}}; }`,
);
const compiled = compileSchemas({
  "x.proto": `syntax = "proto3"; package x; import "bursar/mesh/v1/policy.proto";
    service S { ${rpcs.join("\n")} }
    message Q { string key = 1; string token = 2 [(bursar.mesh.v1.field).secret = true]; }`,
});

function rpcOf(name: string): DescMethod {
  const found = compiled.getService("x.S")?.methods.find((rpc) => rpc.name === name);
  if (!found) throw new Error(`x.S has no method ${name}`);
  return found;
}

function messageOf(name: string): DescMessage {
  const found = compiled.getMessage(`x.${name}`);
  if (!found) throw new Error(`x.proto has no message ${name}`);
  return found;
}
