// From a stored webhook to canonical payment events. Pure: the same webhook
// always becomes the same events, byte for byte, so that it can be run again.

import { create } from "@bufbuild/protobuf";
import {
  Coverage,
  type Provenance,
  ProvenanceSchema,
} from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { normaliseBursarPayload } from "./bursar-payload.ts";
import { type Outcome, refused, Unreadable } from "./outcome.ts";
import { readPayload } from "./payload.ts";
import { normaliseStripe } from "./stripe.ts";

export function normalise(webhook: WebhookReceived): Outcome {
  try {
    return read(webhook);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { kind: "dead", reason: error.reason, detail: error.message };
  }
}

function read(webhook: WebhookReceived): Outcome {
  const payload = readPayload(webhook.body);
  const provenance = provenanceOf(webhook);
  switch (webhook.provider) {
    case "stripe":
      return normaliseStripe(webhook, payload, provenance);
    case "standard":
    case "generic":
      return normaliseBursarPayload(webhook, payload, provenance);
    default:
      throw refused(`no normaliser for provider ${webhook.provider}`);
  }
}

function provenanceOf(webhook: WebhookReceived): Provenance {
  return create(ProvenanceSchema, {
    webhookId: webhook.webhookId,
    endpointId: webhook.endpointId,
    providerEventId: webhook.eventId,
    bodySha256: webhook.bodySha256,
    coverage: webhook.verification?.coverage ?? Coverage.UNSPECIFIED,
    ...(webhook.receivedTime && { receivedTime: webhook.receivedTime }),
  });
}
