import assert from "node:assert/strict";
import { create, type DescMessage } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  type ConsumerWorld,
  openConsumerWorld,
  type Payments,
  record,
} from "../testing/consumer-world.ts";
import { type OtherRelease, otherRelease } from "../testing/other-release.ts";
import { encodedPayment, encodedRefund, paymentSucceeded } from "../testing/payments.ts";
import type { HandleBatch } from "./consumer-definition.ts";
import { type EncodedEvent, encodeEvent } from "./event.ts";

/** Knows payments of version 3, which say more about what covers them, and payments that expire. */
const newer = otherRelease(({ policy, message, file }) => {
  policy("PaymentSucceeded", { version: 3 });
  message("PaymentExpired", "PaymentSucceeded");
  const [coverage] = file("bursar/payments/v1/provenance.proto").enumType;
  coverage!.value.push({ ...coverage!.value[1]!, name: "COVERAGE_ALL", number: 99 });
  const amount = message("PaymentSucceeded").field.find(({ name }) => name === "ledger_id")!;
  // What the older release refuses: any name of a ledger.
  delete amount.options;
});
const newerEvents = ["PaymentSucceeded", "PaymentRefunded", "PaymentExpired"].map(newer.message);

const source = "webhook-gateway";
const time = new Date(0);

function encodedBy(release: OtherRelease, name: string, id: string, over: object = {}) {
  const schema = release.message(name);
  const event = { ...paymentSucceeded(id, over), $typeName: schema.typeName };
  const { $typeName: _, ...init } = event;
  const options = { messageId: `${name}/${id}`, source, time };
  return encodeEvent(schema, create(schema, init as never) as never, options);
}

const expired = (id: string) => encodedBy(newer, "PaymentExpired", id);
const succeeded = (id: string, over: object = {}): EncodedEvent =>
  encodedBy(newer, "PaymentSucceeded", id, over);

const startNewer = (world: ConsumerWorld, over: object = {}) =>
  world.start({ events: newerEvents as never, ...over });

const waiting = async (world: ConsumerWorld) =>
  (await world.parked()).map(({ message_id, waits_for }) => [message_id, waits_for]);

test("an event that is newer than the release waits for the release that knows it", async () => {
  await using world = await openConsumerWorld();
  const ids = Array.from({ length: 450 }, (_, n) => `pi_${n}`);
  await world.publish(...ids.map(expired), encodedPayment("pi_known"));
  {
    await using _older = world.start();
    await world.expectEffects(["payment/pi_known"]);
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(450), 10_000);
    expect(await world.pending()).toBe(0);
  }
  const parked = await waiting(world);
  expect(new Set(parked.map(([, key]) => key))).toEqual(
    new Set(["schema/bursar.payments.v1.PaymentExpired"]),
  );

  const order: string[] = [];
  const handle: HandleBatch<Payments> = (tx, batch) => {
    order.push(...batch.map(({ messageId }) => messageId));
    return record(tx, batch);
  };
  await using _one = startNewer(world, { handle });
  await using _other = startNewer(world, { handle });

  const wanted = parked.map(([messageId]) => messageId);
  await world.expectEffects(["payment/pi_known", ...wanted]);
  expect(await world.parked()).toEqual([]);
  expect(await world.deadLetters()).toEqual([]);
  expect(order).toEqual(wanted);
});

test("what was published twice waits once, and a copy that comes later is known", async () => {
  await using world = await openConsumerWorld();
  await world.publishRaw(expired("pi_1"), expired("pi_1"));
  const contentOf = {
    contentOf: ({ message }: { message: { paymentId: string } }) => Buffer.from(message.paymentId),
  };
  {
    await using _older = world.start();
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1), 10_000);
  }
  await using _newer = startNewer(world, contentOf);
  await world.expectEffects(["PaymentExpired/pi_1"]);

  await world.publishRaw(expired("pi_1"));
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));

  expect(await world.effects()).toEqual(["PaymentExpired/pi_1"]);
  expect(await world.deadLetters()).toEqual([]);
});

test("a newer version is handled where it can be read, and waits where it cannot", async () => {
  await using world = await openConsumerWorld();
  const broken = { ...succeeded("pi_broken"), data: Uint8Array.of(0xff, 0xff) };
  const unnamed = succeeded("pi_unnamed", { ledgerId: "Not A Name" });
  await world.publish(succeeded("pi_1"), unnamed, broken, succeeded("pi_2"));
  {
    await using _older = world.start();
    await world.expectEffects(["PaymentSucceeded/pi_1", "PaymentSucceeded/pi_2"]);
  }
  const key = "schema/bursar.payments.v1.PaymentSucceeded@3";
  expect((await waiting(world)).toSorted()).toEqual([
    [broken.messageId, key],
    [unnamed.messageId, key],
  ]);
  expect(await world.deadLetters()).toEqual([]);

  await using _newer = startNewer(world);

  await world.expectEffects(["pi_1", "pi_2", "pi_unnamed"].map((id) => `PaymentSucceeded/${id}`));
  // To the release that knows its schema it is what it is: broken.
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      { message_id: broken.messageId, reason: DeadLetterReason.UNDECODABLE },
    ]);
  });
  expect(await world.parked()).toEqual([]);
});

