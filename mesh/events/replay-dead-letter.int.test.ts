import assert from "node:assert/strict";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  DeadLetterReplayRefusalSchema,
  DeadLetterService,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import {
  consumer,
  events,
  openConsumerWorld,
  type Payments,
  refundsWait,
} from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { deadLetterService } from "./dead-letter-service.ts";

type World = Awaited<ReturnType<typeof openConsumerWorld>>;
type Definition = Required<ConsumerDefinition<readonly Payments[]>>;
type Handle = Definition["handle"];
type ContentOf = Definition["contentOf"];

test("a replayed letter is handled with what waits for it, and resolved once", async () => {
  await using world = await openConsumerWorld();
  let broken = true;
  const handle: Handle = async (tx, batch) => {
    const handled = await refundsWait(tx, batch);
    assert(!broken || handled.arrived.length === 0, "this cannot be");
    return handled;
  };
  await using _consumer = world.start({ handle });
  await world.publish(encodedRefund("pi_1", "re_1"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));
  await world.publish(encodedPayment("pi_1"));
  const deadLetterId = await onlyLetter(world);
  const rpc = client(world, handle);

  const refusal = await rpc.replayDeadLetter({ deadLetterId }).catch(ConnectError.from);
  assert(refusal instanceof ConnectError);
  expect(refusal.code).toBe(Code.FailedPrecondition);
  expect(refusal.findDetails(DeadLetterReplayRefusalSchema)).toMatchObject([
    { reason: DeadLetterReason.BUG, detail: expect.stringContaining("this cannot be") },
  ]);
  expect((await rpc.listDeadLetters({})).deadLetters).toMatchObject([{ deadLetterId }]);
  expect(await world.parked()).toHaveLength(1);

  broken = false;
  const answers = await Promise.all([1, 2, 3].map(() => rpc.replayDeadLetter({ deadLetterId })));

  expect(answers.map(({ replayed }) => replayed).toSorted()).toEqual([false, true, true]);
  expect(await world.effects()).toEqual(["payment/pi_1", "refund/re_1"]);
  expect(await world.parked()).toEqual([]);
  expect((await rpc.listDeadLetters({})).deadLetters).toEqual([]);
  const { deadLetters } = await rpc.listDeadLetters({ includeResolved: true });
  expect(deadLetters).toMatchObject([{ deadLetterId, resolvedTime: expect.anything() }]);
});

test("a replayed letter that must wait is parked, and given up later comes into sight", async () => {
  await using world = await openConsumerWorld();
  let broken = true;
  const handle: Handle = async (tx, batch) => {
    const handled = await refundsWait(tx, batch);
    const isRefund = batch.some(({ messageId }) => messageId === "refund/re_1");
    assert(!(broken && isRefund), "this cannot be");
    return handled;
  };
  await using _consumer = world.start({ handle });
  await world.publish(encodedRefund("pi_1", "re_1"));
  const deadLetterId = await onlyLetter(world);
  const rpc = client(world, handle);
  broken = false;

  const answer = await rpc.replayDeadLetter({ deadLetterId });

  expect(answer).toMatchObject({ replayed: false, waitsFor: "payment/stripe/acct_demo/pi_1" });
  expect((await rpc.listDeadLetters({})).deadLetters).toEqual([]);

  broken = true;
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);
  expect((await rpc.listDeadLetters({})).deadLetters).toMatchObject([{ deadLetterId }]);
});

test("a repetition of what was mended and handled is a repetition", async () => {
  await using world = await openConsumerWorld();
  let broken = true;
  const handle: Handle = async (tx, batch) => {
    assert(!broken, "this cannot be");
    return refundsWait(tx, batch);
  };
  const contentOf: ContentOf = ({ message }) => {
    assert(!broken, "this cannot be");
    return Buffer.from(message.paymentId);
  };
  await using _consumer = world.start({ handle, contentOf });
  await world.publishRaw(encodedPayment("pi_1"));
  const deadLetterId = await onlyLetter(world);
  const rpc = client(world, handle, contentOf);
  broken = false;
  await rpc.replayDeadLetter({ deadLetterId });

  await world.publishRaw(encodedPayment("pi_1"), encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
  expect((await rpc.listDeadLetters({})).deadLetters).toEqual([]);
});

test("a conflict stays one, however often it is replayed", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start();
  await world.publishRaw(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);
  await world.publishRaw(
    encodedPayment("pi_1", { amount: { amountMinor: 1n, currencyCode: "USD" } }),
  );
  const deadLetterId = await onlyLetter(world);

  const retried = client(world, refundsWait).replayDeadLetter({ deadLetterId });

  await expect(retried).rejects.toMatchObject({ code: Code.FailedPrecondition });
  expect(await world.effects()).toEqual(["payment/pi_1"]);
});

test("a conflict with what was given up stands for it, once", async () => {
  await using world = await openConsumerWorld();
  const handle: Handle = async (tx, batch) => {
    const isBroken = batch.some(({ message }) => {
      return "amount" in message && message.amount?.amountMinor === 13n;
    });
    assert(!isBroken, "this cannot be");
    return refundsWait(tx, batch);
  };
  await using _consumer = world.start({ handle });
  const amount = { amountMinor: 13n, currencyCode: "USD" };
  await world.publishRaw(encodedPayment("pi_1", { amount }));
  const first = await onlyLetter(world);
  await world.publishRaw(encodedPayment("pi_1"));
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(2));
  const mended = (await world.deadLetters())[1]?.["dead_letter_id"];
  const rpc = client(world, handle);

  const answers = await Promise.all(
    [1, 2].map(() => rpc.replayDeadLetter({ deadLetterId: mended })),
  );

  expect(answers.map(({ replayed }) => replayed).toSorted()).toEqual([false, true]);
  expect(await rpc.replayDeadLetter({ deadLetterId: first })).toMatchObject({ replayed: true });
  expect(await world.effects()).toEqual(["payment/pi_1"]);
  expect((await rpc.listDeadLetters({})).deadLetters).toEqual([]);
});

test("a letter that does not exist is not found", async () => {
  await using world = await openConsumerWorld();
  const retried = client(world, refundsWait).replayDeadLetter({ deadLetterId: 7n });
  await expect(retried).rejects.toMatchObject({ code: Code.NotFound });
});

function client({ database }: World, handle: Handle, contentOf: ContentOf = ({ data }) => data) {
  const definition = { consumer, stream: "PAYMENTS", events, handle, contentOf } as const;
  return createClient(
    DeadLetterService,
    createRouterTransport((router) => {
      router.service(DeadLetterService, deadLetterService(database.pool, [definition]));
    }),
  );
}

async function onlyLetter(world: World): Promise<bigint> {
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(1));
  return (await world.deadLetters())[0]?.["dead_letter_id"];
}
