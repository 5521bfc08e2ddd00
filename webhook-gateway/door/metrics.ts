// What the door counts. The reasons of refusals are here and nowhere else.

import type { Metrics } from "#mesh/process/metrics.ts";
import type { Load } from "./load.ts";

export type DoorMetrics = ReturnType<typeof createDoorMetrics>;

export function createDoorMetrics(metrics: Metrics, load: Load) {
  metrics.gauge({
    name: "bursar_gateway_in_flight_requests",
    help: "Requests between their head and their answer",
    collect: (gauge) => gauge.set(load.requests),
  });
  metrics.gauge({
    name: "bursar_gateway_in_flight_bytes",
    help: "Bytes of bodies that are held for an answer",
    collect: (gauge) => gauge.set(load.bytes),
  });
  const requestsMax = metrics.gauge({
    name: "bursar_gateway_in_flight_requests_max",
    help: "Requests that are held at once at most",
  });
  requestsMax.set(load.requestsMax);
  const bytesMax = metrics.gauge({
    name: "bursar_gateway_in_flight_bytes_max",
    help: "Bytes of bodies that are held at once at most",
  });
  bytesMax.set(load.bytesMax);
  return {
    rejected: metrics.counter({
      name: "bursar_gateway_rejected_total",
      help: "Requests that were refused, and why",
      labels: ["endpoint", "reason"],
    }),
    unlisted: metrics.counter({
      name: "bursar_gateway_unlisted_addresses_total",
      help: "Requests from addresses that an observing endpoint's list does not name",
      labels: ["endpoint"],
    }),
    challenged: metrics.counter({
      name: "bursar_gateway_challenges_total",
      help: "Questions of providers whether an endpoint is theirs, answered",
      labels: ["endpoint"],
    }),
    verified: metrics.counter({
      name: "bursar_gateway_verified_total",
      help: "Authentic requests by the fingerprint of the key: is the old secret still in use?",
      labels: ["endpoint", "key"],
    }),
    acked: metrics.counter({
      name: "bursar_gateway_acked_total",
      help: "Webhooks that are durable and acknowledged; duplicates the stream already had",
      labels: ["endpoint", "duplicate"],
    }),
    notDurable: metrics.counter({
      name: "bursar_gateway_not_durable_total",
      help: "Authentic webhooks answered 503: not known to be stored in time",
      labels: ["endpoint"],
    }),
    ackSeconds: metrics.timing({
      name: "bursar_gateway_ack_seconds",
      help: "From a request's head to its acknowledgement",
    }),
  };
}
