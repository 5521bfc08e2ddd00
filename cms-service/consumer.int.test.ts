import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import { OrderState } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import type { Payment } from "./access/payment.ts";
import { settlePayments } from "./access/settle-payments.ts";
import { type Order, type Standing, settle } from "./access/settlement.ts";
import { factTime, paymentOf } from "./consumer.ts";
import { newId } from "./requests/identifiers.ts";
import { makeCourse, makeOffer, makeOrder, openTestCms, type TestCms } from "./testing/cms.ts";
import { openTestLedger, posted, type TestLedger } from "./testing/ledger.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`consumer.int.test.ts runs with SEED=${seed}`);
const random = createRandom(seed);

/** Ids that the next orders get, so that money can be there before its order. */
const announcedIds: string[] = [];

let cms: TestCms;
let ledger: TestLedger;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  cms = stack.use(await openTestCms({ newOrderId: () => announcedIds.shift() ?? newId("ord") }));
  ledger = stack.use(await openTestLedger(cms));
});
afterAll(() => stack.disposeAsync());

let sequence = 0n;
const next = () => ++sequence;

test("money that comes before its order waits in sight and counts once it is made", async () => {
  await using _consumer = ledger.consume();
  const { courseId } = await makeCourse(cms);
  const offerId = await makeOffer(cms, [courseId]);
  const orderId = newId("ord");
  const paymentId = `pi/${orderId}`;
  await ledger.post(
    posted({ orderId, paymentId, ledgerSequence: next() }),
    posted({ orderId, paymentId, ledgerSequence: next(), refundedMinor: 1n }),
    posted({ orderId: "shop 17", paymentId: "pi/shop", ledgerSequence: next() }),
  );
  const { parked } = await cms.consumers.listParked({});
  expect(parked.map(({ waitsFor }) => waitsFor)).toEqual([
    `order/${orderId}`,
    `order/${orderId}`,
    "order/shop 17",
  ]);

  announcedIds.push(orderId);
  expect(await makeOrder(cms, offerId, "early")).toBe(orderId);
  const { order } = await cms.orders.getOrder({ orderId });
  expect(order).toMatchObject({ state: OrderState.PAID, payments: [{ refundedMinor: 1n }] });
  expect(await cms.enrollments.checkAccess({ learnerId: "early", courseId })).toMatchObject({
    allowed: true,
  });
  const after = await cms.consumers.listParked({});
  expect(after.parked.map(({ waitsFor }) => waitsFor)).toEqual(["order/shop 17"]);
});

test("an event and its order that come at the same moment never miss each other", async () => {
  await using _consumer = ledger.consume();
  const { courseId } = await makeCourse(cms);
  const offerId = await makeOffer(cms, [courseId]);
  for (let round = 0; round < 40; round++) {
    const orderIds = Array.from({ length: 5 }, () => newId("ord"));
    const events = orderIds.map((orderId) =>
      posted({ orderId, paymentId: `pi/${orderId}`, ledgerSequence: next() }),
    );
    announcedIds.push(...orderIds);
    await Promise.all([
      ledger.post(...events),
      ...orderIds.map(async () => {
        await sleep(random() * 12);
        await makeOrder(cms, offerId, `racer-${round}`);
      }),
    ]);
    for (const orderId of orderIds) {
      const { order } = await cms.orders.getOrder({ orderId });
      expect(order?.state, `round ${round}, order ${orderId}`).toBe(OrderState.PAID);
    }
  }
});

test("a replay of the whole stream changes nothing and says nothing", async () => {
  const world = await makeWorld();
  const events = story(world, 40);
  {
    await using _consumer = ledger.consume();
    await ledger.post(...events);
  }
  const before = await everything();

  // The inbox forgets, and the broker delivers everything since the beginning.
  const forgotten = await cms.asOwner(
    `delete from inbox where message_id not in (select message_id from parked)
     returning message_id`,
  );
  const { connection } = ledger.broker.broker;
  const manager = await jetstreamManager(connection);
  await manager.consumers.delete("LEDGER", "cms-service-LEDGER");
  await using _consumer = ledger.consume();
  await ledger.settled(forgotten.map((row) => String(row["message_id"])));
  expect(await everything()).toEqual(before);
});

