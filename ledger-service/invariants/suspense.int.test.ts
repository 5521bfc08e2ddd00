// Tries to break closed periods and suspense with plain SQL, as the owner of the books. Each attempt
// differs in one thing from a write that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool, type Tx } from "#mesh/database/pool.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Command } from "../rules/commands.ts";
import { report } from "../testing/facts.ts";
import {
  entry,
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  posting,
  submit,
} from "../testing/ledger.ts";
import { succeeded } from "../testing/payments.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;
const closedUntil = "2020-01-01T00:00:00Z";
const sales = { accountCode: "income:sales", assetCode: "USD" };

/** Sales are frozen, so one payment stands in suspense and one was released; 2019 is closed. */
beforeAll(async () => {
  database = await openLedgerDatabase();
  const { pool } = database;
  await using poster = openPoster(database);
  await report(pool, [succeeded("pi_1", 100n)]);
  await submit(poster, freeze("freeze", "freeze"));
  await report(pool, [succeeded("pi_2", 7n), succeeded("pi_3", 7n)]);
  await submit(poster, freeze("unfreeze", "unfreeze"));
  const [item] = await pool<{ sequence: bigint }[]>`
    select min(sequence) as sequence from suspense_item
  `;
  await submit(
    poster,
    {
      kind: "release-suspense",
      idempotencyKey: "release",
      digest: "00".repeat(32),
      entry: { sequence: item!.sequence, entryIndex: 1 },
      account: undefined,
      description: "",
      effectiveTime: undefined,
    },
    {
      kind: "close-period",
      idempotencyKey: "2019",
      digest: "00".repeat(32),
      endTime: { seconds: 1_577_836_800n, nanos: 0 },
      description: "",
    },
  );
  // A caller's, who may write there, too: nobody has to release it.
  const legs = [
    entry("debit", "assets:stripe:clearing", 3n),
    entry("credit", "liabilities:suspense", 3n),
  ];
  await submit(
    poster,
    { kind: "register-asset", assetCode: "EUR", scale: 2 },
    opening("income:sales", "income", "EUR"),
    posting("by a caller", legs),
  );
  const options = { schema: "ledger", connectionsMax: 1, applicationName: "owner" };
  owner = openPool({ url: database.ownerUrl, ...options });
});

afterAll(async () => {
  await owner.end();
  await database[Symbol.asyncDispose]();
});

test("a period that follows, with the ledger closed up to its end, is accepted", async () => {
  await expect(closing({})).resolves.toBe("accepted");
});

test.each<[string, Partial<Closing>, RegExp]>([
  ["a period that the journal does not have", { subject: "x.Y" }, /does not continue/],
  ["a period that ends with the one before it", { end: closedUntil }, /does not continue/],
  ["a period that ends before", { end: "2019-01-01T00:00:00Z" }, /does not continue/],
  ["a period that ends in the future", { end: "2100-01-02T00:00:00Z" }, /check constraint/],
  ["a period without an end", { end: "infinity" }, /check constraint/],
  ["a period of another time", { close: "2100-01-01T00:00:01Z" }, /does not continue/],
  ["a period of an earlier batch", { step: 0n }, /does not continue/],
  ["a period of a fact to come", { step: 2n }, /does not continue/],
  ["a ledger that is closed up to less", { closed: closedUntil }, /does not continue/],
  ["a ledger that is closed up to more", { closed: "2030-01-01T00:00:00Z" }, /not closed up to/],
])("refuses %s", async (_, change, message) => {
  await expect(closing(change)).rejects.toThrow(message);
});

test.each(["null", "'2019-12-31'", "'2020-01-02'"])(
  "refuses a ledger whose closed time is changed by hand to %s",
  async (time) => {
    await expect(owner.unsafe(`update ledger set closed_time = ${time}`)).rejects.toThrow(
      /not closed up to/,
    );
  },
);

test("refuses a new ledger that is closed by nobody", async () => {
  const closed = owner`insert into ledger (ledger_code, closed_time) values ('x', now())`;
  await expect(closed).rejects.toThrow(/not closed up to/);
});

test.each<[string, Partial<Posting>, RegExp | undefined]>([
  ["at the end of the last period", { effective: closedUntil }, undefined],
  [
    "a microsecond before it",
    { effective: "2019-12-31T23:59:59.999999Z" },
    /counts before .* closed/,
  ],
  ["long before it", { effective: "1999-01-01T00:00:00Z" }, /counts before .* closed/],
  [
    "before a period that the same batch closes later",
    { effective: closedUntil, period: { step: 2n, end: "2021-01-01T00:00:00Z" } },
    undefined,
  ],
  [
    "in a period that the same batch has closed",
    { effective: closedUntil, step: 2n, period: { step: 1n, end: "2021-01-01T00:00:00Z" } },
    /counts before .* closed/,
  ],
])("a transaction %s", async (_, change, message) => {
  const written = attempt(change);
  if (message) await expect(written).rejects.toThrow(message);
  else await expect(written).resolves.toBe("accepted");
});

