import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Attestation } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { authenticate, readRequest, trustOf } from "./authenticate.ts";
import { sample } from "./testing/snapshots.ts";
import { dedupeIdOf, webhookIdOf, webhooksOf } from "./webhook.ts";

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

const now = new Date();

/** As the door would make it of the provider's own request, under these unsigned headers. */
function webhookOf(name: string, unsigned: Record<string, string> = {}, tenantId = "") {
  const { endpoint: shared, sign } = sample(name);
  const endpoint = { ...shared, tenantId };
  const signed = sign(now);
  const { headers = {}, body = Buffer.from("id=tr_1") } = signed ?? {};
  const request = readRequest(endpoint, {
    rawHeaders: Object.entries({ ...headers, ...unsigned }).flat(),
    query: signed?.query,
    contentType: "x".repeat(300),
    body,
    receivedTime: now,
  });
  const verified = authenticate(endpoint, request, trustOf(endpoint, now, signed?.certificate));
  if (!verified.verified) throw new Error(verified.rejection);
  return webhooksOf(endpoint, request, verified)[0]!;
}

test("the same signed body under another unsigned id is the same webhook, and reaches the desk", () => {
  const [one, again, other] = ["a", "a", "b"].map((id) =>
    webhookOf("github-0", { "x-github-delivery": id }),
  );
  expect(new Set([one, again, other].map((webhook) => webhook!.webhookId)).size).toBe(1);
  expect(dedupeIdOf(one!)).toBe(dedupeIdOf(again!));
  expect(dedupeIdOf(one!)).not.toBe(dedupeIdOf(other!));
  expect(dedupeIdOf(webhookOf("stripe-0"))).toMatch(/^[\w-]{43}\/[\w-]{43}$/);
});

test("what senders write at any length is cut to what the schema takes", () => {
  const webhook = webhookOf("github-0", { "x-github-delivery": "x".repeat(3_000) });
  expect(webhook.unsignedEventId.length).toBeLessThanOrEqual(255);
  expect(webhook.contentType).toHaveLength(255);
});

test("tenants never share a webhook", () => {
  expect(webhookOf("stripe-0").webhookId).not.toBe(webhookOf("stripe-0", {}, "other").webhookId);
});

test.each<[string, Record<string, Attestation>]>([
  ["stripe-0", { body: 1, event_id: 1, event_type: 1, signed_time: 1 }],
  ["lemon_squeezy-0", { body: 1 }],
  ["mollie-1", { body: 2 }],
  ["paypal-0", { body: 2, event_id: 1, signed_time: 1 }],
])("%s says how far each field can be trusted", (name, attested) => {
  const { attestations } = webhookOf(name).verification!;
  const said = Object.fromEntries(attestations.map((each) => [each.field, each.attestation]));
  expect(said).toEqual(attested);
});