test("whatever the order, the batches and the replicas, the state is what totals say", async () => {
  const world = await makeWorld();
  const events = story(world, 150);
  await using _one = ledger.consume(3);
  await using _other = ledger.consume(7);
  const again = events.filter(() => random() < 0.3).map(copy);
  await ledger.post(...shuffled([...events, ...again]));

  const expected = endState(world, events.map(totalsOf));
  const ids = world.map(({ orderId }) => orderId);
  const orders = await cms.database.pool`
    select order_id as "orderId", state from "order" where order_id = any(${ids}) order by 1
  `;
  expect([...orders]).toEqual(expected.orders);
  const grants = await cms.database.pool`
    select payment_id as "paymentId", course_id as "courseId", learner_id as "learnerId",
           order_id as "orderId", state, source_version as "sourceVersion"
    from enrollment_grant where order_id = any(${ids}) order by 1, 2
  `;
  expect([...grants]).toEqual(expected.grants);
  const learnerIds = world.map(({ learnerId }) => learnerId);
  const enrollments = await cms.database.pool`
    select learner_id as "learnerId", course_id as "courseId", state
    from enrollment where learner_id = any(${learnerIds}) and state <> 'none' order by 1, 2
  `;
  expect([...enrollments]).toEqual(expected.enrollments);
  expect((await cms.deadLetters.listDeadLetters({})).deadLetters).toEqual([]);
  const told = await lastTold(learnerIds);
  const states = new Map(expected.enrollments.map((it) => [keyOf(it), it.state]));
  for (const key of new Set([...told.keys(), ...states.keys()])) {
    // Who was never told of access knows that there is none.
    const [heard, state] = [told, states].map((all) => all.get(key) ?? "revoked");
    expect(heard, key).toBe(state);
  }
});

test("access that two SQL transactions change at once is the sum of both", async () => {
  const { courseId } = await makeCourse(cms);
  const offerId = await makeOffer(cms, [courseId]);
  const settleAtOnce = (orderIds: readonly string[], refundedMinor: bigint) =>
    Promise.all(
      orderIds.map((orderId) => {
        const event = posted({
          orderId,
          paymentId: `pi/${orderId}`,
          ledgerSequence: next(),
          refundedMinor,
        });
        const { pool } = cms.database;
        return inTransaction(pool, (tx) => settlePayments(tx, [totalsOf(event)], new Date()));
      }),
    );
  for (let round = 0; round < 30; round++) {
    const learnerId = `twice-${round}`;
    const orderIds = await Promise.all([0, 1, 2].map(() => makeOrder(cms, offerId, learnerId)));
    await settleAtOnce(orderIds, 0n);
    const paid = await cms.enrollments.checkAccess({ learnerId, courseId });
    expect(paid.allowed, `round ${round}`).toBe(true);
    await settleAtOnce(orderIds, 10_000n);
    const refunded = await cms.enrollments.checkAccess({ learnerId, courseId });
    expect(refunded.allowed, `round ${round}`).toBe(false);
  }
});

/** Three learners with two orders each, over three courses that they share. */
async function makeWorld(): Promise<Order[]> {
  const courses = [await makeCourse(cms), await makeCourse(cms), await makeCourse(cms)];
  const [a, b, c] = courses.map(({ courseId }) => courseId) as [string, string, string];
  const offerIds = [await makeOffer(cms, [a, b]), await makeOffer(cms, [b, c])];
  const world: Order[] = [];
  for (let learner = 0; learner < 3; learner++) {
    const learnerId = `learner-${next()}`;
    for (const [n, offerId] of offerIds.entries()) {
      const orderId = await makeOrder(cms, offerId, learnerId);
      const courseIds = n === 0 ? [a, b] : [b, c];
      const due = { currencyCode: "USD", amountMinor: 10_000n };
      const terms = { due, accessDurationS: null, state: "pending" } as const;
      world.push({ orderId, learnerId, courseIds, ...terms });
    }
  }
  return world;
}

