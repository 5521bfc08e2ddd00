import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { fillBooks } from "../testing/eventful.ts";
import {
  errorOf,
  expectRefusal,
  schoolId as ledgerId,
  openSchool,
  type School,
} from "../testing/school.ts";

let school: School;

beforeAll(async () => {
  school = await openSchool();
  await fillBooks(school);
});
afterAll(() => school[Symbol.asyncDispose]());

const named = (value: string) => ({ ledgerId, name: { case: "idempotencyKey", value } as const });

test("a key names its transaction, or says what else it was used for", async () => {
  const { client, audit } = school;
  const kinds = new Set<string | undefined>();
  for await (const { ledgerSequence, event } of audit.streamEvents({ ledgerId, untilHead: true })) {
    if (event.case === "transactionPosted") {
      const { transaction } = event.value;
      const found = await client.getTransaction(named(transaction?.idempotencyKey ?? ""));
      expect(found.transaction).toEqual(transaction);
    } else if (event.value && "idempotencyKey" in event.value) {
      const { idempotencyKey } = event.value;
      await expectRefusal(client.getTransaction(named(idempotencyKey)), Code.NotFound, {
        refusal: Refusal.TRANSACTION_NOT_FOUND,
        idempotencyKey,
        ledgerSequence,
      });
    } else continue;
    kinds.add(event.case);
  }
  expect([...kinds].sort()).toEqual([
    "accountUpdated",
    "holdCreated",
    "holdIncreased",
    "holdVoided",
    "periodClosed",
    "requestRefused",
    "transactionPosted",
    "transactionRefused",
  ]);
});

test("a key that nobody used names nothing", async () => {
  const error = await errorOf(school.client.getTransaction(named("unused")));
  expect(error.code).toBe(Code.NotFound);
  expect(error.rawMessage).toBe('no transaction was posted under key "unused"');
});
