import { expect, test } from "vitest";
import { compileSchemas } from "#mesh/testing/schema.ts";
import { proveBudgets } from "./budget.ts";
import { closureFindings } from "./closure.ts";
import { readCode } from "./code.ts";
import { readDeclared } from "./declared.ts";
import { readOutside } from "./outside.ts";
import { roomOf } from "./rooms.ts";

// A shop that asks a bank, and tells it of orders.
const proto = `syntax = "proto3";
package planted.v1;
import "bursar/mesh/v1/policy.proto";
option (bursar.mesh.v1.stream) = {
  name: "PLANTED" retention_days: 1 message_bytes_max: 1024 duplicate_window_seconds: 1
};
service BankService {
  option (bursar.mesh.v1.service) = {
    identity: "bank" owner: "bank" data_class: DATA_CLASS_INTERNAL
    objective: { availability_ppm: 999000 latency_p99_ms: 100 }
  };
  rpc Pay(PayRequest) returns (PayResponse) {
    option idempotency_level = IDEMPOTENT;
    option (bursar.mesh.v1.method) = {
      scopes: "bank.money.write" callers: "shop"
      deadline_default_ms: 1000 deadline_max_ms: 5000 rate_class: RATE_CLASS_CRITICAL
    };
  }
}
service ShopService {
  option (bursar.mesh.v1.service) = {
    identity: "shop" owner: "shop" data_class: DATA_CLASS_INTERNAL
    objective: { availability_ppm: 999000 latency_p99_ms: 100 }
  };
  rpc Buy(BuyRequest) returns (BuyResponse) {
    option idempotency_level = IDEMPOTENT;
    option (bursar.mesh.v1.method) = {
      scopes: "shop.orders.write" callers: "*" calls: "planted.v1.BankService.Pay"
      deadline_default_ms: 10000 deadline_max_ms: 30000 rate_class: RATE_CLASS_INTERACTIVE
    };
  }
}
message PayRequest {}
message PayResponse {}
message BuyRequest {}
message BuyResponse {}
message Bought {
  option (bursar.mesh.v1.event) = {
    stream: "PLANTED" producers: "shop" consumers: "bank" version: 1 key_field: "id"
  };
  string id = 1;
}
`;

const shop = `import { BankService, BoughtSchema } from "#gen/planted/v1/planted_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import type { ServiceDefinition } from "#mesh/service/run-service.ts";

const definition: ServiceDefinition = { service: "shop", produces: [BoughtSchema], routes };
function routes(router, { tls, emit }) {
  const { rpc } = openClient(BankService, { url: "https://bank:1", tls, timeoutMs: 5_000 });
  const buy = async () => emit(BoughtSchema, await rpc.pay({}));
}
`;

const bank = `import { BoughtSchema } from "#gen/planted/v1/planted_pb.ts";
import { on, type ServiceDefinition } from "#mesh/service/run-service.ts";

export const definition = {
  service: "bank",
  consumes: [on(BoughtSchema, () => {})],
} as const satisfies ServiceDefinition;
`;

type Planted = {
  readonly proto?: readonly [string, string];
  readonly shop?: readonly [string, string];
  readonly bank?: readonly [string, string];
  readonly outside?: string;
};

function judge({ outside = "", ...changes }: Planted) {
  const changed = (text: string, change: readonly [string, string] | undefined) => {
    if (change === undefined) return text;
    expect(text).toContain(change[0]);
    return text.replace(...change);
  };
  const texts = { "planted/v1/planted.proto": changed(proto, changes.proto) };
  const registry = compileSchemas(texts);
  const declared = readDeclared(registry);
  // Bursar's own schemas are beside it, and have their code elsewhere.
  const own = {
    services: declared.services.filter(({ name }) => name.startsWith("planted.")),
    methods: new Map([...declared.methods].filter(([name]) => name.startsWith("planted."))),
    events: new Map([...declared.events].filter(([name]) => name.startsWith("planted."))),
  };
  const rooms = [
    roomOf("shop", new Map([["shop/main.ts", changed(shop, changes.shop)]])),
    roomOf("bank", new Map([["bank/main.ts", changed(bank, changes.bank)]])),
  ];
  const code = readCode(rooms, registry);
  const closed = closureFindings({ declared: own, code, outside: readOutside(outside) });
  const { paths, findings } = proveBudgets(own, code);
  return { findings: [...closed, ...findings], paths };
}

