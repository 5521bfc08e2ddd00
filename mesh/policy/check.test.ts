import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { compileSchemas } from "../testing/schema.ts";
import { checkEvents, checkService, isConsumer, isProducer } from "./check.ts";

// Each row is a file of its own, in a package of its own; all are compiled at once.
type Row = { readonly name: string; readonly text: string; readonly problem: RegExp };

const objective = "objective: {availability_ppm: 999000 latency_p99_ms: 1000}";
const serviceOf = (dataClass: string) =>
  `option (bursar.mesh.v1.service) = {
    owner: "t" ${objective} data_class: DATA_CLASS_${dataClass}
  };`;
const callable =
  'scopes: "a.b.c" deadline_default_ms: 5000 deadline_max_ms: 30000 callers: "*" ' +
  "rate_class: RATE_CLASS_INTERACTIVE";
const rpcOf = (policy: string, level = "") =>
  `rpc M(Q) returns (A) { ${level} option (bursar.mesh.v1.method) = {${callable} ${policy}}; }`;
const readsOnly = "option idempotency_level = NO_SIDE_EFFECTS;";
const retry = "retry: {attempts_max: 3 backoff_min_ms: 25 backoff_max_ms: 1000}";
const hedge = "hedge: {delay_ms: 50 attempts_max: 2}";

const method = (policy: string, level?: string, request = "string key = 1;") =>
  `service S { ${serviceOf("INTERNAL")} ${rpcOf(policy, level)} }
   message Q { ${request} } message A {}`;
const field = (declaration: string) => method("", "", declaration);

const streamOf = (name: string) =>
  `option (bursar.mesh.v1.stream) = {name: "${name}" retention_days: 30 ` +
  "message_bytes_max: 262144 duplicate_window_seconds: 60};";
const eventOf = (policy: string, fields = "string key = 1;") =>
  `message E { option (bursar.mesh.v1.event) = {producers: "p" version: 1 ${policy}}; ${fields} }`;
const event = (policy: string, fields?: string) =>
  streamOf("ROW") + eventOf(`stream: "ROW" ${policy}`, fields);
const keyed = 'key_field: "key"';
const onRow = `stream: "ROW" ${keyed}`;

