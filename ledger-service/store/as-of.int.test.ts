import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Poster } from "../poster.ts";
import type { Side, Time } from "../rules/records.ts";
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
import { type AsOf, balanceAsOf, balancesAfter, listEntries } from "./as-of.ts";
import { lateAccounts, takeLateStep } from "./late-entries.ts";
import { timeOfMicros } from "./sql-arrays.ts";

const seed = Number(process.env["BURSAR_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = mulberry(seed);
console.log(`as of: BURSAR_TEST_SEED=${seed}`);

/** Transactions of each account: enough late ones for runs of three levels. */
const count = 4_600;
const firstSecond = 1_700_000_000;

type Known = { sequence: bigint; amountMinor: bigint; micros: bigint };
type Subject = { readonly code: string; accountId: bigint; readonly entries: Known[] };

/** How far before its place in time the nth transaction counts, in seconds. */
const habits: Record<string, (n: number) => number> = {
  "nothing backdated": () => 0,
  "one in a hundred backdated": (n) => (random() < 0.01 ? below(n) : 0),
  "every other backdated": (n) => (random() < 0.5 ? below(n) : 0),
  "everything in reverse": (n) => 2 * n,
  "all at the same time": (n) => n - 1,
};

let database: TestDatabase;
let poster: Poster;
const subjects = new Map<string, Subject>();

beforeAll(async () => {
  database = await openLedgerDatabase();
  poster = openPoster(database);
  await prepareLedger(poster);
  for (const [place, habit] of Object.keys(habits).entries()) {
    const code = `assets:subject-${place}`;
    await submit(poster, opening(code, "asset"));
    const [row] = await database.pool<{ id: bigint }[]>`
      select account_id as id from account where account_code = ${code}
    `;
    subjects.set(habit, { code, accountId: row!.id, entries: [] });
    await post(habit, count);
  }
});

afterAll(async () => {
  await poster[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

describe.each(Object.keys(habits))("%s", (habit) => {
  test("balances and entries of the past are exact without an index", () => compare(habit));

  test("they are exact while the index is made, and when it is complete", async () => {
    const { accountId } = subjects.get(habit)!;
    for (let step = 0; ; step++) {
      const more = await takeLateStep(database.pool, accountId, { runs: 5, rows: 1 });
      if (step % 12 === 1) await compare(habit, 10);
      if (!more) break;
    }
    await compare(habit);
  });

  test("they are exact for what came after the index", async () => {
    await post(habit, 150);
    await compare(habit);
    const { accountId } = subjects.get(habit)!;
    while (await takeLateStep(database.pool, accountId));
    await compare(habit);
  });

  test("the balances right after any fact are exact", async () => {
    const { code, entries } = subjects.get(habit)!;
    const account = { accountCode: code, assetCode: "USD" };
    const sequences = Array.from({ length: 40 }, () => entries[below(entries.length)]!.sequence);
    const moments = sequences.map((sequence) => ({ account, sequence }));
    const after = await balancesAfter(database.pool, ledgerId, moments);
    const expected = sequences.map((sequence) => {
      return totalsOf(subjects.get(habit)!, { sequence, effectiveTime: undefined });
    });
    expect(after.map(({ accountCode, assetCode, kind, ...totals }) => totals)).toEqual(expected);
  });
});

test("an account without entries held nothing, since it was opened", async () => {
  await submit(poster, opening("assets:empty", "asset"));
  const [row] = await database.pool<{ id: bigint; opened: bigint }[]>`
    select account_id as id, opened_sequence as opened from account
    where account_code = 'assets:empty'
  `;
  const nothing = { version: 0n, debitsMinor: 0n, creditsMinor: 0n, sequence: row!.opened };
  for (const asOf of [
    { sequence: undefined, effectiveTime: undefined },
    { sequence: 1n, effectiveTime: undefined },
    { sequence: undefined, effectiveTime: timeOfMicros(0n) },
  ]) {
    expect(await balanceAsOf(database.pool, row!.id, asOf)).toEqual(nothing);
  }
});

test("accounts with enough late entries are found for the index, and not again", async () => {
  await submit(poster, opening("assets:later", "asset"));
  const options = { after: 0n, entriesMin: 128, accountsMax: 100 };
  const due = async () => {
    const accounts = await lateAccounts(database.pool, options);
    return accounts.filter(({ isDue }) => isDue).map(({ accountId }) => accountId);
  };
  // The account at the other side of all of them.
  const [busy] = await due();
  expect(await due()).toEqual([busy]);
  while (await takeLateStep(database.pool, busy!));
  expect(await due()).toEqual([]);
});

async function post(habit: string, transactions: number): Promise<void> {
  const subject = subjects.get(habit)!;
  const drafts = Array.from({ length: transactions }, (_, place) => {
    const n = subject.entries.length + place + 1;
    const side: Side = random() < 0.7 ? "debit" : "credit";
    // Some times are equal, some differ by less than is kept.
    const micros = random() < 0.8 ? 0 : below(3);
    const nanos = micros * 1_000 + below(1_000);
    const seconds = BigInt(firstSecond + n - habits[habit]!(n));
    return { n, side, amountMinor: BigInt(1 + below(1_000)), effectiveTime: { seconds, nanos } };
  });
  const other = (side: Side): Side => (side === "debit" ? "credit" : "debit");
  for (let from = 0; from < drafts.length; from += 500) {
    const part = drafts.slice(from, from + 500);
    const commands = part.map(({ n, side, amountMinor, effectiveTime }) => {
      const entries = [
        entry(side, subject.code, amountMinor),
        entry(other(side), "assets:cash", amountMinor),
      ];
      return posting(`${subject.code} ${n}`, entries, { effectiveTime });
    });
    const answers = await submit(poster, ...commands);
    for (const [place, answer] of answers.entries()) {
      if (answer.kind !== "written") throw new Error(`not posted: ${answer.kind}`);
      const { side, amountMinor: amount, effectiveTime } = part[place]!;
      const amountMinor = side === "debit" ? amount : -amount;
      const micros = microsOf(effectiveTime);
      subject.entries.push({ sequence: answer.row.sequence, amountMinor, micros });
    }
  }
}

async function compare(habit: string, times = 40): Promise<void> {
  const subject = subjects.get(habit)!;
  const { pool } = database;
  for (let n = 0; n < times; n++) {
    const asOf = asOfAmong(subject.entries);
    const label = `seed ${seed}, ${habit}, ${inspect(asOf)}`;
    const found = await balanceAsOf(pool, subject.accountId, asOf).catch((cause) => {
      throw new Error(label, { cause });
    });
    expect(found, label).toEqual(totalsOf(subject, asOf));

    const from = random() < 0.5 ? 0 : below(subject.entries.length);
    const after = BigInt(from);
    const limit = 1 + below(200);
    const rows = await listEntries(pool, subject.accountId, { asOf, after, limit });
    const expected = versionsOf(subject, asOf).filter((version) => version > after);
    expect(
      rows.map(({ version }) => version),
      `${label} after ${after}`,
    ).toEqual(expected.slice(0, limit));
  }
}

function asOfAmong(entries: readonly Known[]): AsOf {
  const sequence = random() < 0.3 ? undefined : entries[below(entries.length)]!.sequence;
  if (random() < 0.1) return { sequence, effectiveTime: undefined };
  const { micros } = entries[below(entries.length)]!;
  const step = BigInt([-1, 0, 0, 1, -1_000_000, 86_400_000_000][below(6)]!);
  const { seconds, nanos } = timeOfMicros(micros + step);
  return { sequence, effectiveTime: { seconds, nanos: nanos + below(1_000) } };
}

function totalsOf(subject: Subject, asOf: AsOf) {
  const counted = versionsOf(subject, asOf).map((version) => subject.entries[Number(version) - 1]!);
  const sum = (amounts: readonly bigint[]) => amounts.reduce((a, b) => a + b, 0n);
  const amounts = counted.map(({ amountMinor }) => amountMinor);
  return {
    version: BigInt(counted.length),
    debitsMinor: sum(amounts.filter((amount) => amount > 0n)),
    creditsMinor: -sum(amounts.filter((amount) => amount < 0n)),
    sequence: counted.at(-1)?.sequence ?? expect.any(BigInt),
  };
}

function versionsOf({ entries }: Subject, { sequence, effectiveTime }: AsOf): bigint[] {
  const until = effectiveTime && microsOf(effectiveTime);
  return entries.flatMap((known, place) => {
    const isKnown = sequence === undefined || known.sequence <= sequence;
    const counts = until === undefined || known.micros <= until;
    return isKnown && counts ? [BigInt(place + 1)] : [];
  });
}

function microsOf({ seconds, nanos }: Time): bigint {
  return seconds * 1_000_000n + BigInt(Math.trunc(nanos / 1_000));
}

function below(bound: number): number {
  return Math.floor(random() * bound);
}

function mulberry(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
