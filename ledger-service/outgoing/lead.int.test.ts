import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openPool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { ledgerEvents } from "../journal.ts";
import {
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { publishedUpTo, relayOf } from "../testing/relay.ts";

test.each<[string, string, string]>([
  [
    "whose publishing failed",
    "alter table relay_position rename to away",
    "alter table away rename to relay_position",
  ],
  [
    "that could not even unlock",
    `alter table relay_position rename to away;
     revoke execute on function pg_advisory_unlock(bigint) from public`,
    "alter table away rename to relay_position",
  ],
])("a leader %s leaves nothing locked in its pool", async (_, damage, repair) => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await using intruder = superuser(database);
  await using other = anotherPool(database);
  await intruder.pool.unsafe(damage);
  {
    await using _first = relayOf(other.pool, broker.broker);
    await sleep(300);
  }
  // The pool of the first is still open, as in a process that lives on.
  await intruder.pool.unsafe(repair);
  expect(await countLocks(database)).toBe(0);
  await using _second = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence);
});

test("a leader that is cut off from the broker leaves the lead to one that is not", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await using other = anotherPool(database);
  const options = {
    name: "cut-off",
    ...{ events: ledgerEvents, log: silentLog(), metrics: createMetrics("test") },
  };
  const cutOff = openBroker({ ...options, url: broker.url });
  await using _first = relayOf(other.pool, cutOff);
  await publishedUpTo(database.pool, preparedSequence);
  await using _second = relayOf(database.pool, broker.broker);
  await cutOff[Symbol.asyncDispose]();
  await submit(poster, sale("after", 1n));
  await publishedUpTo(database.pool, preparedSequence + 1n);
});

test("who has no broker does not ask for the lead", async () => {
  await using database = await openLedgerDatabase();
  const options = {
    name: "absent",
    ...{ events: ledgerEvents, log: silentLog(), metrics: createMetrics("test") },
  };
  await using absent = openBroker({ ...options, url: "nats://127.0.0.1:1" });
  await using _relay = relayOf(database.pool, absent);
  for (let look = 0; look < 10; look++) {
    expect(await countLocks(database)).toBe(0);
    await sleep(50);
  }
});

function anotherPool({ url }: TestDatabase) {
  return disposable(
    openPool({ url, schema: "ledger", connectionsMax: 2, applicationName: "other" }),
  );
}

function superuser({ superUrl: url }: TestDatabase) {
  return disposable(
    openPool({ url, schema: "ledger", connectionsMax: 1, applicationName: "intruder" }),
  );
}

function disposable(pool: ReturnType<typeof openPool>) {
  return { pool, [Symbol.asyncDispose]: () => pool.end({ timeout: 5 }) };
}

async function countLocks({ pool }: TestDatabase): Promise<number> {
  const [row] = await pool<{ count: number }[]>`
    select count(*)::int as count from pg_locks
    where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
  `;
  return row?.count ?? 0;
}
