// The caller's side of unary postings, as a process: so many calls open for so long, each under a
// key of its own.

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { readTls } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { request } from "./mesh/posting.ts";
import { answerQuestions, workerOptions } from "./mesh/worker.ts";
import { percentile } from "./percentile.ts";

export type UnaryClientOptions = { readonly url: string; readonly tls: TlsFiles };

export type UnaryQuestion = {
  readonly concurrency: number;
  readonly seconds: number;
  readonly ledgerId: string;
  /** Of the keys. */
  readonly prefix: string;
};

export type UnaryAnswer = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Shed by a server that found itself too slow: a machine too busy to measure on. */
  readonly refused: number;
};

const refusedWaitMs = 20;
const { url, tls } = workerOptions<UnaryClientOptions>();
const transport = createConnectTransport({
  baseUrl: url,
  httpVersion: "2",
  nodeOptions: { ...readTls(tls), minVersion: "TLSv1.3" },
});
const rpc = createClient(LedgerService, transport);

answerQuestions(async (question: UnaryQuestion): Promise<UnaryAnswer> => {
  const { concurrency, seconds, ledgerId, prefix } = question;
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let refused = 0;
  let keys = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      const idempotencyKey = `${prefix}-${++keys}`;
      try {
        await rpc.postTransaction({ ...request, ledgerId, idempotencyKey });
        latenciesMs.push(performance.now() - sentMs);
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unavailable) throw error;
        refused += 1;
        await sleep(refusedWaitMs);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const perSecond = (latenciesMs.length * 1_000) / (performance.now() - startMs);
  latenciesMs.sort((a, b) => a - b);
  const [p50Ms, p99Ms] = [percentile(latenciesMs, 0.5), percentile(latenciesMs, 0.99)];
  return { perSecond, p50Ms, p99Ms, refused };
});
