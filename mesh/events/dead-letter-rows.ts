// The rows behind DeadLetterService: a page, one letter, and the ids of all that a filter finds.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { DeadLetterFilter } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import type { Pool } from "../database/pool.ts";
import { matches } from "./dead-letter-filter.ts";
import type { Headers } from "./raw-message.ts";

export type DeadLetterRow = {
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
};

/** As it goes to an operator. */
export function letterOf({ headers, deadAt, resolvedAt, ...letter }: DeadLetterRow) {
  return {
    ...letter,
    headers: headers.map(([name, value]) => ({ name, value })),
    deadTime: timestampFromDate(deadAt),
    ...(resolvedAt && { resolvedTime: timestampFromDate(resolvedAt) }),
  };
}

export type Page = {
  readonly before: bigint | undefined;
  readonly filter: DeadLetterFilter | undefined;
  readonly includeResolved: boolean;
  readonly size: number;
};

/** Below what clients take in one reply (4 MiB), with room for one more large message. */
const pageBytesMax = 2 * 1024 ** 2;

/** Newest first. A page that is full of bytes ends before it is full of rows. */
export async function readPage(
  pool: Pool,
  { before = null as never, filter, includeResolved, size }: Page,
): Promise<{ readonly rows: readonly DeadLetterRow[]; readonly more: boolean }> {
  const found = await pool<(DeadLetterRow & { readonly found: number })[]>`
    with wanted as (
      select dead_letter_id, octet_length(data) as bytes
      from dead_letter
      where (${before}::bigint is null or dead_letter_id < ${before}::bigint)
        and ${matches(pool, filter)}
        and (${includeResolved}::boolean or resolved_at is null)
      order by dead_letter_id desc
      limit ${size + 1}
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
  const rows = found.slice(0, size).map(({ found: _, ...row }) => row);
  return { rows, more: (found[0]?.found ?? 0) > rows.length };
}

export async function readLetter(pool: Pool, id: bigint): Promise<DeadLetterRow | undefined> {
  const [row] = await pool<DeadLetterRow[]>`
    select dead_letter_id as "deadLetterId", consumer, message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", reason, detail, data, headers, dead_at as "deadAt",
      resolved_at as "resolvedAt"
    from dead_letter
    where dead_letter_id = ${id}
  `;
  return row;
}

export type Found = { readonly deadLetterId: bigint; readonly foundCount: number };

const idsMax = 500;

/**
 * What the filter finds now, oldest first, however long the reader takes: what is given up later is
 * not among it, what somebody else resolves meanwhile still is.
 */
export async function* findLetters(pool: Pool, filter: DeadLetterFilter): AsyncGenerator<Found> {
  const [snapshot] = await pool<{ count: number; last: bigint | null; at: string }[]>`
    select count(*)::int as count, max(dead_letter_id) as last, now()::text as at
    from dead_letter
    where resolved_at is null and ${matches(pool, filter)}
  `;
  if (!snapshot?.last) return;
  const { count: foundCount, last, at } = snapshot;
  for (let after = 0n; after < last; ) {
    const ids = await pool<{ id: bigint }[]>`
      select dead_letter_id as id from dead_letter
      where dead_letter_id > ${after} and dead_letter_id <= ${last}
        and (resolved_at is null or resolved_at >= ${at}::timestamptz)
        and dead_at <= ${at}::timestamptz
        and ${matches(pool, filter)}
      order by dead_letter_id
      limit ${idsMax}
    `;
    for (const { id: deadLetterId } of ids) yield { deadLetterId, foundCount };
    after = ids.length < idsMax ? last : ids.at(-1)!.id;
  }
}
