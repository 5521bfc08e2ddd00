// Lessons and outlines of revisions, which never change once they are written:
// read once, parsed once and kept in memory, in every locale and with the answers
// of their quizzes. Which revision learners see is never kept (live.ts).

import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { createBoundedCache } from "./bounded-cache.ts";
import { gathered } from "./gather.ts";
import * as store from "./revision-store.ts";

export type PublishedLesson = {
  readonly lesson: Lesson;
  /** Locale of what is not translated. */
  readonly defaultLocale: string;
  readonly bytes: number;
};

export type Published = {
  /** Undefined when the revision has no such lesson. */
  read(courseId: string, revision: number, lessonId: string): Promise<Lesson | undefined>;
  lesson(
    courseId: string,
    revision: number,
    lessonId: string,
  ): Promise<PublishedLesson | undefined>;
  /** The revision without the blocks of its lessons. */
  outline(courseId: string, revision: number): Promise<CourseRevision | undefined>;
};

const cacheBytesMax = 64 * 1024 * 1024;
/** A lesson is up to a few megabytes, and so is an outline. */
const keysMax = 32;
/** A message in memory is larger than its bytes. */
const bytesInMemory = 3;

const publishedByPool = new WeakMap<Pool, Published>();

/** One for a pool: whoever reads from it shares what was read. */
export function publishedLessons(pool: Pool): Published {
  const known = publishedByPool.get(pool);
  if (known) return known;
  const published = openPublished(pool);
  publishedByPool.set(pool, published);
  return published;
}

function openPublished(pool: Pool): Published {
  const lessons = createBoundedCache<PublishedLesson>(cacheBytesMax);
  const outlines = createBoundedCache<CourseRevision>(cacheBytesMax);

  const loadLesson = gathered<PublishedLesson>(
    async (keys) => {
      const rows = await store.readLessons(pool, keys.map(lessonKeyOf));
      return new Map(rows.map((row) => [keyOf(row, row.lessonId), lessonOf(row)]));
    },
    { keysMax },
  );
  const loadOutline = gathered<CourseRevision>(
    async (keys) => {
      const rows = await store.readOutlines(pool, keys.map(lessonKeyOf));
      return new Map(rows.map((row) => [keyOf(row), keepOutline(row)]));
    },
    { keysMax },
  );

  function keepOutline(row: store.OutlineRow): CourseRevision {
    const outline = outlineOf(row);
    outlines.set(keyOf(row), outline, row.outline.length * bytesInMemory);
    return outline;
  }

  async function lesson(courseId: string, revision: number, lessonId: string) {
    const key = keyOf({ courseId, revision }, lessonId);
    const kept = lessons.get(key);
    if (kept) return kept;
    const loaded = await loadLesson(key);
    if (loaded) lessons.set(key, loaded, loaded.bytes);
    return loaded;
  }

  return {
    lesson,
    read: async (...names) => (await lesson(...names))?.lesson,
    async outline(courseId, revision) {
      const key = keyOf({ courseId, revision });
      return outlines.get(key) ?? loadOutline(key);
    },
  };
}

/** Fields of a later release are left out: what they hold, nobody here can keep from a learner. */
const reading = { readUnknownFields: false };

function lessonOf({ lesson: bytes, defaultLocale }: store.LessonRow): PublishedLesson {
  const lesson = inBlocks(fromBinary(LessonSchema, bytes, reading));
  return { lesson, defaultLocale, bytes: bytes.length * bytesInMemory };
}

/** A lesson that was published before there were blocks is one block of text. */
export function inBlocks(lesson: Lesson): Lesson {
  const { bodyMarkdown, lessonId } = lesson;
  if (bodyMarkdown === "") return lesson;
  const blockId = lessonId.replace(/^les_/, "blk_");
  const value = { $typeName: "bursar.cms.v1.RichText", markdown: bodyMarkdown, html: "" } as const;
  const content = { case: "richText", value } as const;
  const block = { $typeName: "bursar.cms.v1.Block", blockId, content } as const;
  return { ...lesson, bodyMarkdown: "", blocks: [block, ...lesson.blocks] };
}

function outlineOf(row: store.OutlineRow): CourseRevision {
  const { revision, publishTime, defaultLocale, sha256 } = row;
  const outline = fromBinary(CourseRevisionSchema, row.outline, reading);
  return {
    ...outline,
    revision,
    defaultLocale,
    sha256,
    publishTime: timestampFromDate(publishTime),
  };
}

function keyOf({ courseId, revision }: store.RevisionKey, lessonId = ""): string {
  return `${courseId}/${revision}/${lessonId}`;
}

function lessonKeyOf(key: string): store.LessonKey {
  const [courseId = "", revision, lessonId = ""] = key.split("/");
  return { courseId, revision: Number(revision), lessonId };
}
