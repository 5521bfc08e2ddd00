// Tries to break accounts with plain SQL, as their owner: limits, status, notes. Each attempt writes
// a batch as the service does, and differs in one thing from one that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { digestAccountUpdate } from "../digest.ts";
import type { AccountUpdate } from "../rules/account-rules.ts";
import type { Command } from "../rules/commands.ts";
import {
  entry,
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  posting,
  prepareLedger,
  submit,
} from "../testing/ledger.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const limits = { floorMinor: 0n, ceilingMinor: 10n };
  const answers = await submit(
    poster,
    opening("assets:limited", "asset", "USD", { limits }),
    opening("liabilities:limited", "liability", "USD", { limits }),
    ...["frozen", "closed", "plain", "other"].map((name) => opening(`assets:${name}`, "asset")),
    posting("five", [entry("debit", "assets:plain", 5n), entry("credit", "assets:other", 5n)]),
    updating("assets:plain", { what: "metadata", metadata: [{ key: "a", value: "1" }] }),
    updating("assets:frozen", { what: "freeze" }),
    updating("assets:closed", { what: "close" }),
  );
  expect(answers.map(({ kind }) => kind)).not.toContain("refused");
  const { ownerUrl: url } = database;
  owner = openPool({ url, schema: "ledger", connectionsMax: 1, applicationName: "owner" });
});

afterAll(async () => {
  await owner.end();
  await database[Symbol.asyncDispose]();
});

const updated = "bursar.ledger.v1.AccountUpdated";

test.each<[string, Attempt]>([
  ["entries", { entries: { "assets:plain": 7n, "assets:other": -7n } }],
  [
    "a limited account to its ceiling",
    { entries: { "assets:limited": 10n, "assets:other": -10n } },
  ],
  ["limits with their fact", { set: { "assets:plain": "floor_minor = 5, $changed" } }],
  ["a freeze with its fact", { set: { "assets:plain": "status = 'frozen', $changed" } }],
  ["an unfreeze with its fact", { set: { "assets:frozen": "status = 'open', $changed" } }],
  ["a close of what is empty", { set: { "assets:frozen": "status = 'closed', $changed" } }],
])("a batch that keeps every rule is accepted: %s", async (_, change) => {
  await expect(attempt(change)).resolves.toBe("accepted");
});

