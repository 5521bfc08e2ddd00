import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { validate } from "#mesh/policy/validation.ts";
import { encodeFact, hashBatch, type JournalRow, ledgerEvents, noHash } from "./journal.ts";
import { createBooks } from "./rules/books.ts";
import { decideCommand } from "./rules/commands.ts";
import { recordFact } from "./rules/record-fact.ts";

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
