// The door and what it needs: a place that makes webhooks durable, and the endpoints in force. No
// database is asked. One process may hold it together with the desk, or several may hold one each.

import type { Broker } from "#mesh/events/broker.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { createCertificates } from "./certificates/certificates.ts";
import type { Config } from "./config.ts";
import { startDoor } from "./door/listen.ts";
import { createLoad } from "./door/load.ts";
import { createDoorMetrics } from "./door/metrics.ts";
import { createUnverified } from "./door/unverified.ts";
import type { EndpointsInForce } from "./endpoints-in-force.ts";
import { openQuarantine } from "./quarantine/keep.ts";
import { createReceiver } from "./receive.ts";
import { startDrain } from "./spool/drain.ts";
import { openSpool, type Spool } from "./spool/spool.ts";
import { createStatistics, type StatisticsDeltas } from "./statistics/collect.ts";
import { createWebhookStore } from "./store-webhook.ts";
import { startLossWatch } from "./stream-loss.ts";

export type DoorSideOptions = {
  readonly config: Config;
  readonly endpoints: EndpointsInForce;
  /** Identity of this service. */
  readonly source: string;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Writes down what the door counted, or throws: then it is told again. */
  readonly flush: (deltas: StatisticsDeltas) => Promise<void>;
  /** Absent where this process has the port to itself. */
  readonly shared?: SharedDoor;
};

/** One of several doors behind one port. */
export type SharedDoor = {
  /** From 1; a restarted worker has the number of the one before, and what that left behind. */
  readonly worker: number;
  readonly port: number;
  /** A client may come back to another worker than the one that it has a TLS session with. */
  readonly ticketKeys: Buffer;
};

export type DoorSide = AsyncDisposable & {
  readonly port: number;
  /** True while it has something to do. */
  readonly busy: boolean;
};

export async function startDoorSide(options: DoorSideOptions): Promise<DoorSide> {
  const { config, endpoints, source, broker, log, metrics, shared } = options;
  await using stack = new AsyncDisposableStack();
  const load = createLoad(config.load);
  const loss = stack.use(startLossWatch({ broker, log, metrics }));
  const spool = openSpoolOf(options);
  if (spool) {
    stack.use(spool);
    stack.use(startDrain({ spool, broker, source, log, onAcknowledged: loss.note }));
  }
  const inForce = () => endpoints.current;
  const quarantine = stack.use(
    openQuarantine({ endpoints: inForce, broker, source, log, metrics }),
  );
  const statistics = stack.use(createStatistics({ flush: options.flush, log }));
  const receive = createReceiver({
    endpoints: inForce,
    refused: quarantine.refused,
    observed: statistics.observed,
    store: createWebhookStore({ broker, source, log, spool, onAcknowledged: loss.note }),
    load,
    unverified: createUnverified(),
    metrics: createDoorMetrics(metrics, load),
    log,
    bodyTimeoutMs: config.bodyTimeoutMs,
    publishTimeoutMs: config.publishTimeoutMs,
    certificates: createCertificates({ now: () => new Date() }),
    now: () => new Date(),
  });
  const door = stack.use(await startDoor({ ...config.door, ...shared }, log, receive, metrics));

  const opened = stack.move();
  return {
    port: door.port,
    get busy() {
      return load.requests > 0;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function openSpoolOf({ config, log, metrics, shared }: DoorSideOptions): Spool | undefined {
  const { spoolDir: dir, spoolBytesMax: bytesMax } = config;
  if (dir !== undefined) {
    return openSpool({ dir, bytesMax, worker: shared?.worker ?? 0, log, metrics });
  }
  log.warn("SPOOL_DIR is not set: while the broker is away every provider gets 503");
  return undefined;
}
