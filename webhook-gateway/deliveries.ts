// DeliveryService: what providers sent and what became of it, from the desk's
// rows, with the exact bytes from the stream.

import type { ServiceImpl } from "@connectrpc/connect";
import {
  type DeliveryService,
  ListDeliveriesRequestSchema,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { withBody } from "./bodies.ts";
import { type Position, type StoredDelivery, selectDelivery, selectPage } from "./delivery-rows.ts";
import { deliveryToWire } from "./delivery-wire.ts";
import { cutPage, listOf, pageSizeOf, readPageToken } from "./page-token.ts";
import { type QuarantineMethodsOptions, quarantineMethods } from "./quarantine/rpc.ts";
import { refused } from "./refusal.ts";
import type { HandlingAgain } from "./replay/handle-again.ts";
import { replayMethods } from "./replay/rpc.ts";
import { readStoredWebhook } from "./replay/stored-webhook.ts";
import { type StatisticsMethodsOptions, statisticsMethods } from "./statistics/rpc.ts";

export type DeliveryServiceOptions = HandlingAgain &
  QuarantineMethodsOptions &
  StatisticsMethodsOptions;

export function deliveryService(
  options: DeliveryServiceOptions,
): ServiceImpl<typeof DeliveryService> {
  return {
    ...readMethods(options.pool, options.broker),
    ...replayMethods(options),
    ...quarantineMethods(options),
    ...statisticsMethods(options),
  };
}

type ReadMethods = Pick<ServiceImpl<typeof DeliveryService>, "listDeliveries" | "getDelivery">;

function readMethods(pool: Pool, broker: Broker): ReadMethods {
  return {
    async listDeliveries(request) {
      const list = listOf(ListDeliveriesRequestSchema, request);
      const before = positionIn(readPageToken(list, request.pageToken, 2));
      const size = pageSizeOf(request.pageSize);
      // One more than asked for tells whether there is a next page.
      const rows = await selectPage(pool, request, before, size + 1);
      const { page, nextPageToken } = cutPage(rows, size, list, numbersOf);
      return { deliveries: page.map(deliveryToWire), nextPageToken };
    },

    async getDelivery({ webhookId }) {
      const row = await selectDelivery(pool, webhookId);
      if (!row)
        throw refused("NOT_FOUND", `no delivery has the webhook id ${webhookId}`, webhookId);
      const stored = await readStoredWebhook(broker, row);
      const webhook = stored && (await shown(broker, stored.webhook));
      return { delivery: deliveryToWire(row), ...(webhook && { webhook }) };
    },
  };
}

/** Below the 16 MiB that an answer may have, with room for what stands beside the body. */
const bodyBytesMax = 15 * 1024 ** 2;

/** A body too large for an answer stays where its claim says, which is in the answer. */
async function shown(
  broker: Broker,
  webhook: WebhookReceived,
): Promise<WebhookReceived | undefined> {
  const tooLarge = (webhook.bodyClaim?.bodyBytes ?? 0n) > bodyBytesMax;
  return tooLarge ? webhook : withBody(broker, webhook);
}

function numbersOf({ receivedAt, deliveryId }: StoredDelivery): readonly bigint[] {
  return [BigInt(receivedAt.getTime()), deliveryId];
}

/** Dates that no row can have are read as the last that one can. */
function positionIn(numbers: readonly bigint[] | undefined): Position | undefined {
  const [receivedMs, deliveryId] = numbers ?? [];
  if (receivedMs === undefined || deliveryId === undefined) return undefined;
  const ms = Math.min(Math.max(Number(receivedMs), 0), timeMsMax);
  return { receivedAt: new Date(ms), deliveryId };
}

const timeMsMax = 253_402_300_799_999;
