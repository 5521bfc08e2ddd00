import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CourseRevisionSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import { newId } from "../requests/identifiers.ts";
import { type Folder, type FolderCourse, printCourse } from "./print-course.ts";
import { readCourse } from "./read-course.ts";

const nasty = fc.constantFrom(
  ...["---", "```", "````yaml", "<!-- block: text -->", "<!-- \\block: quiz -->", "\r", "  "],
  ...["", "\n", "\t", "# ü é \u2028\u0085\ufeff", "a: b", "- x", "*a &b !c", "😀", "null", "1e3"],
);
const text = fc
  .array(fc.oneof(nasty, fc.string({ unit: "grapheme" }), fc.constant("\n")), { maxLength: 8 })
  .map((pieces) => pieces.join(""));
const name = text.map((one) => [...one].slice(0, 60).join(""));
const word = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,9}$/);

const content = fc.oneof(
  text.map((markdown) => ({ case: "richText" as const, value: { markdown } })),
  fc.record({ kind: fc.constantFrom(1, 2, 3), markdown: text }).map((value) => ({
    ...{ case: "callout" as const, value },
  })),
  fc.record({ text, language: name.map((one) => [...one].slice(0, 20).join("")) }).map((value) => ({
    ...{ case: "code" as const, value },
  })),
  name.map((title) => ({
    case: "embed" as const,
    value: { url: "https://example.com/a", title },
  })),
  name.map((title) => ({ case: "file" as const, value: { assetId: newId("ast"), title } })),
  fc.record({ title: name, prompt: text, explanation: text, id: word }).map((quiz) => ({
    case: "quiz" as const,
    value: {
      title: quiz.title,
      passPercent: 50,
      questions: [
        {
          questionId: quiz.id,
          promptMarkdown: `?${quiz.prompt}`,
          explanationMarkdown: quiz.explanation,
          kind: { case: "number" as const, value: { answer: "-3.50", tolerance: "0.1" } },
        },
      ],
    },
  })),
);
const blocks = fc.array(
  content.map((one) => ({ blockId: newId("blk"), content: one })),
  { maxLength: 5 },
);
const translations = fc.uniqueArray(fc.constantFrom("de", "pt-BR", "sr-Latn"), { maxLength: 3 });

const lesson = fc
  .record({ title: name, freePreview: fc.boolean(), blocks, translations })
  .chain(({ translations: locales, ...own }) =>
    fc
      .tuple(
        ...locales.map((locale) => fc.record({ locale: fc.constant(locale), title: name, blocks })),
      )
      .map((translated) => ({ lessonId: newId("les"), ...own, translations: translated })),
  );
const module = fc
  .record({ title: name, lessons: fc.array(lesson, { maxLength: 3 }) })
  .map((own) => ({ moduleId: newId("mod"), ...own }));
const course = fc
  .record({ title: name, summary: text, modules: fc.array(module, { maxLength: 12 }) })
  .map(({ title, summary, modules }): FolderCourse => {
    const rule = { lessonsPercent: 80, quizzesPassed: true };
    const own = { title, summary, modules, defaultLocale: "en", completionRule: rule };
    return {
      slug: "algebra",
      prerequisiteSlugs: ["sets"],
      content: create(CourseRevisionSchema, own),
    };
  });

function read(folder: Folder): FolderCourse {
  const outcome = readCourse(folder);
  if (outcome.kind === "problems") throw new Error(JSON.stringify(outcome.problems));
  return outcome.course;
}

test("a course is the same after it was a folder, and its folder is the same bytes", {
  timeout: 60_000,
}, () => {
  fc.assert(
    fc.property(course, (before) => {
      const folder = printCourse(before);
      const after = read(folder);
      expect({ ...after, content: undefined }).toEqual({ ...before, content: undefined });
      expect(
        Buffer.from(toBinary(CourseRevisionSchema, after.content)).equals(
          Buffer.from(toBinary(CourseRevisionSchema, before.content)),
        ),
      ).toBe(true);
      expect([...printCourse(after)]).toEqual([...folder]);
    }),
    { numRuns: 100 },
  );
});

test("everything that is wrong is told at once, with its path and line", () => {
  const outcome = readCourse(
    new Map([
      ["course.yaml", 'slug: "a"\ntitle: [\n'],
      ["../x.md", ""],
      ["01-a/module.yaml", "title: A\n"],
      ["01-a/01-b.md", "---\ntitle: B\n---\nText\n<!-- block: tune -->\n"],
    ]),
  );
  expect(outcome).toMatchObject({ kind: "problems" });
  const problems = outcome.kind === "problems" ? outcome.problems : [];
  expect(problems.map(({ path, line }) => `${path}:${line}`)).toEqual(
    expect.arrayContaining(["../x.md:0", "01-a/01-b.md:5"]),
  );
  expect(problems.some(({ path, line }) => path === "course.yaml" && line > 0)).toBe(true);
});

test("an id that is used twice and a prerequisite that is not there are told", () => {
  const lesson = `---\nlesson_id: les_${"a".repeat(26)}\nprerequisite_lesson_ids: [les_x]\n---\n`;
  const outcome = readCourse(
    new Map([
      ["course.yaml", "slug: a\n"],
      ["01/module.yaml", "title: A\n"],
      ["01/01.md", lesson],
      ["01/02.md", lesson],
    ]),
  );
  expect(JSON.stringify(outcome)).toContain("is used twice");
  expect(JSON.stringify(outcome)).toContain("cannot have les_x as a prerequisite");
});
