// A webhook on its way to the broker: its body first, where that is too large for
// one message, then the webhook itself, under an id that says which bytes it holds.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import type { Published } from "#mesh/events/publish.ts";
import { claimBody, isLarge } from "./bodies.ts";
import { dedupeIdOf } from "./webhook.ts";

export type Publish = (
  event: EncodedEvent,
  options: { readonly deadlineMs: number },
) => Promise<Published>;

export type PublishWebhookOptions = {
  /** Identity of this service. */
  readonly source: string;
  readonly deadlineMs: number;
};

export async function publishWebhook(
  publish: Publish,
  webhook: WebhookReceived,
  options: PublishWebhookOptions,
): Promise<Published> {
  const { source, deadlineMs } = options;
  if (!isLarge(webhook)) return publish(encodeWebhook(webhook, options), { deadlineMs });
  const endMs = performance.now() + deadlineMs;
  const remaining = () => ({ deadlineMs: Math.max(1, endMs - performance.now()) });
  const claimed = await claimBody((part) => publish(part, remaining()), webhook, source);
  return publish(encodeWebhook(claimed, options), remaining());
}

/** The same webhook is the same bytes, however often and from wherever it is published. */
export function encodeWebhook(
  webhook: WebhookReceived,
  { source, traceparent }: { readonly source: string; readonly traceparent?: string | undefined },
): EncodedEvent {
  const { receivedTime } = webhook;
  return encodeEvent(WebhookReceivedSchema, webhook, {
    messageId: webhook.webhookId,
    // Another body under the id is for the desk to judge: the broker would drop it unseen.
    dedupeId: dedupeIdOf(webhook),
    source,
    time: receivedTime ? timestampDate(receivedTime) : new Date(),
    ...(traceparent && { traceparent }),
  });
}
