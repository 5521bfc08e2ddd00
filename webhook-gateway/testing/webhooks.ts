// Webhooks as the door would have stored them, for tests of the desk.

import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  VerificationSchema,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { validate } from "#mesh/policy/validation.ts";
import { normalise } from "../normalise/normalise.ts";
import { type Outcome, paymentEventSchemas } from "../normalise/outcome.ts";

/** When the test's events happened, in unix seconds. */
export const created = 1_700_000_000;

export function webhookWith(
  body: string | Uint8Array,
  over: Partial<Omit<WebhookReceived, "$typeName" | "$unknown">> = {},
): WebhookReceived {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return create(WebhookReceivedSchema, {
    webhookId: "webhook-1",
    endpointId: "endpoint-1",
    provider: "stripe",
    providerAccount: "acct_demo",
    ledgerId: "main",
    eventId: "evt_1",
    body: bytes,
    bodySha256: createHash("sha256").update(bytes).digest(),
    verification: create(VerificationSchema, {
      scheme: "stripe",
      algorithm: "hmac-sha256",
      keyFingerprint: "0123456789abcdef",
      coverage: Coverage.TIME_BODY,
    }),
    receivedTime: timestampFromMs(created * 1000 + 250),
    ...over,
  });
}

/** Runs the normaliser; what it makes must keep the rules of its schema. */
export function outcomeOf(webhook: WebhookReceived): Outcome {
  const outcome = normalise(webhook);
  for (const event of outcome.kind === "events" ? outcome.events : []) {
    const schema = paymentEventSchemas.find(({ typeName }) => typeName === event.$typeName)!;
    expect(validate(schema, event as never)).toEqual([]);
  }
  return outcome;
}

/** The body of a Stripe event about an object. */
export function stripeBody(type: string, object: object, over: object = {}): string {
  return JSON.stringify({ id: "evt_1", object: "event", created, type, data: { object }, ...over });
}

/** A payment intent that was paid. */
export function paymentIntent(over: object = {}): object {
  return {
    id: "pi_1",
    object: "payment_intent",
    amount: 4900,
    amount_received: 4900,
    currency: "usd",
    metadata: { bursar_order_id: "ord_1" },
    ...over,
  };
}
