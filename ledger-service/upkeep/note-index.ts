// Makes the index of transactions by their notes, in the background, some facts at a time. Several
// processes may do it at once: who finds a ledger taken goes on with the next one.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { decodeTransaction } from "../journal.ts";
import { createBell } from "../outgoing/bell.ts";
import { listBehind, listIndexable, lockNotePosition, writeNotes } from "../store/notes.ts";

export type NoteIndex = AsyncDisposable & {
  /** This process has committed something. */
  wake(): void;
};

export type NoteIndexOptions = {
  readonly pool: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
};

const factsMax = 500;
const pollMs = 1_000;
/** Nobody waits for the index: what is committed meanwhile is indexed together. */
const gapMs = 100;
/** As a multiple of the work before: those who post have the processors first. */
const restPerWork = 3;

export function startNoteIndex({ pool, log, metrics }: NoteIndexOptions): NoteIndex {
  const bell = createBell();
  let stopped = false;
  const lag = metrics.gauge({
    name: "bursar_ledger_note_index_lag_events",
    help: "Facts that the index of notes has not looked at yet, when last looked at",
  });

  /** Some facts of each ledger; true: there may be more. */
  async function indexSome(): Promise<boolean> {
    let left = 0n;
    let more = false;
    for (const { id, left: behind } of await listBehind(pool)) {
      if (stopped) return false;
      const indexed = await inTransaction(pool, (tx) => indexNotes(tx, id, factsMax));
      left += behind - BigInt(indexed);
      more ||= indexed === factsMax;
    }
    lag.set(left > 0n ? Number(left) : 0);
    return more;
  }

  async function run(): Promise<void> {
    while (!stopped) {
      try {
        const startMs = performance.now();
        if (await indexSome()) {
          await pause(restPerWork * (performance.now() - startMs));
          continue;
        }
      } catch (error) {
        if (isFault(error)) log.warn("notes cannot be indexed now", { error });
        else log.error("notes cannot be indexed", { error });
      }
      await pause(gapMs);
      if (!stopped) await bell.wait(pollMs);
    }
  }

  let endPause = () => {};
  async function pause(forMs: number): Promise<void> {
    if (stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    endPause = resolve;
    const timer = setTimeout(resolve, forMs);
    await promise;
    clearTimeout(timer);
  }

  const running = run();
  return {
    wake: bell.ring,
    async [Symbol.asyncDispose]() {
      stopped = true;
      endPause();
      bell.ring();
      await running;
    },
  };
}

/** How many facts it has looked at; none where another process is at it. */
export async function indexNotes(tx: Tx, id: bigint, limit: number): Promise<number> {
  const after = await lockNotePosition(tx, id);
  if (after === undefined) return 0;
  const facts = await listIndexable(tx, id, { after, limit });
  const rows = facts.flatMap(({ sequence, data }) => {
    const notes = data ? decodeTransaction(data).metadata : [];
    return notes.map(({ key, value }) => ({ key, value, sequence }));
  });
  const last = facts.at(-1);
  if (last) await writeNotes(tx, id, { rows, position: last.sequence });
  return facts.length;
}
