// How fast the ledger is, all invariants, hash chain and fsync on, as ratios to what the same
// machine does without it in the same run. `make bench` runs it; alone: node bench/ledger.ts [part
// …], with the parts events, unary, soak, contest and as-of. docs/bench.md says what can be set.

import { rmSync } from "node:fs";
import { type Clients, openClients } from "#dev/clients.ts";
import { type House, openHouse } from "#dev/house.ts";
import { bold, dim, table } from "#dev/terminal.ts";
import { type AsOfResult, benchAsOf, printAsOf } from "./ledger-as-of.ts";
import { benchContest, type ContestResult } from "./ledger-contest.ts";
import { benchEvents, type EventsResult } from "./ledger-events.ts";
import { readSettings } from "./ledger-settings.ts";
import { benchSoak, type SoakResult } from "./ledger-soak.ts";
import type { ContenderResult } from "./ledger-transfers.ts";
import { benchUnary, type UnaryResult } from "./ledger-unary.ts";

export type LedgerResult = {
  readonly events: EventsResult;
  readonly unary?: UnaryResult;
  readonly soak?: SoakResult;
  readonly contest?: ContestResult;
  readonly asOf?: readonly AsOfResult[];
};

const allParts = ["events", "unary", "soak", "contest", "as-of"];

export async function benchLedger(
  house: House,
  clients: Clients,
  parts: readonly string[] = allParts,
): Promise<LedgerResult> {
  const settings = readSettings(process.env);
  const wanted = (part: string) => parts.includes(part);
  // They make the ledger that the others go on with.
  const events = await benchEvents(house, clients);
  const unary = wanted("unary") || wanted("soak") ? await benchUnary(house, clients) : undefined;
  const soak = wanted("soak") ? await benchSoak(house, clients, settings.soakSeconds) : undefined;
  const contest = wanted("contest") ? await benchContest(house, settings) : undefined;
  const asOf = wanted("as-of") ? await benchAsOf(house.databaseUrl, short) : undefined;
  const more = { ...(contest && { contest }), ...(asOf && { asOf }) };
  return { events, ...(unary && { unary }), ...(soak && { soak }), ...more };
}

/** More of them: node bench/ledger-as-of.ts */
const short = { lengths: [10_000, 1_000_000], shares: [0, 0.01] };

const rate = (perSecond: number) => Math.round(perSecond).toLocaleString("en");
const ratio = (part: number, whole: number) => `×${(part / whole).toFixed(2)}`;

export function printLedger({ events, unary, soak, contest, asOf }: LedgerResult): void {
  console.log(bold("\nLedger: a backlog of payment events"));
  console.log(
    table(
      ["", "a second", "of raw insert"],
      [
        ["posted", rate(events.posted), ratio(events.posted, events.raw)],
        ["posted and published", rate(events.published), ratio(events.published, events.raw)],
        ["raw insert of the same rows", rate(events.raw), ratio(1, 1)],
      ],
    ),
  );
  if (unary) printUnary(unary);
  if (contest) printContest(contest);
  if (soak) printSoak(soak);
  if (asOf) printAsOf(asOf);
}

function printUnary({ concurrency, empty, posted }: UnaryResult): void {
  console.log(bold(`\nLedger: one transaction a call, ${concurrency} calls at once`));
  const row = (name: string, cost: UnaryResult["empty"]) => [
    name,
    rate(cost.perSecond),
    ratio(cost.perSecond, empty.perSecond),
    cost.p50Ms.toFixed(1),
    cost.p99Ms.toFixed(1),
    ratio(cost.p99Ms, empty.p99Ms),
    rate(cost.refused),
  ];
  console.log(
    table(
      ["", "a second", "of empty", "p50 ms", "p99 ms", "of empty", "shed"],
      [row("PostTransaction", posted), row("empty handler, same server", empty)],
    ),
  );
}

function printContest(contest: ContestResult): void {
  const { batchSize, accounts, entries, even, rivalName } = contest;
  const load = `${accounts} accounts, ${batchSize} a batch`;
  console.log(bold(`\nLedger: transfers in batches, without RPC (${load})`));
  const row = (name: string, result: ContenderResult) => [
    name,
    rate(result.perSecond),
    ratio(result.perSecond, even.perSecond),
    rate(result.walBytes),
    rate(result.diskBytes),
  ];
  console.log(
    table(
      ["", "a second", "of even", "log bytes each", "disk bytes each"],
      [
        row("accounts used evenly", even),
        row("one hot account", contest.hot),
        row(`${entries.toLocaleString("en")} entries before`, contest.full),
        row(`${rivalName}, evenly`, contest.rival),
        row(`${rivalName}, hot`, contest.rivalHot),
      ],
    ),
  );
}

function printSoak(soak: SoakResult): void {
  console.log(bold(`\nLedger: ${soak.seconds} s of batches through RPC, published as they come`));
  console.log(
    table(
      [
        "a second",
        "MiB early",
        "MiB late",
        "late/early",
        "highest",
        "log bytes each",
        "disk bytes",
      ],
      [
        [
          rate(soak.perSecond),
          rate(soak.earlyMiB),
          rate(soak.lateMiB),
          ratio(soak.lateMiB, soak.earlyMiB),
          rate(soak.highestMiB),
          rate(soak.walBytes),
          rate(soak.diskBytes),
        ],
      ],
    ),
  );
}

if (process.argv[1]?.endsWith("/bench/ledger.ts")) {
  const folder = ".bursar/bench-ledger";
  rmSync(folder, { recursive: true, force: true });
  console.log(dim("starting …"));
  const say = (line: string) => console.log(line);
  const options = { folder, logLevel: "warn", validateResponses: "count", say } as const;
  await using house = await openHouse(options);
  await using clients = openClients(house);
  const parts = process.argv.slice(2);
  const result = await benchLedger(house, clients, parts.length > 0 ? parts : allParts);
  printLedger(result);
}
