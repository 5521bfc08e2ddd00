// Tries to break holds with plain SQL, as their owner. Each attempt differs in one thing from a void
// that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool, type Tx } from "#mesh/database/pool.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Answer } from "../answer.ts";
import type { KeyedCommand } from "../rules/commands.ts";
import type { HoldCommand } from "../rules/hold-rules.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  prepareLedger,
  submit,
} from "../testing/ledger.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;
/** With 5 captured and 5 voided of 40, of which 30 are left; and one that is voided. */
let holdSequence: bigint;
let endedSequence: bigint;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const ask = async (command: Partial<HoldCommand>) => {
    const keyed = { idempotencyKey: crypto.randomUUID(), digest: "00".repeat(32), ...about };
    const [answer] = await submit(poster, { ...keyed, ...command } as KeyedCommand);
    return sequenceOf(answer);
  };
  holdSequence = await ask({ kind: "create-hold", amountMinor: 40n, ...between });
  await ask({ kind: "capture-hold", holdSequence, amountMinor: 5n, final: false });
  await ask({ kind: "void-hold", holdSequence, amountMinor: 5n });
  endedSequence = await ask({ kind: "create-hold", amountMinor: 7n, ...between });
  await ask({ kind: "void-hold", holdSequence: endedSequence, amountMinor: 0n });
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

const about = { description: "", metadata: [], effectiveTime: undefined };
const between = {
  debitAccount: { accountCode: "income:sales", assetCode: "USD" },
  creditAccount: { accountCode: "assets:cash", assetCode: "USD" },
  toleranceMinor: 4n,
  expiration: { after: { seconds: 1_000_000n, nanos: 0 } },
};

const right: Write = {
  fact: "HoldVoided",
  change: "voided_minor = voided_minor + 10",
  sequence: "head.sequence + 1",
  pendingSteps: [-10n, -10n],
  ended: false,
  made: undefined,
  voidedMade: 0n,
};

test("a write that keeps every rule is accepted", async () => {
  await expect(attempt({})).resolves.toBe("accepted");
});

test.each<[string, string]>([
  ["HoldIncreased", "held_minor = held_minor + 10"],
  ["TransactionPosted", "captured_minor = captured_minor + 10"],
  ["TransactionPosted", "captured_minor = captured_minor + 34, status = 'captured'"],
  ["HoldVoided", "voided_minor = voided_minor + 30, status = 'captured'"],
  ["HoldExpired", "voided_minor = voided_minor + 30, status = 'expired'"],
])("a hold is changed by %s: %s", async (fact, change) => {
  await expect(attempt({ fact, change, pendingSteps: "as left" })).resolves.toBe("accepted");
});

const otherAccount = "(select min(account_id) from account where asset_code = 'EUR')";

test.each<[string, Partial<Write>, RegExp]>([
  ["captures beyond the tolerance", captured(35n, "captured"), /hold_bounds/],
  ["voids beyond what is left", voided(31n, "captured"), /made once/],
  ["captured and voided together beyond", captured(39n, "captured"), /hold_bounds/],
  ["less held than before", changed("held_minor = held_minor - 1"), /made once/],
  ["less captured than before", changed("captured_minor = captured_minor - 1"), /made once/],
  ["less voided than before", { change: "voided_minor = voided_minor - 1" }, /made once/],
  ["another tolerance", changed("tolerance_minor = tolerance_minor + 1"), /made once/],
  ["another expiry", changed("expire_time = expire_time + interval '1 day'"), /made once/],
  ["no expiry", changed("expire_time = null"), /made once/],
  ["another account that pays", changed(`debit_account_id = ${otherAccount}`), /made once/],
  ["another account that is paid", changed(`credit_account_id = ${otherAccount}`), /made once/],
  ["another name", changed("hold_sequence = hold_sequence - 1"), /made once|journal says/],
  ["another ledger", changed("ledger_id = ledger_id + 1"), /made once|journal says/],
  ["an end though something is left", voided(10n, "captured"), /hold_status/],
  ["no end though nothing is left", voided(30n, "open"), /hold_status/],
  ["a status that there is not", voided(30n, "gone"), /hold_status/],
  ["an end as voided though some was captured", voided(30n, "voided"), /hold_status/],
  ["an expiry that is no fact", voided(30n, "expired"), /journal says/],
  ["a fact of another kind", { fact: "AccountUpdated" }, /journal says/],
  ["an expiry that leaves it open", { fact: "HoldExpired" }, /journal says/],
  ["no new fact", { sequence: "hold.sequence" }, /journal says|made once/],
  ["an older fact", { sequence: "hold.hold_sequence" }, /journal says|made once|sequence_check/],
  ["a fact to come", { sequence: "head.sequence + 2" }, /journal says/],
  ["a hold that has ended", { ended: true, pendingSteps: [0n, 0n] }, /hold_bounds|made once/],
  ["more pending than is left, on one side", { pendingSteps: [-9n, -10n] }, /pending on account/],
  ["less pending than is left, on one side", { pendingSteps: [-10n, -11n] }, /pending on account/],
  ["as much pending as before", { pendingSteps: [0n, 0n] }, /pending on account/],
])("refuses %s", async (_, change, message) => {
  await expect(attempt(change)).rejects.toThrow(message);
});

