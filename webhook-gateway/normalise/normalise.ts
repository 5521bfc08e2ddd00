// From a stored webhook to canonical payment events. Pure: the same webhook
// always becomes the same events, byte for byte, so that it can be run again.

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  Attestation,
  Coverage,
  type Provenance,
  ProvenanceSchema,
} from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  type WebhookConfirmed,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { disagreementOf } from "../confirm/questions.ts";
import { normaliseAdyen } from "./adyen.ts";
import { normaliseBraintree } from "./braintree.ts";
import { normaliseBursarPayload } from "./bursar-payload.ts";
import { normaliseCoinbase } from "./coinbase.ts";
import { normaliseLemonSqueezy } from "./lemonsqueezy.ts";
import { normaliseMercadoPago } from "./mercadopago.ts";
import { normaliseMollie } from "./mollie.ts";
import { kept, type Outcome, refused, Unreadable } from "./outcome.ts";
import { normalisePaddle } from "./paddle.ts";
import { normalisePaypal } from "./paypal.ts";
import { normaliseRazorpay } from "./razorpay.ts";
import { normaliseShopify } from "./shopify.ts";
import { normaliseSquare } from "./square.ts";
import { normaliseStripe } from "./stripe.ts";

/** Reads `webhook.body`, as JSON by `readPayload` or as whatever its provider sends. */
export type Normaliser = (webhook: WebhookReceived, provenance: Provenance) => Outcome;

const keepAll: Normaliser = ({ provider }) => kept(`${provider} tells nothing about money`);

/** By the provider's name. */
const normalisers: ReadonlyMap<string, Normaliser> = new Map([
  ["generic", normaliseBursarPayload],
  ["square", normaliseSquare],
  ["razorpay", normaliseRazorpay],
  ["mercadopago", normaliseMercadoPago],
  ["mollie", normaliseMollie],
  ["paypal", normalisePaypal],
  ["paddle", normalisePaddle],
  ["coinbase", normaliseCoinbase],
  ["braintree", normaliseBraintree],
  ["adyen", normaliseAdyen],
  ["lemonsqueezy", normaliseLemonSqueezy],
  ["shopify", normaliseShopify],
  ["github", keepAll],
  ["slack", keepAll],
  ["standard", normaliseBursarPayload],
  ["stripe", normaliseStripe],
  ["svix", normaliseBursarPayload],
  ["twilio", keepAll],
]);

/** What a signature leaves open the provider has to confirm before it counts. */
const unattested: ReadonlySet<Coverage> = new Set([
  Coverage.ID_TIME_CHECKSUM,
  Coverage.ID_TIME,
  Coverage.NOTHING,
]);

export function normalise(webhook: WebhookReceived): Outcome {
  const coverage = webhook.verification?.coverage ?? Coverage.UNSPECIFIED;
  if (coverage === Coverage.ID_TIME_CHECKSUM) {
    return { kind: "unconfirmed", bodySha256: webhook.bodySha256 };
  }
  if (unattested.has(coverage)) return { kind: "unconfirmed" };
  return read(webhook, Attestation.SIGNED);
}

/** From what the provider answered; what came with the request says only which webhook it is. */
export function normaliseConfirmed(confirmed: WebhookConfirmed): Outcome {
  const { webhook, body } = confirmed;
  assert(webhook, "a valid WebhookConfirmed has its webhook");
  const disagreement = disagreementOf(confirmed);
  if (disagreement) {
    return { kind: "dead", reason: DeadLetterReason.REFUSED, detail: disagreement };
  }
  return read(create(WebhookReceivedSchema, { ...webhook, body }), Attestation.FETCHED);
}

function read(webhook: WebhookReceived, attestation: Attestation): Outcome {
  try {
    const normaliser = normalisers.get(webhook.provider);
    if (!normaliser) throw refused(`no normaliser for provider ${webhook.provider}`);
    return normaliser(webhook, provenanceOf(webhook, attestation));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { kind: "dead", reason: error.reason, detail: error.message };
  }
}

function provenanceOf(webhook: WebhookReceived, contentAttestation: Attestation): Provenance {
  return create(ProvenanceSchema, {
    webhookId: webhook.webhookId,
    endpointId: webhook.endpointId,
    providerEventId: webhook.eventId,
    bodySha256: webhook.bodySha256,
    coverage: webhook.verification?.coverage ?? Coverage.UNSPECIFIED,
    contentAttestation,
    ...(webhook.receivedTime && { receivedTime: webhook.receivedTime }),
  });
}
