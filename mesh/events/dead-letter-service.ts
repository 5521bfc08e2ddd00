// DeadLetterService: shows operators what a service's consumers gave up, and has it handled again.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  DeadLetterReplayRefusalSchema,
  type DeadLetterService,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import type { Pool } from "../database/pool.ts";
import { refuse } from "../rpc/errors.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { pageSizeOf, readToken } from "./pages.ts";
import type { Headers } from "./raw-message.ts";
import { replayDeadLetter } from "./replay-dead-letter.ts";

/** Below what clients take in one reply (4 MiB), with room for one more large message. */
const pageBytesMax = 2 * 1024 ** 2;

/** The consumers are the service's own; who replays has them handle the message. */
export function deadLetterService(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
): Partial<ServiceImpl<typeof DeadLetterService>> {
  return {
    async listDeadLetters({ pageSize, pageToken, filter, includeResolved }) {
      const reason = filter?.reason ?? 0;
      const list = `dead${reason}${includeResolved ? "r" : ""}`;
      const before = readToken(pageToken, list);
      const limit = pageSizeOf(pageSize) + 1;
      const rows = await readDeadLetters(pool, { before, reason, includeResolved, limit });
      // A page that is full of bytes ends before it is full of rows.
      const size = rows.length < (rows[0]?.found ?? 0) ? rows.length : limit - 1;
      const more = (rows[0]?.found ?? 0) > size;
      const last = rows[size - 1];
      return {
        deadLetters: rows.slice(0, size).map(letterOf),
        nextPageToken: more && last ? `${list}.${last.deadLetterId}` : "",
      };
    },

    async replayDeadLetter({ deadLetterId }) {
      const retried = await replayDeadLetter(pool, consumers, deadLetterId);
      switch (retried.kind) {
        case "absent":
          throw refuse(Code.NotFound, `there is no dead letter ${deadLetterId}`);
        case "dead": {
          const { reason, detail } = retried;
          const message = `dead letter ${deadLetterId} was given up again: ${detail}`;
          const value = { reason, detail };
          throw refuse(Code.FailedPrecondition, message, {
            desc: DeadLetterReplayRefusalSchema,
            value,
          });
        }
        case "replayed":
          return { replayed: true };
        case "parked":
          return { waitsFor: retried.waitsFor };
        case "handled":
          return {};
      }
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
  readonly resolvedAt: Date | null;
  /** Rows there are, up to the limit, before the page's bytes were counted. */
  readonly found: number;
};

function letterOf({ headers, deadAt, resolvedAt, found: _, ...letter }: DeadLetterRow) {
  return {
    ...letter,
    headers: headers.map(([name, value]) => ({ name, value })),
    deadTime: timestampFromDate(deadAt),
    ...(resolvedAt && { resolvedTime: timestampFromDate(resolvedAt) }),
  };
}

async function readDeadLetters(
  pool: Pool,
  page: { before: bigint | undefined; reason: number; includeResolved: boolean; limit: number },
): Promise<DeadLetterRow[]> {
  const before = page.before ?? null;
  return pool<DeadLetterRow[]>`
    with wanted as (
      select dead_letter_id, octet_length(data) as bytes
      from dead_letter
      where (${before}::bigint is null or dead_letter_id < ${before}::bigint)
        and (${page.reason}::int = 0 or reason = ${page.reason}::int)
        and (${page.includeResolved}::boolean or resolved_at is null)
      order by dead_letter_id desc
      limit ${page.limit}
    ), counted as (
      select dead_letter_id, count(*) over () as found,
        sum(bytes) over (order by dead_letter_id desc) - bytes as bytes_before
      from wanted
    )
    select dead_letter_id as "deadLetterId", consumer, message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", reason, detail, data, headers, dead_at as "deadAt",
      resolved_at as "resolvedAt", found::int as found
    from counted join dead_letter using (dead_letter_id)
    where bytes_before < ${pageBytesMax}
    order by dead_letter_id desc
  `;
}
