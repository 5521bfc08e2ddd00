// grpc.health.v1: whether the service can do its own job, for the whole server
// (empty name) and for each service it serves.

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Status,
} from "#gen/grpc/health/v1/health_pb.ts";

const watchIntervalMs = 500;

export type HealthOptions = {
  readonly ready: () => boolean;
  /** Full names of the services served. */
  readonly services: ReadonlySet<string>;
  /** Aborted when the server begins to stop: watches end, so that they hold no drain back. */
  readonly stopping: AbortSignal;
};

export function healthService(options: HealthOptions): ServiceImpl<typeof Health> {
  const { ready, services, stopping } = options;

  function statusOf(service: string): Status {
    if (service !== "" && !services.has(service)) return Status.SERVICE_UNKNOWN;
    return ready() ? Status.SERVING : Status.NOT_SERVING;
  }

  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) {
        throw new ConnectError(`no service ${JSON.stringify(service)} here`, Code.NotFound);
      }
      return { status };
    },

    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      for (;;) {
        const status = statusOf(service);
        if (status !== last) yield { status };
        last = status;
        if (stopping.aborted || signal.aborted) return;
        await pause(watchIntervalMs, stopping, signal);
      }
    },
  };
}

/** Listeners are removed by hand: composed signals pile up under long watches. */
async function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  const wake = new AbortController();
  const abort = () => wake.abort();
  for (const signal of signals) signal.addEventListener("abort", abort, { once: true });
  try {
    await sleep(ms, undefined, { signal: wake.signal });
  } catch {
    // Woken early: the loop looks at the signals itself.
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", abort);
  }
}
