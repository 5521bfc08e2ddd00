import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool } from "#mesh/database/pool.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";
import { balanceAsOf } from "../store/as-of.ts";
import { takeLateStep } from "../store/late-entries.ts";
import { openPoster, sale, submit } from "../testing/ledger.ts";

const migrations = new URL("./", import.meta.url);
const transactions = 200;

test("entries that are older than their effective times count when their transactions do", async () => {
  using folder = oldMigrations(["0001_ledger", "0002_invariants", "0003_traceparent"]);
  await using database = await openTestDatabase({ schema: "ledger", migrations: folder.url });
  const { ownerUrl: url } = database;
  const owner = openPool({ url, schema: "ledger", connectionsMax: 1 });
  await owner.unsafe(oldBooks);
  await owner.end();
  await migrate({ url, schema: "ledger", migrations, log: silentLog() });

  const { pool } = database;
  const [wrong] = await pool<{ count: number }[]>`
    select count(*)::int as count
    from entry
    join account using (account_id)
    join transaction using (ledger_id, sequence)
    where entry.effective_time <> transaction.effective_time
      or entry.effective_time_max <> (
        select max(earlier.effective_time) from entry earlier
        where earlier.account_id = entry.account_id and earlier.version <= entry.version)
  `;
  expect(wrong?.count).toBe(0);
  const [cash, sales] = await pool<{ accountId: bigint; isLast: boolean }[]>`
    select account_id as "accountId", effective_time_max = (
        select max(effective_time) from entry where entry.account_id = state.account_id
      ) as "isLast"
    from account_state state where version > 0 order by account_id
  `;
  expect([cash?.isLast, sales?.isLast]).toEqual([true, true]);

  // They are indexed as newer ones are, and newer ones continue them.
  while (await takeLateStep(pool, cash!.accountId));
  await using poster = openPoster(database);
  const [answer] = await submit(poster, sale("new", 1_000n));
  expect(answer?.kind).toBe("written");
  const effectiveTime = { seconds: 1_600_000_050n, nanos: 0 };
  for (const sequence of [undefined, 100n]) {
    const [oracle] = await pool<{ version: bigint; debitsMinor: bigint }[]>`
      select count(*) as version, sum(amount_minor)::bigint as "debitsMinor" from entry
      where account_id = ${cash!.accountId} and effective_time <= to_timestamp(1600000050)
        and sequence <= coalesce(${sequence ?? null}::bigint, sequence)
    `;
    const found = await balanceAsOf(pool, cash!.accountId, { sequence, effectiveTime });
    expect(found).toMatchObject({ ...oracle, creditsMinor: 0n });
  }
});

/** One batch, as the first release wrote it: every third transaction counts long before. */
const oldBooks = `
  insert into ledger (ledger_code) values ('main');
  insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
  select id, code, 'USD', kind, opened, now()
  from ledger, (values ('assets:cash', 'asset', 3), ('income:sales', 'income', 4))
    as opened (code, kind, opened);
  with head as (select id from ledger),
  sale as (
    select sequence, sequence - 4 as version, 5 * (sequence - 4) as total,
      to_timestamp(1600000000
        + case when sequence % 3 = 0 then sequence / 3 else 2 * sequence end) as counts
    from generate_series(5, ${transactions}) sequence
  ), a as (
    insert into journal
    select id, sequence, case when sequence < 5 then 'x.Y'
      else 'bursar.ledger.v1.TransactionPosted' end, ''
    from head, generate_series(1, ${transactions}) sequence
  ), b as (
    insert into batch
    select id, 1, ${transactions}, now(), 'sha256', 1, decode(repeat('00', 32), 'hex'),
      decode(repeat('07', 32), 'hex')
    from head
  ), c as (
    insert into asset select id, 'USD', 2, 2, 5 * (${transactions} - 4) from head
  ), d as (
    insert into transaction select id, sequence, 2, counts, now(), null, null from head, sale
  ), e as (
    insert into entry
    select account_id, version, sequence, case kind when 'asset' then 5 else -5 end,
      case kind when 'asset' then total else 0 end, case kind when 'asset' then 0 else total end
    from sale, account
  ), f as (
    insert into account_state
    select account_id, case kind when 'asset' then total else 0 end,
      case kind when 'asset' then 0 else total end, version, sequence
    from sale, account where sequence = ${transactions}
  )
  update ledger set head_sequence = ${transactions}, recorded_time = now(),
    head_hash = decode(repeat('07', 32), 'hex');
`;

function oldMigrations(names: readonly string[]) {
  const path = mkdtempSync(join(tmpdir(), "old-migrations-"));
  for (const name of names) {
    copyFileSync(new URL(`${name}.sql`, migrations), join(path, `${name}.sql`));
  }
  const url = pathToFileURL(`${path}/`);
  return { url, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
