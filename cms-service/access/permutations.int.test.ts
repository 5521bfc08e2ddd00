import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  EnrollmentExpiredSchema,
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import { lockKeys } from "#mesh/events/parking.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { migrations, schema } from "../app.ts";
import { orderKey, releaseOrder } from "../consumer.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestLedger, posted, type TestLedger } from "../testing/ledger.ts";
import { insertPublishedCourse, insertTestOrder } from "../testing/published.ts";
import { accessChecker } from "./check.ts";
import { expireAccess } from "./expiry.ts";
import { giveGrants, revokeGrant } from "./grants.ts";

let database: TestDatabase;
let ledger: TestLedger;
let courseId: string;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  database = stack.use(await openTestDatabase({ schema, migrations, connectionsMax: 8 }));
  ledger = stack.use(await openTestLedger({ database }));
  stack.use(ledger.consume(7));
  courseId = await insertPublishedCourse(database.pool);
});
afterAll(() => stack.disposeAsync());

/** One thing that happens to a learner; what it publishes is settled before the next one. */
type Step = (life: Life) => EncodedEvent[] | Promise<EncodedEvent[]>;

/** A learner to whom the steps of a story happen in an order of their own. */
type Life = {
  readonly learnerId: string;
  readonly orderIds: readonly [string, string];
  giftId: string | undefined;
};

const dayMs = 86_400_000;
const monthS = 2_592_000n;
const longAgo = new Date(Date.now() - 60 * dayMs);
const recently = new Date(Date.now() - 2 * dayMs);

/** Sequences are the ledger's: they do not depend on when the fact is heard of. */
function fact(place: 0 | 1, sequence: bigint, effectiveTime: Date, totals: object = {}): Step {
  return ({ orderIds }) => {
    const orderId = orderIds[place];
    const event = { orderId, paymentId: `pi/${orderId}`, ledgerSequence: sequence, effectiveTime };
    const { messageId, ...rest } = posted({ ...event, ...totals });
    return [{ ...rest, ...named(rest, `${messageId}/${orderId}`) }];
  };
}

/** Under an id of its own: the lives share the ledger's sequences. */
function named(event: Omit<EncodedEvent, "messageId">, messageId: string) {
  const headers = event.headers.map(([name, value]) => {
    return [name, name === "ce-id" ? messageId : value] as const;
  });
  return { messageId, headers };
}

function makesOrder(place: 0 | 1, accessDurationS: bigint | null = null): Step {
  return async ({ learnerId, orderIds }) => {
    const orderId = orderIds[place];
    await inTransaction(database.pool, async (tx) => {
      await lockKeys(tx, [orderKey(orderId)]);
      await insertTestOrder(tx, { orderId, learnerId, courseIds: [courseId], accessDurationS });
      await releaseOrder(tx, orderId);
    });
    return [];
  };
}

function givesGift(expireTime: Date | null): Step {
  return async (life) => {
    const plan = {
      ...{
        source: "gift" as const,
        sourceId: life.learnerId,
        orderId: null,
        reason: "a gift",
        actor: "t",
      },
      ...{ learnerIds: [life.learnerId], courseIds: [courseId], expireTime },
    };
    const now = new Date(Date.now() - 30 * dayMs);
    const [gift] = await inTransaction(database.pool, (tx) => giveGrants(tx, plan, now));
    life.giftId = gift?.grantId;
    return [];
  };
}

/** Before it was given nothing is there to revoke: then it never is. */
const revokesGift: Step = async ({ giftId: grantId }) => {
  if (grantId === undefined) return [];
  const revoke = { grantId, etag: '"1"', reason: "taken back" };
  await inTransaction(database.pool, (tx) => revokeGrant(tx, revoke, new Date()));
  return [];
};

const clockTurns: Step = async () => {
  await inTransaction(database.pool, expireAccess);
  return [];
};

const stories: Record<string, { steps: readonly Step[]; reason: string; told: string }> = {
  "refunded before it was paid": {
    steps: [
      makesOrder(0),
      fact(0, 11n, recently),
      fact(0, 12n, recently, { refundedMinor: 4_000n }),
      fact(0, 13n, recently, { refundedMinor: 10_000n }),
    ],
    reason: "revoked",
    told: "closed",
  },
  "one of two orders is refunded": {
    steps: [
      makesOrder(0),
      makesOrder(1),
      fact(0, 11n, recently),
      fact(0, 14n, recently, { refundedMinor: 10_000n }),
      fact(1, 12n, recently),
    ],
    reason: "granted",
    told: "active",
  },
  "a dispute is won after the time was over": {
    steps: [
      makesOrder(0, monthS),
      fact(0, 11n, longAgo),
      fact(0, 12n, recently, { disputedMinor: 10_000n }),
      fact(0, 15n, recently),
      clockTurns,
    ],
    reason: "expired",
    told: "closed",
  },
  "a dispute is lost beside an order whose time is over": {
    steps: [
      makesOrder(0),
      makesOrder(1, monthS),
      fact(0, 11n, recently, { disputedMinor: 10_000n }),
      fact(0, 12n, recently, { lostMinor: 10_000n }),
      fact(1, 13n, longAgo),
    ],
    reason: "expired",
    told: "closed",
  },
  "the time counts from the earliest fact": {
    steps: [
      makesOrder(0, monthS),
      fact(0, 11n, longAgo),
      fact(0, 12n, recently, { refundedMinor: 1n }),
      fact(0, 13n, recently, { refundedMinor: 2n }),
      clockTurns,
    ],
    reason: "expired",
    told: "closed",
  },
  "a payment moves to another order": {
    steps: [
      makesOrder(0),
      makesOrder(1),
      fact(0, 11n, recently),
      ({ orderIds }) => {
        const [first, second] = orderIds;
        const event = posted({
          ...{ orderId: second, paymentId: `pi/${first}`, ledgerSequence: 16n },
          ...{ effectiveTime: recently, disputedMinor: 10_000n },
        });
        return [{ ...event, ...named(event, `moved/${first}`) }];
      },
    ],
    reason: "suspended",
    told: "suspended",
  },
  "a gift outlives the refund": {
    steps: [
      makesOrder(0),
      givesGift(null),
      fact(0, 11n, recently),
      fact(0, 12n, recently, { refundedMinor: 10_000n }),
      clockTurns,
    ],
    reason: "granted",
    told: "active",
  },
};

