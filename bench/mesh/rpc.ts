// CPU time of one unary call: the mesh with everything on, against Connect's own
// server and transport with the same codec over the same TLS. The pairs take
// turns, and what counts is the median of their rounds.

import { join } from "node:path";
import { freePort } from "#dev/child.ts";
import type { BenchPki } from "./pki.ts";
import type { LoadAnswer, RpcClientOptions } from "./rpc-client.ts";
import type { RpcServerOptions } from "./rpc-server.ts";
import { median, startWorker, type Worker } from "./worker.ts";

const concurrency = 64;
const rounds = 9;
const roundSeconds = 1;

export type CallCost = {
  readonly serverMicros: number;
  readonly clientMicros: number;
  readonly perSecond: number;
  /** Calls of all rounds that the server shed. */
  readonly refused: number;
};

export type RpcResult = {
  readonly concurrency: number;
  readonly bare: CallCost;
  /** The mesh's server, called by Connect's own transport. */
  readonly server: CallCost;
  /** The mesh's client, calling Connect's own server. */
  readonly client: CallCost;
  /** Both sides of the mesh. */
  readonly mesh: CallCost;
};

type Kind = "bare" | "mesh";

export async function benchRpc(pki: BenchPki): Promise<RpcResult> {
  await using stack = new AsyncDisposableStack();
  const server = async (kind: Kind) => {
    const port = await freePort();
    const options: RpcServerOptions = { kind, port, ...pki.server };
    const worker = stack.use(
      await startWorker(join(import.meta.dirname, "rpc-server.ts"), options),
    );
    return { worker, url: `https://localhost:${port}` };
  };
  const bare = await server("bare");
  const mesh = await server("mesh");
  const pair = async (kind: Kind, to: { worker: Worker; url: string }): Promise<Pair> => {
    const options: RpcClientOptions = { kind, url: to.url, tls: pki.client };
    const client = await startWorker(join(import.meta.dirname, "rpc-client.ts"), options);
    return { client: stack.use(client), server: to.worker, costs: [] };
  };
  const pairs = {
    bare: await pair("bare", bare),
    server: await pair("bare", mesh),
    client: await pair("mesh", bare),
    mesh: await pair("mesh", mesh),
  };
  for (const one of Object.values(pairs)) await measure(one);
  for (const one of Object.values(pairs)) one.costs.length = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const one of Object.values(pairs)) await measure(one);
  }
  const costOf = ({ costs }: Pair): CallCost => ({
    serverMicros: median(costs.map(({ serverMicros }) => serverMicros)),
    clientMicros: median(costs.map(({ clientMicros }) => clientMicros)),
    perSecond: median(costs.map(({ perSecond }) => perSecond)),
    refused: costs.reduce((sum, { refused }) => sum + refused, 0),
  });
  return {
    concurrency,
    bare: costOf(pairs.bare),
    server: costOf(pairs.server),
    client: costOf(pairs.client),
    mesh: costOf(pairs.mesh),
  };
}

type Pair = { readonly client: Worker; readonly server: Worker; readonly costs: CallCost[] };

async function measure({ client, server, costs }: Pair): Promise<void> {
  const before = await server.ask<{ cpuMicros: number }>({});
  const load = await client.ask<LoadAnswer>({ concurrency, seconds: roundSeconds });
  const after = await server.ask<{ cpuMicros: number }>({});
  costs.push({
    serverMicros: (after.cpuMicros - before.cpuMicros) / load.calls,
    clientMicros: load.cpuMicros / load.calls,
    perSecond: load.calls / roundSeconds,
    refused: load.refused,
  });
}
