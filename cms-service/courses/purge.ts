// Deleted courses whose time is over are removed for good, unless something that is kept names them:
// a revision that learners saw, an offer, an enrollment. Those stay, deleted, as what is named.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";

const lookMs = 60_000;
const atOnceMax = 100;

/** Disposing finishes the courses in hand. */
export function startPurge({ pool, log }: { readonly pool: Pool; readonly log: Log }) {
  const closing = new AbortController();
  const running = (async () => {
    while (!closing.signal.aborted) {
      try {
        // More than that wait for the next look.
        await purgeDeleted(pool);
      } catch (error) {
        log.warn("deleted courses cannot be removed now", { error });
      }
      await sleep(lookMs, undefined, { signal: closing.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

/** Gives how many were removed. A course that somebody holds is left for the next time. */
export async function purgeDeleted(pool: Pool): Promise<number> {
  return inTransaction(pool, async (tx) => {
    const due = await tx<{ courseId: string }[]>`
      select course_id as "courseId" from course c
      where purge_time <= now()
        and not exists (select 1 from course_revision r where r.course_id = c.course_id)
        and not exists (select 1 from offer_course o where o.course_id = c.course_id)
        and not exists (select 1 from enrollment e where e.course_id = c.course_id)
        and not exists (select 1 from course_publication p where p.course_id = c.course_id)
        and not exists (
          select 1 from course_prerequisite p where p.prerequisite_course_id = c.course_id)
      order by course_id
      limit ${atOnceMax}
      for update skip locked
    `;
    const ids = due.map(({ courseId }) => courseId);
    if (ids.length === 0) return 0;
    await tx`delete from lesson where course_id = any(${ids})`;
    await tx`delete from module where course_id = any(${ids})`;
    await tx`delete from course_prerequisite where course_id = any(${ids})`;
    await tx`delete from course_change where course_id = any(${ids})`;
    await tx`delete from course_slug where course_id = any(${ids})`;
    await tx`delete from preview_key where course_id = any(${ids})`;
    await tx`delete from course where course_id = any(${ids})`;
    return ids.length;
  });
}
