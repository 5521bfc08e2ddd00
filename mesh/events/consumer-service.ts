// ConsumerService: shows operators what a service's consumers could not finish. A page token is the
// last id that was seen, so pages stay true while rows come and go.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import type { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Pool } from "../database/pool.ts";
import { refuseRequest } from "../rpc/errors.ts";
import type { Headers } from "./raw-message.ts";

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function consumerService(pool: Pool): ServiceImpl<typeof ConsumerService> {
  return {
    async listDeadLetters({ pageSize, pageToken, reason }) {
      const before = readToken(pageToken, `dead${reason}`);
      const size = pageSizeOf(pageSize);
      const rows = await readDeadLetters(pool, { before, reason, limit: size + 1 });
      const page = rows.slice(0, size);
      return {
        deadLetters: page.map(({ headers, deadAt, ...letter }) => ({
          ...letter,
          headers: headers.map(([name, value]) => ({ name, value })),
          deadTime: timestampFromDate(deadAt),
        })),
        nextPageToken: nextToken(rows, size, `dead${reason}`, (row) => row.deadLetterId),
      };
    },

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

type DeadLetterRow = {
  readonly deadLetterId: bigint;
  readonly consumer: string;
  readonly messageId: string;
  readonly subject: string;
  readonly stream: string;
  readonly streamSequence: bigint;
  readonly reason: DeadLetterReason;
  readonly detail: string;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
  readonly deadAt: Date;
};

async function readDeadLetters(
  pool: Pool,
  page: { before: bigint | undefined; reason: number; limit: number },
): Promise<DeadLetterRow[]> {
  const before = page.before ?? null;
  return pool<DeadLetterRow[]>`
    select dead_letter_id as "deadLetterId", consumer, message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", reason, detail, data, headers, dead_at as "deadAt"
    from dead_letter
    where (${before}::bigint is null or dead_letter_id < ${before}::bigint)
      and (${page.reason}::int = 0 or reason = ${page.reason}::int)
    order by dead_letter_id desc
    limit ${page.limit}
  `;
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

function pageSizeOf(asked: number): number {
  return asked === 0 ? pageSizeDefault : Math.min(asked, pageSizeMax);
}

function nextToken<R>(rows: readonly R[], size: number, list: string, idOf: (row: R) => bigint) {
  const last = rows[size - 1];
  return rows.length > size && last !== undefined ? `${list}.${idOf(last)}` : "";
}

function readToken(token: string, list: string): bigint | undefined {
  if (token === "") return undefined;
  const [prefix, id = "", ...rest] = token.split(".");
  if (prefix === list && rest.length === 0 && /^[0-9]{1,18}$/.test(id)) return BigInt(id);
  throw refuseRequest(RequestRefusal.INVALID_FIELD, "page_token is not of this list", [
    {
      field: "page_token",
      problem: "must be next_page_token of the same list with the same filter",
    },
  ]);
}
