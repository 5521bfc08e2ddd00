import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { inTransaction } from "../database/transaction.ts";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { consumerService } from "./consumer-service.ts";
import { deadLetterService } from "./dead-letter-service.ts";
import { writeDeadLetters } from "./dead-letters.ts";

let database: TestDatabase;

beforeAll(async () => {
  const migrations = new URL("./migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "mesh", migrations });
  await bury(1, 5, DeadLetterReason.INVALID);
  await bury(6, 7, DeadLetterReason.BUG);
  await database.pool`
    insert into parked
      (consumer, message_id, waits_for, subject, stream, stream_sequence, data, headers)
    select 'c', 'm-' || n, 'order/' || n, 's', 'PAYMENTS', n, 'x', '[]'
    from generate_series(1, 5) as n
  `;
});
afterAll(() => database[Symbol.asyncDispose]());

const client = () =>
  createClient(
    DeadLetterService,
    createRouterTransport((router) => {
      router.service(DeadLetterService, deadLetterService(database.pool, []));
    }),
  );

const consumers = () =>
  createClient(
    ConsumerService,
    createRouterTransport((router) => {
      router.service(ConsumerService, consumerService(database.pool));
    }),
  );

test("dead letters come newest first, page by page, while new ones are added", async () => {
  const first = await client().listDeadLetters({
    pageSize: 3,
    filter: { reason: DeadLetterReason.INVALID },
  });
  await bury(8, 9, DeadLetterReason.INVALID);
  const second = await client().listDeadLetters({
    pageSize: 3,
    pageToken: first.nextPageToken,
    filter: { reason: DeadLetterReason.INVALID },
  });

  expect(first.deadLetters.map(({ messageId }) => messageId)).toEqual(["m-5", "m-4", "m-3"]);
  expect(second.deadLetters.map(({ messageId }) => messageId)).toEqual(["m-2", "m-1"]);
  expect(second.nextPageToken).toBe("");
});

test("a page holds no more bytes than a client takes, and no letter is left out", async () => {
  const reason = DeadLetterReason.CONFLICT;
  await bury(100, 109, reason, new Uint8Array(900_000));
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await client().listDeadLetters({ filter: { reason }, pageToken });
    expect(page.deadLetters.length).toBeLessThanOrEqual(3);
    seen.push(...page.deadLetters.map(({ messageId }) => messageId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(Array.from({ length: 10 }, (_, n) => `m-${109 - n}`));
});

test("a dead letter keeps its exact bytes and headers", async () => {
  const { deadLetters } = await client().listDeadLetters({
    filter: { reason: DeadLetterReason.BUG },
  });
  expect(deadLetters[0]).toMatchObject({
    consumer: "c",
    messageId: "m-7",
    stream: "PAYMENTS",
    streamSequence: 7n,
    reason: DeadLetterReason.BUG,
    detail: "why \ufffd",
    data: Uint8Array.of(0, 0xff, 7),
    headers: [
      { name: "ce-id", value: "m-7" },
      { name: "ce-id", value: "again" },
    ],
  });
});

test("every part of a filter must hold, and a page token is bound to its filter", async () => {
  const letters = async (filter: object) => {
    return (await client().listDeadLetters({ filter })).deadLetters.length;
  };
  const [{ at }] = await database.pool<[{ at: Date }]>`select max(dead_at) as at from dead_letter`;
  const later = timestampFromDate(new Date(at.getTime() + 1));
  const reason = DeadLetterReason.BUG;
  expect(await letters({ reason })).toBe(2);
  expect(await letters({ reason, consumer: "c", subject: "s", deadTimeUntil: later })).toBe(2);
  for (const other of [
    { consumer: "d" },
    { subject: "t" },
    { reason: DeadLetterReason.REFUSED },
    { deadTimeFrom: later },
    { deadTimeUntil: timestampFromDate(new Date(0)) },
  ]) {
    expect(await letters({ reason, ...other })).toBe(0);
  }

  const { nextPageToken } = await client().listDeadLetters({ pageSize: 1, filter: { reason } });
  expect(nextPageToken.length).toBeLessThanOrEqual(64);
  for (const request of [
    { filter: { reason, consumer: "c" } },
    { filter: { reason }, includeResolved: true },
    {},
  ]) {
    const page = client().listDeadLetters({ ...request, pageToken: nextPageToken });
    await expect(page).rejects.toMatchObject({ code: Code.InvalidArgument });
  }
});

test.each([
  ["dead_time_from", { deadTimeFrom: { seconds: 10n ** 15n } }],
  ["dead_time_until", { deadTimeUntil: { seconds: -(10n ** 15n) } }],
])("a %s that no clock shows is refused", async (_, filter) => {
  await expect(client().listDeadLetters({ filter })).rejects.toMatchObject({
    code: Code.InvalidArgument,
  });
});

test("parked events come oldest first", async () => {
  const first = await consumers().listParked({ pageSize: 3 });
  const second = await consumers().listParked({ pageSize: 3, pageToken: first.nextPageToken });

  expect([...first.parked, ...second.parked].map(({ waitsFor }) => waitsFor)).toEqual([
    "order/1",
    "order/2",
    "order/3",
    "order/4",
    "order/5",
  ]);
});

test.each(["x", "dead0.x", "parked.1.2", "dead2.5"])("page token %j is refused", async (token) => {
  const refusal = consumers().listParked({ pageToken: token });
  await expect(refusal).rejects.toSatisfy((error) => {
    return error instanceof ConnectError && error.code === Code.InvalidArgument;
  });
});

function bury(from: number, to: number, reason: DeadLetterReason, data?: Uint8Array) {
  const deaths = Array.from({ length: to - from + 1 }, (_, offset) => {
    const n = from + offset;
    const messageId = `m-${n}`;
    return {
      raw: {
        messageId,
        subject: "s",
        stream: "PAYMENTS",
        streamSequence: BigInt(n),
        deliveryCount: 1,
        data: data ?? Uint8Array.of(0, 0xff, n),
        headers: [
          ["ce-id", messageId],
          ["ce-id", "again"],
        ] as const,
      },
      reason,
      detail: "why \0",
    };
  });
  return inTransaction(database.pool, (tx) => writeDeadLetters(tx, "c", deaths));
}
