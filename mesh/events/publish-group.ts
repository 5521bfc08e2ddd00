// Publishes many events for the price of few: an atomic batch of the broker is written and synced
// once. A batch is all or nothing, and one repeated id refuses it whole; its members are then
// published one by one under the same ids, so that no event depends on its neighbours.

import { type MsgHdrs, nuid } from "@nats-io/transport-node";
import type { Broker } from "./broker.ts";
import type { EncodedEvent } from "./event.ts";
import {
  dedupeIdOf,
  natsHeaders,
  notDurable,
  type Outgoing,
  type Published,
  prepare,
  send,
  whileConnected,
} from "./publish.ts";

/** Outcomes in the order of the events; what is rejected may be stored nevertheless. */
export type Outcomes = readonly PromiseSettledResult<Published>[];

export type PublishOptions = { readonly deadlineMs: number };

/** Below the broker's 1,000, and small enough to be sent in one go. */
const groupEventsMax = 250;
const groupBytesMax = 2 * 1024 ** 2;
const groupTimeoutMs = 2_000;

/** Groups follow each other in the order of the events. */
export async function publishAll(
  broker: Broker,
  events: readonly EncodedEvent[],
  { deadlineMs }: PublishOptions,
): Promise<Outcomes> {
  const deadline = performance.now() + deadlineMs;
  const byId = new Map<string, PromiseSettledResult<Published>>();
  for (const group of groupsOf(events)) {
    const outcomes = await publishGroup(broker, group, deadline);
    for (const [n, event] of group.entries()) byId.set(nameOf(event), outcomes[n]!);
  }
  return events.map((event) => byId.get(nameOf(event))!);
}

/**
 * Events that come while a group is on its way form the next one: no timer, and an event that comes
 * alone goes alone. An event may have a deadline of its own.
 */
export function createGroupPublisher(
  broker: Broker,
  options: PublishOptions,
): (event: EncodedEvent, options?: PublishOptions) => Promise<Published> {
  const waiting = new Set<Waiting>();
  let lanesBusy = 0;

  async function drain(): Promise<void> {
    lanesBusy += 1;
    // The event loop first reads what has arrived with the first event.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.size > 0) {
      const group = waiting.values().take(groupEventsMax).toArray();
      for (const one of group) waiting.delete(one);
      await settle(group);
    }
    lanesBusy -= 1;
  }

  /** Whatever happens, everybody in the group hears of it, and the lane goes on. */
  async function settle(group: readonly Waiting[]): Promise<void> {
    // Whoever runs out of time has heard so already; the others go on.
    const deadlineMs = Math.max(...group.map(({ deadline }) => deadline)) - performance.now();
    const events = group.map(({ event }) => event);
    try {
      const outcomes = await publishAll(broker, events, { deadlineMs });
      for (const [n, outcome] of outcomes.entries()) {
        if (outcome.status === "fulfilled") group[n]!.resolve(outcome.value);
        else group[n]!.reject(outcome.reason);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  return (event, { deadlineMs } = options) => {
    const { promise, resolve, reject } = Promise.withResolvers<Published>();
    const one = { event, deadline: performance.now() + deadlineMs, resolve, reject };
    const giveUp = () => {
      waiting.delete(one);
      reject(notDurable(event, deadlineMs));
    };
    const timer = setTimeout(giveUp, deadlineMs);
    waiting.add(one);
    if (lanesBusy < lanesMax) void drain();
    return promise.finally(() => clearTimeout(timer));
  };
}

/** A second group is sent while the first is synced. */
const lanesMax = 2;

type Waiting = {
  readonly event: EncodedEvent;
  readonly deadline: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (reason: unknown) => void;
};

/** One id once, one stream a group: a batch with anything else would be refused. */
function groupsOf(events: readonly EncodedEvent[]): EncodedEvent[][] {
  const groups: EncodedEvent[][] = [];
  let bytes = 0;
  for (const event of new Map(events.map((event) => [nameOf(event), event])).values()) {
    const group = groups.at(-1);
    bytes += event.data.byteLength;
    const fits =
      group !== undefined &&
      group[0]?.stream === event.stream &&
      group.length < groupEventsMax &&
      bytes <= groupBytesMax;
    if (fits) group.push(event);
    else {
      groups.push([event]);
      bytes = event.data.byteLength;
    }
  }
  return groups;
}

async function publishGroup(
  broker: Broker,
  group: readonly EncodedEvent[],
  deadline: number,
): Promise<Outcomes> {
  const outgoing = group.map(prepare);
  const outcomes = await sendGroup(broker, outgoing, deadline);
  for (const [n, outcome] of outcomes.entries()) {
    outgoing[n]!.span.end(outcome.status === "rejected" ? outcome.reason : undefined);
  }
  return outcomes;
}

async function sendGroup(
  broker: Broker,
  group: readonly Outgoing[],
  deadline: number,
): Promise<Outcomes> {
  if (group.length > 1 && broker.connected) {
    const committed = await whileConnected(broker, () => commit(broker, group, deadline)).catch(
      () => undefined,
    );
    if (committed) return committed;
  }
  const deadlineMs = deadline - performance.now();
  return Promise.allSettled(group.map((one) => send(broker, one, { deadlineMs })));
}

async function commit(
  broker: Broker,
  group: readonly Outgoing[],
  deadline: number,
): Promise<Outcomes> {
  const timeout = Math.max(1, Math.min(groupTimeoutMs, deadline - performance.now()));
  const { connection } = broker;
  const batchId = nuid.next();
  const last = group.length - 1;
  // The client's own batches wait for the first event's answer before they go on; a batch that the
  // broker does not open says so at its end as well, and one way there and back is saved.
  for (const [n, one] of group.entries()) {
    if (n === last) break;
    const { subject, data } = one.event;
    connection.publish(subject, data, { headers: batchHeaders(one, batchId, n + 1) });
  }
  const closing = group[last]!;
  const headers = batchHeaders(closing, batchId, group.length);
  headers.set("Nats-Batch-Commit", "1");
  const { subject, data } = closing.event;
  const answer = await connection.request(subject, data, { headers, timeout });
  const { seq, count } = answer.json<{ seq?: number; count?: number }>();
  if (seq === undefined || count !== group.length) {
    throw new Error(`a batch of ${group.length} events was not taken`);
  }
  return group.map((_, n): PromiseFulfilledResult<Published> => {
    const sequence = BigInt(seq - (group.length - 1 - n));
    return { status: "fulfilled", value: { sequence, duplicate: false } };
  });
}

function batchHeaders(one: Outgoing, batchId: string, place: number): MsgHdrs {
  const headers = natsHeaders(one);
  headers.set("Nats-Batch-Id", batchId);
  headers.set("Nats-Batch-Sequence", String(place));
  return headers;
}

function nameOf(event: EncodedEvent): string {
  return `${event.stream} ${dedupeIdOf(event)}`;
}
