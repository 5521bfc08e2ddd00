import { expect, test } from "vitest";
import { startTestServer } from "../testing/rpc.ts";
import { compileSchemas } from "../testing/schema.ts";

const text = `syntax = "proto3"; package x; import "bursar/mesh/v1/policy.proto";
  service Undeclared { rpc Get(Request) returns (Response); }
  service Loose {
    option (bursar.mesh.v1.service) = {
      owner: "t" data_class: DATA_CLASS_INTERNAL
      objective: {availability_ppm: 999000 latency_p99_ms: 1000}
    };
    rpc Get(Request) returns (Response) {
      option (bursar.mesh.v1.method) = {
        scopes: "a.b.c" callers: "*" rate_class: RATE_CLASS_BULK
        deadline_default_ms: 1000 deadline_max_ms: 1000
      };
    }
  }
  message Request { string note = 1; }
  message Response { Person person = 1; int64 fee_minor = 2; }
  message Person { string email = 1 [(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL]; }`;
const compiled = compileSchemas({ "x.proto": text });

test.each([
  ["Undeclared", [/x\.Undeclared: has no policy/, /x\.Undeclared\.Get: has no policy/]],
  ["Loose", [/Response\.person\.email is personal: raise/, /Response\.fee_minor: is named like/]],
])("a server does not start with the service %s", async (name, problems) => {
  const service = compiled.getService(`x.${name}`);
  if (!service) throw new Error(`the schema has no ${name}`);
  const start = startTestServer({ routes: (router) => void router.service(service, {}) });
  const error: unknown = await start.catch((refused: unknown) => refused);
  for (const problem of problems) expect(String(error)).toMatch(problem);
});