const told = {
  EnrollmentGranted: [EnrollmentGrantedSchema, "active"],
  EnrollmentSuspended: [EnrollmentSuspendedSchema, "suspended"],
  EnrollmentRevoked: [EnrollmentRevokedSchema, "closed"],
  EnrollmentExpired: [EnrollmentExpiredSchema, "closed"],
} as const;

test.each(Object.keys(stories))(
  "%s: every order of what happens ends in the same state",
  { timeout: 180_000 },
  async (name) => {
    const { steps, reason, told: last } = stories[name]!;
    const orders = [...permutations(steps)];
    const lives = orders.map((): Life => {
      return {
        learnerId: newId("grt").replace("grt_", "learner-"),
        orderIds: [newId("ord"), newId("ord")],
        giftId: undefined,
      };
    });
    for (let n = 0; n < steps.length; n++) {
      // Some of what was told already is told again, under another id.
      const events = await Promise.all(lives.map(async (life, l) => orders[l]![n]!(life)));
      const again = events.flat().flatMap((event, e) => {
        return e % 3 === 0 ? [{ ...event, ...named(event, `${event.messageId}/again`) }] : [];
      });
      await ledger.post(...events.flat(), ...again);
    }
    await clockTurns(lives[0]!);
    await expectSame(lives, reason, last);
  },
);

test("gifts that are given and taken back in between take nothing else along", async () => {
  const steps = [makesOrder(0), fact(0, 11n, recently), fact(0, 12n, recently), revokesGift];
  const lives = await Promise.all(
    [...permutations(steps)].map(async (order) => {
      const life: Life = {
        learnerId: newId("grt").replace("grt_", "learner-"),
        orderIds: [newId("ord"), newId("ord")],
        giftId: undefined,
      };
      await givesGift(null)(life);
      for (const step of order) await ledger.post(...(await step(life)));
      return life;
    }),
  );
  await expectSame(lives, "granted", "active");
});

async function expectSame(lives: readonly Life[], reason: string, last: string) {
  const { pool } = database;
  const checker = accessChecker(pool);
  const answers = await checker.checkAll(lives.map(({ learnerId }) => ({ learnerId, courseId })));
  expect(new Set(answers.map((answer) => answer.reason))).toEqual(new Set([reason]));
  const ends = await Promise.all(lives.map(endOf));
  for (const end of ends) expect(end).toEqual(ends[0]);
  expect(lastToldOf(lives, await events())).toEqual(new Set([last]));
  const [parked] = await pool<{ count: bigint }[]>`
    select count(*) from parked
    where waits_for = any(${lives.flatMap(({ orderIds }) => orderIds.map(orderKey))})
  `;
  expect(parked?.count).toBe(0n);
}

/** All that stands about a life, with its ids replaced by what they mean. */
async function endOf({ learnerId, orderIds }: Life) {
  const { pool } = database;
  const grants = await pool`
    select source, ledger_id, state, source_version, expire_time,
           array_position(${[...orderIds]}, order_id) as order_place, revoke_reason,
           case when source = 'payment' then start_time end as start_time
    from enrollment_grant where learner_id = ${learnerId} order by source, order_place, state
  `;
  const enrollments = await pool`
    select state, lapse_time from enrollment where learner_id = ${learnerId}
  `;
  const orders = await pool`
    select array_position(${[...orderIds]}, order_id) as place, state from "order"
    where order_id = any(${[...orderIds]}) order by 1
  `;
  return { grants: [...grants], enrollments: [...enrollments], orders: [...orders] };
}

function events() {
  return database.pool<{ subject: string; data: Buffer }[]>`
    select subject, data from outbox where subject like 'bursar.cms.v1.Enrollment%'
    order by outbox_id
  `;
}

/** What somebody who only hears the events takes to be the state; never told the same twice. */
function lastToldOf(lives: readonly Life[], rows: readonly { subject: string; data: Buffer }[]) {
  const states = new Map(lives.map(({ learnerId }) => [learnerId, "closed"]));
  for (const { subject, data } of rows) {
    const [eventSchema, state] = told[subject.slice(14) as keyof typeof told];
    const { learnerId } = fromBinary(eventSchema as typeof EnrollmentGrantedSchema, data);
    if (!states.has(learnerId)) continue;
    expect(states.get(learnerId)).not.toBe(state);
    states.set(learnerId, state);
  }
  return new Set(states.values());
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length <= 1) yield items;
  for (const [place, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(place, 1))) {
      if (items.length > 1) yield [item, ...rest];
    }
  }
}
