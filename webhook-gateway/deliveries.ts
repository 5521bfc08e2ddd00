// DeliveryService: what providers sent and what became of it, from the desk's
// rows, with the exact bytes from the stream.

import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type {
  DeliverySchema,
  DeliveryService,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { refuse, refuseRequest } from "#mesh/rpc/errors.ts";
import { type DeliveryRow, selectDeliveries, selectDelivery } from "./store.ts";

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function deliveryService(pool: Pool, broker: Broker): Partial<ServiceImpl<typeof DeliveryService>> {
  return {
    async listDeliveries({ pageSize, pageToken, ...filter }) {
      const limit = Math.min(pageSize || pageSizeDefault, pageSizeMax);
      const beforeId = parseToken(pageToken);
      // One more than asked for tells whether there is a next page.
      const rows = await selectDeliveries(pool, { ...filter, beforeId }, limit + 1);
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        deliveries: page.map(deliveryOf),
        nextPageToken: last ? String(last.deliveryId) : "",
      };
    },

    async getDelivery({ webhookId }) {
      const row = await selectDelivery(pool, webhookId);
      if (!row) throw refuse(Code.NotFound, `no delivery has the webhook id ${webhookId}`);
      const webhook = await readFromStream(broker, row);
      return { delivery: deliveryOf(row), ...(webhook && { webhook }) };
    },
  };
}

function parseToken(pageToken: string): bigint | undefined {
  if (pageToken === "") return undefined;
  if (/^[1-9][0-9]{0,17}$/.test(pageToken)) return BigInt(pageToken);
  const problem = "must be a next_page_token of an earlier answer";
  throw refuseRequest(RequestRefusal.INVALID_FIELD, `page_token ${problem}`, [
    { field: "page_token", problem },
  ]);
}

function deliveryOf(row: DeliveryRow): MessageInitShape<typeof DeliverySchema> {
  return {
    webhookId: row.webhookId,
    endpointId: row.endpointId,
    provider: row.provider,
    eventType: row.eventType,
    eventId: row.eventId,
    receivedTime: timestampFromDate(row.receivedAt),
    outcome: row.outcome,
    publishedEvents: [...row.publishedEvents],
    streamSequence: row.streamSequence,
  };
}

/** Undefined once the stream has let it go, and when it was wiped and counts anew. */
async function readFromStream(
  broker: Broker,
  { streamSequence, webhookId }: DeliveryRow,
): Promise<WebhookReceived | undefined> {
  const manager = await broker.jsm();
  const stored = await manager.streams.getMessage("WEBHOOKS", { seq: Number(streamSequence) });
  if (!stored || stored.subject !== WebhookReceivedSchema.typeName) return undefined;
  const webhook = fromBinary(WebhookReceivedSchema, stored.data);
  return webhook.webhookId === webhookId ? webhook : undefined;
}