const rows: Row[] = [
  row("a service without a policy", "service S {}", /^\S+S: has no policy: add option .*service\)/),
  row(
    "a method without a policy",
    `service S { ${serviceOf("INTERNAL")} rpc M(Q) returns (A); } message Q {} message A {}`,
    /S\.M: has no policy: add option \(bursar\.mesh\.v1\.method\)/,
  ),
  row("a policy that breaks its own rules", method("request_bytes_max: -1"), /S\.M: request_bytes/),
  row("retry of what may do harm twice", method(retry), /S\.M: retry .* declare idempotency_level/),
  row(
    "retry that no deadline leaves time for",
    method(
      "retry: {attempts_max: 3 backoff_min_ms: 10000 backoff_max_ms: 20000}",
      readsOnly,
    ).replace("deadline_max_ms: 30000", "deadline_max_ms: 10000"),
    /S\.M: retry waits 10000 ms, .* lower backoff_min_ms/,
  ),
  row(
    "retry of a stream",
    method(retry, readsOnly).replace("returns (A)", "returns (stream A)"),
    /S\.M: retry repeats a stream/,
  ),
  row("hedging of a write", method(hedge), /S\.M: hedge sends copies .* side effects/),
  row(
    "hedging of an idempotent write",
    method(hedge, "option idempotency_level = IDEMPOTENT;"),
    /S\.M: hedge sends copies of a call that has side effects: declare .*NO_SIDE_EFFECTS/,
  ),
  row(
    "hedging of a stream",
    method(hedge, readsOnly).replace("returns (A)", "returns (stream A)"),
    /S\.M: hedge sends copies of a stream/,
  ),
  row(
    "hedging later than every deadline",
    method("hedge: {delay_ms: 30000 attempts_max: 2}", readsOnly),
    /S\.M: hedge waits 30000 ms, .* lower delay_ms/,
  ),
  row(
    "more hedges than attempts",
    method(`retry: {attempts_max: 1 backoff_min_ms: 25 backoff_max_ms: 25} ${hedge}`, readsOnly),
    /S\.M: hedge makes 2 attempts where retry allows 1/,
  ),
  row("an unknown key", method('idempotency_key_field: "no"'), /S\.M: .* names no, .* no field of/),
  row(
    "a key that is a number",
    method('idempotency_key_field: "key"', "", "int32 key = 1;"),
    /S\.M: idempotency_key_field names key, which is not a string/,
  ),
  row(
    "a key that may be another one",
    method('idempotency_key_field: "key"', "", "oneof which { string key = 1; string other = 2; }"),
    /S\.M: idempotency_key_field names key, which is one of several/,
  ),
  row(
    "a key that is secret",
    method(
      'idempotency_key_field: "key"',
      "",
      "string key = 1 [(bursar.mesh.v1.field).secret = true];",
    ),
    /S\.M: idempotency_key_field names key, which is sensitive/,
  ),
  row(
    "an amount that is not declared",
    field("int64 fee_minor = 1;"),
    /Q\.fee_minor: is named like/,
  ),
  row("an unsigned amount", field("uint64 fee_minor = 1;"), /Q\.fee_minor: is named like/),
  row("an amount in a double", field("double fee_minor = 1;"), /Q\.fee_minor: is named like/),
  row(
    "an amount in a wrapper",
    field("google.protobuf.Int64Value fee_minor = 1;"),
    /Q\.fee_minor: is named like an amount/,
  ),
  row(
    "money in a double",
    field("double fee = 1 [(bursar.mesh.v1.field).money = true];"),
    /Q\.fee: is money, .* not by double: make it an int64/,
  ),
  row(
    "money in 64 bits without a sign",
    field("uint64 fee_minor = 1 [(bursar.mesh.v1.field).money = true];"),
    /Q\.fee_minor: is money, .* not by uint64/,
  ),
  row(
    "money in a message",
    field("google.protobuf.Int64Value fee = 1 [(bursar.mesh.v1.field).money = true];"),
    /Q\.fee: is money, .* not by google\.protobuf\.Int64Value/,
  ),
  row(
    "a public secret",
    field(
      "string key = 1 [(bursar.mesh.v1.field) = {secret: true data_class: DATA_CLASS_PUBLIC}];",
    ).replace("CLASS_INTERNAL", "CLASS_SENSITIVE"),
    /Q\.key: is a secret, which is sensitive, and says it is public: drop data_class/,
  ),
  row(
    "a field of a closer class than its service",
    field("string email = 1 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];"),
    /S: says it holds internal data, and Q\.email is personal: raise data_class/,
  ),
  row(
    "the same, deep in a response",
    `${method("").replace("message A {}", "message A { repeated B bs = 1; }")}
     message B { map<string, C> cs = 1; } message C { B b = 1; D d = 2; }
     message D { string token = 1 [(bursar.mesh.v1.field).secret = true]; }`,
    /S: says it holds internal data, and A\.bs\.cs\.d\.token is sensitive/,
  ),
  row(
    "an internal field in a public service",
    field("string note = 1;").replace("CLASS_INTERNAL", "CLASS_PUBLIC"),
    /S: says it holds public data, and Q\.note is internal/,
  ),
  row(
    "a request whose field is immutable",
    field("string key = 1 [(bursar.mesh.v1.field).immutable = true];"),
    /Q\.key: is immutable in a request: say it in the resource/,
  ),
  row(
    "an immutable etag",
    `${field("R r = 1;")} message R { string etag = 1 [(bursar.mesh.v1.field).immutable = true]; }`,
    /R\.etag: is immutable, and changes by what it is/,
  ),
  row(
    "a mask about one of two things",
    `${field("R left = 1; R right = 2; google.protobuf.FieldMask update_mask = 3;")} message R {}`,
    /S\.M: Q has an update_mask, and .* not plain/,
  ),
  row(
    "an event without a policy",
    `${streamOf("ROW")} message E {}`,
    /E: has no policy: add option \(bursar\.mesh\.v1\.event\)/,
  ),
  row("an event without a stream", eventOf(`stream: "ROW" ${keyed}`), /E: no file of .* declares/),
  row(
    "an event on another stream",
    streamOf("OTHER") + eventOf(`stream: "ROW" ${keyed}`),
    /E: says stream ROW, and its package declares OTHER \(row_\w+\.proto\): say that/,
  ),
  row(
    "a stream that keeps nothing",
    event(keyed).replace("days: 30", "days: 0"),
    /retention_days:/,
  ),
  row(
    "an event whose key is no field",
    event('key_field: "no"'),
    /E: key_field names no, .* no field/,
  ),
  row(
    "an event id of several values",
    event(`${keyed} dedupe_id_fields: "keys"`, "string key = 1; repeated string keys = 2;"),
    /E: dedupe_id_fields names keys, which is not a string or a whole number/,
  ),
  row(
    "an event id that leads to a person",
    event(
      `${keyed} dedupe_id_fields: "key"`,
      "string key = 1 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];",
    ),
    /E: dedupe_id_fields names key, which is personal, and message ids are logged/,
  ),
  row(
    "a secret deep in an event",
    `${event(keyed, "string key = 1; repeated In ins = 2;")}
     message In { In again = 1; string token = 2 [(bursar.mesh.v1.field).secret = true]; }`,
    /E: carries the secret ins\.token/,
  ),
  row(
    "an immutable field of an event",
    event(keyed, "string key = 1 [(bursar.mesh.v1.field).immutable = true];"),
    /E\.key: is immutable, and an event never changes/,
  ),
];