const put = {
  sequence: "head + 1",
  entry_index: "1",
  account_id: "sales",
  suspense_account_id: "suspense",
  suspense_version: "version + 1",
  reason: "'account-frozen'",
};

test.each<[string, Partial<typeof put>, RegExp | undefined]>([
  ["as it stands", {}, undefined],
  ["of another entry", { suspense_version: "version" }, /not in suspense as it says/],
  ["of no entry", { suspense_version: "version + 2" }, /not in suspense as it says/],
  ["of another transaction", { sequence: "head" }, /not in suspense as it says/],
  [
    "of an earlier batch",
    { sequence: "head", suspense_version: "version" },
    /not in suspense as it says/,
  ],
  ["beyond the transaction's entries", { entry_index: "2" }, /not in suspense as it says/],
  ["before them", { entry_index: "-1" }, /check constraint/],
  ["of an account of another asset", { account_id: "euros" }, /not in suspense as it says/],
  ["of no account", { account_id: "0" }, /not in suspense as it says/],
  ["of the suspense account itself", { account_id: "suspense" }, /check constraint/],
  [
    "on another account than suspense",
    { suspense_account_id: "clearing", suspense_version: "clearing_version + 1" },
    /not in suspense as it says/,
  ],
  ["for no known reason", { reason: "'unbalanced'" }, /check constraint/],
])("an item %s", async (_, change, message) => {
  const columns = { ...put, ...change };
  const insert = `insert into suspense_item (ledger_id, ${Object.keys(columns)})
    select id, ${Object.values(columns)} from known`;
  const written = attempt({ items: insert });
  if (message) await expect(written).rejects.toThrow(message);
  else await expect(written).resolves.toBe("accepted");
});

const take = { released_sequence: "head + 1", released_version: "version + 1" };
const releasing: Partial<Posting> = { debit: "liabilities:suspense", credit: "income:sales" };

test.each<[string, Partial<typeof take & Record<string, string>>, Partial<Posting>, RegExp?]>([
  ["the whole of it", {}, {}],
  ["less, as the last of it", {}, { amount: 6n }],
  ["more than it", {}, { amount: 8n }, /not in suspense as it says/],
  ["by what adds to it", {}, { ...putting() }, /not in suspense as it says/],
  ["by another entry", { released_version: "version" }, {}, /not in suspense as it says/],
  ["by no entry", { released_version: "version + 2" }, {}, /not in suspense as it says/],
  ["by another transaction", { released_sequence: "head" }, {}, /not in suspense as it says/],
  ["by nothing", { released_sequence: "null" }, {}, /check constraint/],
  ["and its reason", { reason: "'period-closed'" }, {}, /released once/],
  ["and its account", { account_id: "clearing" }, {}, /released once/],
  ["and its place", { entry_index: "0" }, {}, /released once/],
])("a release takes %s", async (_, change, post, message) => {
  const set = Object.entries({ ...take, ...change }).map(([name, value]) => `${name} = ${value}`);
  const items = `update suspense_item set ${set} from known where released_sequence is null`;
  const written = attempt({ ...releasing, ...post, items });
  if (message) await expect(written).rejects.toThrow(message);
  else await expect(written).resolves.toBe("accepted");
});

test("refuses a release of what was released, and one that is taken back", async () => {
  const again = `update suspense_item set released_sequence = head + 1,
    released_version = version + 1 from known where released_sequence is not null`;
  await expect(attempt({ ...releasing, items: again })).rejects.toThrow(/released once/);
  const back = owner`update suspense_item set released_sequence = null, released_version = null`;
  await expect(back).rejects.toThrow(/released once/);
});

test("periods are append-only and items stay, even for their owner", async () => {
  for (const [table, statements] of Object.entries({
    period: ["update period set description = ''", "delete from period", "truncate period"],
    suspense_item: ["delete from suspense_item", "truncate suspense_item"],
  })) {
    const [first] = await owner.unsafe(`select * from ${table}`);
    expect(first, "an empty table would prove nothing").toBeDefined();
    for (const statement of statements) {
      await expect(owner.unsafe(statement), statement).rejects.toThrow(/append-only/);
      await expect(database.pool.unsafe(statement), statement).rejects.toThrow(/permission denied/);
    }
  }
});

