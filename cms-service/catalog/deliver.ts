// Published content on its way to a reader: in one locale, without what is right
// in a quiz, and with HTML for every text. What comes in is shared by everybody
// who reads it and is never changed; what is different is a copy.

import type { Block, Choice, Question, Quiz } from "#gen/bursar/cms/v1/block_pb.ts";
import type { CourseRevision, Lesson, Module } from "#gen/bursar/cms/v1/course_pb.ts";
import { localeChain } from "./locale.ts";
import { htmlOf } from "./markdown.ts";
import { translatedBlock } from "./translation.ts";

/**
 * In the first locale that has it, text by text and block by block; the default locale has them
 * all. `locale` says in which the title is. The modules of a revision come along.
 */
export function localised(revision: CourseRevision, locales: readonly string[]): CourseRevision;
export function localised(
  lesson: Lesson,
  locales: readonly string[],
  defaultLocale: string,
): Lesson;
export function localised(
  content: CourseRevision | Lesson,
  locales: readonly string[],
  defaultLocale?: string,
): CourseRevision | Lesson {
  if ("lessonId" in content) return localisedLesson(content, locales, defaultLocale ?? "");
  return localisedRevision(content, locales);
}

/** Without what is right, why, and what is not meant for learners. */
export function forLearner(lesson: Lesson): Lesson {
  return { ...lesson, translations: [], etag: "", blocks: lesson.blocks.map(withoutAnswers) };
}

/** What there is to learn, without the lessons' blocks. */
export function outlineForLearner(revision: CourseRevision): CourseRevision {
  const modules = revision.modules.map((module) => ({
    ...module,
    translations: [],
    etag: "",
    lessons: module.lessons.map((lesson) =>
      forLearner({ ...lesson, blocks: [], bodyMarkdown: "" }),
    ),
  }));
  return { ...revision, translations: [], modules };
}

export function withHtml(lesson: Lesson): Lesson {
  return { ...lesson, blocks: lesson.blocks.map(blockWithHtml) };
}

function localisedRevision(revision: CourseRevision, locales: readonly string[]): CourseRevision {
  const { defaultLocale, translations, modules } = revision;
  const looked = lookUp(translations, locales, defaultLocale);
  return {
    ...revision,
    title: looked.first(({ title }) => title) ?? revision.title,
    summary: looked.first(({ summary }) => summary) ?? revision.summary,
    locale: looked.localeWith(({ title }) => title),
    translations: [],
    modules: modules.map((module) => localisedModule(module, locales, defaultLocale)),
  };
}

function localisedModule(
  module: Module,
  locales: readonly string[],
  defaultLocale: string,
): Module {
  const looked = lookUp(module.translations, locales, defaultLocale);
  return {
    ...module,
    title: looked.first(({ title }) => title) ?? module.title,
    translations: [],
    lessons: module.lessons.map((lesson) => localisedLesson(lesson, locales, defaultLocale)),
  };
}

function localisedLesson(
  lesson: Lesson,
  locales: readonly string[],
  defaultLocale: string,
): Lesson {
  const looked = lookUp(lesson.translations, locales, defaultLocale);
  const blocks = lesson.blocks.map((block) => {
    const isOfBlock = ({ blockId, content }: Block) =>
      blockId === block.blockId && content.case === block.content.case;
    const translation = looked.first((each) => each.blocks.find(isOfBlock));
    return translation ? translatedBlock(block, translation) : block;
  });
  return {
    ...lesson,
    title: looked.first(({ title }) => title) ?? lesson.title,
    locale: looked.localeWith(({ title }) => title),
    translations: [],
    blocks,
  };
}

/** What the reader's locales have, the preferred one first, up to the default locale. */
function lookUp<T extends { readonly locale: string }>(
  translations: readonly T[],
  locales: readonly string[],
  defaultLocale: string,
) {
  const byLocale = new Map(translations.map((each) => [each.locale, each]));
  const chain = localeChain(locales, byLocale.keys(), defaultLocale).slice(0, -1);
  const found = chain.flatMap((locale) => byLocale.get(locale) ?? []);
  return {
    first<V>(read: (translation: T) => V | undefined): V | undefined {
      for (const translation of found) {
        const value = read(translation);
        if (value) return value;
      }
      return undefined;
    },
    localeWith(read: (translation: T) => string): string {
      return found.find(read)?.locale ?? defaultLocale;
    },
  };
}

function withoutAnswers(block: Block): Block {
  const { content } = block;
  if (content.case !== "quiz") return block;
  const questions = content.value.questions.map(unanswered);
  return { ...block, content: { case: "quiz", value: { ...content.value, questions } } };
}

function unanswered(question: Question): Question {
  return { ...question, explanationMarkdown: "", kind: unansweredKind(question.kind) };
}

function unansweredKind(kind: Question["kind"]): Question["kind"] {
  switch (kind.case) {
    case "choice": {
      const choices = kind.value.choices.map((choice) => ({ ...choice, correct: false }));
      return { case: "choice", value: { ...kind.value, choices } };
    }
    case "number":
      return { case: "number", value: { ...kind.value, answer: "", tolerance: "" } };
    case "text":
      return { case: "text", value: { ...kind.value, accepted: [] } };
    default:
      return { case: undefined };
  }
}

function blockWithHtml(block: Block): Block {
  const { content } = block;
  switch (content.case) {
    case "richText":
    case "callout": {
      const html = htmlOf(content.value.markdown);
      return {
        ...block,
        content: { ...content, value: { ...content.value, html } } as Block["content"],
      };
    }
    case "quiz":
      return { ...block, content: { case: "quiz", value: quizWithHtml(content.value) } };
    default:
      return block;
  }
}

function quizWithHtml(quiz: Quiz): Quiz {
  const questions = quiz.questions.map((question): Question => {
    const promptHtml = htmlOf(question.promptMarkdown);
    const { kind } = question;
    if (kind.case !== "choice") return { ...question, promptHtml };
    const choices = kind.value.choices.map((choice): Choice => {
      return { ...choice, textHtml: htmlOf(choice.textMarkdown) };
    });
    return { ...question, promptHtml, kind: { case: "choice", value: { ...kind.value, choices } } };
  });
  return { ...quiz, questions };
}
