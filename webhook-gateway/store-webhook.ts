// Makes a webhook durable: publishes it and waits for the broker's word that it
// is on disk. Webhooks that arrive together share one sync. Everything the door
// knows about the broker is behind this function, so that a spool comes in here.

import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, BrokerAbsent } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { createGroupPublisher } from "#mesh/events/publish-group.ts";
import type { Log } from "#mesh/process/log.ts";

export type Stored =
  | { readonly durable: true; readonly duplicate: boolean }
  /** It may be stored nevertheless; the same bytes sent again are the same message. */
  | { readonly durable: false };

export type StoreWebhook = (webhook: WebhookReceived) => Promise<Stored>;

export type PublisherOptions = {
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  /** Below the provider's own timeout, so that it hears 503 instead of nothing. */
  readonly deadlineMs: number;
  readonly log: Log;
};

/** A broker that blinks is waited for. One that stays away is not: patience would only fill the door. */
const absenceMsMax = 1_000;

export function createPublisher(options: PublisherOptions): StoreWebhook {
  const { broker, source, deadlineMs } = options;
  const publish = createGroupPublisher(broker, { deadlineMs });
  const report = createFaultReport(options.log);
  return async (webhook) => {
    if (broker.absentMs > absenceMsMax) {
      report(new BrokerAbsent(`the broker has been away for more than ${absenceMsMax} ms`));
      return { durable: false };
    }
    const event = encodeEvent(WebhookReceivedSchema, webhook, {
      messageId: webhook.webhookId,
      // Another body under the id is for the desk to judge: the broker would drop it unseen.
      dedupeId: `${webhook.webhookId}/${Buffer.from(webhook.bodySha256).toString("base64url")}`,
      source,
      time: new Date(),
    });
    try {
      const { duplicate } = await publish(event);
      return { durable: true, duplicate };
    } catch (fault) {
      report(fault);
      return { durable: false };
    }
  };
}

const reportIntervalMs = 1_000;

/** One line a second however many webhooks a fault keeps out. */
function createFaultReport(log: Log): (fault: unknown) => void {
  let count = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    count += 1;
    if (performance.now() - reportedAt < reportIntervalMs) return;
    log.warn("webhooks are not durable; their senders are asked to try again", { count, error });
    count = 0;
    reportedAt = performance.now();
  };
}
