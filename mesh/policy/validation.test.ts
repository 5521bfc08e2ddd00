import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AccessConfigSchema } from "#gen/bursar/mesh/v1/access_pb.ts";
import { ListParkedRequestSchema } from "#gen/bursar/mesh/v1/parked_event_pb.ts";
import { validate, warmUp } from "./validation.ts";

test("every broken rule is told, by the path of its field in proto names", () => {
  const grants = [
    { identity: "spiffe://bursar/ok", scopes: ["a.b.c"] },
    { identity: "nobody", scopes: ["a.b.c", "everything"] },
  ];
  const problems = validate(AccessConfigSchema, create(AccessConfigSchema, { grants }));
  expect(problems.map(({ field }) => field)).toEqual(["grants[1].identity", "grants[1].scopes[1]"]);
  for (const { problem } of problems) expect(problem).not.toBe("");
  const negative = create(ListParkedRequestSchema, { pageSize: -1 });
  expect(validate(ListParkedRequestSchema, negative)).toMatchObject([{ field: "page_size" }]);
});

test("a valid message has no problems", () => {
  expect(validate(ListParkedRequestSchema, create(ListParkedRequestSchema))).toEqual([]);
});

test("warming up takes the cost of the first validation", () => {
  warmUp([AccessConfigSchema]);
  const startedAt = performance.now();
  validate(AccessConfigSchema, create(AccessConfigSchema, { grants: [{ identity: "x" }] }));
  expect(performance.now() - startedAt).toBeLessThan(20);
});
