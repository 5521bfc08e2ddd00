// The ledger beside a reference model: callers ask for everything that can be asked, many at a time,
// while the service and Postgres are killed with -9. The journal tells the order; executed in it, the
// model must say the same as every fact, every answer and every balance. MODEL_SEED repeats what is
// asked, MODEL_OPERATIONS sets how much.

import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openHouse, type ProcessName } from "#dev/house.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { createChance, seedFrom } from "./chance.ts";
import { makeFolder } from "./folder.ts";
import { openModelClients } from "./model/clients.ts";
import { openProvider } from "./model/provider.ts";
import {
  createRun,
  expectSound,
  nowhere,
  playRound,
  prepare,
  type RoundOptions,
} from "./model/run.ts";
import { reasonFromWire } from "./model/wire.ts";

const operations = Number(process.env["MODEL_OPERATIONS"]) || 100_000;
const callers = Number(process.env["MODEL_CALLERS"]) || 24;
const rounds = 5;
/** In every round but the first. */
const killsARound = Number(process.env["MODEL_KILLS"] ?? 1);
/** Every one of the contract's. */
const reasons = Object.values(Refusal)
  .filter((refusal) => refusal !== Refusal.UNSPECIFIED)
  .map(reasonFromWire);
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
    const clients = openModelClients(house, house.urls.ledger, stack);
    const provider = stack.use(await openProvider(house.natsUrl));

    const run = createRun([...ledgerIds, nowhere]);
    const options = { clients, chance, callers, operations: operations / rounds };
    const startMs = performance.now();
    await prepare(run, { ...options, calm: true });
    for (let round = 0; round < rounds; round++) {
      const calm = killsARound === 0 || round === 0;
      const killed: string[] = [];
      const first = run.operations;
      const beside: RoundOptions["beside"] = async (over, asked) => {
        const count = Math.ceil(options.operations / 100);
        const rounds = new Map([...asked].filter(([ledgerId]) => ledgerId !== nowhere));
        const reporting = provider.report({ chance: createChance(seed + round), rounds, count });
        if (calm) return reporting;
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
        await reporting;
      };
      await playRound(run, { ...options, calm, beside });
      const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
      console.log(
        `${run.operations} operations, ${run.facts} facts, ${seconds} s; killed: ${killed.join(" ")}`,
      );
    }
    for (const ledgerId of ledgerIds) await expectSound(clients, ledgerId);
    const { refusals, replayed } = run.tally;
    const counts = reasons.map((reason) => `${reason} ${refusals.get(reason) ?? 0}`);
    console.log(`replayed ${replayed}, refused: ${counts.join(", ")}`);
    // The rarest come up some fifteen times in 100,000 operations.
    const least = Math.floor(operations / 50_000);
    expect(reasons.filter((reason) => (refusals.get(reason) ?? 0) < least)).toEqual([]);
    expect(run.operations).toBeGreaterThanOrEqual(operations);
  }
  rmSync(folder, { recursive: true, force: true });
});

const victims: readonly ProcessName[] = ["ledger-service", "postgres"];