test("the books are sound after all these attempts", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Closing = { subject: string; step: bigint; end: string; close: string; closed: string };

type Posting = {
  step: bigint;
  effective: string;
  debit: string;
  credit: string;
  amount: bigint;
  period: { step: bigint; end: string } | undefined;
  /** Writes to `suspense_item`. */
  items: string;
};

function putting() {
  return { debit: "assets:stripe:clearing", credit: "liabilities:suspense", amount: 7n };
}

const recorded = "2100-01-01T00:00:00Z";

function closing(change: Partial<Closing>): Promise<"accepted"> {
  const end = change.end ?? "2021-01-01T00:00:00Z";
  const { subject = "bursar.ledger.v1.PeriodClosed", step = 1n, close = recorded } = change;
  const closed = change.closed ?? end;
  return undone((tx) =>
    tx.unsafe(`
      with known as (select id, head_sequence as head, head_hash from ledger),
      a as (insert into journal (ledger_id, sequence, subject, data)
        select id, head + 1, '${subject}', '' from known),
      ${batchText(1n)},
      c as (insert into period select id, head + ${step}, '${end}', '${close}', '' from known)
      ${headText(1n, closed)}`),
  );
}

function attempt(change: Partial<Posting>): Promise<"accepted"> {
  return undone((tx) => tx.unsafe(postingText(change)));
}

/** One transaction of two entries, as the service writes it, with a period where one is asked for. */
function postingText(change: Partial<Posting>): string {
  const { step = 1n, effective = "2025-01-01T00:00:00Z", period, items } = change;
  const { debit, credit, amount } = { ...putting(), ...change };
  const last = period ? 2n : 1n;
  const facts = [`(${step}, 'TransactionPosted')`];
  if (period) facts.push(`(${period.step}, 'PeriodClosed')`);
  const leg = (code: string, minor: bigint, [debits, credits]: [bigint, bigint]) => `
    select account_id, account_state.version + 1, head + ${step}, ${minor},
      debits_minor + ${debits}, credits_minor + ${credits}, '${effective}'::timestamptz,
      greatest(effective_time_max, '${effective}') from account
    join account_state using (account_id) cross join known
    where account_code = '${code}' and asset_code = 'USD'`;
  const state = (code: string, [debits, credits]: [bigint, bigint]) => `
    update account_state set version = account_state.version + 1, sequence = head + ${step},
      debits_minor = debits_minor + ${debits}, credits_minor = credits_minor + ${credits},
      effective_time_max = greatest(effective_time_max, '${effective}')
    from account cross join known where account.account_id = account_state.account_id
      and account_code = '${code}' and asset_code = 'USD'`;
  const named = (code: string, asset = "USD") => `(select account_id from account
    where account_code = '${code}' and asset_code = '${asset}')`;
  const versionOf = (code: string) => `(select account_state.version from account_state
    where account_id = ${named(code)})`;
  return `
    with known as (select id, head_sequence as head, head_hash, ${named("income:sales")} as sales,
      ${named("liabilities:suspense")} as suspense, ${named("income:sales", "EUR")} as euros,
      ${named("assets:stripe:clearing")} as clearing,
      ${versionOf("liabilities:suspense")} as version,
      ${versionOf("assets:stripe:clearing")} as clearing_version from ledger),
    a as (insert into journal (ledger_id, sequence, subject, data)
      select id, head + step, 'bursar.ledger.v1.' || name, ''
      from known, (values ${facts}) as fact (step, name)),
    ${batchText(last)},
    c as (insert into transaction (ledger_id, sequence, legs, effective_time, recorded_time)
      select id, head + ${step}, 2, '${effective}', '${recorded}' from known),
    d as (insert into entry ${leg(debit, amount, [amount, 0n])}
      union all ${leg(credit, -amount, [0n, amount])}),
    e as (${state(debit, [amount, 0n])}),
    f as (${state(credit, [0n, amount])})
    ${items ? `, g as (${items})` : ""}
    ${
      period
        ? `, h as (insert into period
            select id, head + ${period.step}, '${period.end}', '${recorded}', '' from known)`
        : ""
    }
    ${headText(last, period?.end ?? closedUntil)}`;
}

const hash = "decode(repeat('09', 32), 'hex')";

function batchText(last: bigint): string {
  return `b as (insert into batch select id, head + 1, head + ${last}, '${recorded}', 'sha256', 1,
    head_hash, ${hash} from known)`;
}

function headText(last: bigint, closed: string): string {
  return `update ledger set head_sequence = head_sequence + ${last}, head_hash = ${hash},
    recorded_time = '${recorded}', closed_time = '${closed}'`;
}

class Undo extends Error {}

async function undone(write: (tx: Tx) => Promise<unknown>): Promise<"accepted"> {
  try {
    await owner.begin(async (tx) => {
      await write(tx);
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}

function freeze(idempotencyKey: string, what: "freeze" | "unfreeze"): Command {
  const change = { what } as const;
  const digest = "00".repeat(32);
  const common = { idempotencyKey, digest, account: sales, description: "" };
  return { kind: "update-account", change, expectedChangedSequence: 0n, ...common };
}
