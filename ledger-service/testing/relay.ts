// The relay for tests: started in short, and waited for.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { createMetrics, type Metrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { type Relay, startRelay } from "../outgoing/relay.ts";
import { ledgerId } from "./ledger.ts";

export function relayOf(pool: Pool, broker: Broker, metrics: Metrics = createMetrics("test")) {
  return startRelay({ pool, broker, log: silentLog(), metrics }) satisfies Relay;
}

export async function publishedUpTo(pool: Pool, sequence: bigint): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const [row] = await pool<{ published: bigint }[]>`
      select published_sequence as published
      from relay_position join ledger on ledger_id = id where ledger_code = ${ledgerId}
    `;
    if (row?.published === sequence) return;
    if (Date.now() > deadline)
      throw new Error(`published up to ${row?.published}, not ${sequence}`);
    await sleep(20);
  }
}

export async function storedMessages(broker: Broker): Promise<number> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("LEDGER");
  return state.messages;
}
