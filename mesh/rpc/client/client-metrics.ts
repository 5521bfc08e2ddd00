// What a client tells of itself, where its process keeps metrics.

import type { Metrics } from "../../process/metrics.ts";
import type { EndpointState } from "./choice.ts";
import type { AttemptKind } from "./retry.ts";

export type ClientMetrics = {
  readonly answered: (method: string, code: string) => void;
  readonly attempted: (method: string, kind: AttemptKind) => void;
  /** A retry or a copy that the budget did not allow. */
  readonly denied: () => void;
  readonly ejected: () => void;
  readonly endpoints: (state: EndpointState, change: 1 | -1) => void;
  readonly connections: (change: 1 | -1) => void;
};

/** `client`: full name of the gRPC service that is called. */
export function createClientMetrics(metrics: Metrics | undefined, client: string): ClientMetrics {
  if (metrics === undefined) return nobody;
  const requests = metrics.counter({
    name: "bursar_client_requests_total",
    help: "Calls to other services, by method and what the caller got",
    labels: ["method", "code"],
  });
  const attempts = metrics.counter({
    name: "bursar_client_attempts_total",
    help: "Attempts of these calls: first, resend (never begun), retry and hedge",
    labels: ["method", "kind"],
  });
  const denied = metrics.counter({
    name: "bursar_client_attempts_denied_total",
    help: "Retries and hedges that the budget did not allow",
    labels: ["client"],
  });
  const ejections = metrics.counter({
    name: "bursar_client_ejections_total",
    help: "Times that an endpoint was left alone because it failed",
    labels: ["client"],
  });
  const endpoints = metrics.gauge({
    name: "bursar_client_endpoints",
    help: "Endpoints by state: healthy, ejected, not_serving",
    labels: ["client", "state"],
  });
  const connections = metrics.gauge({
    name: "bursar_client_connections",
    help: "Connections that calls can use",
    labels: ["client"],
  });
  return {
    answered: (method, code) => requests.inc({ method, code }),
    attempted: (method, kind) => attempts.inc({ method, kind }),
    denied: () => denied.inc({ client }),
    ejected: () => ejections.inc({ client }),
    // Several clients of a process may call the same service: each adds its own.
    endpoints: (state, change) => endpoints.inc({ client, state }, change),
    connections: (change) => connections.inc({ client }, change),
  };
}

const nobody: ClientMetrics = {
  answered() {},
  attempted() {},
  denied() {},
  ejected() {},
  endpoints() {},
  connections() {},
};