const harmless: Record<string, string> = {
  "retry of a read": method(retry, readsOnly),
  "retry of a repeated write": method(retry, "option idempotency_level = IDEMPOTENT;"),
  "retry under a key": method(`${retry} idempotency_key_field: "key"`),
  "one attempt": method("retry: {attempts_max: 1 backoff_min_ms: 25 backoff_max_ms: 25}"),
  "a hedge": method(hedge, readsOnly),
  "a hedge within its retries": method(`${retry} ${hedge}`, readsOnly),
  money: field("int64 fee_minor = 1 [(bursar.mesh.v1.field).money = true];"),
  "several amounts": field("repeated int64 fees_minor = 1 [(bursar.mesh.v1.field).money = true];"),
  "a version": field("int32 version_minor = 1;"),
  "a public service": field(
    `string title = 1 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PUBLIC];
     google.protobuf.Int64Value size = 2 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PUBLIC];`,
  ).replace("CLASS_INTERNAL", "CLASS_PUBLIC"),
  "a message inside itself": `${field("R r = 1;")} message R { R r = 1; repeated R rs = 2; }`,
  "a mask": `${field("R r = 1; google.protobuf.FieldMask update_mask = 2;")}
    message R { string id = 1 [(bursar.mesh.v1.field).immutable = true]; }`,
  "an event": event(`${keyed} dedupe_id_fields: "key"`),
};

const named = [...rows, ...Object.entries(harmless).map(([name, text]) => ({ name, text }))];
const compiled = compileSchemas({
  ...Object.fromEntries(
    named.map(({ name, text }) => [`row_${slug(name)}.proto`, fileOf(name, text)]),
  ),
  // An event whose stream stands in another file of its package, and one that sees two.
  "far/stream.proto": fileOf("far", streamOf("ROW")),
  "far/events.proto": `${fileOf("far", "")} import "far/stream.proto"; ${eventOf(onRow)}`,
  "twice/stream.proto": fileOf("twice", streamOf("ROW")),
  "twice/events.proto": `${fileOf("twice", "")} import "twice/stream.proto"; ${event(keyed)}`,
});

test.each(rows)("$name is refused", ({ name, problem }) => {
  expect(() => check(name)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/breaks the rules of its policies/) }),
  );
  expect(problemsOf(name).join("\n")).toMatch(new RegExp(problem.source.replace("^", "^  "), "m"));
});

test.each(Object.keys(harmless))("%s is harmless", (name) => {
  expect(() => check(name)).not.toThrow();
});

test("a stream may be declared in another file of the package, and only in one", () => {
  expect(() => check("far")).not.toThrow();
  expect(problemsOf("twice")).toEqual([
    expect.stringMatching(/E: .*stream in twice\/events\.proto and twice\/stream\.proto: keep one/),
  ]);
});

test("everything that is wrong with a service is told at once", () => {
  expect(() => checkService(Health)).toThrow(/Health: has no.*Check: has no.*Watch: has no/s);
});

test("only who is listed publishes and consumes", () => {
  const { produces, consumes } = { produces: [WebhookReceivedSchema], consumes: [] };
  checkEvents({ service: "webhook-gateway", produces, consumes });
  checkEvents({ service: "ledger-service", produces: [], consumes: [PaymentSucceededSchema] });
  const both = { service: "cms-service", produces, consumes: [PaymentSucceededSchema] };
  expect(() => checkEvents(both)).toThrow(
    /WebhookReceived: cms-service publishes it and is none of its producers: add it there\n.*PaymentSucceeded: cms-service consumes it/,
  );
  expect(isProducer(WebhookReceivedSchema, "webhook-gateway")).toBe(true);
  expect(isProducer(WebhookReceivedSchema, "ledger-service")).toBe(false);
  expect(isConsumer(PaymentSucceededSchema, "ledger-service")).toBe(true);
});

test("what is no event is neither published nor consumed", () => {
  const produces = [Health.method.check.input];
  expect(() => checkEvents({ service: "p", produces, consumes: [] })).toThrow(/has no policy/);
  expect(() => isProducer(Health.method.check.input, "p")).toThrow(/has no policy/);
});

test("two packages cannot share a stream", () => {
  const events = ["an event", "an event whose key is no field"].map(eventIn);
  expect(() => checkEvents({ service: "p", produces: events, consumes: [] })).toThrow(
    /declares stream ROW, which x\.\w+ declares: rename one/,
  );
});

function row(name: string, text: string, problem: RegExp): Row {
  return { name, text, problem };
}

function slug(name: string): string {
  return name.replaceAll(/[^a-z0-9]+/g, "_");
}

function fileOf(name: string, text: string): string {
  return `syntax = "proto3"; package x.${slug(name)};
    import "bursar/mesh/v1/policy.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/wrappers.proto";
    ${text}`;
}

function serviceIn(name: string): DescService | undefined {
  return compiled.getService(`x.${slug(name)}.S`);
}

function eventIn(name: string): DescMessage {
  const found = compiled.getMessage(`x.${slug(name)}.E`);
  if (!found) throw new Error(`there is neither a service nor an event in: ${name}`);
  return found;
}

function check(name: string): void {
  const service = serviceIn(name);
  if (service) checkService(service);
  else checkEvents({ service: "p", produces: [eventIn(name)], consumes: [] });
}

function problemsOf(name: string): string[] {
  try {
    check(name);
  } catch (error) {
    return (error as Error).message.split("\n").slice(1);
  }
  return [];
}
