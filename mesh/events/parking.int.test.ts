import { expect, test, vi } from "vitest";
import { inTransaction } from "../database/transaction.ts";
import { consumer, events, openConsumerWorld, refundsWait } from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import { lockKeys } from "./parking.ts";
import { releaseParked } from "./release.ts";

test("an event parks until its predecessor arrives, in the same SQL transaction", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: refundsWait });
  await world.publish(encodedRefund("pi_1", "re_1"));
  await world.publish(encodedRefund("pi_1", "re_2"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(2));
  expect(await world.effects()).toEqual([]);
  expect(await world.parked()).toMatchObject([
    {
      message_id: "refund/re_1",
      waits_for: "payment/stripe/acct_demo/pi_1",
      stream: "PAYMENTS",
      stream_sequence: 1n,
      data: Buffer.from(encodedRefund("pi_1", "re_1").data),
    },
    { message_id: "refund/re_2" },
  ]);

  await world.publish(encodedPayment("pi_1"));

  await world.expectEffects(["payment/pi_1", "refund/re_1", "refund/re_2"]);
  expect(await world.parked()).toEqual([]);
});

test("an event that is replayed while it waits goes on waiting, once", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: refundsWait });
  const refunds = [encodedRefund("pi_1", "re_1"), encodedRefund("pi_1", "re_2")];
  await world.publish(...refunds);
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(2));
  const waiting = await world.parked();

  await world.database.pool`delete from inbox`;
  await world.publishRaw(...refunds);
  await vi.waitFor(async () => {
    expect(await world.database.pool`select from inbox`).toHaveLength(2);
  });
  expect(await world.parked()).toEqual(waiting);
  expect(await world.deadLetters()).toEqual([]);

  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1", "refund/re_1", "refund/re_2"]);
});

test("every order of a payment and its refunds ends in the same effects", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: refundsWait });
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const expected = orders.flatMap((order) => {
    const name = `pi_${order.join("")}`;
    return [`payment/${name}`, `refund/a${name}`, `refund/b${name}`];
  });
  for (const order of orders) {
    const name = `pi_${order.join("")}`;
    const story = [
      encodedPayment(name),
      encodedRefund(name, `a${name}`),
      encodedRefund(name, `b${name}`),
    ];
    for (const index of order) await world.publish(story[index]!);
  }

  await world.expectEffects(expected);
  expect(await world.parked()).toEqual([]);
});

test("an RPC that creates the predecessor releases who waits, or neither happens", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: refundsWait });
  await world.publish(encodedRefund("pi_1", "re_1"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));

  const key = "payment/stripe/acct_demo/pi_1";
  const createPayment = (fail: boolean) =>
    inTransaction(world.database.pool, async (tx) => {
      await lockKeys(tx, [key]);
      await tx`insert into effect (message_id, about) values ('rpc', ${key})`;
      await releaseParked(tx, { consumer, events, arrived: [key], handle: refundsWait });
      if (fail) throw new Error("the caller changed its mind");
    });
  await expect(createPayment(true)).rejects.toThrow("changed its mind");
  expect(await world.parked()).toHaveLength(1);
  await createPayment(false);

  await world.expectEffects(["refund/re_1", "rpc"]);
  expect(await world.parked()).toEqual([]);
});
