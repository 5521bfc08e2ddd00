// The quarantine of DeliveryService. What turns out authentic is stored first and leaves the
// quarantine afterwards: a crash in between stores it again, under the same id.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import {
  type DeliveryService,
  ListQuarantinedRequestSchema,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";
import type { EndpointsSnapshot } from "../endpoints.ts";
import { cutPage, listOf, pageSizeOf, readPageToken } from "../page-token.ts";
import { refused } from "../refusal.ts";
import { type Reverifying, reverify } from "./reverify.ts";
import {
  countSealed,
  deleteQuarantined,
  type QuarantinedRow,
  type SealedRow,
  selectQuarantined,
  selectSealed,
} from "./rows.ts";
import { unseal } from "./sealed.ts";

export type QuarantineMethodsOptions = Reverifying & {
  readonly pool: Pool;
  readonly inForce: { readonly current: Pick<EndpointsSnapshot, "endpoints" | "quarantineKey"> };
};

type Methods = Pick<ServiceImpl<typeof DeliveryService>, "listQuarantined" | "reverifyQuarantined">;

const limitDefault = 100;
const limitMax = 1_000;
/** Sealed requests are up to a megabyte each. */
const batchMax = 8;
/** What is left of the caller's time for the last one. */
const reserveMs = 1_500;

export function quarantineMethods(options: QuarantineMethodsOptions): Methods {
  const { pool } = options;
  return {
    async listQuarantined(request) {
      const list = listOf(ListQuarantinedRequestSchema, request);
      const [before] = readPageToken(list, request.pageToken, 1) ?? [];
      const size = pageSizeOf(request.pageSize);
      const rows = await selectQuarantined(pool, request, before, size + 1);
      const { page, nextPageToken } = cutPage(rows, size, list, ({ position }) => [position]);
      return { quarantined: page.map(toWire), nextPageToken };
    },

    async reverifyQuarantined({ quarantineId, endpointId, limit }, { timeoutMs }) {
      const selection = { quarantineId, endpointId };
      checkSelection(selection);
      const most = Math.min(limit || limitDefault, limitMax);
      const endMs = performance.now() + (timeoutMs() ?? 30_000) - reserveMs;
      const webhookIds: string[] = [];
      let stillRefused = 0;
      let position = 0n;
      for (let looked = 0; looked < most && performance.now() < endMs; ) {
        const rows = await selectSealed(
          pool,
          selection,
          position,
          Math.min(batchMax, most - looked),
        );
        if (rows.length === 0) break;
        for (const row of rows) {
          if (performance.now() >= endMs) break;
          const stored = await reverifyRow(options, row);
          if (stored) webhookIds.push(...stored);
          else stillRefused += 1;
          position = row.position;
          looked += 1;
        }
      }
      if (quarantineId !== "" && position === 0n) {
        const message = `the quarantine holds no ${quarantineId} (any more)`;
        throw refused("NOT_FOUND", message, quarantineId);
      }
      const remaining = await countSealed(pool, selection, position);
      return { webhookIds, refused: stillRefused, remaining };
    },
  };
}

/** Undefined when it is not authentic and stays. */
async function reverifyRow(
  options: QuarantineMethodsOptions,
  { quarantineId, endpointId, receivedAt, sealed }: SealedRow,
): Promise<readonly string[] | undefined> {
  const { endpoints, quarantineKey } = options.inForce.current;
  const endpoint = endpoints.get(endpointId);
  if (!endpoint) {
    const message = `the configuration has no endpoint ${endpointId} any more: list it again`;
    throw refused("ENDPOINT_UNKNOWN", message, endpointId);
  }
  if (!quarantineKey) {
    const message = "the configuration has no quarantine_key: put back the one it had";
    throw refused("QUARANTINE_KEY_MISSING", message, quarantineId);
  }
  const request = unseal(quarantineKey, quarantineId, sealed);
  if (!request) {
    const what = `${quarantineId} was encrypted with another quarantine_key`;
    const remedy = "put that key back until it is verified, or let it expire";
    throw refused("QUARANTINE_KEY_CHANGED", `${what}: ${remedy}`, quarantineId);
  }
  const again = await reverify(options, endpoint, request, receivedAt);
  if (again.kind === "not-durable") {
    const message = "the broker does not say in time that a webhook is on disk: try again later";
    throw refused("NOT_DURABLE", message, quarantineId);
  }
  if (again.kind === "certificate-away") {
    const message = `the provider's certificate cannot be had: ${again.detail}: try again later`;
    throw refused("CERTIFICATE_AWAY", message, quarantineId);
  }
  if (again.kind === "refused") return undefined;
  await deleteQuarantined(options.pool, quarantineId);
  return again.webhookIds;
}

function checkSelection(selection: { quarantineId: string; endpointId: string }): void {
  if (selection.quarantineId !== "" || selection.endpointId !== "") return;
  const problem = "or endpoint_id must be set";
  throw refuseRequest(RequestRefusal.INVALID_FIELD, `quarantine_id ${problem}`, [
    { field: "quarantine_id", problem },
  ]);
}

function toWire({ position: _, receivedAt, expiresAt, ...shown }: QuarantinedRow) {
  return {
    ...shown,
    receivedTime: timestampFromDate(receivedAt),
    expireTime: timestampFromDate(expiresAt),
  };
}
