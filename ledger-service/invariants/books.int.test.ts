// Tries to break the books with plain SQL, as their owner, who may do anything the database itself
// does not forbid. Each attempt differs in one thing from a write that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { handlePayments } from "../consumer.ts";
import {
  entry,
  ledgerId,
  openLedgerDatabase,
  openPoster,
  posting,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { receive, succeeded } from "../testing/payments.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(poster, sale("one", 5n));
  await submit(
    poster,
    posting("refused", [entry("debit", "assets:x", 1n), entry("credit", "a", 1n)]),
  );
  const payment = receive(succeeded("pi_1", 100n, { orderId: "order_1" }));
  await inTransaction(database.pool, (tx) => handlePayments(tx, [payment]));
  owner = openPool({
    url: database.ownerUrl,
    schema: "ledger",
    connectionsMax: 1,
    applicationName: "owner",
  });
});

afterAll(async () => {
  await owner.end();
  await database[Symbol.asyncDispose]();
});

test("a write that keeps every rule is accepted", async () => {
  await expect(attempt({})).resolves.toBe("accepted");
});

test.each<[string, Partial<Write>, RegExp]>([
  ["debits that differ from credits", { credit: -8n, creditStep: 8n }, /not balanced/],
  ["balance across two assets only", { creditAccount: "EUR income:sales" }, /not balanced/],
  ["an entry on no account", { debitAccountId: 999n }, /no account/],
  ["fewer entries than the transaction says", { legs: 3 }, /legs it says/],
  [
    "an entry without a transaction",
    { transactionOffset: -1n },
    /duplicate key|not in the journal|legs it says/,
  ],
  ["a transaction that the journal does not have", { subject: "x.Y" }, /not in the journal/],
  ["a skipped version", { debitVersionStep: 2n, stateVersionStep: 2n }, /does not continue/],
  ["a repeated version", { debitVersionStep: 0n }, /duplicate key/],
  ["a wrong running total", { debitStep: 8n, stateStep: 8n }, /does not continue/],
  ["a state that is not the last entry", { stateStep: 8n }, /not its last entry/],
  ["a state whose version lags", { stateVersionStep: 0n }, /not its last entry|not counted/],
  ["a gap in the sequence", { sequenceStep: 2n, headStep: 2n }, /does not continue the chain/],
  ["a sequence used before", { sequenceStep: 0n }, /duplicate key/],
  ["a batch that claims more facts than there are", { lastStep: 1n, headStep: 2n }, /gaps/],
  [
    "a batch with another hash before it",
    { previousHash: Buffer.alloc(32, 1) },
    /continue the chain/,
  ],
  ["a batch that is not later", { recordedTime: "2020-01-01T00:00:00Z" }, /continue the chain/],
  ["a head that stays behind", { headStep: 0n }, /head/],
  ["a head that runs ahead", { headStep: 2n }, /head/],
  ["a head with another hash", { headHash: Buffer.alloc(32, 2) }, /head/],
  ["an entry over nothing", { debit: 0n }, /check constraint/],
  ["a total beyond int64", { debitStep: 2n ** 63n }, /out of range/],
])("refuses %s", async (_, change, message) => {
  await expect(attempt(change)).rejects.toThrow(message);
});

test("refuses entries added to a transaction that is complete", async () => {
  const more = owner.begin(async (tx) => {
    await tx`
      with opened as (
        insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
        select id, code, 'USD', 'asset', 1, now()
        from ledger, unnest('{late:a,late:b}'::text[]) code
        returning account_id
      )
      insert into account_state (account_id, debits_minor, credits_minor, version, sequence,
        grows_by_debits)
      select account_id, 0, 0, 0, 1, true from opened
    `;
    await tx`
      with late as (
        select account_id, row_number() over (order by account_code) as n
        from account where account_code like 'late:%'
      ), states as (
        update account_state set version = 1, sequence = ${preparedSequence + 1n},
          debits_minor = case n when 1 then 1 else 0 end,
          credits_minor = case n when 1 then 0 else 1 end, effective_time_max = now()
        from late where late.account_id = account_state.account_id
      )
      insert into entry
      select account_id, 1, ${preparedSequence + 1n}, case n when 1 then 1 else -1 end,
        case n when 1 then 1 else 0 end, case n when 1 then 0 else 1 end, now(), now()
      from late
    `;
  });
  await expect(more).rejects.toThrow(/written before/);
});

test("refuses a fact that belongs to no batch", async () => {
  const lone = owner`
    insert into journal select id, head_sequence + 1, 'x.Y', '' from ledger
  `;
  await expect(lone).rejects.toThrow(/belongs to no batch/);
});

test.each(["debits_minor = debits_minor + 1", "version = version + 1", "sequence = 1"])(
  "refuses a state changed by hand: %s",
  async (change) => {
    const changed = owner.unsafe(`update account_state set ${change} where version > 0`);
    await expect(changed).rejects.toThrow(/not its last entry/);
  },
);

test.each([
  "head_sequence = head_sequence - 1",
  "head_sequence = 0",
  "head_hash = decode(repeat('07', 32), 'hex')",
])("refuses a head changed by hand: %s", async (change) => {
  await expect(owner.unsafe(`update ledger set ${change}`)).rejects.toThrow(/not its latest batch/);
});

const appendOnly = ["journal", "batch", "account", "transaction", "entry", "idempotency", "fact"];

