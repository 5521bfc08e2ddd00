import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type Lesson, LessonSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import { forLearner, localised, withHtml } from "./deliver.ts";

const text = (blockId: string, markdown: string) => ({
  blockId,
  content: { case: "richText", value: { markdown } } as const,
});

const question = (
  questionId: string,
  prompt: string,
  choices: readonly [string, string, boolean][],
) => ({
  questionId,
  promptMarkdown: prompt,
  points: 5,
  kind: {
    case: "choice",
    value: {
      choices: choices.map(([choiceId, textMarkdown, correct]) => {
        return { choiceId, textMarkdown, correct };
      }),
    },
  } as const,
});

const quiz = (blockId: string, ...questions: ReturnType<typeof question>[]) => ({
  blockId,
  content: { case: "quiz", value: { questions, attemptsMax: 3 } } as const,
});

const lesson = create(LessonSchema, {
  lessonId: "les_1",
  title: "Title",
  blocks: [
    text("b1", "one"),
    text("b2", "two"),
    quiz(
      "b3",
      question("q", "Which?", [
        ["a", "A", true],
        ["b", "B", false],
      ]),
    ),
  ],
  translations: [
    { locale: "de", title: "Titel", blocks: [text("b1", "eins")] },
    { locale: "fr", title: "", blocks: [text("b2", "*deux*"), quiz("b1")] },
    {
      locale: "it",
      blocks: [
        {
          ...quiz(
            "b3",
            question("q", "Quale?", [
              ["b", "Bi", true],
              ["c", "Ci", true],
            ]),
            question("other", "Altro?", []),
          ),
        },
      ],
    },
  ],
});

test.each([
  [[], "Title", "en", ["one", "two"]],
  [["de"], "Titel", "de", ["eins", "two"]],
  [["fr"], "Title", "en", ["one", "*deux*"]],
  [["fr", "de"], "Titel", "de", ["eins", "*deux*"]],
  [["de", "en", "fr"], "Titel", "de", ["eins", "two"]],
  [["en", "de"], "Title", "en", ["one", "two"]],
])(
  "for a reader of %j each text comes from the first locale that has it",
  (locales, title, locale, texts) => {
    const shown = localised(lesson, locales, "en");
    expect(shown).toMatchObject({ title, locale, translations: [] });
    expect(textsOf(shown)).toEqual(texts);
  },
);

test("of a quiz only the words are translated, not what is asked nor what is right", () => {
  const [, , block] = localised(lesson, ["it"], "en").blocks;
  expect(block?.content.value).toMatchObject({
    attemptsMax: 3,
    questions: [
      {
        questionId: "q",
        promptMarkdown: "Quale?",
        points: 5,
        kind: {
          value: {
            choices: [
              { choiceId: "a", textMarkdown: "A", correct: true },
              { choiceId: "b", textMarkdown: "Bi", correct: false },
            ],
          },
        },
      },
    ],
  });
  expect(block?.content.value).toHaveProperty("questions.length", 1);
});

test("what is read by everybody stays as it is", () => {
  const before = structuredClone(lesson);
  withHtml(forLearner(localised(lesson, ["it", "fr", "de"], "en")));
  expect(lesson).toEqual(before);
});

test("every text has HTML, also those of a quiz", () => {
  const { blocks } = withHtml(forLearner(localised(lesson, ["fr"], "en")));
  expect(blocks).toMatchObject([
    { content: { value: { html: "<p>one</p>\n" } } },
    { content: { value: { html: "<p><em>deux</em></p>\n" } } },
    {
      content: {
        value: {
          questions: [
            {
              promptHtml: "<p>Which?</p>\n",
              kind: {
                value: { choices: [{ textHtml: "<p>A</p>\n" }, { textHtml: "<p>B</p>\n" }] },
              },
            },
          ],
        },
      },
    },
  ]);
});

function textsOf({ blocks }: Lesson): string[] {
  return blocks.flatMap(({ content }) => {
    return content.case === "richText" ? [content.value.markdown] : [];
  });
}
