import { create, type DescMethod } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { compileSchemas } from "../testing/schema.ts";
import { maskProblems, refuseMask } from "./update-mask.ts";

const compiled = compileSchemas({
  "x.proto": `syntax = "proto3"; package x; import "bursar/mesh/v1/policy.proto";
    import "google/protobuf/field_mask.proto"; import "google/protobuf/timestamp.proto";
    service Things {
      rpc UpdateThing(UpdateThingRequest) returns (Thing);
      rpc ReplaceLeft(TwoRequest) returns (Thing);
      rpc Swap(TwoRequest) returns (Thing);
      rpc ReadThing(ReadRequest) returns (Thing);
    }
    message UpdateThingRequest { Thing thing = 1; google.protobuf.FieldMask update_mask = 2; }
    message TwoRequest {
      Thing left = 1; Part right = 2; google.protobuf.FieldMask update_mask = 3;
    }
    message ReadRequest { google.protobuf.FieldMask read_mask = 1; }
    message Thing {
      string thing_id = 1 [(bursar.mesh.v1.field).immutable = true];
      string title = 2;
      Part part = 3;
      Free free = 4;
      repeated Part parts = 5;
      map<string, Part> part_by_name = 6;
      map<string, string> labels = 7;
      Part given = 8 [(bursar.mesh.v1.field).immutable = true];
      Thing parent = 9;
      google.protobuf.Timestamp due_time = 10;
    }
    message Part { string part_id = 1 [(bursar.mesh.v1.field).immutable = true]; string name = 2; }
    message Free { string text = 1; Free deeper = 2; }`,
});

test.each([
  [[]],
  [["title"]],
  [["title", "free", "free.deeper.deeper.text", "part.name", "due_time", "due_time.seconds"]],
  // The elements of a list or map are things of their own: another id is another thing.
  [["parts", "part_by_name", "part_by_name.any key", "part_by_name.a.name", "labels.a"]],
])("a mask of %j may stand", (paths) => {
  expect(refuseThing(paths)).toBeUndefined();
});

test.each<[string, RegExp]>([
  ["", /"" is no field of Thing/],
  ["colour", /"colour" is no field of Thing/],
  ["Title", /is no field of Thing/],
  ["title.text", /"text" is inside what has no fields of its own/],
  ["part.colour", /"colour" is no field of Part/],
  ["parts.name", /"name" is inside what has no fields/],
  ["labels.a.b", /"b" is inside what has no fields/],
  ["part_by_name.a.colour", /"colour" is no field of Part/],
  [".", /is no field of Thing/],
  ["title.", /is inside what has no fields/],
  ["constructor", /is no field of Thing/],
])("the path %j leads nowhere", (path, problem) => {
  expect(refuseThing(["title", path])).toEqual({
    reason: "unknown",
    problems: [{ field: "update_mask.paths[1]", problem: expect.stringMatching(problem) }],
  });
});

test.each<[string, RegExp]>([
  ["thing_id", /thing_id never changes/],
  ["part.part_id", /part_id never changes/],
  ["part_by_name.a.part_id", /part_id never changes/],
  ["given.name", /given never changes/],
  ["parent.parent.thing_id", /thing_id never changes/],
  ["part", /covers part_id, which never changes: name what changes/],
  ["*", /covers thing_id, which never changes/],
])("the path %j would change what never changes", (path, problem) => {
  expect(refuseThing([path])).toEqual({
    reason: "immutable",
    problems: [{ field: "update_mask.paths[0]", problem: expect.stringMatching(problem) }],
  });
});

test("everything that is wrong is told, and a path that leads nowhere weighs more", () => {
  const refused = refuseThing(["thing_id", "title", "colour"]);
  expect(refused?.reason).toBe("unknown");
  expect(refused?.problems.map(({ field }) => field)).toEqual([
    "update_mask.paths[0]",
    "update_mask.paths[2]",
  ]);
});

test("a mask does not fill the answer", () => {
  const long = "x".repeat(5_000);
  const refused = refuseThing(Array.from({ length: 1_000 }, () => long));
  expect(refused?.problems.at(-1)).toEqual({ field: "", problem: "and 984 more" });
  expect(JSON.stringify(refused).length).toBeLessThan(8_000);
  expect(refuseThing(Array.from({ length: 1_001 }, () => "title"))).toMatchObject({
    problems: [
      { field: "update_mask.paths", problem: expect.stringMatching(/^names 1001 fields/) },
    ],
  });
});

test("the thing that changes is the one the method names, or the only one", () => {
  expect(maskProblems(rpc("UpdateThing"))).toEqual([]);
  expect(maskProblems(rpc("ReplaceLeft"))).toEqual([]);
  expect(maskProblems(rpc("Swap"))).toMatchObject([
    { problem: expect.stringMatching(/which of its fields/) },
  ]);
  expect(refuse("ReplaceLeft", ["title"])).toBeUndefined();
  expect(refuse("ReplaceLeft", ["name"])?.reason).toBe("unknown");
});

test("a request without an update mask is left alone", () => {
  const read = rpc("ReadThing");
  const readMask = create(read.input, { readMask: { paths: ["nothing"] } } as never);
  expect(refuseMask(read, readMask)).toBeUndefined();
  const { createOrder } = OrderService.method;
  expect(refuseMask(createOrder, create(createOrder.input))).toBeUndefined();
  expect(refuseMask(rpc("UpdateThing"), create(rpc("UpdateThing").input))).toBeUndefined();
});

function refuseThing(paths: readonly string[]) {
  return refuse("UpdateThing", paths);
}

function refuse(name: string, paths: readonly string[]) {
  const method = rpc(name);
  return refuseMask(method, create(method.input, { updateMask: { paths } } as never));
}

function rpc(name: string): DescMethod {
  const found = compiled.getService("x.Things")?.methods.find((method) => method.name === name);
  if (!found) throw new Error(`x.Things has no method ${name}`);
  return found;
}
