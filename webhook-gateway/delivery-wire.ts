// A delivery as the API shows it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { DeliverySchema } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { StoredDelivery } from "./delivery-rows.ts";

export function deliveryToWire(row: StoredDelivery): MessageInitShape<typeof DeliverySchema> {
  const { publishedDigests: _digests, deliveryId: _id, receivedAt, ...shown } = row;
  return {
    ...shown,
    receivedTime: timestampFromDate(receivedAt),
    publishedEvents: [...row.publishedEvents],
    flags: [...row.flags],
  };
}
