import { clone, create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Block } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
  type Module,
  ModuleSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { type Difference, diffCourses } from "./diff.ts";
import { partOf } from "./parts.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}`);

const courseShape = fc.array(fc.array(fc.nat(4), { maxLength: 5 }), { minLength: 1, maxLength: 5 });

/** A course of so many modules, lessons in them, and blocks in these. */
function courseOf(shape: readonly (readonly number[])[]): CourseRevision {
  return create(CourseRevisionSchema, {
    courseId: "crs_1",
    title: "Algebra",
    modules: shape.map((lessons, m) => ({
      moduleId: `mod_${m}`,
      title: `Module ${m}`,
      lessons: lessons.map((blocks, l) => lessonOf(`les_${m}_${l}`, blocks)),
    })),
  });
}

function lessonOf(lessonId: string, blocks: number) {
  return create(LessonSchema, {
    lessonId,
    title: lessonId,
    blocks: Array.from({ length: blocks }, (_, b) => ({
      blockId: `blk_${lessonId}_${b}`,
      content: { case: "richText" as const, value: { markdown: `text ${b}` } },
    })),
  });
}

const diff = (a: CourseRevision, b: CourseRevision) => diffCourses(partOf(a), partOf(b));
const short = ({ kind, id, fields }: Difference) => [kind, id, ...fields].join(" ");

test("a course does not differ from itself, nor from its copy under another number", () => {
  fc.assert(
    fc.property(courseShape, (shape) => {
      const course = courseOf(shape);
      const copy = clone(CourseRevisionSchema, course);
      expect(diff(course, copy)).toEqual([]);
      expect(diff(course, { ...copy, revision: 9, slug: "other", locale: "de" })).toEqual([]);
    }),
    { seed },
  );
});

type Place = { readonly module: Module; readonly lesson: Lesson };
type Planted = { readonly expected: readonly string[] } | undefined;
type Plant = (course: CourseRevision, place: Place, other: Module) => Planted;

/** Each changes the course, and says what must be named. */
const plants: Record<string, Plant> = {
  "the course's title": (course) => {
    course.title += "!";
    return { expected: ["changed crs_1 title"] };
  },
  "a rule of the course": (course) => {
    course.completionRule = {
      $typeName: "bursar.cms.v1.CompletionRule",
      lessonsPercent: 50,
      quizzesPassed: false,
      certificate: false,
    };
    return { expected: ["changed crs_1 completion_rule"] };
  },
  "prerequisites and summary": (course) => {
    course.prerequisiteCourseIds.push("crs_2");
    course.summary = "Short";
    return { expected: ["changed crs_1 prerequisite_course_ids summary"] };
  },
  "a module's title": (_, { module }) => {
    module.title += "!";
    return { expected: [`changed ${module.moduleId} title`] };
  },
  "a lesson's preview and title": (_, { lesson }) => {
    lesson.title += "!";
    lesson.freePreview = true;
    return { expected: [`changed ${lesson.lessonId} free_preview title`] };
  },
  "a lesson's translations": (_, { lesson }) => {
    lesson.translations.push({
      $typeName: "bursar.cms.v1.LessonTranslation",
      locale: "de",
      title: "",
      blocks: [],
    });
    return { expected: [`changed ${lesson.lessonId} translations`] };
  },
  "a new module with a lesson": (course) => {
    const lessons = [lessonOf("les_new", 2)];
    course.modules.unshift(create(ModuleSchema, { moduleId: "mod_new", title: "New", lessons }));
    return { expected: ["added mod_new", "added les_new"] };
  },
  "a lesson gone": (_, { module, lesson }) => {
    module.lessons.splice(module.lessons.indexOf(lesson), 1);
    return { expected: [`removed ${lesson.lessonId}`] };
  },
  "a module gone": (course, { module }) => {
    course.modules.splice(course.modules.indexOf(module), 1);
    const lessons = module.lessons.map(({ lessonId }) => `removed ${lessonId}`);
    return { expected: [`removed ${module.moduleId}`, ...lessons] };
  },
  "a lesson in another module": (_, { module, lesson }, other) => {
    if (other === module) return undefined;
    module.lessons.splice(module.lessons.indexOf(lesson), 1);
    other.lessons.unshift(lesson);
    return { expected: [`moved ${lesson.lessonId}`] };
  },
  "a lesson elsewhere in its module": (_, { module, lesson }) => {
    const at = module.lessons.indexOf(lesson);
    // Of two neighbours that changed places either has moved.
    if (Math.abs(at - (module.lessons.length - 1)) < 2) return undefined;
    module.lessons.push(...module.lessons.splice(at, 1));
    return { expected: [`moved ${lesson.lessonId}`] };
  },
  "a block's text": (_, { lesson }) => {
    const [block] = lesson.blocks;
    if (block?.content.case !== "richText") return undefined;
    block.content.value.markdown += "!";
    return { expected: [`changed ${block.blockId} rich_text.markdown`] };
  },
  "a block's kind": (_, { lesson }) => {
    const [block] = lesson.blocks;
    if (!block) return undefined;
    block.content = {
      case: "code",
      value: { $typeName: "bursar.cms.v1.Code", text: "1", language: "" },
    };
    return { expected: [`changed ${block.blockId} code.text rich_text.markdown`] };
  },
  "a block gone": (_, { lesson }) => {
    const block = lesson.blocks.pop();
    return block && { expected: [`removed ${block.blockId}`] };
  },
  "a block twice": (_, { lesson }) => {
    const [block] = lesson.blocks;
    if (!block) return undefined;
    lesson.blocks.push(structuredClone(block) as Block);
    return { expected: [`added ${block.blockId}#2`] };
  },
};

test.each(Object.entries(plants))("%s: that is named and nothing else", (_, plant) => {
  const planted = fc.record({ shape: courseShape, at: fc.nat(), other: fc.nat() });
  let tried = 0;
  fc.assert(
    fc.property(planted, ({ shape, at, other }) => {
      const before = courseOf(shape);
      const after = clone(CourseRevisionSchema, before);
      const places = after.modules.flatMap((module) =>
        module.lessons.map((lesson) => ({ module, lesson })),
      );
      if (places.length === 0) return;
      const place = places[at % places.length]!;
      const outcome = plant(after, place, after.modules[other % after.modules.length]!);
      if (!outcome) return;
      tried++;
      expect(diff(before, after).map(short)).toEqual(outcome.expected);
    }),
    { seed },
  );
  expect(tried).toBeGreaterThan(0);
});

test("from nothing but differences the order of the second follows, whatever moved", () => {
  const orders = fc.uniqueArray(fc.nat(30), { maxLength: 12 });
  const courseWith = (ids: readonly number[]) =>
    create(CourseRevisionSchema, { modules: ids.map((id) => ({ moduleId: `mod_${id}` })) });
  fc.assert(
    fc.property(orders, orders, (first, second) => {
      const named = diff(courseWith(first), courseWith(second));
      const of = (kind: string) =>
        named.filter((each) => each.kind === kind).map(({ id }) => Number(id.slice(4)));
      const [added, removed, moved] = [of("added"), of("removed"), of("moved")];
      expect(added).toEqual(second.filter((id) => !first.includes(id)));
      expect(removed).toEqual(first.filter((id) => !second.includes(id)));
      // Those who are not named stand in both in the same order.
      const stays = (id: number) =>
        !moved.includes(id) && !added.includes(id) && !removed.includes(id);
      expect(first.filter(stays)).toEqual(second.filter(stays));
    }),
    { seed },
  );
});
