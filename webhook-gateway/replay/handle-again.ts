// Webhooks once more, from their stored bytes: what a mended release makes of them takes the
// place of what came out before. Events whose bytes are the same keep their ids, so that nobody
// counts them twice; what is different goes out under an id of its own. What was given up is
// settled as a dead letter. What was published cannot be taken back: a webhook that comes out as
// less than before stays as it was. What only its provider can confirm is asked about anew.

import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { Broker } from "#mesh/events/broker.ts";
import type { ConsumerDefinition } from "#mesh/events/consumer-definition.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import { recordContents } from "#mesh/events/inbox.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { digestOf, headerOf } from "#mesh/events/raw-message.ts";
import { replayDeadLetter } from "#mesh/events/replay-dead-letter.ts";
import { withBody } from "../bodies.ts";
import { enqueue } from "../confirm/queue.ts";
import { lockDeliveries, type StoredDelivery } from "../delivery-rows.ts";
import { type InForce, type Judgement, judge } from "../judge.ts";
import { type EncodedPayments, encodePaymentEvents } from "../payment-events.ts";
import { readStoredWebhook, type StoredWebhook } from "./stored-webhook.ts";

export type HandlingAgain = {
  readonly pool: Pool;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  /** The desk, which settles dead letters. */
  readonly desk: ConsumerDefinition;
  /** The configuration, whose filters count anew. */
  readonly inForce: InForce;
};

export type Again =
  /** `changed`: something else came out than before. */
  | { readonly kind: "handled"; readonly changed: boolean }
  | { readonly kind: "missing" }
  | { readonly kind: "given-up"; readonly detail: string };

/** Well below the time an SQL transaction may stand idle. */
const publishDeadlineMs = 10_000;
const readsAtOnce = 8;

/**
 * What became of each, in the order given. `also` runs in the SQL transaction that writes it down;
 * dead letters are settled before, each in one of its own, and stay so when that is repeated.
 */
export async function handleAgain(
  options: HandlingAgain,
  deliveries: readonly StoredDelivery[],
  also: (tx: Tx, results: readonly Again[]) => Promise<void> = async () => {},
): Promise<readonly Again[]> {
  const results = new Map<string, Again>();
  for (const delivery of deliveries) {
    const settled = await settleLetters(options, delivery);
    if (settled) results.set(delivery.webhookId, settled);
  }
  const rest = deliveries.filter(({ webhookId }) => !results.has(webhookId));
  const judged = await judgeAll(options, rest, results);
  const inOrder = () => deliveries.map(({ webhookId }) => results.get(webhookId)!);
  return inTransaction(options.pool, async (tx) => {
    for (const [webhookId, again] of await replace(options, tx, judged)) {
      results.set(webhookId, again);
    }
    await also(tx, inOrder());
    return inOrder();
  });
}

/** Undefined where none waits: the delivery is handled like any other. */
async function settleLetters(
  { pool, desk }: HandlingAgain,
  { webhookId, outcome }: StoredDelivery,
): Promise<Again | undefined> {
  if (outcome !== DeliveryOutcome.DEAD) return undefined;
  const letters = await pool<{ deadLetterId: bigint }[]>`
    select dead_letter_id as "deadLetterId" from dead_letter
    where consumer = ${desk.consumer} and message_id = ${webhookId} and resolved_at is null
      and reason <> ${DeadLetterReason.CONFLICT}
    order by dead_letter_id
  `;
  let settled: Again | undefined;
  for (const { deadLetterId } of letters) {
    const replayed = await replayDeadLetter(pool, [desk], deadLetterId);
    if (replayed.kind === "dead") return { kind: "given-up", detail: replayed.detail };
    settled = { kind: "handled", changed: replayed.kind === "handled" };
  }
  return settled;
}

type Judged = StoredWebhook & { readonly judgement: Judgement };

async function judgeAll(
  { broker, inForce }: HandlingAgain,
  deliveries: readonly StoredDelivery[],
  results: Map<string, Again>,
): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  for (let from = 0; from < deliveries.length; from += readsAtOnce) {
    const some = deliveries.slice(from, from + readsAtOnce);
    const found = await Promise.all(some.map((delivery) => readStoredWebhook(broker, delivery)));
    for (const [n, { webhookId }] of some.entries()) {
      const stored = found[n];
      // Large bodies one after the other, and each only until it is judged: a batch of them is
      // huge.
      const whole = stored && (await withBody(broker, stored.webhook));
      if (stored && whole) judged.push({ ...stored, judgement: judge(whole, inForce) });
      else results.set(webhookId, { kind: "missing" });
    }
  }
  return judged;
}

