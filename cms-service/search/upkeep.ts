// Keeps the index to what learners see: revisions that nobody sees any more go,
// and those that cannot be found, from before there was an index or pointed to
// again, are added. A publication adds its own; nobody waits for this.

import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { CourseRevisionSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import { indexRevision } from "./index-revision.ts";
import * as store from "./index-store.ts";

export type SearchUpkeepOptions = { readonly pool: Pool; readonly log: Log };

const pollMs = 5_000;
/** Between two revisions: those who publish and those who search come first. */
const pauseMs = 20;
const revisionsMax = 20;

export function startSearchUpkeep({ pool, log }: SearchUpkeepOptions): AsyncDisposable {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const more = await keepIndex(pool, { log, signal }).catch((error: unknown) => {
        complain(log, "the search index cannot be kept", error);
        return false;
      });
      await sleep(more ? pauseMs : pollMs, undefined, { signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

export type KeepOptions = { readonly log: Log; readonly signal?: AbortSignal };

/** Some revisions; true: there may be more to do. */
export async function keepIndex(pool: Pool, { log, signal }: KeepOptions): Promise<boolean> {
  const missing = await store.readUnindexed(pool, revisionsMax);
  const superseded = await store.readSuperseded(pool, revisionsMax);
  const steps = [
    ...missing.map((key) => ({ key, work: addRevision })),
    ...superseded.map((key) => ({ key, work: removeRevision })),
  ];
  let failed = 0;
  for (const { key, work } of steps) {
    if (signal?.aborted) return false;
    try {
      await inTransaction(pool, (tx) => work(tx, key));
    } catch (error) {
      // The others are not to blame.
      failed += 1;
      complain(log, `revision ${key.revision} of course ${key.courseId} cannot be indexed`, error);
    }
  }
  return failed === 0 && steps.length >= revisionsMax;
}

function complain(log: Log, message: string, error: unknown): void {
  if (isFault(error)) log.warn(message, { error });
  else log.error(message, { error });
}

async function addRevision(tx: Tx, key: store.RevisionKey): Promise<void> {
  const row = await store.readSnapshot(tx, key);
  if (!row) return;
  const content = fromBinary(CourseRevisionSchema, row.snapshot, { readUnknownFields: false });
  const { defaultLocale } = row;
  await indexRevision(tx, { ...content, ...key, defaultLocale });
}

/** Unless it came into use since it was found. */
async function removeRevision(tx: Tx, key: store.RevisionKey): Promise<void> {
  if (await store.lockSuperseded(tx, key)) await store.deleteRevision(tx, key);
}
