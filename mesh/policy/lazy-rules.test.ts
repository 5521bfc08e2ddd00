import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { expect, test } from "vitest";
import { AccessConfigSchema } from "#gen/bursar/mesh/v1/access_pb.ts";
import { rulesAreLazy } from "./lazy-rules.ts";

test("the library is still what the rules are made lazy in", () => {
  expect(rulesAreLazy).toBe(true);
});

test("rules that are parsed when they are needed judge as the native ones do", () => {
  const grants = [
    { identity: "spiffe://bursar/ok", scopes: ["a.b.c"] },
    { identity: "nobody", scopes: ["a.b.c", "a.b.c", "everything"] },
  ];
  const config = create(AccessConfigSchema, { grants });
  const [native, inCel] = [false, true].map((disableNativeRules) => {
    const result = createValidator({ disableNativeRules }).validate(AccessConfigSchema, config);
    return result.kind === "invalid" ? result.violations.map(String) : result;
  });
  expect(inCel).toHaveLength(3);
  expect(inCel).toEqual(native);
});
