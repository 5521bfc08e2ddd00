import fc from "fast-check";
import { expect, test } from "vitest";
import { problemsOf } from "../testing/safe-html.ts";
import { markEnd, markStart, snippetHtml, withoutMarks } from "./snippet.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.info(`seed ${seed}`);

test("hits are marked, and all else is text", () => {
  const marked = `a <b> ${markStart}c & d${markEnd}\n\n "e" ${markStart}f${markEnd}`;
  const html = "a &lt;b&gt; <mark>c &amp; d</mark> &quot;e&quot; <mark>f</mark>";
  expect(snippetHtml(marked)).toBe(html);
});

test.each([
  ["a mark that does not end", `a${markStart}b`],
  ["an end without a mark", `a${markEnd}b`],
  ["a mark in a mark", `${markStart}a${markStart}b${markEnd}c${markEnd}`],
])("%s is no element", (_, marked) => {
  expect(problemsOf(snippetHtml(marked))).toEqual([]);
});

test("whatever is marked, the HTML is safe and the text the same", () => {
  const part = fc.oneof(
    { arbitrary: fc.constantFrom(markStart, markEnd, "<", "&", ">", '"', "'"), weight: 5 },
    { arbitrary: fc.string(), weight: 1 },
  );
  const text = fc.array(part, { maxLength: 20 }).map((parts) => parts.join(""));
  const property = fc.property(text, (marked) => {
    const html = snippetHtml(marked);
    expect(problemsOf(html)).toEqual([]);
    expect(html).not.toMatch(/[\uE000\uE001]/);
    expect(html.match(/<mark>/g)?.length).toBe(html.match(/<\/mark>/g)?.length);
  });
  fc.assert(property, { seed, numRuns: 3_000 });
});

test("a text has no marks of its own", () => {
  expect(withoutMarks(`a${markStart}b${markEnd}c\0`)).toBe("abc");
});