test.each<[string, Attempt, RegExp]>([
  [
    "an asset below its floor",
    { entries: { "assets:limited": -1n, "assets:other": 1n } },
    /account_state_floor/,
  ],
  [
    "an asset above its ceiling",
    { entries: { "assets:limited": 11n, "assets:other": -11n } },
    /account_state_ceiling/,
  ],
  [
    "a liability below its floor",
    { entries: { "liabilities:limited": 1n, "assets:other": -1n } },
    /account_state_floor/,
  ],
  [
    "a liability above its ceiling",
    { entries: { "liabilities:limited": -11n, "assets:other": 11n } },
    /account_state_ceiling/,
  ],
  [
    "a floor above the balance",
    { set: { "assets:plain": "floor_minor = 6, $changed" } },
    /account_state_floor/,
  ],
  [
    "a ceiling below the balance",
    { set: { "assets:plain": "ceiling_minor = 4, $changed" } },
    /account_state_ceiling/,
  ],
  [
    "a hold that takes below the floor",
    { set: { "assets:limited": "credits_pending_minor = 1" } },
    /account_state_floor/,
  ],
  [
    "a hold that may add above the ceiling",
    { set: { "assets:limited": "debits_pending_minor = 11" } },
    /account_state_ceiling/,
  ],
  [
    "less than nothing that is pending to be debited",
    { set: { "assets:plain": "debits_pending_minor = -1" } },
    /debits_pending_minor_check|out of range/,
  ],
  [
    "less than nothing that is pending to be credited",
    { set: { "assets:plain": "credits_pending_minor = -1" } },
    /credits_pending_minor_check|out of range/,
  ],
  [
    "debits that leave bigint with what is pending",
    { set: { "assets:plain": "debits_pending_minor = 9223372036854775803" } },
    /account_state_check/,
  ],
  [
    "credits that leave bigint with what is pending",
    { set: { "assets:other": "credits_pending_minor = 9223372036854775803" } },
    /account_state_check/,
  ],
  [
    "an account that grows to the other side",
    { set: { "assets:limited": "grows_by_debits = false" } },
    /is not its last entry/,
  ],
  [
    "a status that is none",
    { set: { "assets:plain": "status = 'gone', $changed" } },
    /status_check/,
  ],
  [
    "an entry on a frozen account",
    { entries: { "assets:frozen": 7n, "assets:other": -7n } },
    /account that takes none/,
  ],
  [
    "an entry on a closed account",
    { entries: { "assets:closed": 7n, "assets:other": -7n } },
    /account_state_closed/,
  ],
  [
    "entries on a closed account that leave it empty",
    { entries: { "assets:closed": 0n } },
    /account that takes none/,
  ],
  [
    "an entry on an account that the same batch froze before it",
    {
      facts: [updated, "bursar.ledger.v1.TransactionPosted"],
      entries: { "assets:plain": 7n, "assets:other": -7n },
      set: { "assets:plain": "status = 'frozen', changed_sequence = $first" },
    },
    /account that takes none/,
  ],
  [
    "a close of what holds money",
    { set: { "assets:plain": "status = 'closed', $changed" } },
    /account_state_closed/,
  ],
  [
    "a closed account that is open again",
    { set: { "assets:closed": "status = 'open', $changed" } },
    /closed for ever/,
  ],
  [
    "limits of a closed account",
    { set: { "assets:closed": "floor_minor = 0, $changed" } },
    /closed for ever/,
  ],
  ["a freeze without a fact", { set: { "assets:plain": "status = 'frozen'" } }, /by no fact/],
  ["limits without a fact", { set: { "assets:plain": "floor_minor = 0" } }, /by no fact/],
  [
    "a limit lifted without a fact",
    { set: { "assets:limited": "floor_minor = null" } },
    /by no fact/,
  ],
  [
    "a change by another fact",
    {
      facts: ["bursar.ledger.v1.RequestRefused"],
      set: { "assets:plain": "status = 'frozen', $changed" },
    },
    /by no fact/,
  ],
  [
    "a change by the fact of an earlier batch",
    {
      set: {
        "assets:plain": `status = 'frozen', changed_sequence = (
          select max(sequence) from journal where subject = '${updated}')`,
      },
    },
    /by no fact/,
  ],
])("refuses %s", async (_, change, message) => {
  await expect(attempt(change)).rejects.toThrow(message);
});

test("refuses an account that is frozen from the beginning by no fact", async () => {
  const opened = owner`
    with opened as (
      insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
      select id, 'late:a', 'USD', 'asset', 1, now() from ledger returning account_id
    )
    insert into account_state (account_id, debits_minor, credits_minor, version, sequence,
      grows_by_debits, status)
    select account_id, 0, 0, 0, 1, true, 'frozen' from opened
  `;
  await expect(opened).rejects.toThrow(/by no fact/);
});

test.each([
  ["of another ledger", "ledger_id = ledger_id + 1"],
  ["under another code", "account_code = 'assets:other'"],
  ["in another asset", "asset_code = 'EUR'"],
  ["of no account", "account_id = 999"],
])("refuses a note %s", async (_, change) => {
  const moved = owner.unsafe(`update account_note set ${change}`);
  await expect(moved).rejects.toThrow(/is not on account/);
});

test("a note's key appears once on an account, and says something", async () => {
  const again = owner`insert into account_note select * from account_note limit 1`;
  await expect(again).rejects.toThrow(/duplicate key/);
  await expect(owner`update account_note set key = ''`).rejects.toThrow(/check constraint/);
  const emptied = database.pool`truncate account_note`;
  await expect(emptied).rejects.toThrow(/permission denied/);
});

