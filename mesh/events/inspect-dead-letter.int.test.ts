import { create, toBinary } from "@bufbuild/protobuf";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { EnrollmentGrantedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { inTransaction } from "../database/transaction.ts";
import { openTestDatabase } from "../testing/database.ts";
import { paymentSucceeded } from "../testing/payments.ts";
import { deadLetterService } from "./dead-letter-service.ts";
import { writeDeadLetters } from "./dead-letters.ts";

const database = await openTestDatabase({
  schema: "mesh",
  migrations: new URL("./migrations/", import.meta.url),
});

test("a letter shows its bytes, and what they say without what is nobody's to see", async (context) => {
  context.onTestFinished(() => database[Symbol.asyncDispose]());
  const valid = toBinary(PaymentSucceededSchema, paymentSucceeded("pi_1"));
  const invalid = toBinary(PaymentSucceededSchema, paymentSucceeded("pi_1", { ledgerId: "?" }));
  const change = { learnerId: "ada", courseId: "course-1", orderId: "ord_1" };
  const granted = toBinary(EnrollmentGrantedSchema, create(EnrollmentGrantedSchema, change));
  const body = Buffer.from(JSON.stringify({ card: "4242" }));
  const webhook = toBinary(WebhookReceivedSchema, create(WebhookReceivedSchema, { body }));
  await bury([
    [PaymentSucceededSchema.typeName, valid],
    [PaymentSucceededSchema.typeName, invalid],
    [PaymentSucceededSchema.typeName, Uint8Array.of(0xff)],
    ["bursar.payments.v1.PaymentExpired", valid],
    [EnrollmentGrantedSchema.typeName, granted],
    [WebhookReceivedSchema.typeName, webhook],
  ]);

  const first = await get(1n);
  expect(first).toMatchObject({ known: true, problems: [], deadLetter: { deadLetterId: 1n } });
  expect(first.deadLetter?.data).toEqual(valid);
  expect(JSON.parse(first.messageJson)).toMatchObject({
    ledgerId: "demo",
    amount: { amountMinor: "10000", currencyCode: "USD" },
  });
  expect(await get(2n)).toMatchObject({
    known: true,
    messageJson: expect.stringContaining('"ledgerId":"?"'),
    problems: [expect.stringMatching(/^ledger_id: /)],
  });
  expect(await get(3n)).toMatchObject({
    known: true,
    messageJson: "",
    problems: [expect.stringMatching(/^the bytes are no bursar.payments.v1.PaymentSucceeded: /)],
  });
  expect(await get(4n)).toMatchObject({ known: false, messageJson: "", problems: [] });
  expect((await get(5n)).messageJson).not.toContain("ada");
  const seen = await get(6n);
  expect(seen.known).toBe(true);
  expect(seen.messageJson).toContain('"body":"[sensitive]"');
  expect(seen.messageJson).not.toMatch(/4242|NDI0Mg/);
  await expect(get(99n)).rejects.toMatchObject({ code: Code.NotFound });
});

const payments = { consumer: "c", stream: "PAYMENTS", events: [PaymentSucceededSchema] };
const webhooks = { consumer: "d", stream: "WEBHOOKS", events: [WebhookReceivedSchema] };
const handle = () => Promise.reject(new Error("nothing is handled here"));
const definitions = [payments, webhooks].map((definition) => ({ ...definition, handle }));

const get = (deadLetterId: bigint) =>
  createClient(
    DeadLetterService,
    createRouterTransport((router) => {
      const service = deadLetterService(database.pool, definitions, [EnrollmentGrantedSchema]);
      router.service(DeadLetterService, service);
    }),
  ).getDeadLetter({ deadLetterId });

async function bury(list: readonly (readonly [subject: string, data: Uint8Array])[]) {
  const deaths = list.map(([subject, data], n) => ({
    raw: {
      ...{ subject, data, messageId: `m-${n}`, stream: "PAYMENTS", headers: [] },
      ...{ streamSequence: BigInt(n), deliveryCount: 1 },
    },
    reason: DeadLetterReason.BUG,
    detail: "for this test",
  }));
  await inTransaction(database.pool, (tx) => writeDeadLetters(tx, "c", deaths));
}