const refuse: HandleBatch<Payments> = async (_tx, batch) => ({
  verdicts: batch.map(() => ({
    ...{ kind: "dead", reason: DeadLetterReason.REFUSED, detail: "covered by nothing I know" },
  })) as never,
  arrived: [],
});
const trip: HandleBatch<Payments> = async () => assert.fail("this cannot be");

test.each<[string, HandleBatch<Payments>]>([
  ["refused", refuse],
  ["tripped", trip],
])("what is %s over a value that only a newer schema names waits for it", async (_, handle) => {
  await using world = await openConsumerWorld();
  const provenance = { ...paymentSucceeded("pi").provenance!, coverage: 99 as never };
  // Rules of the older release let any number pass, so that only its handler objects.
  const lenient = otherRelease(({ file }) => {
    const [message] = file("bursar/payments/v1/provenance.proto").messageType;
    delete message!.field.find(({ name }) => name === "coverage")!.options;
  });
  await world.publish(succeeded("pi_new", { provenance }), succeeded("pi_old"));

  await using _older = world.start({
    events: [lenient.message("PaymentSucceeded")] as never,
    handle,
  });

  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([{ message_id: "PaymentSucceeded/pi_old" }]);
    expect(await waiting(world)).toEqual([
      ["PaymentSucceeded/pi_new", "schema/bursar.payments.v1.PaymentSucceeded@3"],
    ]);
  });
});

test("a new release that can handle nothing leaves what waits for it where it is", async () => {
  await using world = await openConsumerWorld();
  const ids = Array.from({ length: 12 }, (_, n) => `pi_${n}`);
  await world.publish(...ids.map(expired));
  {
    await using _older = world.start();
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(12));
  }
  let trips = 0;
  {
    await using _broken = startNewer(world, {
      handle: async () => assert.fail(`this cannot be, for the time ${trips++}`),
    });
    await vi.waitFor(() => expect(trips).toBeGreaterThan(12));
  }
  expect(await world.parked()).toHaveLength(12);
  expect(await world.deadLetters()).toEqual([]);

  await using _mended = startNewer(world);
  await world.expectEffects(ids.map((id) => `PaymentExpired/${id}`));
});

test("what waits longest and cannot be handled holds up nothing else that waits", async () => {
  await using world = await openConsumerWorld();
  // More than one round of them, before the one that can be handled.
  await world.publish(...Array.from({ length: 210 }, (_, n) => expired(`pi_${n}`)));
  const unnamed = succeeded("pi_unnamed", { ledgerId: "Not A Name" });
  {
    await using _older = world.start();
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(210), 10_000);
    await world.publish(unnamed);
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(211));
  }
  const handle: HandleBatch<Payments> = (tx, batch) => {
    assert(
      batch.every(({ subject }) => !subject.endsWith("PaymentExpired")),
      "this cannot be",
    );
    return record(tx, batch);
  };
  await using _newer = startNewer(world, { handle });

  await world.expectEffects([unnamed.messageId]);
  expect(await world.parked()).toHaveLength(210);
  expect(await world.deadLetters()).toEqual([]);
});

test("a handler may not park under a key of the mesh's own", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"));
  const verdict = { kind: "parked", waitsFor: "schema/anything" } as const;
  await using _consumer = world.start({
    handle: async (_tx, batch) => ({ verdicts: batch.map(() => verdict), arrived: [] }),
  });
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      { detail: expect.stringContaining("schema/anything is a key of the mesh's own") },
    ]);
  });
});

test("a consumer that no policy lists does not start", async () => {
  await using world = await openConsumerWorld();
  const other = otherRelease(({ policy }) => {
    policy("PaymentSucceeded", { consumers: ["another-service"] });
  });
  expect(() => world.start({ events: [other.message("PaymentSucceeded")] as never })).toThrow(
    "mesh-PAYMENTS of ledger-service does not start: the policy of " +
      "bursar.payments.v1.PaymentSucceeded does not list ledger-service among its consumers",
  );
  expect(() => world.start({ stream: "LEDGER" })).toThrow(
    "mesh-PAYMENTS reads LEDGER, bursar.payments.v1.PaymentSucceeded is on PAYMENTS",
  );
});

