import { expect, test } from "vitest";
import { builtSchema } from "../schema.ts";
import { eventsPage } from "./graph.ts";
import { pageOf } from "./page.ts";

const files = [...builtSchema(".").files].filter(
  ({ proto }) => proto.package === "bursar.ledger.v1",
);
const messages = files.flatMap((file) => file.messages);
const services = files.flatMap((file) => file.services);
const enums = files.flatMap((file) => file.enums);
const page = pageOf({ name: "bursar.ledger.v1", services, messages, enums });

test("a page tells of every method, field and value, each with its comment", () => {
  const lines = page.split("\n");
  for (const { methods } of services) {
    for (const { name } of methods) expect(lines).toContain(`### ${name}`);
  }
  const rows = lines.filter((line) => line.startsWith("| `"));
  const things = [...messages.flatMap(({ fields }) => fields), ...enums.flatMap((e) => e.values)];
  expect(rows.length).toBe(things.length);
  expect(rows.filter((row) => /\| *\|$/.test(row))).toEqual([]);
});

test("a method tells what its policy asks of a caller", () => {
  expect(page).toContain("scopes `ledger.transactions.write`");
  expect(page).toContain("safe to repeat by `idempotency_key`");
});

test("the picture of events has an arrow for whoever tells and whoever reads", () => {
  const events = eventsPage(messages);
  expect(events).toContain('ledger_service["ledger-service"] --> LEDGER');
  expect(events).toContain('LEDGER --> cms_service["cms-service"]');
  expect(events).toContain("`bursar.ledger.v1.TransactionPosted`");
});
