import { expect, test } from "vitest";
import { decidePublish, etagOf, refuseChange } from "./rules.ts";

test("an etag is the version in quotes", () => {
  expect(etagOf(7n)).toBe('"7"');
});

test.each(['"6"', '"8"', "7", 'W/"7"', '"07"', ""])("a change from etag %s is refused", (etag) => {
  expect(refuseChange(7n, etag)).toEqual({ reason: "etag-mismatch", currentEtag: '"7"' });
});

test("a change from the current etag is made", () => {
  expect(refuseChange(7n, '"7"')).toBeUndefined();
});

const draft = { version: 7n, lessonCount: 1, sha256: "new" };

// One row a case, in the order the rules are checked.
test.each([
  ["a stale etag", { ...draft, lessonCount: 0 }, '"6"', undefined, "etag-mismatch"],
  ["no lesson", { ...draft, lessonCount: 0 }, '"7"', undefined, "course-empty"],
])("publishing is refused: %s", (_, tree, etag, published, reason) => {
  expect(decidePublish(tree, etag, published)).toMatchObject({
    kind: "refused",
    refusal: { reason },
  });
});

test("the first publication is revision 1, the next one 2", () => {
  expect(decidePublish(draft, '"7"', undefined)).toEqual({ kind: "published", revision: 1 });
  expect(decidePublish(draft, '"7"', { revision: 1, sha256: "old" })).toEqual({
    kind: "published",
    revision: 2,
  });
});

test("content that learners see already makes no second revision", () => {
  expect(decidePublish(draft, '"7"', { revision: 3, sha256: "new" })).toEqual({
    kind: "unchanged",
    revision: 3,
  });
});
