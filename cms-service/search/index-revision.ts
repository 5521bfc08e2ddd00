// Makes a revision findable, in the SQL transaction that publishes it or later by
// the upkeep: what is published can be searched from the same moment on.

import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { entriesOf, type SearchEntry } from "./entries.ts";
import * as store from "./index-store.ts";

/** A statement's rows and their letters. */
const rowsMax = 200;
const charactersMax = 1_000_000;

/** Once a revision, however often. The revision is whole: numbered, with all blocks and locales. */
export async function indexRevision(tx: Tx, revision: CourseRevision): Promise<void> {
  const { courseId, revision: number } = revision;
  const key = { courseId, revision: number };
  if (!(await store.insertRevision(tx, key))) return;
  const configs = new Set<string>();
  for (const entries of chunksOf(entriesOf(revision))) {
    for (const { config } of entries) configs.add(config);
    await store.insertEntries(tx, key, entries);
  }
  await store.insertLanguages(tx, [...configs]);
}

function* chunksOf(entries: Iterable<SearchEntry>): Generator<SearchEntry[]> {
  let chunk: SearchEntry[] = [];
  let characters = 0;
  for (const entry of entries) {
    chunk.push(entry);
    characters += entry.body.length;
    if (chunk.length < rowsMax && characters < charactersMax) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}
