import { expect, test } from "vitest";
import { samples } from "#dev/sample-events.ts";
import { outcomeOf, webhookWith } from "../webhook-gateway/testing/webhooks.ts";

const named = [...samples].flatMap(([provider, makers]) => {
  return Object.keys(makers).map((type) => [provider, type] as const);
});

test.each(named)("the gateway makes one event of a sample: %s %s", (provider, type) => {
  const asked = { amount: 4900, currency: "Usd", orderId: "ord_1", paymentId: "p_1", id: "x_1" };
  const body = JSON.stringify(samples.get(provider)?.[type]?.(asked));
  const outcome = outcomeOf(webhookWith(body, { provider, providerAccount: "demo" }));
  expect(outcome).toMatchObject({ kind: "events", events: [expect.anything()] });
  const said = JSON.stringify(outcome, (_, value) =>
    typeof value === "bigint" ? Number(value) : value,
  );
  expect(said).toContain('"currencyCode":"USD"');
  expect(said).toContain("4900");
  if (!type.startsWith("payout.")) expect(said).toContain(`"${provider}/demo/p_1"`);
  if (/refund\.|refunded$|dispute|payout/.test(type) && type !== "charge.refunded") {
    expect(said).toContain(`"${provider}/demo/x_1"`);
  }
});