test.each([
  "debits_pending_minor = debits_pending_minor + 1",
  "debits_pending_minor = debits_pending_minor - 1",
  "credits_pending_minor = 0, debits_pending_minor = 0",
])("refuses a pending amount changed by hand: %s", async (change) => {
  const where = "where debits_pending_minor > 0";
  const changed = owner.unsafe(`update account_state set ${change} ${where}`);
  await expect(changed).rejects.toThrow(/pending on account/);
});

test("refuses a pending amount on an account without holds", async () => {
  const changed = owner`
    update account_state set credits_pending_minor = 1
    where account_id = (select account_id from account where asset_code = 'EUR' limit 1)
  `;
  await expect(changed).rejects.toThrow(/pending on account/);
});

test.each([
  "update hold_total set debits_minor = debits_minor + 1",
  "insert into hold_total select account_id, 0, 0 from account where asset_code = 'EUR'",
])("nobody keeps the sums by hand: %s", async (statement) => {
  await expect(owner.unsafe(statement)).rejects.toThrow(/by hand refused/);
  await expect(database.pool.unsafe(statement)).rejects.toThrow(/by hand refused/);
});

const making: Partial<Write> = { fact: "HoldCreated", pendingSteps: [1n, 1n] };
const made = "head.id, head.sequence + 1, debit_account_id, credit_account_id";

test("a hold that is made by hand as the service makes it is accepted", async () => {
  await expect(attempt({ ...making, made })).resolves.toBe("accepted");
});

test.each<[string, Partial<Write>, RegExp]>([
  ["no fact", { fact: "HoldIncreased" }, /journal says/],
  ["one account", { made: made.replace("credit_", "debit_") }, /check constraint/],
  ["two assets", { made: made.replace("credit_account_id", otherAccount) }, /one asset/],
  ["no account", { made: made.replace("credit_account_id", "999") }, /one asset/],
  ["an account of another ledger", { made: `2, ${made.slice(8)}` }, /journal says|one asset/],
  ["nothing pending", { pendingSteps: [0n, 0n] }, /pending on account/],
])("refuses a hold that is made by hand: with %s", async (_, change, message) => {
  await expect(attempt({ ...making, made, ...change })).rejects.toThrow(message);
});

test("refuses a hold that is made later than its fact", async () => {
  const late = owner.begin(async (tx) => {
    await write(tx, { ...right, fact: "HoldCreated", change: "", pendingSteps: [0n, 0n] });
    const older = made.replace("head.sequence + 1", "head.sequence");
    await write(tx, { ...right, pendingSteps: [1n, 1n], made: older, voidedMade: 1n });
  });
  await expect(late).rejects.toThrow(/too late/);
});

test.each(["hold", "hold_total"])("%s keeps its rows", async (table) => {
  for (const statement of [`delete from ${table}`, `truncate ${table}`]) {
    await expect(owner.unsafe(statement), statement).rejects.toThrow(/append-only/);
    await expect(database.pool.unsafe(statement), statement).rejects.toThrow(/permission denied/);
  }
});