test("a graph that is one in schema and code has nothing wrong", () => {
  const { findings, paths } = judge({});
  expect(findings).toEqual([]);
  const steps = ["planted.v1.ShopService.Buy", "planted.v1.BankService.Pay"];
  expect(paths).toEqual([{ steps, givenMs: 5_000, amplification: 9 }]);
});

test.for<Planted & { change: string }>([
  { change: "more callers, elsewhere", proto: ['callers: "shop"', 'callers: ["*", "shop"]'] },
  {
    change: "a service that is listed as one elsewhere",
    proto: ['callers: "shop"', 'callers: ["shop", "till"]'],
    outside: "- identity: till\n  owner: tills\n  reason: has a repository of its own\n",
  },
  { change: "a shorter wait", shop: ["timeoutMs: 5_000", "timeoutMs: 500"] },
  {
    change: "a wait as long as the caller's longest deadline",
    proto: ["deadline_max_ms: 30000", "deadline_max_ms: 10000"],
    shop: [", timeoutMs: 5_000", ""],
  },
  { change: "a client under another name", shop: ["{ rpc }", "{ rpc: banker }"] },
  {
    change: "an event for whoever comes",
    proto: ['name: "PLANTED"', 'name: "PLANTED" offered: true'],
  },
])("$change is let pass", ({ change: _, ...planted }) => {
  expect(judge(planted).findings).toEqual([]);
});

type Wrong = Planted & { readonly mistake: string; readonly says: readonly string[]; at?: string };

