// The caller's side of a measured call, as a process: Connect's own transport, or
// the mesh's client. It keeps so many calls open for so long.

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { readTls } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { request } from "./posting.ts";
import { answerQuestions, cpuMicros, workerOptions } from "./worker.ts";

export type RpcClientOptions = {
  readonly kind: "bare" | "mesh";
  readonly url: string;
  readonly tls: TlsFiles;
};

export type LoadQuestion = { readonly concurrency: number; readonly seconds: number };
export type LoadAnswer = {
  readonly calls: number;
  /** Shed by a server that found itself too slow: a machine too busy to measure on. */
  readonly refused: number;
  readonly cpuMicros: number;
};

const refusedWaitMs = 20;
const { kind, url, tls } = workerOptions<RpcClientOptions>();
const rpc = kind === "mesh" ? openClient(LedgerService, { url, tls }).rpc : bareClient();

answerQuestions(async ({ concurrency, seconds }: LoadQuestion): Promise<LoadAnswer> => {
  const startMicros = cpuMicros();
  const endMs = performance.now() + seconds * 1_000;
  let calls = 0;
  let refused = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      try {
        await rpc.postTransaction(request);
        calls += 1;
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unavailable) throw error;
        refused += 1;
        await sleep(refusedWaitMs);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return { calls, refused, cpuMicros: cpuMicros() - startMicros };
});

function bareClient() {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "2",
    nodeOptions: { ...readTls(tls), minVersion: "TLSv1.3" },
  });
  return createClient(LedgerService, transport);
}
