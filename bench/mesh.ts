// What the mesh costs: CPU time of a call and of an event with everything on, as
// ratios to the libraries below it with nothing on, and how fast and how large its
// services start. `make bench` runs it; alone: node bench/mesh.ts

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { House } from "#dev/house.ts";
import { bold, table } from "#dev/terminal.ts";
import { benchEvents, type EventsResult } from "./mesh/events.ts";
import { openBenchPki } from "./mesh/pki.ts";
import { benchRpc, type RpcResult } from "./mesh/rpc.ts";
import { benchStarts, type StartResult } from "./mesh/starts.ts";

export type MeshResult = {
  readonly rpc: RpcResult;
  readonly events: EventsResult;
  /** Empty without a house. */
  readonly starts: readonly StartResult[];
};

export async function benchMesh(house?: House): Promise<MeshResult> {
  using pki = await openBenchPki();
  const folder = mkdtempSync(join(tmpdir(), "bursar-bench-events-"));
  try {
    return {
      rpc: await benchRpc(pki),
      events: await benchEvents(folder),
      starts: house ? await benchStarts(house) : [],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function printMesh({ rpc, events, starts }: MeshResult): void {
  console.log(bold(`\nCPU time of a unary call, ${rpc.concurrency} at once, over TLS`));
  const { bare } = rpc;
  console.log(
    table(
      ["", "server µs", "of bare", "client µs", "of bare", "a second", "shed"],
      (
        [
          ["connect-node, both sides", bare],
          ["mesh server, bare client", rpc.server],
          ["bare server, mesh client", rpc.client],
          ["mesh, both sides", rpc.mesh],
        ] as const
      ).map(([name, cost]) => [
        name,
        cost.serverMicros.toFixed(0),
        ratio(cost.serverMicros, bare.serverMicros),
        cost.clientMicros.toFixed(0),
        ratio(cost.clientMicros, bare.clientMicros),
        Math.round(cost.perSecond).toLocaleString("en"),
        cost.refused.toLocaleString("en"),
      ]),
    ),
  );

  const { publish, consume } = events;
  console.log(bold("\nCPU time of an event, in the process that publishes or consumes it"));
  console.log(
    table(
      ["", "µs", "of bare"],
      [
        ["publish, nats.js", publish.bare.toFixed(0), ratio(1, 1)],
        ["publish, mesh", publish.mesh.toFixed(0), ratio(publish.mesh, publish.bare)],
        ["consume, nats.js, no inbox", consume.bare.toFixed(0), ratio(1, 1)],
        [
          "consume, nats.js, an SQL transaction each",
          consume.inbox.toFixed(0),
          ratio(consume.inbox, consume.bare),
        ],
        ["consume, mesh, inbox", consume.mesh.toFixed(0), ratio(consume.mesh, consume.bare)],
      ],
    ),
  );

  if (starts.length === 0) return;
  console.log(bold("\nFrom process start to ready, one at a time"));
  console.log(
    table(
      ["", "ready ms", "MiB idle"],
      starts.map(({ service, readyMs, idleMiB }) => [
        service,
        readyMs.toFixed(0),
        String(idleMiB ?? ""),
      ]),
    ),
  );
}

function ratio(part: number, whole: number): string {
  return `×${(part / whole).toFixed(2)}`;
}

if (process.argv[1]?.endsWith("/bench/mesh.ts")) printMesh(await benchMesh());
