import assert from "node:assert/strict";
import { expect, test, vi } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { inTransaction } from "../database/transaction.ts";
import {
  consumer,
  events,
  openConsumerWorld,
  type Payments,
  refundsWait,
} from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import type { HandleBatch } from "./consumer-definition.ts";
import { lockKeys } from "./parking.ts";
import { releaseParked } from "./release.ts";

/** Once it need not wait, this refund trips over the database; the other one over an assertion. */
const someRefundsTrip: HandleBatch<Payments> = async (tx, batch) => {
  const handled = await refundsWait(tx, batch);
  const done = batch.filter((_, n) => handled.verdicts[n]?.kind === "handled");
  if (done.some(({ messageId }) => messageId === "refund/re_2")) await tx`select 1 / 0`;
  assert(!done.some(({ messageId }) => messageId === "refund/re_4"), "this cannot be");
  return handled;
};

test("a released event that trips is given up alone, and what released it is handled", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: someRefundsTrip });
  const names = ["re_1", "re_2", "re_3", "re_4", "re_5"];
  for (const name of names) await world.publish(encodedRefund("pi_1", name));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(5));

  await world.publish(encodedPayment("pi_1"));

  await world.expectEffects(["payment/pi_1", "refund/re_1", "refund/re_3", "refund/re_5"]);
  await expectGuilty(world);
});

test("an RPC that creates the predecessor goes through, whatever waits for it", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({ handle: someRefundsTrip });
  const names = ["re_1", "re_2", "re_3", "re_4"];
  for (const name of names) await world.publish(encodedRefund("pi_1", name));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(4));

  const key = "payment/stripe/acct_demo/pi_1";
  await inTransaction(world.database.pool, async (tx) => {
    await lockKeys(tx, [key]);
    await tx`insert into effect (message_id, about) values ('rpc', ${key})`;
    await releaseParked(tx, { consumer, events, arrived: [key], handle: someRefundsTrip });
  });

  await world.expectEffects(["refund/re_1", "refund/re_3", "rpc"]);
  await expectGuilty(world);
});

test("while the world fails, a released event goes on waiting", async () => {
  await using world = await openConsumerWorld();
  let away = true;
  await using _consumer = world.start({
    async handle(tx, batch) {
      const handled = await refundsWait(tx, batch);
      const released = batch[0]?.messageId === "refund/re_1" && !handled.arrived.length;
      const waits = handled.verdicts[0]?.kind === "parked";
      if (released && !waits && away) await tx`select pg_terminate_backend(pg_backend_pid())`;
      return handled;
    },
  });
  await world.publish(encodedRefund("pi_1", "re_1"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));
  await world.publish(encodedPayment("pi_1"));
  await vi.waitFor(async () => {
    expect(await world.metrics.render()).toMatch(/bursar_consumer_paused\{.*\} 1/);
  });
  expect(await world.parked()).toHaveLength(1);
  away = false;

  await world.expectEffects(["payment/pi_1", "refund/re_1"]);
  expect(await world.deadLetters()).toEqual([]);
});

async function expectGuilty(world: Awaited<ReturnType<typeof openConsumerWorld>>) {
  expect(await world.parked()).toEqual([]);
  const reason = DeadLetterReason.BUG;
  expect(await world.deadLetters()).toMatchObject([
    { message_id: "refund/re_2", reason, detail: expect.stringContaining("division by zero") },
    { message_id: "refund/re_4", reason, detail: expect.stringContaining("this cannot be") },
  ]);
}
