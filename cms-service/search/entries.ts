// What of a revision can be found: its course and each of its lessons, once in
// every locale that it is written in. The words come from what a learner is
// shown, so what is right in a quiz is not among them, and neither are choices.

import type { Block } from "#gen/bursar/cms/v1/block_pb.ts";
import type { CourseRevision, Lesson } from "#gen/bursar/cms/v1/course_pb.ts";
import { forLearner, localised } from "../catalog/deliver.ts";
import { plainTextOf } from "../catalog/markdown.ts";
import { inBlocks } from "../catalog/published.ts";
import { configOf } from "./language.ts";
import { withoutMarks } from "./snippet.ts";

export type SearchEntry = {
  /** Empty for the course itself. */
  readonly lessonId: string;
  readonly locale: string;
  /** All it is written in. */
  readonly locales: readonly string[];
  readonly isDefault: boolean;
  readonly config: string;
  readonly freePreview: boolean;
  readonly courseTitle: string;
  readonly lessonTitle: string;
  readonly body: string;
};

/** So much of a text is searched. The words of twice as many letters may be too many for a row. */
const bodyCharactersMax = 100_000;

export function* entriesOf(revision: CourseRevision): Generator<SearchEntry> {
  const { defaultLocale, translations, modules } = revision;
  const cover = { ...revision, modules: [] };
  const courseLocales = localesOf(translations, defaultLocale);
  const titleIn = new Map<string, string>();
  for (const locale of courseLocales) {
    const { title, summary } = localised(cover, [locale]);
    titleIn.set(locale, title);
    const placed = place(locale, courseLocales, defaultLocale);
    yield entry({ ...placed, lessonId: "", freePreview: true }, title, "", summary);
  }
  for (const published of modules.flatMap(({ lessons }) => lessons)) {
    const lesson = inBlocks(published);
    const { lessonId, freePreview } = lesson;
    const locales = localesOf(lesson.translations, defaultLocale);
    for (const locale of locales) {
      const placed = { ...place(locale, locales, defaultLocale), lessonId, freePreview };
      const courseTitle = titleIn.get(locale) ?? localised(cover, [locale]).title;
      const shown = forLearner(localised(lesson, [locale], defaultLocale));
      yield entry(placed, courseTitle, shown.title, bodyOf(shown));
    }
  }
}

type Placed = Omit<SearchEntry, "courseTitle" | "lessonTitle" | "body">;

function place(locale: string, locales: readonly string[], defaultLocale: string) {
  return { locale, locales, isDefault: locale === defaultLocale, config: configOf(locale) };
}

function entry(placed: Placed, course: string, lesson: string, text: string): SearchEntry {
  return {
    ...placed,
    courseTitle: withoutMarks(course),
    lessonTitle: withoutMarks(lesson),
    body: withoutMarks(text).slice(0, bodyCharactersMax).toWellFormed(),
  };
}

function localesOf(
  translations: readonly { readonly locale: string }[],
  defaultLocale: string,
): readonly string[] {
  return [...new Set([defaultLocale, ...translations.map(({ locale }) => locale)])];
}

function bodyOf({ blocks }: Lesson): string {
  return blocks.map(textOfBlock).filter(Boolean).join("\n");
}

function textOfBlock({ content }: Block): string {
  switch (content.case) {
    case "richText":
    case "callout":
      return plainTextOf(content.value.markdown);
    case "code":
      return content.value.text;
    case "video":
    case "file":
    case "embed":
      return content.value.title;
    case "quiz": {
      const { title, questions } = content.value;
      return [title, ...questions.map((question) => plainTextOf(question.promptMarkdown))].join(
        "\n",
      );
    }
    default:
      return "";
  }
}
