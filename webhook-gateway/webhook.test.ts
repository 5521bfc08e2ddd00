import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { webhookIdOf } from "./webhook.ts";

const owner = (provider: string, providerAccount: string, tenantId = "") => ({
  tenantId,
  provider,
  providerAccount,
});
const bodySha256 = createHash("sha256").update("{}").digest();

test("an id is the same for the same event and 43 characters long", () => {
  const id = webhookIdOf(owner("stripe", "acct_demo"), { eventId: "evt_1", bodySha256 });
  expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/);
  // Fixed: ids of webhooks that are stored already must never change.
  expect(id).toBe("kD40a3u09Wx1B6aJQfn0KKeWmVRHlriWSl4dQ2NMY7Q");
});

test("an event without id is known by its body", () => {
  const other = createHash("sha256").update("{ }").digest();
  const idOf = (digest: Buffer) =>
    webhookIdOf(owner("generic", "bank"), { eventId: "", bodySha256: digest });
  expect(idOf(bodySha256)).toBe(idOf(bodySha256));
  expect(idOf(bodySha256)).not.toBe(idOf(other));
});

test("no two lists of parts share an id, wherever their borders are", () => {
  const ids = [
    webhookIdOf(owner("stripe", "a"), { eventId: "b", bodySha256 }),
    webhookIdOf(owner("stripe", "ab"), { eventId: "", bodySha256 }),
    webhookIdOf(owner("stripe", "a"), { eventId: "b\0", bodySha256 }),
    webhookIdOf(owner("stripea", ""), { eventId: "b", bodySha256 }),
    webhookIdOf(owner("stripe", "a"), { eventId: "", bodySha256 }),
    webhookIdOf(owner("stripe", "a"), { eventId: bodySha256.toString("hex"), bodySha256 }),
    webhookIdOf(owner("generic", "a"), { eventId: "b", bodySha256 }),
    webhookIdOf(owner("stripe", "a", "tenant"), { eventId: "b", bodySha256 }),
    webhookIdOf(owner("a", "id", "stripe"), { eventId: "b", bodySha256 }),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});
