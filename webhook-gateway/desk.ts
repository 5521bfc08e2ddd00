// The desk: reads what the door stored, turns it into payment events, and writes
// down what became of it. The events are on the broker before the SQL transaction
// that settles their webhook commits; a crash in between publishes them again
// under the same ids.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import type { ConsumerDefinition, Handled, Verdict } from "#mesh/events/consumer-definition.ts";
import { type EncodedEvent, encodeEvent, type Received } from "#mesh/events/event.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { contentOf } from "./normalise/content.ts";
import { normalise } from "./normalise/normalise.ts";
import { type Outcome, schemaOf } from "./normalise/outcome.ts";
import { insertDeliveries, type NewDelivery } from "./store.ts";
import { createTypeLabels } from "./type-labels.ts";

export type DeskOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** True while the door has something to do: it goes first. */
  readonly doorBusy: () => boolean;
};

const batchMax = 128;
/** How long the desk lets the door go first, so that more webhooks share the next SQL transaction. */
const giveWayMs = 10;
/** Well below the time an SQL transaction may stand idle. */
const publishDeadlineMs = 10_000;

export function startDesk(options: DeskOptions): AsyncDisposable {
  const { pool, broker, log, metrics } = options;
  return startConsumer({ ...deskConsumer(options), batchMax, pool, broker, log, metrics });
}

export function deskConsumer(options: DeskOptions): ConsumerDefinition<DeskEvents> {
  const count = createOutcomeCounter(options.metrics);
  const outcomes = new WeakMap<WebhookReceived, Outcome>();
  const outcomeOf = (webhook: WebhookReceived) => {
    const outcome = outcomes.get(webhook) ?? normalise(webhook);
    outcomes.set(webhook, outcome);
    return outcome;
  };
  return {
    consumer: "gateway-WEBHOOKS",
    stream: "WEBHOOKS",
    events: [WebhookReceivedSchema],
    contentOf: ({ message }) => contentOf(outcomeOf(message)),
    handle: (tx, batch) => {
      const settled = batch.map((received) => ({ received, outcome: outcomeOf(received.message) }));
      return settle(options, count, tx, settled);
    },
  };
}

type DeskEvents = readonly [typeof WebhookReceivedSchema];

type Settled = {
  readonly received: Received<typeof WebhookReceivedSchema>;
  readonly outcome: Outcome;
};

async function settle(
  { broker, source, doorBusy }: DeskOptions,
  count: (webhook: WebhookReceived, outcome: Outcome) => void,
  tx: Tx,
  settled: readonly Settled[],
): Promise<Handled> {
  if (doorBusy()) await sleep(giveWayMs);
  const events = settled.flatMap(({ received, outcome }) => {
    return encodePaymentEvents(received, outcome, source);
  });
  const outcomes = await publishAll(broker, events, { deadlineMs: publishDeadlineMs });
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  await insertDeliveries(tx, settled.map(deliveryOf));
  for (const { received, outcome } of settled) count(received.message, outcome);
  return { verdicts: settled.map(({ outcome }) => verdictOf(outcome)), arrived: [] };
}

/** Everything in them comes from the stored webhook: the same again is the same bytes. */
function encodePaymentEvents(
  { message: webhook, traceparent }: Received<typeof WebhookReceivedSchema>,
  outcome: Outcome,
  source: string,
): EncodedEvent[] {
  if (outcome.kind !== "events") return [];
  return outcome.events.map((event, index) => {
    return encodeEvent(schemaOf(event), event, {
      messageId: `${webhook.webhookId}/${index + 1}`,
      source,
      time: receivedTimeOf(webhook),
      traceparent,
    });
  });
}

function verdictOf(outcome: Outcome): Verdict {
  return outcome.kind === "dead" ? outcome : { kind: "handled" };
}

function deliveryOf({ received, outcome }: Settled): NewDelivery {
  const webhook = received.message;
  return {
    webhookId: webhook.webhookId,
    endpointId: webhook.endpointId,
    provider: webhook.provider,
    eventType: webhook.eventType,
    eventId: webhook.eventId,
    receivedAt: receivedTimeOf(webhook),
    outcome: wireOutcomes[outcome.kind],
    publishedEvents: outcome.kind === "events" ? outcome.events.map((it) => it.$typeName) : [],
    streamSequence: received.streamSequence,
  };
}

const wireOutcomes = {
  events: DeliveryOutcome.PUBLISHED,
  kept: DeliveryOutcome.KEPT,
  dead: DeliveryOutcome.DEAD,
} as const satisfies Record<Outcome["kind"], DeliveryOutcome>;

function receivedTimeOf({ receivedTime }: WebhookReceived): Date {
  assert(receivedTime, "a valid WebhookReceived has its received time");
  return timestampDate(receivedTime);
}

/** Counts attempts: a batch that is rolled back and handled again counts again. */
function createOutcomeCounter(metrics: Metrics) {
  const labelOf = createTypeLabels();
  const counter = metrics.counter({
    name: "bursar_gateway_normalised_total",
    help: "Webhooks the desk looked at: what they became, by the provider's type",
    labels: ["provider", "type", "outcome"],
  });
  return ({ provider, eventType }: WebhookReceived, { kind }: Outcome) => {
    counter.inc({ provider, type: labelOf(eventType), outcome: kind });
  };
}