/** The events are on the broker before the SQL transaction commits; a crash repeats both. */
async function replace(
  options: HandlingAgain,
  tx: Tx,
  judged: readonly Judged[],
): Promise<ReadonlyMap<string, Again>> {
  if (judged.length === 0) return new Map();
  const ids = judged.map(({ raw }) => raw.messageId);
  const rows = new Map((await lockDeliveries(tx, ids)).map((row) => [row.webhookId, row]));
  const said = await readContents(tx, options.desk.consumer, ids);
  const results = new Map<string, Again>();
  const replaced = judged.flatMap((one) => {
    const row = rows.get(one.raw.messageId);
    const less = row && lessThanBefore(row, one.judgement);
    if (less) results.set(one.raw.messageId, { kind: "given-up", detail: less });
    return row && !less ? [{ ...one, row, encoded: encode(options, one, row) }] : [];
  });
  await publishEvents(
    options,
    replaced.flatMap(({ encoded }) => encoded.events),
  );
  await enqueue(tx, replaced.filter(isUnconfirmed).map(unconfirmedOf));
  for (const { raw, row, judgement, encoded } of replaced) {
    if (judgement.kind === "unconfirmed") {
      results.set(row.webhookId, { kind: "handled", changed: false });
      continue;
    }
    const content = digestOf(judgement.content);
    const before = said.get(row.webhookId);
    const changed = row.outcome !== judgement.outcome || (before ?? content) !== content;
    results.set(row.webhookId, { kind: "handled", changed });
    const taken = encoded.digests;
    if (!changed && taken.length === row.publishedDigests.length) continue;
    await update(tx, row, judgement, taken);
    await recordContents(tx, options.desk.consumer, [raw], () => judgement.content);
  }
  return results;
}

/** Why the row stays as it is; undefined when what comes out now takes its place. */
function lessThanBefore(row: StoredDelivery, { kind, reason }: Judgement): string | undefined {
  if (kind === "dead") return reason;
  const isLess = kind === "kept" || kind === "filtered";
  if (row.outcome !== DeliveryOutcome.PUBLISHED || !isLess) return undefined;
  return `it was published and would now be ${kind}: ${reason}`;
}

function isUnconfirmed({ judgement }: Judged): boolean {
  return judgement.kind === "unconfirmed";
}

function unconfirmedOf({ raw, webhook }: Judged) {
  return { webhook, traceparent: headerOf(raw, "traceparent") };
}

function encode(
  { source }: HandlingAgain,
  { raw, webhook, judgement }: Judged,
  row: StoredDelivery,
): EncodedPayments {
  const traceparent = headerOf(raw, "traceparent");
  const taken = takenBy(row);
  return encodePaymentEvents(webhook, judgement.events, { source, traceparent, taken });
}

/** What was published before digests were kept took its places with bytes that nobody knows. */
function takenBy({ publishedDigests, publishedEvents }: StoredDelivery): readonly string[] {
  if (publishedDigests.length > 0) return publishedDigests;
  return publishedEvents.map(() => "unknown");
}

async function publishEvents({ broker }: HandlingAgain, events: readonly EncodedEvent[]) {
  const outcomes = await publishAll(broker, events, { deadlineMs: publishDeadlineMs });
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

async function readContents(tx: Tx, consumer: string, webhookIds: readonly string[]) {
  const rows = await tx<{ webhookId: string; digest: string }[]>`
    select message_id as "webhookId", encode(sha256, 'hex') as digest from inbox
    where consumer = ${consumer} and message_id = any (${webhookIds}::text[])
  `;
  return new Map(rows.map(({ webhookId, digest }) => [webhookId, digest]));
}

async function update(
  tx: Tx,
  { webhookId }: StoredDelivery,
  { outcome, events, reason, flags }: Judgement,
  taken: readonly string[],
): Promise<void> {
  await tx`
    update delivery
    set outcome = ${outcome}, published_events = ${events.map((event) => event.$typeName)}::text[],
      published_digests = ${taken}::text[], reason = ${reason},
      flags = array(select distinct flag from unnest(flags || ${flags}::int[]) as it (flag)
        order by flag)
    where webhook_id = ${webhookId}
  `;
}
