// Listens to what an endpoint says of its own health (grpc.health.v1, as gRFC A17 has it). The
// watch lives on a connection that calls have opened and ends with it: it opens none itself, so
// servers that come back are not stormed, and it holds no process.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "#gen/grpc/health/v1/health_pb.ts";
import { pause } from "./abort.ts";
import type { Session } from "./session.ts";

export type HealthWatchOptions = {
  readonly session: Session;
  /** Full name of the gRPC service that is called there. */
  readonly service: string;
  readonly random: () => number;
  /** False: it asks not to be called. */
  readonly onHealth: (serving: boolean) => void;
};

const againMsMin = 1_000;
const againMsMax = 60_000;

/** Until the session is closed or the returned function is called. */
export function watchHealth({
  session,
  service,
  random,
  onHealth,
}: HealthWatchOptions): () => void {
  const stop = new AbortController();
  const { signal } = stop;

  async function watch(): Promise<void> {
    const client = createClient(Health, session.transport);
    for (let againMs = againMsMin; !signal.aborted; againMs = Math.min(againMsMax, 2 * againMs)) {
      try {
        for await (const { status } of client.watch({ service }, { signal })) {
          againMs = againMsMin;
          onHealth(status !== Status.NOT_SERVING && status !== Status.SERVICE_UNKNOWN);
        }
      } catch (error) {
        if (signal.aborted) return;
        // A server that says nothing of its health is taken to be well.
        onHealth(true);
        if (ConnectError.from(error).code === Code.Unimplemented) return;
      }
      await pause(againMs * (0.5 + random() / 2), signal);
    }
  }

  void session.closed.then(() => stop.abort());
  void watch();
  return () => stop.abort();
}
