import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { validate } from "#mesh/policy/validation.ts";
import { encodeFact, hashBatch, type JournalRow, ledgerEvents, noHash } from "./journal.ts";
import { addFact, type Books, createBooks, nextSequence, openAccount } from "./rules/books.ts";
import { decideCommand } from "./rules/commands.ts";
import { recordFact } from "./rules/record-fact.ts";
import type { Hold } from "./rules/records.ts";

const header = { ledgerId: "main", recordedTime: { seconds: 1n, nanos: 2 }, previousHash: noHash };
const rows: JournalRow[] = [
  { sequence: 1n, subject: "a.B", data: Buffer.from("one") },
  { sequence: 2n, subject: "a.C", data: Buffer.from("two") },
];

test("the hash is that of the bytes which format 1 describes", () => {
  const bytes = Buffer.concat([
    Buffer.from("bursar.ledger.batch/1\0"),
    Buffer.from("00000004", "hex"),
    Buffer.from("main"),
    Buffer.from("000000000000000100000002", "hex"),
    Buffer.alloc(32),
    Buffer.from("0000000000000001", "hex"),
    Buffer.from("00000003", "hex"),
    Buffer.from("a.B"),
    Buffer.from("00000003", "hex"),
    Buffer.from("one"),
    Buffer.from("0000000000000002", "hex"),
    Buffer.from("00000003", "hex"),
    Buffer.from("a.C"),
    Buffer.from("00000003", "hex"),
    Buffer.from("two"),
  ]);
  const expected = createHash("sha256").update(bytes).digest("hex");
  expect(hashBatch(header, rows).toString("hex")).toBe(expected);
});

test.each<[string, () => Buffer]>([
  ["the ledger", () => hashBatch({ ...header, ledgerId: "mais" }, rows)],
  ["the time", () => hashBatch({ ...header, recordedTime: { seconds: 1n, nanos: 3 } }, rows)],
  ["the batch before", () => hashBatch({ ...header, previousHash: Buffer.alloc(32, 1) }, rows)],
  ["the order", () => hashBatch(header, rows.toReversed())],
  ["a byte", () => hashBatch(header, [{ ...rows[0]!, data: Buffer.from("onf") }, rows[1]!])],
])("another hash for another %s", (_, hash) => {
  expect(hash().equals(hashBatch(header, rows))).toBe(false);
});

test("every kind of fact becomes an event that its schema accepts", () => {
  const books = createBooks("main", 0n, { seconds: 1_700_000_000n, nanos: 1_000 });
  const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
  recordFact(
    books,
    {
      kind: "payment-succeeded",
      paymentId: "stripe/acct_1/pi_1",
      orderId: "",
      amount: usd(100n),
      fee: usd(3n),
      tax: undefined,
    },
    { occurredTime: { seconds: 5n, nanos: 0 }, metadata: [{ key: "webhook_id", value: "w" }] },
  );
  const reversal = { kind: "reverse", digest: "00".repeat(32), description: "" } as const;
  decideCommand(books, { ...reversal, idempotencyKey: "gone", sequence: 999n });
  addOtherFacts(books);
  const subjects = books.written.facts.map((fact) => {
    const { subject, data, sequence } = encodeFact(books, fact);
    const schema = ledgerEvents.find(({ typeName }) => typeName === subject);
    expect(schema, subject).toBeDefined();
    const message = fromBinary(schema!, data);
    expect(validate(schema!, message)).toEqual([]);
    expect(message).toMatchObject({ ledgerId: "main", ledgerSequence: sequence });
    return subject;
  });
  expect(new Set(subjects)).toEqual(new Set(ledgerEvents.map(({ typeName }) => typeName)));
});

/** A fact of each kind that no provider causes. */
function addOtherFacts(books: Books): void {
  const key = { accountCode: "assets:bank", assetCode: "USD" };
  decideCommand(books, { ...keyed, ...update, account: key, change: { what: "freeze" } });
  const account = openAccount(books, key, "asset");
  const idempotencyKey = "k";
  const updated = { kind: "account-updated", idempotencyKey, account, description: "" } as const;
  addFact(books, { ...updated, sequence: nextSequence(books) });
  const hold: Hold = {
    holdSequence: 1n,
    debitAccount: key,
    creditAccount: { ...key, accountCode: "income:sales" },
    heldMinor: 5n,
    capturedMinor: 0n,
    voidedMinor: 0n,
    toleranceMinor: 0n,
    status: "open",
    expireTime: undefined,
    description: "",
    metadata: [],
    createTime: books.recordedTime,
    sequence: 1n,
  };
  const amountMinor = 1n;
  addFact(books, { kind: "hold-created", sequence: nextSequence(books), idempotencyKey, hold });
  for (const kind of ["hold-increased", "hold-voided"] as const) {
    const more = { idempotencyKey, hold, amountMinor, description: "" };
    addFact(books, { kind, sequence: nextSequence(books), ...more });
  }
  addFact(books, { kind: "hold-expired", sequence: nextSequence(books), hold, amountMinor });
  const time = books.recordedTime;
  const period = { endTime: time, closedSequence: 1n, closeTime: time, description: "" };
  addFact(books, { kind: "period-closed", sequence: nextSequence(books), idempotencyKey, period });
}

const keyed = { idempotencyKey: "nobody", digest: "00".repeat(32) };
const update = { kind: "update-account", expectedChangedSequence: 0n, description: "" } as const;
