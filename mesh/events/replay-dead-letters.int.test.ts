import assert from "node:assert/strict";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  DeadLetterReplayOutcome,
  DeadLetterService,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { PaymentRefundedSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { inTransaction } from "../database/transaction.ts";
import { silentLog } from "../testing/broker.ts";
import {
  type ConsumerWorld,
  consumer,
  events,
  openConsumerWorld,
  type Payments,
  record,
  refundsWait,
} from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import type { HandleBatch } from "./consumer-definition.ts";
import { deadLetterService } from "./dead-letter-service.ts";
import { writeDeadLetters } from "./dead-letters.ts";
import type { EncodedEvent } from "./event.ts";
import { startOutboxRelay } from "./outbox-relay.ts";

const { ALREADY_RESOLVED, GIVEN_UP, HANDLED, PARKED } = DeadLetterReplayOutcome;
const everything = { filter: { deadTimeUntil: timestampFromDate(new Date("9999-01-01")) } };

test("all letters of a filter are replayed, oldest first, and one that stays stops none", async () => {
  await using world = await openConsumerWorld();
  const poison = encodedPayment("pi_2");
  await bury(world, encodedPayment("pi_1"), poison, encodedRefund("pi_9", "re_1"));
  await bury(world, encodedRefund("pi_1", "re_2"));
  const handle: HandleBatch<Payments> = (tx, batch) => {
    for (const { messageId } of batch) assert(messageId !== poison.messageId, "this cannot be");
    return refundsWait(tx, batch);
  };

  const answers = await replayAll(world, handle, everything);

  expect(answers).toMatchObject([
    { deadLetterId: 1n, outcome: HANDLED, foundCount: 4, replayedCount: 1 },
    {
      ...{ deadLetterId: 2n, outcome: GIVEN_UP, foundCount: 4, replayedCount: 2 },
      refusal: {
        reason: DeadLetterReason.BUG,
        detail: expect.stringContaining("this cannot be"),
      },
    },
    { deadLetterId: 3n, outcome: PARKED, waitsFor: "payment/stripe/acct_demo/pi_9" },
    { deadLetterId: 4n, outcome: HANDLED, replayedCount: 4 },
  ]);
  expect(await world.effects()).toEqual(["payment/pi_1", "refund/re_2"]);
  expect(await unresolved(world)).toEqual([2n]);

  // Once more: only what stayed is found.
  expect(await replayAll(world, refundsWait, everything)).toMatchObject([
    { deadLetterId: 2n, outcome: HANDLED, foundCount: 1, replayedCount: 1 },
  ]);
  expect(await replayAll(world, refundsWait, everything)).toEqual([]);
});

test("two operators at once replay every letter once between them", async () => {
  await using world = await openConsumerWorld();
  const payments = Array.from({ length: 60 }, (_, n) => encodedPayment(`pi_${n}`));
  await bury(world, ...payments);

  const [one, other] = await Promise.all([
    replayAll(world, record, everything),
    replayAll(world, record, everything),
  ]);

  const outcomes = [...one, ...other].map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === HANDLED)).toHaveLength(60);
  expect(new Set(outcomes)).toEqual(new Set([HANDLED, ALREADY_RESOLVED]));
  expect(await world.effects()).toEqual(payments.map(({ messageId }) => messageId).toSorted());
});

test("who leaves has the letter in hand finished and no other begun", async () => {
  await using world = await openConsumerWorld();
  await bury(world, ...Array.from({ length: 20 }, (_, n) => encodedPayment(`pi_${n}`)));

  for await (const { replayedCount } of client(world, record).replayDeadLetters(everything)) {
    if (replayedCount === 3) break;
  }
  const letters = await unresolved(world);
  expect(letters.length).toBeGreaterThanOrEqual(16);
  expect(letters).toEqual(letters.toSorted((a, b) => (a < b ? -1 : 1)));

  expect(await replayAll(world, record, everything)).toHaveLength(letters.length);
  expect(await world.effects()).toHaveLength(20);
});

test("what is given up after the call began is not replayed by it, nor more than is asked", async () => {
  await using world = await openConsumerWorld();
  // More than the ids that are read at once.
  const many = Array.from({ length: 510 }, (_, n) => encodedPayment(`pi_${n}`));
  await bury(world, ...many);

  let more = 0;
  let seen = 0;
  for await (const { foundCount } of client(world, record).replayDeadLetters(everything)) {
    expect(foundCount).toBe(510);
    seen += 1;
    if (more++ === 0) await bury(world, encodedPayment("pi_late"));
  }
  expect(seen).toBe(510);
  expect(await unresolved(world)).toEqual([511n]);

  await bury(world, encodedPayment("pi_later"));
  expect(await replayAll(world, record, { ...everything, lettersMax: 1 })).toMatchObject([
    { deadLetterId: 511n, foundCount: 2, replayedCount: 1 },
  ]);
});

