// One transaction a call, 64 calls at once, against the same server with a handler that does
// nothing: what is left of a call's speed when its answer is on disk. The two take turns.

import { join } from "node:path";
import { freePort } from "#dev/child.ts";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { ledgerId } from "./ledger-events.ts";
import type { UnaryAnswer, UnaryClientOptions, UnaryQuestion } from "./ledger-unary-client.ts";
import { request } from "./mesh/posting.ts";
import type { RpcServerOptions } from "./mesh/rpc-server.ts";
import { median, startWorker } from "./mesh/worker.ts";

const concurrency = 64;
const rounds = 5;
const roundSeconds = 2;

export type UnaryCost = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
};

export type UnaryResult = {
  readonly concurrency: number;
  readonly empty: UnaryCost;
  readonly posted: UnaryCost;
};

const accountKinds = {
  assets: AccountKind.ASSET,
  expenses: AccountKind.EXPENSE,
  liabilities: AccountKind.LIABILITY,
  income: AccountKind.INCOME,
};

/** The ledger and its currency are there from the events. */
export async function benchUnary(house: House, clients: Clients): Promise<UnaryResult> {
  await openAccounts(clients);
  await using stack = new AsyncDisposableStack();
  const env = house.environmentOf("ledger-service");
  const port = await freePort();
  const options: RpcServerOptions = {
    kind: "mesh",
    port,
    tls: {
      caFile: env["TLS_CA_FILE"] ?? "",
      certFile: env["TLS_CERT_FILE"] ?? "",
      keyFile: env["TLS_KEY_FILE"] ?? "",
    },
    accessFile: env["ACCESS_FILE"] ?? "",
  };
  stack.use(await startWorker(join(import.meta.dirname, "mesh/rpc-server.ts"), options));
  const client = async (url: string) => {
    const clientOptions: UnaryClientOptions = { url, tls: house.provision.tls.dev };
    const path = join(import.meta.dirname, "ledger-unary-client.ts");
    return { worker: stack.use(await startWorker(path, clientOptions)), costs: [] as UnaryCost[] };
  };
  const empty = await client(`https://localhost:${port}`);
  const posted = await client(house.urls.ledger);
  // What is measured is the ledger, its relay included, and not whoever reads from it.
  const reader = house.process("cms-service");
  reader.kill("SIGSTOP");
  stack.defer(() => void reader.kill("SIGCONT"));
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    for (const { worker, costs } of [empty, posted]) {
      const prefix = `unary-${round}`;
      const question: UnaryQuestion = { concurrency, seconds: roundSeconds, ledgerId, prefix };
      const cost = await worker.ask<UnaryAnswer>(question);
      if (round > 0) costs.push(cost);
    }
  }
  const costOf = ({ costs }: typeof empty): UnaryCost => ({
    perSecond: median(costs.map(({ perSecond }) => perSecond)),
    p50Ms: median(costs.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(costs.map(({ p99Ms }) => p99Ms)),
    refused: costs.reduce((sum, { refused }) => sum + refused, 0),
  });
  return { concurrency, empty: costOf(empty), posted: costOf(posted) };
}

async function openAccounts(clients: Clients): Promise<void> {
  for (const { account } of request.entries) {
    const [root = ""] = account?.accountCode.split(":") ?? [];
    const kind = accountKinds[root as keyof typeof accountKinds];
    await clients.ledger.createAccount({ ledgerId, account, kind });
  }
}
