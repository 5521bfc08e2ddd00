import { afterAll, beforeAll, expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { batchSize } from "./batch.ts";
import { decodeHold, decodeTransaction, type JournalRow } from "./journal.ts";
import type { Poster } from "./poster.ts";
import type { Command } from "./rules/commands.ts";
import type { HoldCommand } from "./rules/hold-rules.ts";
import {
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "./testing/ledger.ts";
import { verifyLedger } from "./verify/verify.ts";
import { holdFromWire } from "./wire.ts";

let database: TestDatabase;
let poster: Poster;

beforeAll(async () => {
  database = await openLedgerDatabase();
  poster = openPoster(database);
  await prepareLedger(poster);
});
afterAll(async () => {
  await poster[Symbol.asyncDispose]();
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  await database[Symbol.asyncDispose]();
});

test("a hold is made, grows and ends in one batch, between accounts of that batch", async () => {
  const holdSequence = preparedSequence + 3n;
  const answers = await submit(
    poster,
    opening("liabilities:wallet", "liability"),
    opening("liabilities:shop", "liability"),
    command("a", { kind: "create-hold", amountMinor: 10n }),
    command("b", { kind: "increase-hold", holdSequence, amountMinor: 5n }),
    command("c", { kind: "capture-hold", holdSequence, amountMinor: 4n, final: false }),
    command("d", { kind: "void-hold", holdSequence, amountMinor: 1n }),
    command("e", { kind: "create-hold", amountMinor: 7n }),
  );
  const rows = answers.flatMap((answer) => (answer.kind === "written" ? [answer.row] : []));
  expect(rows.map(({ subject }) => subject.split(".").at(-1))).toEqual([
    "HoldCreated",
    "HoldIncreased",
    "TransactionPosted",
    "HoldVoided",
    "HoldCreated",
  ]);
  expect(answers.at(-1)).toMatchObject({
    balances: [
      { accountCode: "liabilities:wallet", debitsMinor: 4n, debitsPendingMinor: 17n },
      { accountCode: "liabilities:shop", creditsMinor: 4n, creditsPendingMinor: 17n },
    ],
  });
  const [stored] = await database.pool`
    select held_minor, captured_minor, voided_minor, remaining_minor, status, sequence
    from hold where hold_sequence = ${holdSequence}
  `;
  expect(stored).toEqual({
    held_minor: 15n,
    captured_minor: 4n,
    voided_minor: 1n,
    remaining_minor: 10n,
    status: "open",
    sequence: rows[3]?.sequence,
  });
});

test("what is refused in a batch leaves the hold as it was for the rest of it", async () => {
  const [made] = await submit(poster, command("f", { kind: "create-hold", amountMinor: 3n }));
  const holdSequence = rowOf(made).sequence;
  const answers = await submit(
    poster,
    command("g", { kind: "void-hold", holdSequence, amountMinor: 4n }),
    command("h", { kind: "void-hold", holdSequence, amountMinor: 0n }),
    command("i", { kind: "void-hold", holdSequence, amountMinor: 0n }),
  );
  expect(answers.map(({ kind }) => kind)).toEqual(["refused", "written", "refused"]);
});

test("a hold that ends between two batches of an SQL transaction is over in the second", async () => {
  const [before] = await submit(
    poster,
    command("before", { kind: "create-hold", amountMinor: 1n }),
  );
  const holdSequence = rowOf(before).sequence + 1n;
  const brief = { after: { seconds: 0n, nanos: 1_000 } };
  const many = Array.from({ length: batchSize }, (_, n) => sale(`between-${n}`, 1n));
  const answers = await submit(
    poster,
    command("brief", { kind: "create-hold", amountMinor: 3n, expiration: brief }),
    ...many,
    command("late", { kind: "capture-hold", holdSequence, amountMinor: 3n }),
  );
  const detail = { refusal: Refusal.HOLD_EXPIRED, ledgerSequence: holdSequence };
  expect(answers.at(-1)).toMatchObject({ kind: "refused", detail });
  const rows = await database.pool`
    select status, expire_time = recorded_time as exactly from hold
    join batch on hold.sequence between first_sequence and last_sequence
    where hold_sequence = ${holdSequence}
  `;
  expect(rows).toEqual([{ status: "expired", exactly: true }]);
});

test("the journal says all there is to know of a hold", async () => {
  const metadata = [
    { key: "a", value: '\\ " and ü' },
    { key: "b", value: "" },
  ];
  const expiration = { at: { seconds: 4_000_000_000n, nanos: 123_456_789 } };
  const fields = { amountMinor: 9n, toleranceMinor: 2n, description: '{"}', metadata };
  const asked = command("j", { kind: "create-hold", ...fields, expiration });
  const row = rowOf((await submit(poster, asked))[0]);
  const hold = holdFromWire(decodeHold(row));
  expect(hold).toMatchObject({
    holdSequence: row.sequence,
    heldMinor: 9n,
    capturedMinor: 0n,
    toleranceMinor: 2n,
    status: "open",
    expireTime: { seconds: 4_000_000_000n, nanos: 123_456_000 },
    description: '{"}',
    metadata,
    sequence: row.sequence,
  });
  const capture = command("k", {
    kind: "capture-hold",
    holdSequence: row.sequence,
    amountMinor: 11n,
    final: true,
  });
  const captured = rowOf((await submit(poster, capture))[0]);
  const { hold: after } = decodeTransaction(captured.data);
  expect(after && holdFromWire(after)).toEqual({
    ...hold,
    capturedMinor: 11n,
    status: "captured",
    sequence: captured.sequence,
  });
});

const between = {
  debitAccount: { accountCode: "liabilities:wallet", assetCode: "USD" },
  creditAccount: { accountCode: "liabilities:shop", assetCode: "USD" },
  toleranceMinor: 0n,
  expiration: undefined,
};

function command(idempotencyKey: string, fields: Partial<HoldCommand>): Command {
  const about = { description: "", metadata: [], effectiveTime: undefined };
  const digest = "00".repeat(32);
  return { idempotencyKey, digest, ...about, ...between, ...fields } as Command;
}

function rowOf(answer: Awaited<ReturnType<typeof submit>>[number] | undefined): JournalRow {
  expect(answer).toMatchObject({ kind: "written" });
  return answer?.kind === "written" ? answer.row : { sequence: 0n, subject: "", data: Buffer.of() };
}
