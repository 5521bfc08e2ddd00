// The statistics of DeliveryService: every configured endpoint, also one that nobody called yet.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Endpoint } from "../endpoints.ts";
import type { InForce } from "../judge.ts";
import { distanceTo } from "./disablement.ts";
import { type EndpointState, stateAtFirst } from "./merge.ts";
import { type Counted, readCounts, readStates } from "./rows.ts";

export type StatisticsMethodsOptions = { readonly pool: Pool; readonly inForce: InForce };

type Methods = Pick<ServiceImpl<typeof DeliveryService>, "listEndpointStatistics">;

const hoursDefault = 24;

export function statisticsMethods({ pool, inForce }: StatisticsMethodsOptions): Methods {
  return {
    async listEndpointStatistics({ endpointId, hours }) {
      const configured = [...inForce.current.endpoints.values()]
        .filter((endpoint) => endpointId === "" || endpoint.endpointId === endpointId)
        .sort((a, b) => (a.endpointId < b.endpointId ? -1 : 1));
      const counts = await readCounts(pool, endpointId, hours || hoursDefault);
      const byEndpoint = Map.groupBy(counts, (counted) => counted.endpointId);
      const states = await readStates(pool);
      return {
        endpoints: configured.map((endpoint) => {
          const state = states.get(endpoint.endpointId) ?? stateAtFirst;
          return toWire(endpoint, byEndpoint.get(endpoint.endpointId) ?? [], state);
        }),
      };
    },
  };
}

function toWire(
  { endpointId, provider, tenantId }: Endpoint,
  counts: readonly Counted[],
  state: EndpointState,
) {
  const { lastAckedAt, lastFailedAt, failuresInARow, failingSince } = state;
  const countOf = (wanted: Counted["kind"]) => {
    return counts.find(({ kind }) => kind === wanted)?.count ?? 0n;
  };
  const { failuresMax, failuresLeft, disableTime } = distanceTo(provider.patience, state);
  return {
    endpointId,
    provider: provider.name,
    tenantId,
    acknowledged: countOf("acked"),
    duplicates: countOf("duplicate"),
    refused: counts
      .filter(({ kind }) => kind === "refused")
      .map(({ reason, count }) => ({ reason, count })),
    notDurable: countOf("not-durable"),
    ...(lastAckedAt && { lastAcknowledgedTime: timestampFromDate(lastAckedAt) }),
    ...(lastFailedAt && { lastFailedTime: timestampFromDate(lastFailedAt) }),
    failuresInARow: BigInt(failuresInARow),
    ...(failingSince && { failingSinceTime: timestampFromDate(failingSince) }),
    disablement: {
      failuresMax: BigInt(failuresMax),
      failuresLeft: BigInt(failuresLeft),
      ...(disableTime && { disableTime: timestampFromDate(disableTime) }),
    },
  };
}
