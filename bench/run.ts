// `make bench`: every figure is taken in this one run on this one machine, and
// what counts is the ratio. Prints a table and writes bench/results/latest.json.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, totalmem } from "node:os";
import { openClients } from "#dev/clients.ts";
import { openHouse } from "#dev/house.ts";
import { bold, dim, table } from "#dev/terminal.ts";
import { benchAccess } from "./access.ts";
import { untilCaughtUp } from "./caught-up.ts";
import { benchCms, printCms } from "./cms.ts";
import { printDoor } from "./door/print.ts";
import { benchDoor } from "./door.ts";
import { benchLedger, printLedger } from "./ledger.ts";
import { residentMiB } from "./mesh/starts.ts";
import { benchMesh, printMesh } from "./mesh.ts";
import { benchVerify, printVerify } from "./verify.ts";

const folder = ".bursar/bench";
rmSync(folder, { recursive: true, force: true });
// First, and by itself: the house would take part of the machine.
console.log(dim("measuring the door …"));
const door = await benchDoor();
printDoor(door);
const verify = benchVerify();
printVerify(verify);
console.log(dim("starting …"));
let isStartMeasured = false;
await using house = await openHouse({
  folder,
  logLevel: "warn",
  validateResponses: "count",
  say: (line) => isStartMeasured || console.log(line),
});
await using clients = openClients(house);

const machine = {
  platform: `${platform()} ${arch()}`,
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? "",
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
const atStart = footprint();
const ledger = await benchLedger(house, clients);
await untilCaughtUp(house);
const access = await benchAccess(house, clients);
const afterLoad = footprint();
const cms = await benchCms(house, clients);

const rate = (perSecond: number) => Math.round(perSecond).toLocaleString("en");
const ms = (value: number) => value.toFixed(1);

printLedger(ledger);
printCms(cms);

console.log(bold("\nFrom the provider's 200 to visible access"));
console.log(
  table(
    ["", "p50 ms", "p99 ms"],
    [
      ["one at a time", ms(access.idle.p50Ms), ms(access.idle.p99Ms)],
      [
        `at half the path's ceiling (${rate(access.pathPerSecond)}/s)`,
        ms(access.half.p50Ms),
        ms(access.half.p99Ms),
      ],
    ],
  ),
);

console.log(bold("\nProcesses"));
console.log(
  table(
    ["", "ready ms", "MiB at start", "MiB after load"],
    house.processes.map(({ name, readyAfterMs }, n) => [
      name,
      readyAfterMs.toFixed(0),
      String(atStart[n]?.rssMiB ?? ""),
      String(afterLoad[n]?.rssMiB ?? ""),
    ]),
  ),
);

// Last, because it starts the services again.
isStartMeasured = true;
const mesh = await benchMesh(house);
printMesh(mesh);

const result = { machine, door, verify, ledger, access, cms, atStart, afterLoad, mesh };
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/latest.json", `${JSON.stringify(result, null, 2)}\n`);
console.log(dim("\nbench/results/latest.json holds the same as JSON"));

/** Resident memory as Linux tells it; left out where it does not. */
function footprint() {
  return house.processes.map(({ name, pid, readyAfterMs }) => ({
    name,
    readyAfterMs,
    rssMiB: residentMiB(pid),
  }));
}
