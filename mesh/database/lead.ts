// The lead: of all processes of a service one does what only one may. A lock of the database's
// decides which, and it belongs to a session: a process that dies frees it at once, and a session
// that may still hold it must never go back to the pool, where it would lead without anybody.

import type { Pool, Session } from "./pool.ts";

/**
 * Does nothing while another process leads. The name is the database's, so it begins with the
 * service's. Work that writes through another connection than the session may go on for a while
 * after that was lost and somebody else leads: it must not trust the lead alone.
 */
export async function whileLeading(
  pool: Pool,
  name: string,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const session = await pool.reserve();
  try {
    if (await tryLock(session, name)) {
      try {
        await work(session);
      } finally {
        await session`select pg_advisory_unlock(hashtextextended(${name}, 0))`;
      }
    }
    session.release();
  } finally {
    // Where it was released, this does nothing.
    session.destroy();
  }
}

async function tryLock(session: Session, name: string): Promise<boolean> {
  const [row] = await session<{ locked: boolean }[]>`
    select pg_try_advisory_lock(hashtextextended(${name}, 0)) as locked
  `;
  return row?.locked === true;
}
