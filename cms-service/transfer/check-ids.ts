// Ids in a folder: well-formed, each once, and prerequisites that name a lesson of the folder.

import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";

/** An empty id is left out, and the service gives one. */
export function idProblems({ modules }: CourseRevision): readonly string[] {
  const lessons = modules.flatMap((module) => module.lessons);
  const blocks = lessons.flatMap((lesson) => lesson.blocks);
  const known = new Set(lessons.map(({ lessonId }) => lessonId));
  return [
    ...listProblems(
      "mod",
      modules.map(({ moduleId }) => moduleId),
    ),
    ...listProblems(
      "les",
      lessons.map(({ lessonId }) => lessonId),
    ),
    ...listProblems(
      "blk",
      blocks.map(({ blockId }) => blockId),
    ),
    ...lessons.flatMap(({ lessonId, title, prerequisiteLessonIds }) =>
      [...new Set(prerequisiteLessonIds)].length < prerequisiteLessonIds.length
        ? [`lesson ${lessonId || title} names a prerequisite twice`]
        : prerequisiteLessonIds
            .filter((id) => !known.has(id) || id === lessonId)
            .map((id) => `lesson ${lessonId || title} cannot have ${id} as a prerequisite`),
    ),
  ];
}

function listProblems(prefix: string, ids: readonly string[]): readonly string[] {
  const form = new RegExp(`^${prefix}_[0-9a-z]{26}$`);
  const given = ids.filter((id) => id !== "");
  const twice = given.filter((id, index) => given.indexOf(id) !== index);
  return [
    ...given.filter((id) => !form.test(id)).map((id) => `${id} is no id of the form ${prefix}_…`),
    ...twice.map((id) => `${id} is used twice`),
  ];
}
