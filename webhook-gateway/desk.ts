// The desk: reads what the door stored and what providers confirmed, turns it into
// payment events, and writes down what became of it. The events are on the broker
// before the SQL transaction that settles their webhook commits; a crash in between
// publishes them again under the same ids.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import {
  WebhookConfirmedSchema,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import type { ConsumerDefinition } from "#mesh/events/consumer-definition.ts";
import type { EncodedEvent, Received } from "#mesh/events/event.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { withBody } from "./bodies.ts";
import { enqueue } from "./confirm/queue.ts";
import { lockDeliveries } from "./delivery-rows.ts";
import { createDeskMetrics, type DeskMetrics } from "./desk-metrics.ts";
import { type InForce, type Judgement, judge, judgeBodiless, judgeConfirmed } from "./judge.ts";
import { encodePaymentEvents, receivedAt } from "./payment-events.ts";
import { eventsToPublishAgain } from "./publish-again.ts";
import { countRepeats, insertDeliveries, type NewDelivery, updateConfirmed } from "./store.ts";

export type DeskOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Whose filters count. */
  readonly endpoints: InForce;
  /** True while the door has something to do: it goes first. */
  readonly doorBusy: () => boolean;
};

const batchMax = 128;
/** How long the door goes first, so that more webhooks share the next SQL transaction. */
const giveWayMs = 10;
/** Well below the time an SQL transaction may stand idle. */
const publishDeadlineMs = 10_000;

export function startDesk(options: DeskOptions): AsyncDisposable {
  const { pool, broker, log, metrics } = options;
  return startConsumer({ ...deskConsumer(options), batchMax, pool, broker, log, metrics });
}

const deskEvents = [WebhookReceivedSchema, WebhookConfirmedSchema] as const;
type DeskEvent = Received<(typeof deskEvents)[number]>;
type Arrived = Received<typeof WebhookReceivedSchema>;
type Confirmed = Received<typeof WebhookConfirmedSchema>;

export function deskConsumer(options: DeskOptions): ConsumerDefinition<typeof deskEvents> {
  const measure = createDeskMetrics(options.metrics);
  const judging = createJudging(options);
  return {
    consumer: "gateway-WEBHOOKS",
    stream: "WEBHOOKS",
    events: deskEvents,
    prepare: judging.prepare,
    contentOf: judging.contentOf,
    async handle(tx, batch) {
      // Judged before already, but for a retried dead letter.
      await judging.prepare(batch);
      if (options.doorBusy()) await sleep(giveWayMs);
      const judgements = batch.map(judging.judgementOf);
      const arrived = batch.flatMap((event, n) => {
        return isArrived(event) ? [{ event, judgement: judgements[n]! }] : [];
      });
      await settleArrived(options, tx, arrived);
      for (const [n, event] of batch.entries()) {
        if (isConfirmed(event)) await settleConfirmed(options, tx, event, judgements[n]!);
      }
      for (const [n, event] of batch.entries()) measure.judged(webhookOf(event), judgements[n]!);
      return { verdicts: judgements.map(({ verdict }) => verdict), arrived: [] };
    },
    async repeated(tx, batch) {
      const arrived = batch.filter(isArrived);
      await publishLost(options, tx, arrived, judging.judgementOf);
      await tellRepeated(measure, tx, arrived);
    },
  };
}

/** Each event is judged once, by the configuration in force then. */
function createJudging({ broker, endpoints }: DeskOptions) {
  const known = new WeakMap<object, Judgement>();
  const judgementOf = ({ message }: DeskEvent): Judgement => {
    let judgement = known.get(message);
    if (judgement === undefined) {
      const isReceived = message.$typeName === WebhookReceivedSchema.typeName;
      judgement = isReceived ? judge(message, endpoints) : judgeConfirmed(message, endpoints);
      known.set(message, judgement);
    }
    return judgement;
  };
  return {
    judgementOf,
    /** Large bodies one by one, each only until it is judged: a batch of them is huge. */
    async prepare(batch: readonly DeskEvent[]): Promise<void> {
      for (const event of batch) {
        if (!isArrived(event) || !event.message.bodyClaim || known.has(event.message)) continue;
        const whole = await withBody(broker, event.message);
        known.set(event.message, whole ? judge(whole, endpoints) : judgeBodiless(event.message));
      }
    },
    contentOf(event: DeskEvent): Uint8Array {
      const { message } = event;
      const unread = isArrived(event) && event.message.bodyClaim && !known.has(message);
      return unread ? event.message.bodySha256 : judgementOf(event).content;
    },
  };
}

