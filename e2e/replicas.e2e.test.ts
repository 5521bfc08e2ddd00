// Three processes of the ledger on one database, with one broker, under the load of callers and of a
// provider. What they write together is held against the reference model: one dense sequence, one
// chain, nothing doubled. One of them is stopped while it holds the lock of a ledger's head: the
// database takes the lock from it, the others go on, and what it was about to write fails.

import { readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type House, openHouse } from "#dev/house.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { createChance, seedFrom } from "./chance.ts";
import { makeFolder } from "./folder.ts";
import { openModelClients } from "./model/clients.ts";
import { openProvider } from "./model/provider.ts";
import { createRun, expectSound, playRound, prepare, type RoundOptions } from "./model/run.ts";
import { createReplica, type Replica } from "./replica.ts";

const operations = Number(process.env["REPLICAS_OPERATIONS"]) || 12_000;
const idleMs = 2_000;
const ledgerIds = ["shared-a", "shared-b"];

test("three replicas keep one sequence, also while one of them is stopped with the lock", {
  timeout: 240_000,
}, async () => {
  const seed = seedFrom("MODEL_SEED");
  console.log(`MODEL_SEED=${seed} REPLICAS_OPERATIONS=${operations}`);
  const chance = createChance(seed);
  const folder = makeFolder("replicas");
  {
    await using stack = new AsyncDisposableStack();
    const house = stack.use(await openHouse({ folder, logLevel: "warn", starts: [] }));
    const env = { DATABASE_IDLE_IN_TRANSACTION_MS: String(idleMs) };
    const replicas: Replica[] = [];
    for (const place of [0, 1, 2]) {
      replicas.push(stack.use(await createReplica(house, place, env)));
      await replicas[place]!.start();
    }
    const urls = replicas.map(({ url }) => url);
    const clients = openModelClients(house, urls, stack);
    const provider = stack.use(await openProvider(house.natsUrl));
    const sql = openPool({ url: house.databaseUrl, connectionsMax: 1 });
    stack.defer(() => sql.end({ timeout: 1 }));

    const run = createRun(ledgerIds);
    const options = { clients, chance, callers: 24, operations: operations / 2 };
    await prepare(run, { ...options, calm: true });
    const report = (rounds: Parameters<NonNullable<RoundOptions["beside"]>>[1]) =>
      provider.report({ chance, rounds, count: operations / 20 });
    await playRound(run, { ...options, calm: true, beside: (_, rounds) => report(rounds) });
    const batches = await Promise.all(replicas.map((replica) => batchesOf(replica, house)));
    expect(Math.min(...batches)).toBeGreaterThan(10);

    let overtaken = 0;
    const beside: RoundOptions["beside"] = async (_, rounds) => {
      const reporting = report(rounds);
      const zombie = replicas[0]!;
      const session = await stopWithLock(sql, zombie);
      // The database ends the session; only then does anybody else get the lock.
      while (await isThere(sql, session)) await sleep(50);
      const before = run.operations;
      while (run.operations < before + 200) await sleep(20);
      overtaken = run.operations - before;
      zombie.kill("SIGCONT");
      await reporting;
    };
    await playRound(run, { ...options, calm: false, beside });
    expect(overtaken).toBeGreaterThanOrEqual(200);
    const log = readFileSync(join(folder, "logs", "postgres.log"), "utf8");
    expect(log).toContain("terminating connection due to idle-in-transaction timeout");

    for (const ledgerId of ledgerIds) await expectSound(clients, ledgerId);
    console.log(`${run.operations} operations, ${run.facts} facts by three replicas`);
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Stops it until it is found holding what others wait for; answers its session's process id. */
async function stopWithLock(sql: Pool, replica: Replica): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt++) {
    replica.kill("SIGSTOP");
    await sleep(60);
    const [held] = await sql<{ pid: number }[]>`
      select holder.pid
      from pg_stat_activity holder
      where holder.state = 'idle in transaction'
        and clock_timestamp() - holder.state_change > interval '50 ms'
        and exists (
          select from pg_stat_activity waiter where holder.pid = any(pg_blocking_pids(waiter.pid)))
      limit 1
    `;
    if (held) return held.pid;
    replica.kill("SIGCONT");
    await sleep(5 + Math.random() * 40);
  }
  throw new Error("the replica was never stopped while it held a lock");
}

async function isThere(sql: Pool, pid: number): Promise<boolean> {
  const [row] = await sql`select from pg_stat_activity where pid = ${pid}`;
  return row !== undefined;
}

/** How many batches of callers' requests it has written. */
async function batchesOf({ url }: Replica, { provision }: House): Promise<number> {
  const { caFile, certFile, keyFile } = provision.tls.dev;
  const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/metrics`, { ca, cert, key }, resolve).on("error", reject);
  });
  const found = /^bursar_ledger_batch_requests_count(?:\{.*\})? (\d+)$/m.exec(await text(answer));
  return Number(found?.[1] ?? 0);
}