/** A release for which refunds are somebody else's, and one that handles them. */
const withoutRefunds = otherRelease(({ policy }) => {
  policy("PaymentRefunded", { consumers: ["another-service"] });
});
const withRefunds = otherRelease(({ policy }) => policy("PaymentRefunded", { version: 3 }));
const eventsOf = (release: OtherRelease, ...names: string[]) =>
  ({ events: names.map((name): DescMessage => release.message(name)) }) as never as {
    events: readonly Payments[];
  };

test("what is for others is passed over without a row, and read when it is for us after all", async () => {
  await using world = await openConsumerWorld();
  const refunds = Array.from({ length: 50 }, (_, n) => encodedRefund("pi_1", `re_${n}`));
  await world.publish(...refunds, encodedPayment("pi_1"));
  {
    await using _older = world.start(eventsOf(withoutRefunds, "PaymentSucceeded"));
    await world.expectEffects(["payment/pi_1"]);
    await vi.waitFor(async () => expect(await world.pending()).toBe(0));
    expect(await world.database.pool`select message_id from inbox`).toHaveLength(1);
    expect(await world.metrics.render()).toMatch(
      /event="bursar.payments.v1.PaymentRefunded",outcome="passed_over".* 50$/m,
    );
  }
  await using _newer = world.start(eventsOf(withRefunds, "PaymentSucceeded", "PaymentRefunded"));

  await world.expectEffects(["payment/pi_1", ...refunds.map(({ messageId }) => messageId)]);
  expect(await world.parked()).toEqual([]);
});

test("what is passed over does not hide that the consumer pauses", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedRefund("pi_1", "re_1"), encodedPayment("pi_1"));
  const paused: string[] = [];
  await using _consumer = world.start({
    ...eventsOf(withoutRefunds, "PaymentSucceeded"),
    async handle(tx, batch) {
      const gauge = /^bursar_consumer_paused.* (\d)$/m.exec(await world.metrics.render());
      paused.push(gauge?.[1] ?? "none");
      if (paused.length < 4) throw Object.assign(new Error("away"), { code: "ECONNREFUSED" });
      return record(tx, batch);
    },
  });
  await world.expectEffects(["payment/pi_1"]);
  expect(paused).toEqual(["0", "1", "1", "1"]);
});

test.each([
  ["and counted its version up", withRefunds],
  ["and forgot to count", otherRelease(() => {})],
])("beside a release that handles it %s, an older one passes nothing over", async (_, later) => {
  await using world = await openConsumerWorld();
  const older = eventsOf(withoutRefunds, "PaymentSucceeded");
  const newerOf = eventsOf(later, "PaymentSucceeded", "PaymentRefunded");
  await using _older = world.start(older);
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);
  {
    await using _newer = world.start(newerOf);
    await world.publish(encodedPayment("pi_2"));
    await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
  }
  // The older one is alone again, and has not heard of the other.
  await world.publish(encodedRefund("pi_1", "re_1"));
  await vi.waitFor(async () => {
    expect(await waiting(world)).toEqual([
      ["refund/re_1", "schema/bursar.payments.v1.PaymentRefunded"],
    ]);
  });

  await using _again = world.start(newerOf);
  await world.expectEffects(["payment/pi_1", "payment/pi_2", "refund/re_1"]);
  expect(await world.parked()).toEqual([]);
});

test("what stopped waiting because it was for others is read when it is for us after all", async () => {
  await using world = await openConsumerWorld();
  await world.publish(expired("pi_1"));
  {
    await using _older = world.start();
    await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));
  }
  const others = otherRelease(({ policy, message }) => {
    message("PaymentExpired", "PaymentSucceeded");
    policy("PaymentExpired", { consumers: ["another-service"] });
  });
  {
    await using _newer = world.start(eventsOf(others, "PaymentSucceeded"));
    await vi.waitFor(async () => expect(await world.parked()).toEqual([]));
    expect(await world.effects()).toEqual([]);
    // It has said on the broker what it passes over.
    await vi.waitFor(async () => expect(await world.pending()).toBe(0));
    await world.publish(expired("pi_2"), encodedPayment("pi_3"));
    await world.expectEffects(["payment/pi_3"]);
  }
  const ours = otherRelease(({ policy, message }) => {
    message("PaymentExpired", "PaymentSucceeded");
    policy("PaymentExpired", { version: 2 });
  });
  await using _newest = world.start(eventsOf(ours, "PaymentSucceeded", "PaymentExpired"));
  await world.expectEffects(["PaymentExpired/pi_1", "PaymentExpired/pi_2", "payment/pi_3"]);
});
