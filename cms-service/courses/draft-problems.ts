// What is wrong with a lesson, a module or a course as an author sends it, all of it at once. What
// the fields' own rules say is checked before; here is what only the whole can show.

import { toBinary } from "@bufbuild/protobuf";
import { type Block, BlockSchema, type Quiz } from "#gen/bursar/cms/v1/block_pb.ts";
import type { Lesson, LessonTranslation } from "#gen/bursar/cms/v1/course_pb.ts";

export type DraftProblem = { readonly field: string; readonly problem: string };

const titleMax = 200;
const blocksMax = 200;
const translationsMax = 50;
const lessonBytesMax = 1_048_576;
export const problemsMax = 50;

export function titleProblems(title: string, field = "title"): DraftProblem[] {
  const length = [...title].length;
  if (length >= 1 && length <= titleMax) return [];
  return [{ field, problem: `has ${length} characters; it needs 1 to ${titleMax}` }];
}

type Localised = { readonly locale: string };

export function translationProblems(
  translations: readonly Localised[],
  defaultLocale: string,
): DraftProblem[] {
  const seen = new Set<string>();
  const problems: DraftProblem[] = [];
  for (const [n, { locale }] of translations.entries()) {
    const field = `translations[${n}].locale`;
    if (locale === defaultLocale) {
      problems.push({ field, problem: `${locale} is the default locale: change the field itself` });
    }
    if (seen.has(locale)) problems.push({ field, problem: `${locale} is there twice` });
    seen.add(locale);
  }
  if (translations.length > translationsMax) {
    const problem = `are ${translations.length}; there may be ${translationsMax}`;
    problems.push({ field: "translations", problem });
  }
  return problems;
}

export type LessonDraft = Pick<Lesson, "title" | "blocks" | "translations">;

export function lessonProblems(lesson: LessonDraft, defaultLocale: string): DraftProblem[] {
  const { title, blocks, translations } = lesson;
  return [
    ...titleProblems(title),
    ...blocksProblems(blocks, "blocks"),
    ...translationProblems(translations, defaultLocale),
    ...translations.flatMap((translation, n) =>
      translatedBlocksProblems(translation, blocks, `translations[${n}].blocks`),
    ),
    ...sizeProblems(lesson),
  ];
}

function sizeProblems({ blocks, translations }: LessonDraft): DraftProblem[] {
  const all = [...blocks, ...translations.flatMap((translation) => translation.blocks)];
  const bytes = all.reduce((sum, block) => sum + toBinary(BlockSchema, block).length, 0);
  if (bytes <= lessonBytesMax) return [];
  const problem = `have ${bytes} bytes with their translations; a lesson has ${lessonBytesMax}`;
  return [{ field: "blocks", problem }];
}

function blocksProblems(blocks: readonly Block[], field: string): DraftProblem[] {
  const problems: DraftProblem[] = [];
  if (blocks.length > blocksMax) {
    problems.push({ field, problem: `are ${blocks.length}; there may be ${blocksMax}` });
  }
  const seen = new Set<string>();
  for (const [n, { blockId, content }] of blocks.entries()) {
    const at = `${field}[${n}]`;
    if (blockId !== "" && seen.has(blockId)) {
      problems.push({ field: `${at}.block_id`, problem: `${blockId} is there twice` });
    }
    seen.add(blockId);
    if (content.case === "quiz") problems.push(...quizProblems(content.value, `${at}.quiz`));
  }
  return problems;
}

function translatedBlocksProblems(
  { blocks }: LessonTranslation,
  originals: readonly Block[],
  field: string,
): DraftProblem[] {
  const kinds = new Map(originals.map(({ blockId, content }) => [blockId, content.case]));
  return [
    ...blocksProblems(blocks, field),
    ...blocks.flatMap(({ blockId, content }, n): DraftProblem[] => {
      const at = `${field}[${n}]`;
      const kind = blockId === "" ? undefined : kinds.get(blockId);
      if (kind === undefined) {
        const problem = `${JSON.stringify(blockId)} is no block of the lesson that has an id`;
        return [{ field: `${at}.block_id`, problem }];
      }
      if (kind === content.case) return [];
      return [{ field: at, problem: `is a ${content.case}, and ${blockId} is a ${kind}` }];
    }),
  ];
}

function quizProblems({ questions }: Quiz, field: string): DraftProblem[] {
  const problems: DraftProblem[] = [];
  const seen = new Set<string>();
  for (const [n, { questionId, kind }] of questions.entries()) {
    const at = `${field}.questions[${n}]`;
    if (seen.has(questionId)) {
      problems.push({ field: `${at}.question_id`, problem: `${questionId} is there twice` });
    }
    seen.add(questionId);
    if (kind.case === "number" && kind.value.answer === "") {
      problems.push({ field: `${at}.number.answer`, problem: "is empty" });
    }
    if (kind.case === "text" && kind.value.accepted.length === 0) {
      problems.push({ field: `${at}.text.accepted`, problem: "has no answer" });
    }
    if (kind.case !== "choice") continue;
    const { choices, multiple } = kind.value;
    const ids = new Set(choices.map(({ choiceId }) => choiceId));
    if (ids.size < choices.length) {
      problems.push({ field: `${at}.choice.choices`, problem: "has an id twice" });
    }
    const right = choices.filter(({ correct }) => correct).length;
    if (right === 0 || (right > 1 && !multiple)) {
      const wanted = multiple ? "at least one" : "exactly one, unless it is multiple";
      problems.push({ field: `${at}.choice.choices`, problem: `${right} are correct; ${wanted}` });
    }
  }
  return problems;
}
