// A webhook as it stands on the stream, found by the sequence in its row.

import { fromBinary } from "@bufbuild/protobuf";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Broker } from "#mesh/events/broker.ts";
import type { RawMessage } from "#mesh/events/raw-message.ts";

export type StoredWebhook = {
  readonly raw: RawMessage;
  /** A large body is not in it: `withBody` fetches that. */
  readonly webhook: WebhookReceived;
};

/** Undefined once the stream has let it go, and when it was wiped and counts anew. */
export async function readStoredWebhook(
  broker: Broker,
  { webhookId, streamSequence }: { readonly webhookId: string; readonly streamSequence: bigint },
): Promise<StoredWebhook | undefined> {
  const manager = await broker.jsm();
  const stored = await manager.streams.getMessage("WEBHOOKS", { seq: Number(streamSequence) });
  if (stored?.subject !== WebhookReceivedSchema.typeName) return undefined;
  const webhook = fromBinary(WebhookReceivedSchema, stored.data);
  if (webhook.webhookId !== webhookId) return undefined;
  const traceparent = stored.header.get("traceparent");
  const raw: RawMessage = {
    messageId: webhookId,
    subject: stored.subject,
    stream: "WEBHOOKS",
    streamSequence,
    deliveryCount: 1,
    data: stored.data,
    headers: traceparent ? [["traceparent", traceparent]] : [],
  };
  return { raw, webhook };
}
