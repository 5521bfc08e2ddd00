// Publications and differences as the wire writes them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  CourseDifferenceKind,
  type CourseDifferenceSchema,
  CoursePartKind,
  CoursePublicationKind,
  type CoursePublicationSchema,
  type RevisionSummarySchema,
} from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import type { Difference, DifferenceKind, PartKind } from "./diff.ts";
import type { LogKind } from "./life.ts";
import type { PublicationRow } from "./life-store.ts";
import type { RevisionSummaryRow } from "./revision-store.ts";

export function summaryToWire(
  row: RevisionSummaryRow,
): MessageInitShape<typeof RevisionSummarySchema> {
  const { courseId, revision, slug, defaultLocale, title, sha256, publishTime, ...rest } = row;
  const { author, createTime, lessonCount } = rest;
  return {
    revision: {
      ...{ courseId, revision, slug, defaultLocale, title, sha256 },
      publishTime: timestampFromDate(publishTime),
    },
    author,
    createTime: timestampFromDate(createTime),
    lessonCount,
  };
}

const publicationKinds = {
  published: CoursePublicationKind.PUBLISHED,
  scheduled: CoursePublicationKind.SCHEDULED,
  "schedule-cancelled": CoursePublicationKind.SCHEDULE_CANCELLED,
  unpublished: CoursePublicationKind.UNPUBLISHED,
  archived: CoursePublicationKind.ARCHIVED,
  unarchived: CoursePublicationKind.UNARCHIVED,
} as const satisfies Record<LogKind, CoursePublicationKind>;

export function publicationToWire(
  row: PublicationRow,
): MessageInitShape<typeof CoursePublicationSchema> {
  const { kind, fromRevision, toRevision, actor, effectiveTime, recordTime } = row;
  return {
    kind: publicationKinds[kind],
    fromRevision: fromRevision ?? 0,
    toRevision: toRevision ?? 0,
    actor,
    effectiveTime: timestampFromDate(effectiveTime),
    recordTime: timestampFromDate(recordTime),
  };
}

const differenceKinds = {
  added: CourseDifferenceKind.ADDED,
  removed: CourseDifferenceKind.REMOVED,
  moved: CourseDifferenceKind.MOVED,
  changed: CourseDifferenceKind.CHANGED,
} as const satisfies Record<DifferenceKind, CourseDifferenceKind>;

const partKinds = {
  course: CoursePartKind.COURSE,
  module: CoursePartKind.MODULE,
  lesson: CoursePartKind.LESSON,
  block: CoursePartKind.BLOCK,
} as const satisfies Record<PartKind, CoursePartKind>;

export function differenceToWire(
  difference: Difference,
): MessageInitShape<typeof CourseDifferenceSchema> {
  const { kind, part, id, title, fromParent, toParent, fields } = difference;
  return {
    kind: differenceKinds[kind],
    part: partKinds[part],
    resource: id,
    title,
    fromParent,
    toParent,
    fields: [...fields],
  };
}
