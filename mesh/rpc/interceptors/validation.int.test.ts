import type { DescService } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { ResponseValidation } from "../../process/config.ts";
import { send } from "../../testing/echo-server.ts";
import { startTestServer, type TestServer } from "../../testing/rpc.ts";
import { compileSchemas } from "../../testing/schema.ts";
import { requestRefusalOf } from "../errors.ts";

const policy = (name: string, level: string, types: string) => `rpc ${name}${types} {
  option idempotency_level = ${level};
  option (bursar.mesh.v1.method) = {
    scopes: "testing.things.write" deadline_default_ms: 5000 deadline_max_ms: 5000
    callers: "*" rate_class: RATE_CLASS_INTERACTIVE
  };
}`;
const service = thingService();

/** Its messages have no types: the schema is compiled when the test runs. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;

const answer = { title: "fine" };
const routes = {
  updateThing: async ({ thing }: Untyped) => ({ title: thing?.title ?? "" }),
  getThing: async () => answer,
  async *listThings() {
    yield { title: "fine" };
    yield answer;
  },
};

const servers = new Map<ResponseValidation, TestServer>();
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  for (const validateResponses of ["refuse", "count", "off"] as const) {
    const server = await startTestServer({
      routes: (router) => void router.service(service, routes as Untyped),
      config: { validateResponses },
    });
    servers.set(validateResponses, stack.use(server));
  }
});
afterAll(() => stack.disposeAsync());

test("what an update mask names reaches the service only where it may change", async () => {
  const { client } = await world("refuse");
  const update = (...paths: string[]) =>
    client.updateThing({ thing: { title: "new" }, updateMask: { paths } });
  expect(await update("title")).toMatchObject({ title: "new" });
  expect(await update()).toMatchObject({ title: "new" });

  const immutable = await failure(update("title", "thing_id"));
  expect(immutable.code).toBe(Code.InvalidArgument);
  expect(requestRefusalOf(immutable)).toMatchObject({
    refusal: RequestRefusal.IMMUTABLE_FIELD,
    problems: [{ field: "update_mask.paths[1]", problem: expect.stringMatching(/never changes/) }],
  });
  const unknown = await failure(update("colour"));
  expect(unknown.code).toBe(Code.InvalidArgument);
  expect(requestRefusalOf(unknown)?.refusal).toBe(RequestRefusal.UNKNOWN_FIELD);
});

test("a request that is wrong in a thousand places gets an answer that its client can read", async () => {
  const { client } = await world("refuse");
  const parts = Array.from({ length: 1_000 }, () => ({ name: "x".repeat(2_000) }));
  const error = await failure(client.updateThing({ thing: { parts } }));
  expect(error.code).toBe(Code.InvalidArgument);
  const problems = requestRefusalOf(error)?.problems ?? [];
  expect(problems.at(0)?.field).toBe("thing.parts[0].name");
  expect(problems.at(-1)).toMatchObject({ field: "", problem: "and 984 more" });
  expect(error.message).not.toContain("xxx");
});

test("a key that the schema hides is not in the error", async () => {
  const { client } = await world("refuse");
  const error = await failure(
    client.updateThing({ thing: { notes: { Ada: { name: "x".repeat(9) } } } }),
  );
  expect(error.rawMessage).toMatch(/^thing\.notes\["\[personal\]"\]\.name: /);
  expect(JSON.stringify(requestRefusalOf(error)?.problems)).not.toContain("Ada");
});

test("a response that breaks its schema fails the call in development, and the log says where", async () => {
  const { client, server } = await world("refuse");
  const error = await failure(client.getThing({}));
  expect(error.code).toBe(Code.Internal);
  expect(error.rawMessage).toBe("internal error");
  expect(JSON.stringify(server.logLines)).toMatch(
    /GetThing answers what its schema refuses.*title:/,
  );
  const seen: string[] = [];
  const failed = await failure(
    (async () => {
      for await (const { title } of client.listThings({})) seen.push(title);
    })(),
  );
  expect(failed.code).toBe(Code.Internal);
  expect(seen).toEqual(["fine"]);
});

test("in production it goes out, is counted, and is told once", async () => {
  const { client, server } = await world("count");
  for (let call = 0; call < 3; call++) {
    expect(await client.getThing({})).toMatchObject({ title: "x".repeat(9) });
  }
  const told = server.logLines.filter((line) => JSON.stringify(line).includes("its schema"));
  expect(told).toMatchObject([
    { method: "x.ThingService/GetThing", problem: expect.stringMatching(/^title: /) },
  ]);
  expect(String((await send(server, "/metrics")).body)).toMatch(
    /bursar_rpc_invalid_responses_total\{.*method="x\.ThingService\/GetThing".*\} [1-3]/,
  );
});

test("a server that is told so does not look at its responses", async () => {
  const { client, server } = await world("off");
  expect(await client.getThing({})).toMatchObject({ title: "x".repeat(9) });
  expect(JSON.stringify(server.logLines)).not.toMatch(/its schema/);
});

async function world(mode: ResponseValidation) {
  const server = servers.get(mode);
  if (!server) throw new Error(`no server runs in mode ${mode}`);
  answer.title = "x".repeat(9);
  const client: Untyped = (await server.client(service)) as Client<never>;
  return { server, client };
}

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: unknown) => ConnectError.from(error),
  );
}

function thingService(): DescService {
  const text = `syntax = "proto3"; package x;
    import "buf/validate/validate.proto"; import "bursar/mesh/v1/policy.proto";
    import "google/protobuf/field_mask.proto";
    service ThingService {
      option (bursar.mesh.v1.service) = {
        owner: "platform" data_class: DATA_CLASS_PERSONAL
        objective: {availability_ppm: 999000 latency_p99_ms: 1000}
      };
      ${policy("UpdateThing", "IDEMPOTENT", "(UpdateThingRequest) returns (Answer)")}
      ${policy("GetThing", "NO_SIDE_EFFECTS", "(GetThingRequest) returns (Answer)")}
      ${policy("ListThings", "NO_SIDE_EFFECTS", "(GetThingRequest) returns (stream Answer)")}
    }
    message UpdateThingRequest { Thing thing = 1; google.protobuf.FieldMask update_mask = 2; }
    message GetThingRequest {}
    message Answer { string title = 1 [(buf.validate.field).string.max_len = 8]; }
    message Thing {
      string thing_id = 1 [(bursar.mesh.v1.field).immutable = true];
      string title = 2;
      repeated Part parts = 3;
      map<string, Part> notes = 4 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL];
    }
    message Part { string name = 1 [(buf.validate.field).string.max_len = 8]; }`;
  const found = compileSchemas({ "x.proto": text }).getService("x.ThingService");
  if (!found) throw new Error("the schema has no ThingService");
  return found;
}
