// A part of an SQL transaction that can fail without the rest: what it wrote is undone, and what
// was written before it stands.

import type { Tx } from "./pool.ts";

export async function inSavepoint<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await tx.unsafe("savepoint part");
  try {
    const result = await work();
    await tx.unsafe("release savepoint part");
    return result;
  } catch (error) {
    // Where the connection is lost, so is the SQL transaction, and the caller learns why.
    await undo(tx).catch(() => {});
    throw error;
  }
}

async function undo(tx: Tx): Promise<void> {
  await tx.unsafe("rollback to savepoint part");
  await tx.unsafe("release savepoint part");
}