test.each(appendOnly)("%s is append-only, even to its owner", async (table) => {
  const [first] = await owner.unsafe(`select * from ${table} limit 1`);
  expect(first, "an empty table would prove nothing").toBeDefined();
  const column = Object.keys(first!).at(-1);
  for (const statement of [
    `update ${table} set ${column} = ${column}`,
    `delete from ${table}`,
    `truncate ${table}`,
  ]) {
    await expect(owner.unsafe(statement), statement).rejects.toThrow(/append-only/);
    await expect(database.pool.unsafe(statement), statement).rejects.toThrow(/permission denied/);
  }
});

test.each(["ledger", "asset", "account_state", "payment"])("%s keeps its rows", async (table) => {
  for (const statement of [`delete from ${table}`, `truncate ${table}`]) {
    await expect(owner.unsafe(statement), statement).rejects.toThrow(/append-only/);
    await expect(database.pool.unsafe(statement), statement).rejects.toThrow(/permission denied/);
  }
});

test.each([
  "payment_id = 'other'",
  "order_id = 'other'",
  "currency_code = 'EUR'",
  "paid_minor = paid_minor + 1",
  "first_sequence = 1",
  "ledger_id = ledger_id + 1",
])("refuses a payment that becomes another one: %s", async (change) => {
  await expect(owner.unsafe(`update payment set ${change}`)).rejects.toThrow(/made once/);
});

test("a key is used once, a fact is named once", async () => {
  const again = (table: string) => {
    return owner.unsafe(`insert into ${table} select * from ${table} limit 1`);
  };
  await expect(again("idempotency")).rejects.toThrow(/duplicate key/);
  await expect(again("fact")).rejects.toThrow(/duplicate key/);
});

test("the books are sound after all these attempts", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Write = {
  /** Steps are from what stands: 1 is right. */
  sequenceStep: bigint;
  lastStep: bigint;
  headStep: bigint;
  debitVersionStep: bigint;
  stateVersionStep: bigint;
  transactionOffset: bigint;
  subject: string;
  legs: number;
  debit: bigint;
  credit: bigint;
  debitStep: bigint;
  creditStep: bigint;
  stateStep: bigint;
  debitAccountId: bigint | undefined;
  creditAccount: string;
  previousHash: Buffer | undefined;
  headHash: Buffer | undefined;
  recordedTime: string;
};

const right: Write = {
  sequenceStep: 1n,
  lastStep: 0n,
  headStep: 1n,
  debitVersionStep: 1n,
  stateVersionStep: 1n,
  transactionOffset: 0n,
  subject: "bursar.ledger.v1.TransactionPosted",
  legs: 2,
  debit: 7n,
  credit: -7n,
  debitStep: 7n,
  creditStep: 7n,
  stateStep: 7n,
  debitAccountId: undefined,
  creditAccount: "USD income:sales",
  previousHash: undefined,
  headHash: undefined,
  recordedTime: "2100-01-01T00:00:00Z",
};

type Row = { name: string; account: bigint; version: bigint; debits: bigint; credits: bigint };

class Undo extends Error {}

/** Writes 7 from sales to cash in one statement, as the service does, and rolls back. */
async function attempt(change: Partial<Write>): Promise<"accepted"> {
  const write = { ...right, ...change };
  const hash = Buffer.alloc(32, 9);
  try {
    await owner.begin(async (tx) => {
      const [head] = await tx<{ id: bigint; sequence: bigint; hash: Buffer }[]>`
        select id, head_sequence as sequence, head_hash as hash from ledger
      `;
      const accounts = await tx<Row[]>`
        select asset_code || ' ' || account_code as name, account_id as account, version,
          debits_minor as debits, credits_minor as credits
        from account join account_state using (account_id)
      `;
      const find = (name: string) => accounts.find((row) => row.name === name)!;
      const cash = find("USD assets:cash");
      const sales = find(write.creditAccount);
      const cashId = write.debitAccountId ?? cash.account;
      const { id } = head!;
      const sequence = head!.sequence + write.sequenceStep;
      const last = sequence + write.lastStep;
      const credits = sales.credits + write.creditStep;
      await tx`
        with a as (insert into journal values (${id}, ${sequence}, ${write.subject}, '')),
        b as (insert into batch values (${id}, ${sequence}, ${last}, ${write.recordedTime},
          'sha256', 1, ${write.previousHash ?? head!.hash}, ${hash})),
        c as (insert into transaction values (${id}, ${sequence + write.transactionOffset},
          ${write.legs}, now(), now(), null, null)),
        d as (insert into entry values
          (${cashId}, ${cash.version + write.debitVersionStep}, ${sequence}, ${write.debit},
            ${cash.debits + write.debitStep}, 0, now(), now()),
          (${sales.account}, ${sales.version + 1n}, ${sequence}, ${write.credit}, 0, ${credits},
            now(), now())),
        e as (update account_state set version = version + ${write.stateVersionStep},
          sequence = ${sequence}, debits_minor = ${cash.debits + write.stateStep},
          effective_time_max = now()
          where account_id = ${cashId}),
        f as (update account_state set version = version + 1, sequence = ${sequence},
          credits_minor = ${credits}, effective_time_max = now()
          where account_id = ${sales.account})
        update ledger set head_sequence = head_sequence + ${write.headStep},
          head_hash = ${write.headHash ?? hash}, recorded_time = ${write.recordedTime}
      `;
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}