test("the books are sound after all these attempts", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Write = {
  fact: string;
  change: string;
  sequence: string;
  /** Of what is pending on the two accounts. */
  pendingSteps: readonly [bigint, bigint] | "as left";
  ended: boolean;
  /** Names and accounts of a hold of 1 to make, as SQL; otherwise one is changed. */
  made: string | undefined;
  /** Besides. */
  voidedMade: bigint;
};

function captured(amount: bigint, status: string): Partial<Write> {
  const change = `captured_minor = captured_minor + ${amount}, status = '${status}'`;
  return { fact: "TransactionPosted", change, pendingSteps: "as left" };
}

function voided(amount: bigint, status: string): Partial<Write> {
  const change = `voided_minor = voided_minor + ${amount}, status = '${status}'`;
  return { change, pendingSteps: "as left" };
}

function changed(change: string): Partial<Write> {
  return { change: `${right.change}, ${change}`, pendingSteps: "as left" };
}

class Undo extends Error {}

/** Gives 10 of the hold back, and rolls back. */
async function attempt(change: Partial<Write>): Promise<"accepted"> {
  try {
    await owner.begin(async (tx) => {
      await write(tx, { ...right, ...change });
      await tx.unsafe("set constraints all immediate");
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}

/** In one statement, as the service does. */
async function write(tx: Tx, one: Write): Promise<void> {
  const name = one.ended ? endedSequence : holdSequence;
  const [debit, credit] = stepsOf(one);
  const changed = `update hold set ${one.change}, sequence = ${one.sequence} from head
    where hold_sequence = ${name}`;
  const made = `insert into hold (ledger_id, hold_sequence, debit_account_id, credit_account_id,
      held_minor, captured_minor, voided_minor, tolerance_minor, status, sequence)
    select ${one.made}, 1 + ${one.voidedMade}, 0, ${one.voidedMade}, 0, 'open', head.sequence + 1
    from head join hold on hold_sequence = ${name}`;
  const onHold = one.made ? made : changed;
  // A batch is later than the one before it.
  const time = "(select max(recorded_time) + interval '1 s' from batch)";
  await tx.unsafe(`
    with head as (select id, head_sequence as sequence, head_hash as hash from ledger),
    a as (insert into journal select id, sequence + 1, 'bursar.ledger.v1.${one.fact}', ''
      from head),
    b as (insert into batch select id, sequence + 1, sequence + 1, ${time}, 'sha256', 1, hash,
      decode(repeat('09', 32), 'hex') from head)
    ${one.change === "" ? "" : `, c as (${onHold})`},
    d as (update account_state set debits_pending_minor = debits_pending_minor + (${debit})
      from hold where hold_sequence = ${name} and account_id = debit_account_id),
    e as (update account_state set credits_pending_minor = credits_pending_minor + (${credit})
      from hold where hold_sequence = ${name} and account_id = credit_account_id)
    update ledger set head_sequence = head_sequence + 1, recorded_time = ${time},
      head_hash = decode(repeat('09', 32), 'hex')
  `);
}

/** What the change would leave, as SQL. */
function stepsOf({ pendingSteps, change }: Write): readonly (bigint | string)[] {
  if (pendingSteps !== "as left") return pendingSteps;
  const step = (column: string, sign: string) => {
    const matches = [...change.matchAll(new RegExp(`${column} = ${column} ([+-]) (\\d+)`, "g"))];
    return matches
      .map(([, own, amount]) => (own === sign ? `+ ${amount}` : `- ${amount}`))
      .join(" ");
  };
  const taken = `${step("captured_minor", "-")} ${step("voided_minor", "-")}`;
  const left = `40 - 10 ${step("held_minor", "+")} ${taken}`;
  const steps = `greatest(${left}, 0) - 30`;
  return [steps, steps];
}

function sequenceOf(answer: Answer | undefined): bigint {
  expect(answer).toMatchObject({ kind: "written" });
  return answer?.kind === "written" ? answer.row.sequence : 0n;
}
