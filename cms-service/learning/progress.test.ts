import fc from "fast-check";
import { expect, test } from "vitest";
import { type CourseShape, judgeCourse, larger, type Seen, seenOf } from "./progress.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`progress.test.ts runs with SEED=${seed}`);

const anySeen: fc.Arbitrary<Seen> = fc
  .tuple(fc.integer({ min: 98, max: 100 }), fc.nat(9), fc.nat(9))
  .map(([percent, positionMs, time]) => seenOf(percent, positionMs, new Date(time)));

test("records add up to the same in any order, however often they come", () => {
  const orders = fc
    .array(anySeen, { minLength: 1, maxLength: 8 })
    .chain((records) =>
      fc.tuple(
        fc.constant(records),
        fc.shuffledSubarray([...records, ...records], { minLength: 2 * records.length }),
      ),
    );
  fc.assert(
    fc.property(orders, ([records, shuffled]) => {
      expect(shuffled.reduce(larger)).toEqual(records.reduce(larger));
    }),
    { seed },
  );
});

const lesson = (lessonId: string, over: Partial<CourseShape["lessons"][number]> = {}) => {
  return { lessonId, prerequisiteLessonIds: [], quizIds: [], ...over };
};
const shape: CourseShape = {
  courseId: "c",
  revision: 1,
  title: "",
  certificate: true,
  lessonsPercent: 100,
  lessons: [lesson("a"), lesson("b", { quizIds: ["quiz"] }), lesson("c")],
};
const judged = (completed: string[], passed: string[] = [], over: Partial<CourseShape> = {}) =>
  judgeCourse({ ...shape, ...over }, new Set(completed), new Set(passed));

test("a course is completed when all that its rule asks for is", () => {
  expect(judged(["a", "b"], ["quiz"])).toMatchObject({ isMet: false, openLessonIds: ["c"] });
  const open = [{ lessonId: "b", blockId: "quiz" }];
  expect(judged(["a", "b", "c"])).toMatchObject({ isMet: false, openQuizzes: open });
  expect(judged(["a", "b", "c"], ["quiz"])).toMatchObject({ isMet: true, percent: 100 });
});

test.each([
  [1, 1],
  [33, 1],
  [34, 2],
  [66, 2],
  [67, 3],
  [100, 3],
])("%i percent of three lessons are %i", (lessonsPercent, required) => {
  expect(judged([], [], { lessonsPercent }).lessonsRequired).toBe(required);
});

test("percentages are rounded down, so that 100 means all", () => {
  expect(judged(["a", "b"]).percent).toBe(66);
});

test("what was completed and is no longer in the course counts for nothing", () => {
  expect(judged(["gone", "a"])).toMatchObject({ lessonsCompleted: 1 });
});

test("a course without lessons is never completed", () => {
  expect(judged([], [], { lessons: [] })).toMatchObject({ isMet: false, percent: 0 });
});

test("the next lesson is the first whose prerequisites are completed", () => {
  const lessons = [
    lesson("a", { prerequisiteLessonIds: ["b"] }),
    lesson("b", { prerequisiteLessonIds: ["gone"] }),
  ];
  expect(judged([], [], { lessons }).nextLessonId).toBe("b");
  expect(judged(["b"], [], { lessons }).nextLessonId).toBe("a");
  expect(judged(["a", "b"], [], { lessons }).nextLessonId).toBe(undefined);
});
