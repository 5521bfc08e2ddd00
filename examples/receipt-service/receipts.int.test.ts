import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { OrderState } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { PaymentStateSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { ReceiptIssuedSchema } from "#gen/bursar/receipt/v1/events_pb.ts";
import { ReceiptService } from "#gen/bursar/receipt/v1/receipt_service_pb.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { startTestService, type TestService } from "#mesh/testing/service.ts";
import { receiptService } from "./main.ts";

const time = new Date("2026-01-02T03:04:05.678Z");

let world: TestService;
let receipts: Client<typeof ReceiptService>;

beforeAll(async () => {
  world = await startTestService(receiptService, {
    grants: { narrow: { scopes: ["receipt.receipts.read"] } },
  });
  receipts = await world.client(ReceiptService);
  for (const stream of ["LEDGER", "CMS"]) await ensureStream(world.broker, stream);
});
afterAll(() => world[Symbol.asyncDispose]());

test("a payment of an order leads to one receipt, and others hear of it", async () => {
  const payment = { paymentId: "stripe/acct/pi_1", orderId: "ord_1", ledgerSequence: 5n };
  const paidMinor = 9_007_199_254_740_993n;
  await settle(posted({ ...payment, paidMinor }), ordered("ord_1", "ada"));
  const receipt = { ledgerId: "main", ...payment, currencyCode: "USD", paidMinor };

  const { paymentId } = payment;
  const found = await receipts.getReceipt({ ledgerId: "main", paymentId });
  expect(found.receipt).toMatchObject({ ...receipt, recordedTime: timestampFromDate(time) });
  expect((await receipts.listReceipts({ learnerId: "ada" })).receipts).toEqual([found.receipt]);
  expect(await issued(paymentId)).toMatchObject([receipt]);
});

test("totals end the same in every order of their events, and however often they come", async () => {
  const steps = (name: string) => {
    const payment = { paymentId: `stripe/acct/${name}`, orderId: `ord_${name}` };
    return [
      posted({ ...payment, ledgerSequence: sequence() }),
      posted({ ...payment, ledgerSequence: sequence(), refundedMinor: 4_000n }),
      ordered(payment.orderId, `learner-${name}`),
    ] as const;
  };
  const names: string[] = [];
  for (const [n, order] of permutations([0, 1, 2]).entries()) {
    const events = steps(`perm_${n}`);
    names.push(`perm_${n}`);
    await settle(...order.map((place) => events[place]!));
    await settle(...order.map((place) => again(events[place]!)));
  }
  for (const name of names) {
    const list = await receipts.listReceipts({ learnerId: `learner-${name}` });
    expect(list.receipts).toMatchObject([{ paidMinor: 10_000n, refundedMinor: 4_000n }]);
    const told = await issued(`stripe/acct/${name}`);
    expect(told.at(-1) ?? told).toMatchObject({ paymentId: `stripe/acct/${name}` });
    const versions = told.map(({ ledgerSequence }) => ledgerSequence);
    expect(versions).toEqual([...new Set(versions)].sort());
  }
});

test("what is no payment of an order leaves no receipt", async () => {
  const ledgerSequence = sequence();
  const other = { ledgerId: "main", ledgerSequence, idempotencyKey: "rent" };
  const transfer = { ledgerId: "main", ledgerSequence, transaction: other };
  await settle(
    encoded(TransactionPostedSchema, transfer, `main/${ledgerSequence}`),
    posted({ paymentId: "stripe/acct/gift", orderId: "", ledgerSequence: sequence() }),
  );
  const gift = receipts.getReceipt({ ledgerId: "main", paymentId: "stripe/acct/gift" });
  await expect(gift).rejects.toMatchObject({ code: Code.NotFound });
});

test("a receipt over nothing is a dead letter, and its neighbours stand", async () => {
  const good = { paymentId: "stripe/acct/good", orderId: "ord_good", ledgerSequence: sequence() };
  const bad = { ...good, paymentId: "stripe/acct/bad", ledgerSequence: sequence() };
  await settle(posted({ ...bad, paidMinor: 0n }), posted(good));
  const found = await receipts.getReceipt({ ledgerId: "main", paymentId: good.paymentId });
  expect(found.receipt?.orderId).toBe("ord_good");
  const letters = await world.client(DeadLetterService);
  const { deadLetters } = await letters.listDeadLetters({});
  expect(deadLetters).toMatchObject([{ consumer: "receipt-service-LEDGER" }]);
  expect(deadLetters[0]!.detail).toMatch(/paid_minor/);
});

test("a learner sees his own receipts and nobody else's", async () => {
  for (const learner of ["bob", "eve"]) {
    const payment = { paymentId: `stripe/acct/${learner}`, orderId: `ord_${learner}` };
    await settle(
      posted({ ...payment, ledgerSequence: sequence() }),
      ordered(payment.orderId, learner),
    );
  }
  const headers = { authorization: `Bearer ${await world.tokens.sign("bob")}` };
  const { receipts: own } = await receipts.listReceipts({}, { headers });
  expect(own.map(({ paymentId }) => paymentId)).toEqual(["stripe/acct/bob"]);

  const others = await receipts.listReceipts({ learnerId: "eve" }, { headers }).catch(asError);
  expect(requestRefusalOf(others)?.refusal).toBe(RequestRefusal.LEARNER_MISMATCH);
  const nobodys = await receipts.listReceipts({}).catch(asError);
  expect(requestRefusalOf(nobodys)?.refusal).toBe(RequestRefusal.INVALID_FIELD);
});

test("a payment of a ledger is shown to who may touch the ledger", async () => {
  const narrow = await world.client(ReceiptService, "narrow");
  const asked = { ledgerId: "main", paymentId: "stripe/acct/pi_1" };
  const error = await narrow.getReceipt(asked).catch(asError);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.LEDGER_DENIED);
});

