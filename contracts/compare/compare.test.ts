import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Effect } from "../finding.ts";
import { builtSchema } from "../schema.ts";
import { compareSchemas } from "./compare.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-contracts-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["proto", "proto-foreign", "buf.yaml"]) {
  cpSync(name, join(folder, name), { recursive: true });
}
const before = builtSchema(folder);

type Planted = {
  readonly change: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly effects: readonly Effect[];
  readonly name: string;
};

/** In the first place where the text stands. */
function findingsAfter({ file, from, to }: Pick<Planted, "file" | "from" | "to">) {
  const path = join(folder, "proto/bursar", file);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
  try {
    return compareSchemas(before, builtSchema(folder));
  } finally {
    writeFileSync(path, text);
  }
}

const receipt = "receipt/v1/receipt_service.proto";

test("a schema does not differ from itself", () => {
  expect(compareSchemas(before, builtSchema(folder))).toEqual([]);
});

test("comments and whitespace are harmless", () => {
  const findings = findingsAfter({ file: receipt, from: "// ", to: "//  A remark. " });
  expect(findings).toEqual([]);
});

test.for<Planted>([
  {
    change: "a method that needs a scope more",
    file: receipt,
    from: 'scopes: "',
    to: 'scopes: "receipt.more.read"\n      scopes: "',
    effects: ["breaks-callers"],
    name: "bursar.receipt.v1.ReceiptService",
  },
  {
    change: "a shorter longest deadline",
    file: receipt,
    from: "deadline_max_ms: 30000",
    to: "deadline_max_ms: 6000",
    effects: ["breaks-callers"],
    name: "bursar.receipt.v1.ReceiptService",
  },
  {
    change: "an event on another stream's key",
    file: "ledger/v1/events.proto",
    from: "key_field: ",
    to: 'dedupe_id_fields: "ledger_id"\n    key_field: ',
    effects: ["breaks-consumers"],
    name: "bursar.ledger.v1.",
  },
  {
    change: "an event that somebody more may tell",
    file: "payments/v1/events.proto",
    from: 'producers: "webhook-gateway"',
    to: 'producers: ["webhook-gateway", "cms-service"]',
    effects: ["security"],
    name: "bursar.payments.v1.",
  },
  {
    change: "a learner's id that is no personal datum any more",
    file: "cms/v1/order_service.proto",
    from: "(bursar.mesh.v1.field).data_class = DATA_CLASS_PERSONAL",
    to: "(bursar.mesh.v1.field).data_class = DATA_CLASS_PUBLIC",
    effects: ["security"],
    name: "bursar.cms.v1.",
  },
  {
    change: "a shorter longest title",
    file: "cms/v1/offer_service.proto",
    from: "max_len: 200",
    to: "max_len: 20",
    effects: ["breaks-callers"],
    name: "bursar.cms.v1.",
  },
  {
    change: "an event's field that may be empty now",
    file: "cms/v1/events.proto",
    from: "(buf.validate.field).string.min_len = 1",
    to: "(buf.validate.field).string.min_len = 0",
    effects: ["breaks-consumers"],
    name: "bursar.cms.v1.",
  },
  {
    change: "a service that another process serves",
    file: receipt,
    from: 'identity: "receipt-service"',
    to: 'identity: "till-service"',
    effects: ["breaks-callers"],
    name: "bursar.receipt.v1.ReceiptService",
  },
  {
    change: "a caller that is named beside everybody",
    file: receipt,
    from: 'callers: "*"',
    to: 'callers: ["*", "cms-service"]',
    effects: ["none"],
    name: "bursar.receipt.v1.ReceiptService",
  },
  {
    change: "a longer longest title, which a caller may use at once",
    file: "cms/v1/offer_service.proto",
    from: "max_len: 200",
    to: "max_len: 300",
    effects: ["none"],
    name: "bursar.cms.v1.",
  },
])("$change is told with its effect", (planted) => {
  const findings = findingsAfter(planted);
  expect(findings.map(({ effect }) => effect)).toEqual(planted.effects);
  expect(findings[0]?.name).toContain(planted.name);
  expect(findings[0]?.why).not.toBe("");
});
