import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSampler } from "../telemetry/sampler.ts";
import { type FinishedSpan, recordSpans, withSpan } from "../telemetry/trace.ts";
import { openConsumerWorld, record, refundsWait } from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import { publishAll } from "./publish-group.ts";
import { headerOf } from "./raw-message.ts";

let spans: FinishedSpan[] = [];
let stop: () => void;
beforeEach(() => {
  spans = [];
  const sampler = createSampler("always_on", 1);
  stop = recordSpans({ sampler, record: (span) => spans.push(span) });
});
afterEach(() => stop());

const named = (name: string) => spans.filter((span) => span.name === name);

test("an event is published, handled, and what it causes is encoded, in one trace", async () => {
  await using world = await openConsumerWorld();
  const traceparents: (string | undefined)[] = [];
  await using _consumer = world.start({
    handle: async (tx, batch) => {
      for (const event of batch) traceparents.push(event.traceparent);
      return record(tx, batch);
    },
  });
  const events = await withSpan({ name: "cause", kind: "internal", parent: null }, async () => [
    encodedPayment("pi_1"),
    encodedPayment("pi_2"),
    encodedPayment("pi_3"),
  ]);
  const [one, ...group] = events;
  await world.publish(one!);
  await publishAll(world.broker, group, { deadlineMs: 5_000 });
  await world.expectEffects(events.map(({ messageId }) => messageId));

  const [cause] = named("cause");
  expect(headerOf(one!, "traceparent")).toBe(`00-${cause!.traceId}-${cause!.spanId}-01`);
  const published = named("publish bursar.payments.v1.PaymentSucceeded");
  await vi.waitFor(() => {
    expect(named("process bursar.payments.v1.PaymentSucceeded")).toHaveLength(3);
  });
  const processed = named("process bursar.payments.v1.PaymentSucceeded");
  expect(published.map(({ parent }) => parent?.spanId)).toEqual(Array(3).fill(cause!.spanId));
  expect(new Set(processed.map(({ parent }) => parent?.spanId))).toEqual(
    new Set(published.map(({ spanId }) => spanId)),
  );
  expect(new Set([...published, ...processed].map(({ traceId }) => traceId))).toEqual(
    new Set([cause!.traceId]),
  );
  expect(new Set(traceparents)).toEqual(
    new Set(processed.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)),
  );
});

test("a batch is a trace of its own, linked to those of its events", async () => {
  await using world = await openConsumerWorld();
  const gate = Promise.withResolvers<void>();
  await using _consumer = world.start({
    handle: async (tx, batch) => {
      await gate.promise;
      return record(tx, batch);
    },
  });
  const events = Array.from({ length: 8 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...events);
  // All but the first come while that one is in hand.
  gate.resolve();
  await world.expectEffects(events.map(({ messageId }) => messageId));

  await vi.waitFor(() => expect(named("process batch mesh-PAYMENTS")).not.toEqual([]));
  const published = named("publish bursar.payments.v1.PaymentSucceeded");
  for (const batch of named("process batch mesh-PAYMENTS")) {
    expect(batch.parent).toBeUndefined();
    expect(batch.links.length).toBeGreaterThan(1);
    expect(published.map(({ spanId }) => spanId)).toEqual(
      expect.arrayContaining(batch.links.map(({ spanId }) => spanId)),
    );
    const within = named("process bursar.payments.v1.PaymentSucceeded").filter(({ links }) => {
      return links.some(({ spanId }) => spanId === batch.spanId);
    });
    expect(within).toHaveLength(batch.links.length);
  }
});

test("an event that waited is handled in its own trace, and one given up is marked", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: refundsWait });
  const refund = encodedRefund("pi_1", "re_1");
  await world.publish(refund, { ...encodedPayment("pi_0"), data: new Uint8Array() });
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1", "refund/re_1"]);

  const [sent] = named("publish bursar.payments.v1.PaymentRefunded");
  await vi.waitFor(() => {
    const handled = named("process bursar.payments.v1.PaymentRefunded");
    expect(handled.map(({ attributes }) => attributes["bursar.outcome"])).toEqual([
      "parked",
      "handled",
    ]);
    expect(new Set(handled.map(({ traceId }) => traceId))).toEqual(new Set([sent!.traceId]));
  });
});
