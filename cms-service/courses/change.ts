// Changes of a course's tree: each has a version, which is the etag of the tree
// after it, and says what it touched, so that who comes too late is told.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Tx } from "#mesh/database/pool.ts";
import { refused } from "../requests/refusal.ts";
import { etagOf } from "./rules.ts";

export type Change = {
  readonly courseId: string;
  /** Ids of the parts that it touched, the course's own for its own fields. */
  readonly resources: readonly string[];
  readonly what: string;
  readonly actor: string;
};

/** Gives the version of the tree after it. The course is locked. */
export async function recordChange(tx: Tx, change: Change): Promise<bigint> {
  const { courseId, resources, what, actor } = change;
  const [row] = await tx<{ version: bigint }[]>`
    update course
    set version = version + 1, update_time = now(),
        own_version = case when ${resources.includes(courseId)} then version + 1
                      else own_version end
    where course_id = ${courseId}
    returning version
  `;
  const version = row?.version ?? 0n;
  await tx`
    insert into course_change (course_id, version, resource, what, actor)
    select ${courseId}, ${version}, resource, ${what}, ${actor}
    from unnest(${[...new Set(resources)]}::text[]) as resource
  `;
  await forget(tx, courseId, version);
  return version;
}

/** Who looked that long ago is told what changed lately, and to read it again. */
const versionsKept = 1_000n;

async function forget(tx: Tx, courseId: string, version: bigint): Promise<void> {
  await tx`
    delete from course_change where course_id = ${courseId} and version <= ${version - versionsKept}
  `;
}

/** The tree as it is locked, and the etag that the caller looked at. */
export type Looked = {
  readonly courseId: string;
  readonly etag: string;
  /** Of the tree. */
  readonly version: bigint;
};

/** A part of the tree, or the course's own fields, by its id. */
export type Part = { readonly resource: string; readonly version: bigint };

/** Throws a refusal, with what changed since, when the etag is not the tree's. */
export async function refuseStale(tx: Tx, looked: Looked): Promise<void> {
  const { courseId, etag, version } = looked;
  if (etag !== etagOf(version)) throw await stale(tx, looked, courseId, version);
}

/**
 * Throws a refusal when one of the parts was changed since the etag. The etag may be the part's own
 * or the tree's: every one that is not older than the part's last change has seen it as it is.
 */
export async function refuseStaleParts(
  tx: Tx,
  looked: Looked,
  parts: readonly Part[],
): Promise<void> {
  const seen = versionOf(looked.etag);
  for (const { resource, version } of parts) {
    const isFresh = seen !== undefined && version <= seen && seen <= looked.version;
    if (!isFresh) throw await stale(tx, looked, resource, version);
  }
}

const changesMax = 20;

async function stale(tx: Tx, looked: Looked, resource: string, version: bigint) {
  const { courseId, etag } = looked;
  const currentEtag = etagOf(version);
  const rows = await tx<ChangeRow[]>`
    select resource, what, actor, change_time as "changeTime", version from course_change
    where course_id = ${courseId} and version > ${versionOf(etag) ?? looked.version}::bigint
    order by version desc, resource
    limit ${changesMax}
  `;
  const changes = rows.map(({ changeTime, version: changed, ...change }) => {
    return { ...change, changeTime: timestampFromDate(changeTime), etag: etagOf(changed) };
  });
  const list = rows.map(({ what, resource: changed }) => `${what} ${changed}`).join(", ");
  const what = `${resource} was changed${list && ` (${list})`}`;
  return refused("ETAG_MISMATCH", `${what}; its etag is ${currentEtag}: read it again`, {
    resource,
    currentEtag,
    changes,
  });
}

type ChangeRow = {
  readonly resource: string;
  readonly what: string;
  readonly actor: string;
  readonly changeTime: Date;
  readonly version: bigint;
};

function versionOf(etag: string): bigint | undefined {
  const digits = /^"([1-9][0-9]{0,17})"$/.exec(etag)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}