test.for<Wrong>([
  {
    mistake: "a call without a grant",
    proto: ['callers: "shop"', 'callers: "bank"'],
    says: ["shop calls it, and is not among its callers", "it admits bank, whose code does not"],
    at: "shop/main.ts:8",
  },
  {
    mistake: "a call that only `*` admits",
    proto: ['callers: "shop"', 'callers: "*"'],
    says: ["shop calls it, and is not among its callers"],
    at: "shop/main.ts:8",
  },
  {
    mistake: "a grant without a call",
    shop: ["await rpc.pay({})", "{}"],
    says: ["it admits shop, whose code does not call it", "no code of shop does"],
    at: "proto/planted/v1/planted.proto:12",
  },
  {
    mistake: "a call by a name in quotes",
    proto: ['callers: "shop"', 'callers: "bank"'],
    shop: ["rpc.pay(", 'rpc["pay"]('],
    says: ["shop calls it, and is not among its callers", "it admits bank, whose code does not"],
  },
  {
    mistake: "a call by a name that only a run knows",
    shop: ["rpc.pay({})", "rpc[process.argv[2]]({})"],
    says: ["a method may be named here", "it admits shop", "no code of shop does"],
    at: "shop/main.ts:8",
  },
  {
    mistake: "a client of who knows whom",
    shop: ["openClient(BankService,", "openClient(router.any,"],
    says: ["a client is opened of a service that cannot be told"],
    at: "shop/main.ts:7",
  },
  {
    mistake: "a client past the mesh",
    shop: ["import type", 'import { createClient } from "@connectrpc/connect";\nimport type'],
    says: ["createClient of @connectrpc/connect opens a client past the mesh"],
  },
  {
    mistake: "a call that no policy names",
    proto: ['calls: "planted.v1.BankService.Pay"', ""],
    says: ["no policy of shop says what for"],
    at: "shop/main.ts:8",
  },
  {
    mistake: "a policy that calls what is not there",
    proto: ['calls: "planted.v1.BankService.Pay"', 'calls: "planted.v1.BankService.Steal"'],
    says: [
      "no policy of shop says what for",
      "it calls planted.v1.BankService.Steal, which is not",
    ],
    at: "shop/main.ts:8",
  },
  {
    mistake: "a method that nobody may call",
    proto: ['callers: "*" calls', "calls"],
    says: ["nobody may call it"],
    at: "proto/planted/v1/planted.proto:25",
  },
  {
    mistake: "a caller of whom there is no code",
    proto: ['callers: "shop"', 'callers: ["shop", "shpo"]'],
    says: ["it names shpo, of which there is no code"],
    at: "proto/planted/v1/planted.proto:12",
  },
  {
    mistake: "an event without a consumer",
    proto: ['consumers: "bank"', ""],
    bank: ["[on(BoughtSchema, () => {})]", "[]"],
    says: ["nobody reads it"],
    at: "proto/planted/v1/planted.proto:37",
  },
  {
    mistake: "an event without a producer",
    proto: ['producers: "shop"', ""],
    shop: ["produces: [BoughtSchema], ", ""],
    says: ["nobody tells it"],
    at: "proto/planted/v1/planted.proto:37",
  },
  {
    mistake: "a consumer that nobody implements",
    bank: ["[on(BoughtSchema, () => {})]", "[]"],
    says: ["bank is one of its consumers, and its code in bank is not"],
    at: "proto/planted/v1/planted.proto:37",
  },
  {
    mistake: "a producer that no code has",
    shop: ["produces: [BoughtSchema], ", ""],
    says: ["shop is one of its producers, and its code in shop is not"],
    at: "proto/planted/v1/planted.proto:37",
  },
  {
    mistake: "an event that is listed and never told",
    shop: ["emit(BoughtSchema, await rpc.pay({}))", "rpc.pay({})"],
    says: ["shop lists it, and no other line of its code speaks of it"],
    at: "shop/main.ts:5",
  },
  {
    mistake: "an event that the schema does not let it tell",
    proto: ['producers: "shop"', 'producers: "bank"'],
    says: ["shop produces it, and is none of its producers", "bank is one of its producers"],
    at: "shop/main.ts:5",
  },
  {
    mistake: "a list that only a run knows",
    shop: ["produces: [BoughtSchema]", "produces: all()"],
    says: ["is no list of events that can be read"],
    at: "shop/main.ts:5",
  },
  {
    mistake: "a list of services elsewhere that means nothing",
    outside: "- identity: till\n  owner: tills\n  reason: once\n",
    says: ["the schema names it nowhere"],
    at: "contracts/outside.yaml:1",
  },
  {
    mistake: "a caller that is cut off while it waits",
    proto: [
      "deadline_default_ms: 10000 deadline_max_ms: 30000",
      "deadline_default_ms: 1000 deadline_max_ms: 4000",
    ],
    says: ["its calls take up to 5000 ms, and it is given at most 4000 ms"],
    at: "proto/planted/v1/planted.proto:25",
  },
  {
    mistake: "attempts that multiply",
    proto: [
      'callers: "shop"',
      'callers: "shop" retry: { attempts_max: 4 backoff_min_ms: 1 backoff_max_ms: 2 }',
    ],
    says: ["one call may become 12, and 9 are allowed"],
  },
])("$mistake is told", ({ mistake: _, says, at, ...planted }) => {
  const { findings } = judge(planted);
  const texts = findings.map(({ change }) => change);
  for (const text of says) expect(texts).toContainEqual(expect.stringContaining(text));
  if (at) expect(findings.map(({ place }) => `${place?.file}:${place?.line}`)).toContain(at);
  for (const { why, remedy } of findings) expect([why, remedy]).not.toContain("");
});
