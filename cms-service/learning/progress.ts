// How progress adds up. What is known and what is told become the larger of both, so that order and
// repetition do not matter; and a course is completed when its rule is met by what was done.

export type Seen = {
  readonly percent: number;
  readonly positionMs: number;
  /** When 100 percent was first reached. */
  readonly reachTime: Date | undefined;
};

export function seenOf(percent: number, positionMs: number, time: Date): Seen {
  return { percent, positionMs, reachTime: percent === 100 ? time : undefined };
}

export function larger(one: Seen, other: Seen): Seen {
  return {
    percent: Math.max(one.percent, other.percent),
    positionMs: Math.max(one.positionMs, other.positionMs),
    reachTime: earlier(one.reachTime, other.reachTime),
  };
}

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one <= other ? one : other;
}

/** What of a published course counts. */
export type CourseShape = {
  readonly courseId: string;
  readonly revision: number;
  readonly title: string;
  readonly lessons: readonly LessonShape[];
  /** From 1 to 100. */
  readonly lessonsPercent: number;
  readonly certificate: boolean;
};

export type LessonShape = {
  readonly lessonId: string;
  readonly prerequisiteLessonIds: readonly string[];
  /** Those that must be passed; none where the rule asks for no quizzes. */
  readonly quizIds: readonly string[];
};

export type QuizPlace = { readonly lessonId: string; readonly blockId: string };

export type CourseStanding = {
  readonly lessonsCompleted: number;
  readonly lessonsRequired: number;
  /** Rounded down, so that 100 means all. */
  readonly percent: number;
  readonly nextLessonId: string | undefined;
  readonly openLessonIds: readonly string[];
  readonly openQuizzes: readonly QuizPlace[];
  readonly isMet: boolean;
};

/** A course without lessons is never completed. */
export function judgeCourse(
  { lessons, lessonsPercent }: CourseShape,
  completed: ReadonlySet<string>,
  passed: ReadonlySet<string>,
): CourseStanding {
  const total = lessons.length;
  const open = lessons.filter(({ lessonId }) => !completed.has(lessonId));
  const lessonsCompleted = total - open.length;
  const lessonsRequired = Math.floor((total * lessonsPercent + 99) / 100);
  const openQuizzes = lessons.flatMap(({ lessonId, quizIds }) =>
    quizIds.filter((id) => !passed.has(id)).map((blockId) => ({ lessonId, blockId })),
  );
  const shown = new Set(lessons.map(({ lessonId }) => lessonId));
  const isReady = ({ prerequisiteLessonIds }: LessonShape) =>
    prerequisiteLessonIds.every((id) => completed.has(id) || !shown.has(id));
  return {
    lessonsCompleted,
    lessonsRequired,
    percent: total === 0 ? 0 : Math.floor((lessonsCompleted * 100) / total),
    nextLessonId: open.find(isReady)?.lessonId,
    openLessonIds: open.map(({ lessonId }) => lessonId),
    openQuizzes,
    isMet: total > 0 && lessonsCompleted >= lessonsRequired && openQuizzes.length === 0,
  };
}
