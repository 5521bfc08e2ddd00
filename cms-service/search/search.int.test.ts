import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "#mesh/process/log.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import {
  grantTestAccess,
  lessonOf,
  publishTestCourse,
  type TestContent,
} from "../testing/publication.ts";
import { problemsOf } from "../testing/safe-html.ts";
import { keepIndex } from "./upkeep.ts";

const log = createLog({ service: "cms-service", level: "silent" });
let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

/** A course with a word of its own in every title, so that tests do not find each other's. */
async function publish(
  word: string,
  lessons: readonly ReturnType<typeof lessonOf>[],
  more: TestContent = {},
  courseId = newId("crs"),
) {
  const modules = [{ moduleId: newId("mod"), title: "Module", lessons: [...lessons] }];
  const content = { title: `Course ${word}`, modules, ...more };
  const slug = `s-${courseId.slice(4)}`;
  await publishTestCourse(cms.database.pool, { courseId, slug, content });
  return { courseId, slug };
}

const search = (query: string, more = {}) => cms.catalog.searchCatalog({ query, ...more });

const found = async (query: string, more = {}) => {
  const { hits } = await search(query, more);
  return hits.map(({ lessonTitle, courseTitle }) => lessonTitle || courseTitle);
};

test("a course's title counts more than a lesson's, and that more than a text", async () => {
  await publish("plain", [lessonOf(newId("les"), "Text", "About the quokka.")]);
  await publish("plain", [lessonOf(newId("les"), "The quokka", "About it.")]);
  await publish("quokka", []);
  expect(await found("quokka")).toEqual(["Course quokka", "The quokka", "Text"]);
});

test("a lesson is found by its own words together with its course's title", async () => {
  await publish("numbat", [lessonOf(newId("les"), "Habits", "It sleeps.")]);
  expect(await found("numbat sleeps")).toEqual(["Habits"]);
});

test("words are found in their other forms, by the language of the text", async () => {
  const lesson = lessonOf(newId("les"), "Marsupials", "They were running.", {
    translations: [{ locale: "de", title: "Beuteltiere", blocks: [] }],
  });
  await publish("wombat", [lesson]);
  expect(await found("wombat run")).toEqual(["Marsupials"]);
  expect(await found("wombat beuteltier", { locales: ["de"] })).toEqual(["Beuteltiere"]);
});

test("a thing is found only in the locale in which it would be shown", async () => {
  const blockId = newId("blk");
  const block = (markdown: string) => ({
    blockId,
    content: { case: "richText", value: { markdown } } as const,
  });
  const lesson = {
    lessonId: newId("les"),
    title: "Bilby",
    blocks: [block("English potoroo")],
    translations: [
      { locale: "de", title: "Bilby auf Deutsch", blocks: [block("Deutsch bettong")] },
    ],
  };
  await publish("x", [lesson]);
  expect(await found("potoroo")).toEqual(["Bilby"]);
  expect(await found("potoroo", { locales: ["fr", "de-AT"] })).toEqual([]);
  expect(await found("bettong", { locales: ["fr", "de-AT"] })).toEqual(["Bilby auf Deutsch"]);
  expect(await found("bettong")).toEqual([]);
  const { hits } = await search("bettong", { locales: ["de"] });
  expect(hits).toMatchObject([{ locale: "de", lessonId: lesson.lessonId }]);
});

test("quotes, or, and minus mean what they say, and nothing is a mistake", async () => {
  await publish("x", [
    lessonOf(newId("les"), "One", "red kangaroo hops"),
    lessonOf(newId("les"), "Two", "kangaroo red sits"),
  ]);
  expect(await found('"red kangaroo"')).toEqual(["One"]);
  expect((await found("red kangaroo")).toSorted()).toEqual(["One", "Two"]);
  expect(await found("kangaroo -hops")).toEqual(["Two"]);
  expect((await found("hops or sits")).toSorted()).toEqual(["One", "Two"]);
  for (const query of ["!!!", "& | !", "((", "a:*b", "'", '"', "\\", "the", "💩", "kangaroo:A"]) {
    await expect(search(query)).resolves.toBeDefined();
  }
});