let lastSequence = 1_000n;
function sequence(): bigint {
  lastSequence += 1n;
  return lastSequence;
}

type Totals = MessageInitShape<typeof PaymentStateSchema> & {
  readonly paymentId: string;
  readonly ledgerSequence: bigint;
};

/** A payment of 100.00 USD unless told otherwise. */
function posted(totals: Totals): EncodedEvent {
  const paymentState = { ledgerId: "main", currencyCode: "USD", paidMinor: 10_000n, ...totals };
  const { ledgerId, ledgerSequence } = paymentState;
  const recordedTime = timestampFromDate(time);
  const transaction = { ledgerId, ledgerSequence, recordedTime, paymentState };
  const event = { ledgerId, ledgerSequence, transaction };
  return encoded(TransactionPostedSchema, event, `${ledgerId}/${ledgerSequence}`);
}

function ordered(orderId: string, learnerId: string): EncodedEvent {
  const changeTime = timestampFromDate(time);
  const event = { orderId, learnerId, state: OrderState.PAID, changeTime };
  return encoded(OrderChangedSchema, event, `changed/${orderId}`);
}

function encoded<D extends typeof TransactionPostedSchema | typeof OrderChangedSchema>(
  schema: D,
  event: MessageInitShape<D>,
  messageId: string,
): EncodedEvent {
  const source = schema.typeName.startsWith("bursar.cms.") ? "cms-service" : "ledger-service";
  return encodeEvent(schema, event, { messageId, source, time });
}

/** The same fact under another id, which the inbox cannot know. */
function again(event: EncodedEvent): EncodedEvent {
  const messageId = `${event.messageId}/again`;
  const headers = event.headers.map(([name, value]) => {
    return [name, name === "ce-id" ? messageId : value] as const;
  });
  return { ...event, messageId, headers };
}

/** Publishes in this order and waits until the service has settled them all. */
async function settle(...events: readonly EncodedEvent[]): Promise<void> {
  for (const event of events) await publish(world.broker, event, { deadlineMs: 10_000 });
  const { pool } = world.database;
  const ids = events.map(({ messageId }) => messageId);
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) {
    const rows = await pool`select from inbox where message_id = any (${ids}::text[])`;
    if (rows.length === ids.length) return;
  }
  throw new Error(`the service did not settle ${ids.join(", ")} in time`);
}

/** What the broker holds of a payment, once the outbox is empty. */
async function issued(paymentId: string) {
  const { pool } = world.database;
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) {
    if ((await pool`select from outbox limit 1`).length === 0) break;
  }
  const manager = await world.broker.jsm();
  const { state } = await manager.streams.info("RECEIPTS");
  const events = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("RECEIPTS", { seq });
    events.push(fromBinary(ReceiptIssuedSchema, message!.data));
  }
  return events.filter((event) => event.paymentId === paymentId);
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, n) => {
    return permutations(items.toSpliced(n, 1)).map((rest) => [item, ...rest]);
  });
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