/** Totals of two payments for each order, in the order of the ledger. */
function story(world: readonly Order[], length: number): EncodedEvent[] {
  return Array.from({ length }, () => {
    const { orderId } = pick(world);
    return posted({
      orderId,
      paymentId: `pi-${pick(["1", "2"])}/${orderId}`,
      ledgerSequence: next(),
      currencyCode: pick(["USD", "USD", "USD", "EUR"]),
      paidMinor: pick([9_999n, 10_000n, 10_000n, 12_000n]),
      refundedMinor: pick([0n, 0n, 2_000n, 10_000n]),
      disputedMinor: pick([0n, 0n, 5_000n]),
      lostMinor: pick([0n, 0n, 8_000n]),
    });
  });
}

function totalsOf({ data }: EncodedEvent): Payment {
  const transaction = fromBinary(TransactionPostedSchema, data).transaction!;
  return paymentOf(transaction.paymentState!, factTime(transaction));
}

function endState(world: readonly Order[], totals: readonly Payment[]) {
  const standing: Standing = { orders: world, payments: [], grants: [], enrollments: [] };
  const { orders, grants, enrollments } = settle(standing, totals, new Date());
  const changed = new Map(orders.map((order) => [order.orderId, order]));
  return {
    orders: world
      .map(({ orderId, state }) => ({ orderId, state: changed.get(orderId)?.state ?? state }))
      .toSorted((x, y) => (x.orderId < y.orderId ? -1 : 1)),
    grants: grants
      .map(({ paymentId, courseId, learnerId, orderId, state, sourceVersion }) => {
        return { paymentId, courseId, learnerId, orderId, state, sourceVersion };
      })
      .toSorted((x, y) =>
        `${x.paymentId} ${x.courseId}` < `${y.paymentId} ${y.courseId}` ? -1 : 1,
      ),
    enrollments: enrollments
      .map(({ learnerId, courseId, state }) => ({ learnerId, courseId, state }))
      .toSorted((x, y) =>
        `${x.learnerId} ${x.courseId}` < `${y.learnerId} ${y.courseId}` ? -1 : 1,
      ),
  };
}

const stateTold = {
  EnrollmentGranted: [EnrollmentGrantedSchema, "active"],
  EnrollmentSuspended: [EnrollmentSuspendedSchema, "suspended"],
  EnrollmentRevoked: [EnrollmentRevokedSchema, "revoked"],
} as const;

/** State of each enrollment for somebody who only hears the events; never the same twice. */
async function lastTold(learnerIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await cms.database.pool<{ subject: string; data: Buffer }[]>`
    select subject, data from outbox where subject like 'bursar.cms.v1.Enrollment%'
    order by outbox_id
  `;
  const told = new Map<string, string>();
  for (const { subject, data } of rows) {
    const [schema, state] = stateTold[subject.slice(14) as keyof typeof stateTold];
    const { learnerId, courseId } = fromBinary(schema as typeof EnrollmentGrantedSchema, data);
    if (!learnerIds.includes(learnerId)) continue;
    const key = keyOf({ learnerId, courseId });
    expect(told.get(key) ?? "revoked").not.toBe(state);
    told.set(key, state);
  }
  return told;
}

function keyOf({ learnerId, courseId }: { learnerId: string; courseId: string }): string {
  return `${learnerId} ${courseId}`;
}

async function everything() {
  const tables = ["payment", "enrollment", "enrollment_grant", "outbox", '"order"', "parked"];
  return Promise.all(tables.map((table) => cms.asOwner(`select * from ${table} order by 1, 2`)));
}

/** The same fact under another id, so that neither the broker nor the inbox knows it. */
function copy(event: EncodedEvent): EncodedEvent {
  const messageId = `${event.messageId}/again`;
  const headers = event.headers.map(([name, value]) => {
    return [name, name === "ce-id" ? messageId : value] as const;
  });
  return { ...event, messageId, headers };
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

/** Mulberry32. */
function createRandom(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
