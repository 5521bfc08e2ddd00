// ConsumerService: shows operators what a service's consumers hold back.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import type { Pool } from "../database/pool.ts";
import { nextToken, pageSizeOf, readToken } from "./pages.ts";

export function consumerService(pool: Pool): ServiceImpl<typeof ConsumerService> {
  return {
    async listParked({ pageSize, pageToken }) {
      const after = readToken(pageToken, "parked");
      const size = pageSizeOf(pageSize);
      const rows = await readParked(pool, { after, limit: size + 1 });
      const page = rows.slice(0, size);
      return {
        parked: page.map(({ parkedAt, ...event }) => ({
          ...event,
          parkedTime: timestampFromDate(parkedAt),
        })),
        nextPageToken: nextToken(rows, size, "parked", (row) => row.parkedId),
      };
    },
  };
}

type ParkedRow = {
  readonly parkedId: bigint;
  readonly consumer: string;
  readonly messageId: string;
  readonly waitsFor: string;
  readonly subject: string;
  readonly parkedAt: Date;
};

async function readParked(
  pool: Pool,
  page: { after: bigint | undefined; limit: number },
): Promise<ParkedRow[]> {
  return pool<ParkedRow[]>`
    select parked_id as "parkedId", consumer, message_id as "messageId", waits_for as "waitsFor",
      subject, parked_at as "parkedAt"
    from parked
    where parked_id > ${page.after ?? 0n}
    order by parked_id
    limit ${page.limit}
  `;
}