test("only what the filter names is replayed", async () => {
  await using world = await openConsumerWorld();
  await bury(world, encodedPayment("pi_1"), encodedRefund("pi_1", "re_1"));
  const ofRefunds = { filter: { subject: PaymentRefundedSchema.typeName, consumer } };

  expect(await replayAll(world, record, ofRefunds)).toMatchObject([{ deadLetterId: 2n }]);
  expect(await replayAll(world, record, { filter: { consumer: "another" } })).toEqual([]);
  expect(await unresolved(world)).toEqual([1n]);
});

test.each([{}, { filter: {} }])("a filter that names nothing is refused: %j", async (request) => {
  await using world = await openConsumerWorld();
  await bury(world, encodedPayment("pi_1"));
  await expect(replayAll(world, record, request)).rejects.toMatchObject({
    code: Code.InvalidArgument,
    rawMessage: expect.stringContaining("say dead_time_until for all letters"),
  });
  expect(await unresolved(world)).toEqual([1n]);
});

test("while the world fails, the call fails, and the next one goes on", async () => {
  await using world = await openConsumerWorld();
  await bury(world, encodedPayment("pi_1"), encodedPayment("pi_2"));
  let away = true;
  const handle: HandleBatch<Payments> = async (tx, batch) => {
    const isSecond = batch.some(({ messageId }) => messageId === "payment/pi_2");
    if (away && isSecond) await tx`select pg_terminate_backend(pg_backend_pid())`;
    return record(tx, batch);
  };
  await expect(replayAll(world, handle, everything)).rejects.toThrow();
  expect(await unresolved(world)).toEqual([2n]);
  away = false;
  expect(await replayAll(world, handle, everything)).toMatchObject([{ outcome: HANDLED }]);
  expect(await world.effects()).toEqual(["payment/pi_1", "payment/pi_2"]);
});

test("a letter whose handling takes too long is given up again, and the next one follows", async () => {
  await using world = await openConsumerWorld();
  await bury(world, encodedPayment("pi_1"), encodedPayment("pi_2"));
  const handle: HandleBatch<Payments> = async (tx, batch) => {
    if (batch.some(({ messageId }) => messageId === "payment/pi_1")) {
      await tx`set local statement_timeout = 50`;
      await tx`select pg_sleep(5)`;
    }
    return record(tx, batch);
  };
  expect(await replayAll(world, handle, everything)).toMatchObject([
    { outcome: GIVEN_UP, refusal: { detail: "to handle it takes too long" } },
    { outcome: HANDLED },
  ]);
});

test("an event that the broker refused goes back to the outbox", async () => {
  await using world = await openConsumerWorld();
  await bury(world, encodedPayment("pi_1"));
  await world.database.pool`update dead_letter set consumer = 'outbox'`;
  expect(await replayAll(world, record, everything)).toMatchObject([{ outcome: HANDLED }]);
  expect(await unresolved(world)).toEqual([]);

  const { broker, metrics, database } = world;
  const log = silentLog();
  await using _relay = startOutboxRelay({ pool: database.pool, broker, log, metrics });
  await using _consumer = world.start();
  await world.expectEffects(["payment/pi_1"]);
});

function client({ database }: ConsumerWorld, handle: HandleBatch<Payments>) {
  const definition = { consumer, stream: "PAYMENTS", events, handle } as const;
  return createClient(
    DeadLetterService,
    createRouterTransport((router) => {
      router.service(DeadLetterService, deadLetterService(database.pool, [definition]));
    }),
  );
}

type Request = Parameters<ReturnType<typeof client>["replayDeadLetters"]>[0];

function replayAll(world: ConsumerWorld, handle: HandleBatch<Payments>, request: Request) {
  return Array.fromAsync(client(world, handle).replayDeadLetters(request));
}

async function unresolved(world: ConsumerWorld): Promise<bigint[]> {
  const rows = await world.deadLetters();
  return rows.filter((row) => row["resolved_at"] === null).map((row) => row["dead_letter_id"]);
}

async function bury(world: ConsumerWorld, ...list: readonly EncodedEvent[]): Promise<void> {
  const deaths = list.map((event, n) => ({
    raw: { ...event, streamSequence: BigInt(n + 1), deliveryCount: 1 },
    reason: DeadLetterReason.BUG,
    detail: "for this test",
  }));
  await inTransaction(world.database.pool, (tx) => writeDeadLetters(tx, consumer, deaths));
}