test("the books are sound after all these attempts", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Attempt = {
  /** By account: positive is a debit; zero: a debit and a credit of one. */
  entries?: Record<string, bigint>;
  /** Subjects, in the place of those that the rest asks for. */
  facts?: string[];
  /** By account: columns; `$changed` names the fact of the batch. */
  set?: Record<string, string>;
};

class Undo extends Error {}

/** Writes a batch in one statement, as the service does, and rolls back. */
async function attempt({ entries = {}, facts, set = {} }: Attempt): Promise<"accepted"> {
  const posts = Object.keys(entries).length > 0;
  const subjects = facts ?? [posts ? "bursar.ledger.v1.TransactionPosted" : updated];
  const [head] = await owner<{ id: bigint; sequence: bigint }[]>`
    select id, head_sequence as sequence from ledger
  `;
  const { id } = head!;
  const first = head!.sequence + 1n;
  const last = head!.sequence + BigInt(subjects.length);
  const legs = Object.entries(entries).flatMap(([code, amount]): [string, bigint][] => {
    return amount === 0n
      ? [
          [code, 1n],
          [code, -1n],
        ]
      : [[code, amount]];
  });
  const hash = "decode(repeat('09', 32), 'hex')";
  const rows = subjects.map((subject, n) => `(${id}, ${first + BigInt(n)}, '${subject}', '')`);
  const parts = [
    `insert into journal values ${rows.join()}`,
    `insert into batch select id, ${first}, ${last}, '2100-01-01', 'sha256', 1, head_hash, ${hash}
      from ledger`,
    ...(posts
      ? [
          `insert into transaction values (${id}, ${last}, ${legs.length}, now(), now())`,
          ...legs.map((leg, place) => entryText(leg, legs.slice(0, place), last)),
        ]
      : []),
    ...[...new Set([...Object.keys(entries), ...Object.keys(set)])].map((code) => {
      const own = legs.filter((leg) => leg[0] === code);
      const columns = set[code]?.replace("$changed", `changed_sequence = ${last}`);
      return stateText(code, own, last, columns?.replace("$first", String(first)));
    }),
  ];
  const text = parts.map((part, place) => `part_${place} as (${part})`).join();
  try {
    await owner.begin(async (tx) => {
      await tx.unsafe(`with ${text}
        update ledger set head_sequence = ${last}, head_hash = ${hash},
          recorded_time = '2100-01-01'`);
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}

type Leg = readonly [code: string, amount: bigint];

function entryText([code, amount]: Leg, before: readonly Leg[], sequence: bigint): string {
  const own = before.filter((leg) => leg[0] === code);
  const { debits, credits } = totalsOf([...own, [code, amount]]);
  return `insert into entry select account_id, version + ${own.length + 1}, ${sequence}, ${amount},
    debits_minor + ${debits}, credits_minor + ${credits}, now(), now() ${ofAccount(code)}`;
}

function stateText(code: string, legs: readonly Leg[], sequence: bigint, columns?: string): string {
  const { debits, credits } = totalsOf(legs);
  const posted =
    legs.length === 0
      ? []
      : [
          `version = version + ${legs.length}, sequence = ${sequence},
            debits_minor = debits_minor + ${debits}, credits_minor = credits_minor + ${credits},
            effective_time_max = now()`,
        ];
  return `update account_state set ${[...posted, ...(columns ? [columns] : [])].join()}
    where account_id = (select account_id ${ofAccount(code)})`;
}

function totalsOf(legs: readonly Leg[]) {
  let debits = 0n;
  let credits = 0n;
  for (const [, amount] of legs) {
    if (amount > 0n) debits += amount;
    else credits -= amount;
  }
  return { debits, credits };
}

function ofAccount(code: string): string {
  return `from account join account_state using (account_id)
    where account_code = '${code}' and asset_code = 'USD'`;
}

function updating(accountCode: string, change: AccountUpdate["change"]): Command {
  const account = { accountCode, assetCode: "USD" };
  const update = { account, change, expectedChangedSequence: 0n, description: "" };
  const idempotencyKey = `${change.what} ${accountCode}`;
  return { kind: "update-account", idempotencyKey, digest: digestAccountUpdate(update), ...update };
}
