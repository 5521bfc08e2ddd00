import { expect, test } from "vitest";
import { compileSchemas } from "#mesh/testing/schema.ts";
import { describePath, handlerMsMax, proveBudgets } from "./budget.ts";
import { readDeclared } from "./declared.ts";
import { graphPage } from "./picture.ts";

type Steps = Readonly<Record<"one" | "two" | "three", string>>;

const plain: Steps = {
  one: 'calls: "planted.v1.TwoService.Two" deadline_max_ms: 60000',
  two: 'calls: "planted.v1.ThreeService.Three" deadline_max_ms: 30000',
  three: "deadline_max_ms: 5000",
};

function proved(changes: Partial<Steps> = {}, event = "") {
  const service = (name: string, policy: string) => `
service ${name}Service {
  option (bursar.mesh.v1.service) = {
    identity: "${name.toLowerCase()}" owner: "x" data_class: DATA_CLASS_INTERNAL
    objective: { availability_ppm: 999000 latency_p99_ms: 100 }
  };
  rpc ${name}(${name}Request) returns (${name}Response) {
    option (bursar.mesh.v1.method) = {
      scopes: "a.b.c" callers: "*" deadline_default_ms: 1000 rate_class: RATE_CLASS_BULK ${policy}
    };
  }
}
message ${name}Request { string key = 1; }
message ${name}Response {}
`;
  const { one, two, three } = { ...plain, ...changes };
  const text = `syntax = "proto3";
package planted.v1;
import "bursar/mesh/v1/policy.proto";
option (bursar.mesh.v1.stream) = {
  name: "PLANTED" retention_days: 1 message_bytes_max: 1024 duplicate_window_seconds: 1
};
${service("One", one)}${service("Two", two)}${service("Three", three)}${event}`;
  const declared = readDeclared(compileSchemas({ "planted/v1/planted.proto": text }));
  const { paths, findings } = proveBudgets(declared, { services: [], unreadable: [] });
  const own = (name: string | undefined) => name?.startsWith("planted.v1.") ?? false;
  return {
    declared,
    paths: paths.filter(({ steps }) => own(steps.at(-1))),
    mistakes: findings.filter(({ name }) => own(name)).map(({ change }) => change),
  };
}

const repeated = 'idempotency_key_field: "key"';

test("what is given shrinks along a path, and attempts multiply", () => {
  const { paths, mistakes } = proved({ three: `${plain.three} ${repeated}` });
  expect(mistakes).toEqual([]);
  expect(paths.map(describePath)).toEqual([
    "planted.v1.OneService.One → planted.v1.TwoService.Two: within 10000 ms, at most 1 for one",
    "planted.v1.OneService.One → planted.v1.TwoService.Two → planted.v1.ThreeService.Three: " +
      "within 5000 ms, at most 3 for one",
    "planted.v1.TwoService.Two → planted.v1.ThreeService.Three: within 5000 ms, at most 3 for one",
  ]);
});

test("a step that has the time by itself may lack it on a path", () => {
  const three = "deadline_max_ms: 9000";
  // By itself Two has 10 s; whoever answers One has only 8 s to give.
  const two = 'calls: "planted.v1.ThreeService.Three" deadline_max_ms: 10000';
  expect(proved({ two, three }).mistakes).toEqual([]);
  const one = 'calls: "planted.v1.TwoService.Two" deadline_max_ms: 8000';
  expect(proved({ one, two, three }).mistakes).toEqual([
    "its calls take up to 10000 ms, and it is given at most 8000 ms",
    "its calls take up to 9000 ms, and it is given at most 8000 ms",
  ]);
});

test("two calls of a method follow one another", () => {
  const one =
    'calls: ["planted.v1.TwoService.Two", "planted.v1.ThreeService.Three"] deadline_max_ms: 12000';
  expect(proved({ one }).mistakes).toEqual([
    "its calls take up to 15000 ms, and it is given at most 12000 ms",
  ]);
});

test("three steps of three attempts are too many, and two are not", () => {
  const two = `${plain.two} ${repeated}`;
  const three = `${plain.three} ${repeated}`;
  expect(proved({ two, three }).mistakes).toEqual([]);
  expect(proved({ one: `${plain.one} ${repeated}`, two, three }).mistakes).toEqual([
    "one call may become 27, and 9 are allowed",
  ]);
});

test("calls that go in a circle are told once a way, and the proof ends", () => {
  const three = 'calls: "planted.v1.OneService.One" deadline_max_ms: 30000';
  const mistakes = proved({ three }).mistakes.filter((it) => it === "the calls go in a circle");
  expect(mistakes.length).toBe(3);
});

test("a handler has as long as its SQL transaction may be silent", () => {
  const event = `message Happened {
  option (bursar.mesh.v1.event) = {
    stream: "PLANTED" producers: "one" consumers: "two" version: 1 key_field: "id"
    calls: { consumer: "two" methods: "planted.v1.ThreeService.Three" }
  };
  string id = 1;
}
`;
  const { paths } = proved({ three: `${plain.three} ${repeated}` }, event);
  expect(handlerMsMax).toBeGreaterThan(5_000);
  expect(paths).toContainEqual({
    steps: ["two handling planted.v1.Happened", "planted.v1.ThreeService.Three"],
    givenMs: 5_000,
    amplification: 3,
  });
});

test("the picture has an arrow for every call between services, and says its methods", () => {
  const { declared, paths } = proved();
  const page = graphPage(declared, paths);
  expect(page).toContain('one -. "Two" .-> two');
  expect(page).toContain('two -. "Three" .-> three');
  expect(page).toContain('cms_service -. "ListPaymentStates, ListTransactions" .-> ledger_service');
  expect(page).toContain("LEDGER --> cms_service");
});
