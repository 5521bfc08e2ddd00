// The streams of a broker whose services may not make them: an operator does, from the schema. A
// house goes on doing so, because a stream may be lost while it runs.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import type { BrokerAccess } from "#mesh/events/broker-access.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { operatorUser } from "./nats-users.ts";

export type DeclareOptions = BrokerAccess & {
  readonly events: readonly DescMessage[];
  readonly streamBytesMax?: number;
};

const connectMsMax = 10_000;
const againMs = 2_000;

/** The names of the streams, all of which are as the schema says. */
export async function declareStreams(options: DeclareOptions): Promise<readonly string[]> {
  await using broker = openOperator(options);
  if (!(await broker.waitUntilConnected(connectMsMax))) {
    throw new Error(`no broker answers within ${connectMsMax} ms`);
  }
  const names = await declareAll(broker);
  return names;
}

/** Resolves once they are there, and makes them again until it is disposed. */
export async function keepStreamsDeclared(
  options: DeclareOptions & { readonly onTrouble: (line: string) => void },
): Promise<AsyncDisposable> {
  await declareStreams(options);
  const stopping = new AbortController();
  const kept = keep(options, stopping.signal);
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await kept;
    },
  };
}

async function keep(
  options: DeclareOptions & { readonly onTrouble: (line: string) => void },
  stopping: AbortSignal,
): Promise<void> {
  await using broker = openOperator(options);
  let failed = false;
  while (!stopping.aborted) {
    await sleep(againMs, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted || !broker.connected) continue;
    try {
      await declareAll(broker);
      failed = false;
    } catch (error) {
      if (!failed) options.onTrouble(`the streams cannot be declared: ${error}`);
      failed = true;
    }
  }
}

async function declareAll(broker: Broker): Promise<readonly string[]> {
  const names = [...broker.streams.keys()];
  for (const name of names) await ensureStream(broker, name);
  return names;
}

function openOperator(options: DeclareOptions) {
  const log = createLog({ service: operatorUser, level: "silent" });
  return openBroker({ ...options, name: operatorUser, log, metrics: createMetrics(operatorUser) });
}
