import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Block, BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, type TestCms } from "../testing/cms.ts";
import { grantTestAccess, publishTestCourse } from "../testing/publication.ts";

const secret = "xyzzysecret";
const number = "271828.1828";
const tolerance = "0.31415926";
const secrets = [secret, number, tolerance];

let cms: TestCms;
let lessonIds: string[];
const courseId = newId("crs");
const slug = "secretive";

beforeAll(async () => {
  cms = await openTestCms();
  const blocks = [quiz("en"), { ...text("Ask away", "public") }];
  const lessons = [true, false].map((freePreview) => ({
    lessonId: newId("les"),
    title: "Quiz",
    freePreview,
    blocks,
    translations: [
      { locale: "de", title: "Fragen", blocks: blocks.map((block) => translated(block)) },
      // Of no block of the lesson, and of one of another kind.
      {
        locale: "fr",
        title: "Questions",
        blocks: [quiz("fr"), { ...quiz("fr"), blockId: blocks[1]!.blockId }],
      },
    ],
  }));
  lessonIds = lessons.map(({ lessonId }) => lessonId);
  const modules = [{ moduleId: newId("mod"), title: "Module", lessons }];
  const content = { title: "Course", summary: "Public", modules };
  await publishTestCourse(cms.database.pool, { courseId, slug, content });
  await grantTestAccess(cms.database.pool, "ada", courseId);
});
afterAll(() => cms[Symbol.asyncDispose]());

test("no answer of the catalog tells what is right in a quiz", async () => {
  const { catalog } = cms;
  for (const locales of [[], ["de"], ["fr"], ["fr", "de"], ["en"]]) {
    const answers = [
      await catalog.getCatalogCourse({ name: { case: "courseId", value: courseId }, locales }),
      await catalog.getCatalogCourse({ name: { case: "slug", value: slug }, locales }),
      await catalog.listCatalogCourses({ locales }),
      await catalog.getCatalogLesson({ lessonId: lessonIds[0]!, locales }),
      ...(await Promise.all(
        lessonIds.map((lessonId) =>
          catalog.getCatalogLesson({ lessonId, locales, learnerId: "ada" }),
        ),
      )),
      await catalog.searchCatalog({ query: "asked", locales, learnerId: "ada" }),
      await catalog.searchCatalog({ query: "public", locales, learnerId: "ada" }),
      await catalog.resolveSlug({ slug }),
    ];
    for (const answer of answers) expect(told(answer)).toEqual([]);
  }
});

test("the questions are there, and what there is to choose from", async () => {
  const { lesson } = await cms.catalog.getCatalogLesson({ lessonId: lessonIds[0]! });
  const [block] = lesson?.blocks ?? [];
  expect(block?.content.value).toMatchObject({
    attemptsMax: 3,
    questions: [
      {
        promptHtml: "<p>Asked <em>en</em></p>\n",
        explanationMarkdown: "",
        kind: {
          value: {
            choices: [
              { choiceId: "a", textHtml: "<p>A</p>\n", correct: false },
              { choiceId: "b", textHtml: "<p>B</p>\n", correct: false },
            ],
          },
        },
      },
      { kind: { case: "number", value: { answer: "", tolerance: "" } } },
      { kind: { case: "text", value: { accepted: [] } } },
    ],
  });
});

test("nobody finds a lesson by what is right in its quiz", async () => {
  for (const query of [secret, number, tolerance]) {
    for (const locales of [[], ["de"], ["fr"]]) {
      const { hits } = await cms.catalog.searchCatalog({ query, locales, learnerId: "ada" });
      expect(hits, query).toEqual([]);
    }
  }
  const left = await cms.database.pool`
    select lesson_id from search_entry
    where body ~ ${secrets.join("|")} or document::text ~ ${secrets.join("|")}
  `;
  expect(left).toEqual([]);
});

/** Every place of the answer, however deep, that tells. */
function told(value: unknown, path = "answer"): string[] {
  if (typeof value === "string") return secrets.some((each) => value.includes(each)) ? [path] : [];
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    return secrets.some((each) => bytes.includes(each)) ? [path] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) => {
    if (name === "correct" && part === true) return [`${path}.correct`];
    return told(part, `${path}.${name}`);
  });
}

function quiz(locale: string): Block {
  const explanationMarkdown = `Because ${secret}`;
  const promptMarkdown = `Asked *${locale}*`;
  return create(BlockSchema, {
    blockId: newId("blk"),
    content: {
      case: "quiz",
      value: {
        title: "Quiz",
        attemptsMax: 3,
        questions: [
          {
            questionId: "choice",
            promptMarkdown,
            explanationMarkdown,
            kind: {
              case: "choice",
              value: {
                choices: [
                  { choiceId: "a", textMarkdown: "A", correct: true },
                  { choiceId: "b", textMarkdown: "B" },
                ],
              },
            },
          },
          {
            questionId: "number",
            promptMarkdown,
            explanationMarkdown,
            kind: { case: "number", value: { answer: number, tolerance } },
          },
          {
            questionId: "text",
            promptMarkdown,
            explanationMarkdown,
            kind: { case: "text", value: { accepted: [secret] } },
          },
        ],
      },
    },
  });
}

function text(title: string, markdown: string): Block {
  const blockId = newId("blk");
  const value = { markdown: `${title} ${markdown}` };
  return create(BlockSchema, { blockId, content: { case: "richText", value } });
}

/** The same questions, in other words. */
function translated(block: Block): Block {
  if (block.content.case !== "quiz") return block;
  return { ...quiz("de"), blockId: block.blockId };
}
