// The lead: of all processes of the gateway one replays. A lock of the database's decides which,
// and it belongs to a session: a process that dies frees it at once, and a session that may still
// hold it must never go back to the pool, where it would lead without anybody.

import type { Pool, Session } from "#mesh/database/pool.ts";

const lockName = "webhook-gateway/replay";

/** Does nothing while another process leads. */
export async function whileLeading(pool: Pool, work: () => Promise<void>): Promise<void> {
  const session = await pool.reserve();
  try {
    if (await tryLock(session)) {
      try {
        await work();
      } finally {
        await session`select pg_advisory_unlock(hashtextextended(${lockName}, 0))`;
      }
    }
    session.release();
  } finally {
    // Where it was released, this does nothing.
    session.destroy();
  }
}

async function tryLock(session: Session): Promise<boolean> {
  const [row] = await session<{ locked: boolean }[]>`
    select pg_try_advisory_lock(hashtextextended(${lockName}, 0)) as locked
  `;
  return row?.locked === true;
}
