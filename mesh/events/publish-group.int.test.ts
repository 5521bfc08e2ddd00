import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog } from "../testing/broker.ts";
import { paymentSucceeded } from "../testing/payments.ts";
import { type Broker, openBroker } from "./broker.ts";
import { type EncodedEvent, encodeEvent } from "./event.ts";
import { NotDurable, publish } from "./publish.ts";
import { createGroupPublisher, publishAll } from "./publish-group.ts";
import { ensureStream } from "./streams.ts";

const deadlineMs = 10_000;

test("many events are stored in their order, each with its own sequence", async () => {
  await using world = await openWorld();
  const events = Array.from({ length: 600 }, (_, n) => event(`e${n}`));
  const outcomes = await publishAll(world.broker, events, { deadlineMs });
  expect(outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value)).toEqual(
    events.map((_, n) => ({ sequence: BigInt(n + 1), duplicate: false })),
  );
  expect(await messageIds(world.broker)).toEqual(events.map(({ messageId }) => messageId));
});

test("a repeated id costs its neighbours nothing", async () => {
  await using world = await openWorld();
  const first = await publish(world.broker, event("old"), { deadlineMs });
  const events = [event("a"), event("old"), event("b"), event("a")];
  const outcomes = await publishAll(world.broker, events, { deadlineMs });
  expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill("fulfilled"));
  expect(outcomes[1]).toMatchObject({ value: { sequence: first.sequence, duplicate: true } });
  expect(outcomes[3]).toEqual(outcomes[0]);
  expect((await messageIds(world.broker)).toSorted()).toEqual(["a", "b", "old"]);
});

test("other bytes under the id of one in the same group are a message of their own", async () => {
  await using world = await openWorld();
  const [first, other] = [event("a", "a/first"), event("a", "a/other")];
  const outcomes = await publishAll(world.broker, [first, event("b"), other, first], {
    deadlineMs,
  });
  expect(outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value)).toEqual([
    { sequence: 1n, duplicate: false },
    { sequence: 2n, duplicate: false },
    { sequence: 3n, duplicate: false },
    { sequence: 1n, duplicate: false },
  ]);
  expect(await messageIds(world.broker)).toEqual(["a/first", "b", "a/other"]);
  expect(await messageIds(world.broker, "ce-id")).toEqual(["a", "b", "a"]);
});

test("an event that the broker refuses is refused alone", async () => {
  await using world = await openWorld();
  const large = { ...event("large"), data: new Uint8Array(300 * 1024) };
  const outcomes = await publishAll(world.broker, [event("a"), large, event("b")], { deadlineMs });
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect((await messageIds(world.broker)).toSorted()).toEqual(["a", "b"]);
});

test("events that come together share groups, and each gets its own answer", async () => {
  await using world = await openWorld();
  const publishOne = createGroupPublisher(world.broker, { deadlineMs });
  const ids = Array.from({ length: 1_000 }, (_, n) => `g${n % 900}`);
  const published = await Promise.all(ids.map((id) => publishOne(event(id))));
  const sequenceOf = new Map(ids.map((id, n) => [id, published[n]?.sequence]));
  expect(new Set(sequenceOf.values()).size).toBe(900);
  const stored = await messageIds(world.broker);
  expect(stored).toHaveLength(900);
  for (const [n, id] of stored.entries()) expect(sequenceOf.get(id)).toBe(BigInt(n + 1));
});

test("everybody in a group has until their own deadline", async () => {
  // Port 1 is nobody's.
  await using broker = openBroker({
    url: "nats://127.0.0.1:1",
    name: "test",
    events: [PaymentSucceededSchema],
    log: silentLog(),
    metrics: createMetrics("test"),
  });
  const publishOne = createGroupPublisher(broker, { deadlineMs: 600 });
  const timed = async (id: string) => {
    const started = performance.now();
    await expect(publishOne(event(id))).rejects.toThrow(NotDurable);
    return performance.now() - started;
  };
  // The first two keep both lanes busy; the other two form the next group.
  const busy = [timed("a")];
  await sleep(50);
  busy.push(timed("b"));
  await sleep(100);
  const early = timed("c");
  await sleep(350);
  const late = timed("d");
  const own = performance.now();
  await expect(publishOne(event("e"), { deadlineMs: 50 })).rejects.toThrow("within 50 ms");
  expect(performance.now() - own).toBeLessThan(500);

  await Promise.all(busy);
  // Both clocks may round.
  expect(await early).toBeGreaterThan(590);
  expect(await early).toBeLessThan(800);
  expect(await late).toBeGreaterThan(590);
});

function event(messageId: string, dedupeId = messageId): EncodedEvent {
  const options = { messageId, dedupeId, source: "webhook-gateway", time: new Date(0) };
  return encodeEvent(PaymentSucceededSchema, paymentSucceeded(messageId), options);
}

async function openWorld() {
  const world = await openTestBroker();
  await ensureStream(world.broker, "PAYMENTS");
  return world;
}

/** What the stream holds, in its order. */
async function messageIds(broker: Broker, header = "Nats-Msg-Id"): Promise<string[]> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("PAYMENTS");
  const ids: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage("PAYMENTS", { seq });
    ids.push(message?.header.get(header) ?? "");
  }
  return ids;
}