function isArrived(event: DeskEvent): event is Arrived {
  return event.message.$typeName === WebhookReceivedSchema.typeName;
}

function isConfirmed(event: DeskEvent): event is Confirmed {
  return !isArrived(event);
}

function webhookOf(event: DeskEvent): WebhookReceived {
  const { message } = event;
  if (message.$typeName === WebhookReceivedSchema.typeName) return message;
  assert(message.webhook, "a valid WebhookConfirmed has its webhook");
  return message.webhook;
}

type Settled = { readonly event: Arrived; readonly judgement: Judgement };

async function settleArrived(
  { broker, source }: DeskOptions,
  tx: Tx,
  settled: readonly Settled[],
): Promise<void> {
  const encoded = settled.map(({ event: { message, traceparent }, judgement }) => {
    return encodePaymentEvents(message, judgement.events, { source, traceparent });
  });
  await publish(
    broker,
    encoded.flatMap(({ events }) => events),
  );
  await insertDeliveries(
    tx,
    settled.map((one, n) => deliveryOf(one, encoded[n]!.digests)),
  );
  const unconfirmed = settled.filter(({ judgement }) => judgement.kind === "unconfirmed");
  await enqueue(
    tx,
    unconfirmed.map(({ event: { message, traceparent } }) => ({ webhook: message, traceparent })),
  );
}

/** Its row was written in the SQL transaction that had its provider asked. */
async function settleConfirmed(
  { broker, source }: DeskOptions,
  tx: Tx,
  event: Confirmed,
  judgement: Judgement,
): Promise<void> {
  const webhook = webhookOf(event);
  const { webhookId } = webhook;
  const [row] = await lockDeliveries(tx, [webhookId]);
  const { events, digests } = encodePaymentEvents(webhook, judgement.events, {
    source,
    traceparent: event.traceparent,
    taken: row?.publishedDigests ?? [],
  });
  await publish(broker, events);
  const publishedEvents = judgement.events.map((it) => it.$typeName);
  await updateConfirmed(tx, {
    ...judgement,
    webhookId,
    publishedEvents,
    publishedDigests: digests,
  });
}

async function publish(broker: Broker, events: readonly EncodedEvent[]): Promise<void> {
  const outcomes = await publishAll(broker, events, { deadlineMs: publishDeadlineMs });
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/** A broker that lost its store lost payment events too; only their webhooks bring them back. */
async function publishLost(
  { broker, source }: DeskOptions,
  tx: Tx,
  batch: readonly Arrived[],
  judgementOf: (event: Arrived) => Judgement,
): Promise<void> {
  const ids = batch.map(({ message }) => message.webhookId);
  const rows = new Map((await lockDeliveries(tx, ids)).map((row) => [row.webhookId, row]));
  const repeated = batch.flatMap((event) => {
    const { message: webhook, traceparent } = event;
    const row = rows.get(webhook.webhookId);
    if (row?.outcome !== DeliveryOutcome.PUBLISHED) return [];
    return [{ webhook, traceparent, events: judgementOf(event).events, row }];
  });
  await publish(broker, await eventsToPublishAgain(broker, source, repeated));
}

/** Known webhooks that came again: counted, and never handled twice. */
async function tellRepeated(
  measure: DeskMetrics,
  tx: Tx,
  batch: readonly Arrived[],
): Promise<void> {
  const renamed = await countRepeats(
    tx,
    batch.map(({ message: { webhookId, unsignedEventId }, streamSequence }) => {
      return { webhookId, unsignedEventId, streamSequence };
    }),
  );
  for (const { message } of batch)
    if (renamed.includes(message.webhookId)) measure.renamed(message);
}

function deliveryOf(
  { event: { message: webhook, streamSequence }, judgement }: Settled,
  publishedDigests: readonly string[],
): NewDelivery {
  const { webhookId, endpointId, provider, providerAccount, tenantId } = webhook;
  const { eventType, eventId, unsignedEventId } = webhook;
  const { outcome, flags, reason } = judgement;
  return {
    ...{ webhookId, endpointId, provider, providerAccount, tenantId },
    ...{ eventType, eventId, unsignedEventId, outcome, flags, reason },
    receivedAt: receivedAt(webhook),
    publishedEvents: judgement.events.map((event) => event.$typeName),
    publishedDigests,
    streamSequence,
  };
}
