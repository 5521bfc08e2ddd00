import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  EventPolicySchema,
  FieldPolicySchema,
  MethodPolicySchema,
  ServicePolicySchema,
  StreamPolicySchema,
} from "#gen/bursar/mesh/v1/policy_pb.ts";
import { plantSchemas } from "#mesh/testing/schema.ts";

test("the policies of the house hold", () => {
  expect(check("proto")).toEqual({
    status: 0,
    lines: [expect.stringMatching(/^the policies of \d+ services in \d+ files hold$/)],
  });
});

const head = (name: string) => `syntax = "proto3";
package ${name};
import "bursar/mesh/v1/policy.proto";
`;
const stream = (name: string) => `option (bursar.mesh.v1.stream) = {
  name: "${name}" retention_days: 1 message_bytes_max: 1024 duplicate_window_seconds: 1
};
`;
const event = (name: string) => `message ${name} {
  option (bursar.mesh.v1.event) = {
    stream: "PLANTED" producers: "p" version: 1 key_field: "id"
  };
  string id = 1;
}
`;

test("every violation is told at once, by file, line and name", () => {
  const { status, lines } = checkPlanted({
    "planted/v1/shop_service.proto": `${head("planted.v1")}service ShopService {
  rpc Buy(BuyRequest) returns (BuyResponse);
}
message BuyRequest {
  map<string, string> notes = 1;
  message Line {
    int64 fee_minor = 1;
  }
  Line line = 2;
}
message BuyResponse {
  string id = 1;
  double total = 2 [(bursar.mesh.v1.field).money = true];
}
`,
    // Nobody's RPC holds it, and still it is a field of ours.
    "planted/v1/unused.proto": `${head("planted.v1")}message Unused {
  uint64 due_minor = 1;
}
`,
    "planted/v1/events.proto": `${head("planted.v1")}${stream("PLANTED")}${event("Bought")}
message Forgotten {}
`,
    "planted/v1/more_events.proto": `${head("planted.v1")}${stream("PLANTED")}`,
    "planted2/v1/events.proto": `${head("planted2.v1")}${stream("PLANTED")}`,
  });
  expect(lines.slice(0, -1)).toEqual(
    [
      "planted/v1/events.proto:14: planted.v1.Forgotten: has no policy: add option ",
      "planted/v1/more_events.proto:4: planted/v1/more_events.proto: planted.v1 declares its",
      "planted/v1/shop_service.proto:4: planted.v1.ShopService: has no policy: add option ",
      "planted/v1/shop_service.proto:5: planted.v1.ShopService.Buy: has no policy: add option ",
      "planted/v1/shop_service.proto:10: planted.v1.BuyRequest.Line.fee_minor: is named like ",
      "planted/v1/shop_service.proto:16: planted.v1.BuyResponse.total: is money, and money ",
      "planted/v1/unused.proto:5: planted.v1.Unused.due_minor: is named like an amount",
      "planted2/v1/events.proto:4: planted2/v1/events.proto: declares stream PLANTED, which ",
    ].map((start) => expect.stringContaining(start)),
  );
  expect(lines.at(-1)).toMatch(/^8 problems; docs\/policy\.md/);
  expect(status).toBe(1);
});

test("a harmless schema beside ours changes nothing", () => {
  const { status } = checkPlanted({
    "planted/v1/events.proto": `${head("planted.v1")}${stream("PLANTED")}${event("Bought")}`,
  });
  expect(status).toBe(0);
});

test("what buf cannot build is not called sound", () => {
  expect(checkPlanted({ "planted/v1/broken.proto": "syntax = 'proto3'; message {" }).status).toBe(
    1,
  );
});

test("docs/policy.md knows every option", () => {
  const docs = readFileSync("docs/policy.md", "utf8");
  const policies = [
    ServicePolicySchema,
    MethodPolicySchema,
    StreamPolicySchema,
    EventPolicySchema,
    FieldPolicySchema,
  ];
  const names = policies.flatMap(({ fields }) => fields.map(({ name }) => name));
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(docs))).toEqual([]);
});

function checkPlanted(texts: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), "bursar-policy-"));
  try {
    plantSchemas(folder, texts);
    return check(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function check(folder: string) {
  const options = { encoding: "utf8" } as const;
  const run = spawnSync(process.execPath, ["dev/check-policy.ts", folder], options);
  const lines = `${run.stdout}${run.stderr}`.trim().split("\n");
  return {
    status: run.status,
    lines: lines.map((line) => line.replace(/^\S*(?=planted2?\/)/, "")),
  };
}