test("a query that only says what must not be there is refused", async () => {
  await publish("x", [lessonOf(newId("les"), "One", "echidna")]);
  for (const query of ["-echidna", "echidna or -wallaby"]) {
    expect(await refusalOf(search(query))).toMatchObject({
      code: Code.InvalidArgument,
      refusal: "QUERY_INVALID",
    });
  }
  await expect(search("x".repeat(201))).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(search("")).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("snippets are shown of free previews, and of what the learner may read", async () => {
  const free = lessonOf(newId("les"), "Free", "The dunnart is free.", { freePreview: true });
  const paid = lessonOf(newId("les"), "Paid", "The dunnart is paid for.");
  const { courseId } = await publish("x", [free, paid], { summary: "On the dunnart & more" });
  await grantTestAccess(cms.database.pool, "ada", courseId);
  const snippets = async (more = {}, options = {}) => {
    const { hits } = await cms.catalog.searchCatalog({ query: "dunnart", ...more }, options);
    return Object.fromEntries(hits.map((hit) => [hit.lessonTitle, hit.snippetHtml]));
  };
  const strangers = {
    "": "On the <mark>dunnart</mark> &amp; more",
    Free: "The <mark>dunnart</mark> is free.",
    Paid: "",
  };
  expect(await snippets()).toEqual(strangers);
  expect(await snippets({ learnerId: "eve" })).toEqual(strangers);
  expect(await snippets({}, await cms.as("eve"))).toEqual(strangers);
  const members = { ...strangers, Paid: "The <mark>dunnart</mark> is paid for." };
  expect(await snippets({ learnerId: "ada" })).toEqual(members);
  expect(await snippets({}, await cms.as("ada"))).toEqual(members);
  const denied = cms.catalog.searchCatalog(
    { query: "dunnart", learnerId: "ada" },
    await cms.as("eve"),
  );
  expect(await refusalOf(denied)).toMatchObject({ refusal: "LEARNER_MISMATCH" });
});

test("a snippet holds nothing but text and marks", async () => {
  const text = "\uE000<b>glider</b>\uE001 `<script>alert(1)</script>` &lt;img src=x&gt; glider";
  const lesson = lessonOf(newId("les"), "Free", text, { freePreview: true });
  await publish("x", [lesson]);
  const { hits } = await search("glider");
  expect(hits[0]?.snippetHtml).toContain("<mark>glider</mark>");
  expect(problemsOf(hits[0]?.snippetHtml ?? "")).toEqual([]);
  expect(hits[0]?.snippetHtml.replaceAll(/<\/?mark>/g, "")).not.toMatch(/[<>\uE000\uE001]/);
});

test("only what learners see is found, and from the moment they see it", async () => {
  const lessonId = newId("les");
  const { courseId } = await publish("first", [lessonOf(lessonId, "Lesson", "thylacine")]);
  expect(await found("thylacine")).toEqual(["Lesson"]);
  await publish("second", [lessonOf(lessonId, "Lesson", "bandicoot")], {}, courseId);
  expect(await found("thylacine")).toEqual([]);
  expect(await found("bandicoot")).toEqual(["Lesson"]);
  const { pool } = cms.database;
  await pool`update course set archive_time = now() where course_id = ${courseId}`;
  expect(await found("bandicoot")).toEqual([]);
  expect(await found("bandicoot", { courseId })).toEqual(["Lesson"]);
  await pool`update course set published_revision = null where course_id = ${courseId}`;
  expect(await found("bandicoot", { courseId })).toEqual([]);
});

test("a search can be kept to one course", async () => {
  const lesson = () => lessonOf(newId("les"), "Lesson", "pademelon");
  const { courseId } = await publish("x", [lesson()]);
  await publish("x", [lesson()]);
  expect(await found("pademelon")).toHaveLength(2);
  const { hits } = await search("pademelon", { courseId });
  expect(hits).toMatchObject([{ courseId, lessonTitle: "Lesson" }]);
});

test("pages hold every hit once, in the order of one page", async () => {
  const lessons = Array.from({ length: 23 }, (_, n) => {
    return lessonOf(newId("les"), `Lesson ${n}`, "cuscus ".repeat(1 + (n % 4)));
  });
  await publish("x", lessons);
  const whole = (await search("cuscus", { pageSize: 100 })).hits.map(({ lessonId }) => lessonId);
  expect(new Set(whole).size).toBe(23);
  const paged: string[] = [];
  let pageToken = "";
  do {
    const page = await search("cuscus", { pageSize: 5, pageToken });
    paged.push(...page.hits.map(({ lessonId }) => lessonId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(paged).toEqual(whole);
  const { nextPageToken } = await search("cuscus", { pageSize: 5 });
  expect(await refusalOf(search("x", { pageSize: 5, pageToken: nextPageToken }))).toMatchObject({
    refusal: "PAGE_TOKEN_INVALID",
  });
});

test("the upkeep adds what cannot be found, and takes away what nobody sees", async () => {
  const { pool } = cms.database;
  const courseId = newId("crs");
  const course = (text: string) => ({
    courseId,
    slug: `s-${courseId.slice(4)}`,
    content: {
      title: "Course",
      modules: [{ moduleId: newId("mod"), lessons: [lessonOf(newId("les"), "Lesson", text)] }],
    },
  });
  await publishTestCourse(pool, course("monjon"), { indexed: false });
  expect(await found("monjon")).toEqual([]);
  await keepUp();
  expect(await found("monjon")).toEqual(["Lesson"]);

  await publishTestCourse(pool, course("nabarlek"));
  await keepUp();
  const left = await pool`select distinct revision from search_entry where course_id = ${courseId}`;
  expect(left).toEqual([{ revision: 2 }]);

  // Pointed to again: it is seen at once, and found after the next round.
  await pool`update course set published_revision = 1 where course_id = ${courseId}`;
  await keepUp();
  expect(await found("monjon")).toEqual(["Lesson"]);
  expect(await found("nabarlek")).toEqual([]);
});

async function keepUp(): Promise<void> {
  while (await keepIndex(cms.database.pool, { log }));
}

test.each([
  ["short words", (n: number) => n.toString(36)],
  ["words of rare letters", (n: number) => String.fromCodePoint(0x20000 + (n % 40_000))],
  ["one word without end", () => "x".repeat(100)],
])("a text of very many %s can be published", async (name, wordOf) => {
  const words = Array.from({ length: 60_000 }, (_, n) => wordOf(n));
  const text = `potoroid ${words.join(name.startsWith("one") ? "" : " ")}`;
  const { courseId } = await publish("x", [lessonOf(newId("les"), "Long", text)]);
  expect(await found("potoroid", { courseId })).toEqual(["Long"]);
});
