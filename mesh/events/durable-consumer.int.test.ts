import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { expect, test, vi } from "vitest";
import {
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { silentLog } from "../testing/broker.ts";
import { type ConsumerWorld, consumer, openConsumerWorld } from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import { ensureConsumer, findConsumer, isNarrowed, type Reading } from "./durable-consumer.ts";
import { ensureStream } from "./streams.ts";

const payment = PaymentSucceededSchema.typeName;
const refund = PaymentRefundedSchema.typeName;

/** As releases made it that did not read the whole stream. */
async function openFiltered(world: ConsumerWorld, subjects: readonly string[]) {
  await ensureStream(world.broker, "PAYMENTS");
  const manager = await world.broker.jsm();
  await manager.consumers.add("PAYMENTS", {
    durable_name: consumer,
    filter_subjects: [...subjects],
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_deliver: -1,
  });
  return {
    async acknowledge(count: number) {
      const handle = await world.broker.js().consumers.get("PAYMENTS", consumer);
      const messages = await handle.fetch({ max_messages: count, expires: 2_000 });
      for await (const message of messages) await message.ackAck();
    },
  };
}

const found = async (world: ConsumerWorld) =>
  (await findConsumer(await world.broker.jsm(), "PAYMENTS", consumer))!;

test("a durable of a release that filtered is widened and goes on where it was", async () => {
  await using world = await openConsumerWorld();
  const filtered = await openFiltered(world, [payment, refund]);
  for (let n = 0; n < 10; n++) await world.publish(encodedPayment(`pi_${n}`));
  await filtered.acknowledge(6);

  await using _consumer = world.start();

  await world.expectEffects([6, 7, 8, 9].map((n) => `payment/pi_${n}`));
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect((await found(world)).config.filter_subjects).toEqual(["bursar.payments.v1.>"]);
});

test("a durable that was blind for an event nobody knew reads the stream again", async () => {
  await using world = await openConsumerWorld();
  const filtered = await openFiltered(world, [payment, refund]);
  const unknown = { ...encodedRefund("pi_1", "re_1"), subject: "bursar.payments.v1.Unheard" };
  await world.publish(encodedPayment("pi_1"), unknown);
  await filtered.acknowledge(1);

  await using _consumer = world.start();

  await vi.waitFor(async () => {
    expect(await world.parked()).toMatchObject([
      { message_id: "refund/re_1", waits_for: "schema/bursar.payments.v1.Unheard" },
    ]);
  });
});

test("what another release has made of the durable is noticed and put right", async () => {
  await using world = await openConsumerWorld();
  await ensureStream(world.broker, "PAYMENTS");
  const manager = await world.broker.jsm();
  const reading = (handled: readonly string[], passedOver: readonly string[] = []): Reading => ({
    ...{ consumer, stream: "PAYMENTS", subject: "bursar.payments.v1.>", inFlightMax: 10 },
    ...{ handled, passedOver },
  });
  const ensure = (as: Reading) => ensureConsumer(manager, as, silentLog());
  const older = reading([payment], [refund]);
  const newer = reading([payment, refund]);

  await ensure(older);
  expect(isNarrowed(await found(world), older)).toBe(false);
  // Made again by one that has never heard of refunds, while the older one passes them over.
  await manager.consumers.update("PAYMENTS", consumer, { metadata: { bursar_passed_over: "" } });
  expect(isNarrowed(await found(world), older)).toBe(true);
  await ensure(older);
  expect(isNarrowed(await found(world), older)).toBe(false);
  expect(isNarrowed(await found(world), newer)).toBe(true);
  await ensure(newer);
  expect(isNarrowed(await found(world), newer)).toBe(false);

  const { created } = await found(world);
  await ensure(newer);
  await ensure({ ...newer, inFlightMax: 20 });
  expect(await found(world)).toMatchObject({ created, config: { max_ack_pending: 20 } });

  await manager.consumers.update("PAYMENTS", consumer, {
    filter_subjects: [payment],
    metadata: {},
  });
  expect(isNarrowed(await found(world), newer)).toBe(true);
  await ensure(newer);
  expect(isNarrowed(await found(world), newer)).toBe(false);
});
