// The ledger beside a reference model: callers ask for everything that can be asked, many at a time,
// while the service and Postgres are killed with -9. The journal tells the order; executed in it, the
// model must say the same as every fact, every answer and every balance. MODEL_SEED repeats what is
// asked, MODEL_OPERATIONS sets how much.

import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type House, openHouse, type ProcessName } from "#dev/house.ts";
import { urlAs } from "#dev/postgres.ts";
import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { verifyLedger } from "../ledger-service/verify.ts";
import { createChance, seedFrom } from "./chance.ts";
import { makeFolder } from "./folder.ts";
import type { Clients } from "./model/ask.ts";
import { createRun, nowhere, playRound, prepare } from "./model/run.ts";

const operations = Number(process.env["MODEL_OPERATIONS"]) || 100_000;
const callers = Number(process.env["MODEL_CALLERS"]) || 24;
const kills = process.env["MODEL_KILLS"] !== "0";
const rounds = 5;
const killsARound = 3;
const ledgerIds = ["model-a", "model-b", "model-c"];

test(`service and model agree over ${operations} operations`, {
  timeout: 120_000 + operations * 5,
}, async () => {
  const seed = seedFrom("MODEL_SEED");
  console.log(`MODEL_SEED=${seed} MODEL_OPERATIONS=${operations}`);
  const chance = createChance(seed);
  const folder = makeFolder("model");
  {
    await using stack = new AsyncDisposableStack();
    const house = stack.use(
      await openHouse({ folder, logLevel: "warn", starts: ["ledger-service"] }),
    );
    const clients = openClients(house, stack);
    const role = "ledger_runtime";
    const url = urlAs(house.databaseUrl, role, house.provision.passwordOf(role));
    const pool = openPool({ url, connectionsMax: 2, schema: "ledger", applicationName: "model" });
    stack.defer(() => pool.end({ timeout: 1 }));

    const run = createRun([...ledgerIds, nowhere]);
    const options = { clients, pool, chance, callers, operations: operations / rounds };
    const startMs = performance.now();
    await prepare(run, { ...options, calm: true });
    for (let round = 0; round < rounds; round++) {
      const calm = !kills || round === 0;
      const killed: string[] = [];
      const first = run.operations;
      const beside = async (over: AbortSignal) => {
        if (calm) return;
        const moments = Array.from(
          { length: killsARound },
          (_, n) => (n + Math.random()) / killsARound,
        );
        for (const moment of moments) {
          const until = first + moment * options.operations;
          while (!over.aborted && run.operations < until) await sleep(10);
          const victim = chance.pick(victims);
          if (house.process(victim).kill("SIGKILL")) killed.push(victim);
        }
      };
      await playRound(run, { ...options, calm, beside });
      const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
      console.log(
        `${run.operations} operations, ${run.facts} facts, ${seconds} s; killed: ${killed.join(" ")}`,
      );
    }
    for (const ledgerId of ledgerIds) expect(await verifyLedger(pool, ledgerId)).toEqual([]);
    const { refusals, replayed } = run.tally;
    const counts = [...refusals].sort(([, a], [, b]) => b - a);
    console.log(`replayed: ${replayed}; ${counts.map(([name, n]) => `${name}: ${n}`).join(", ")}`);
    expect(run.operations).toBeGreaterThanOrEqual(operations);
  }
  rmSync(folder, { recursive: true, force: true });
});

function openClients(house: House, stack: AsyncDisposableStack): Clients {
  const tls = house.provision.tls.dev;
  const options = { url: house.urls.ledger, tls, timeoutMs: 15_000 };
  return {
    ledger: stack.use(openClient(LedgerService, options)).rpc,
    holds: stack.use(openClient(HoldService, options)).rpc,
    audit: stack.use(openClient(AuditService, options)).rpc,
  };
}

const victims: readonly ProcessName[] = ["ledger-service", "postgres"];
