// What callers of a service may count on, as metrics beside what they get: alert rules compare the
// two, and hold no numbers of their own.

import { type DescService, hasOption } from "@bufbuild/protobuf";
import { service as serviceOption } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { servicePolicy } from "../policy/policy.ts";
import type { Metrics } from "../process/metrics.ts";

const labels = ["rpc_service", "owner"] as const;

export function tellObjectives(metrics: Metrics, services: Iterable<DescService>): void {
  const availability = metrics.gauge({
    name: "bursar_objective_availability_ppm",
    help: "Calls of a million that are to be answered without a fault of ours",
    labels,
  });
  const latency = metrics.gauge({
    name: "bursar_objective_latency_seconds",
    help: "Time within which 99 of 100 calls are to be answered",
    labels,
  });
  for (const service of services) {
    if (!hasOption(service, serviceOption)) continue;
    const { owner, objective } = servicePolicy(service);
    const of = { rpc_service: service.typeName, owner };
    if (objective === undefined) continue;
    availability.set(of, objective.availabilityPpm);
    latency.set(of, objective.latencyP99Ms / 1_000);
  }
}
