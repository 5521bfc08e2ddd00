import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  createPageToken,
  createPinnedToken,
  cutPage,
  cutPinnedPage,
  pageSizeOf,
  readPageToken,
  readPinnedToken,
} from "./page-token.ts";

test("a token holds where the next page begins", () => {
  for (const after of [1n, 2n ** 63n - 1n]) {
    expect(readPageToken(["List", "main"], createPageToken(["List", "main"], after))).toBe(after);
  }
  expect(readPageToken(["List"], "")).toBeUndefined();
});

test.each([
  ["of another request", createPageToken(["List", "other"], 1n)],
  ["that is not one", "abc"],
  ["that was cut", createPageToken(["List", "main"], 1n).slice(0, -1)],
  ["with something behind it", `${createPageToken(["List", "main"], 1n)}AA`],
  ["in other characters", "!".repeat(23)],
])("a token %s is refused", (_, token) => {
  const error = refusalOf(() => readPageToken(["List", "main"], token));
  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.message).toContain("page_token");
});

test("a page size of zero means 50, and more than 500 is lowered", () => {
  expect([0, 1, 500, 501].map(pageSizeOf)).toEqual([50, 1, 500, 500]);
});

test("the last page has no token", () => {
  const rows = [1n, 2n, 3n];
  const position = (row: bigint) => row;
  expect(cutPage(rows, 3, ["List"], position)).toEqual({ page: rows, nextPageToken: "" });
  const { page, nextPageToken } = cutPage(rows, 2, ["List"], position);
  expect(page).toEqual([1n, 2n]);
  expect(readPageToken(["List"], nextPageToken)).toBe(2n);
});

test("a pinned token holds the sequence that all pages look at, too", () => {
  const position = { after: 3n, sequence: 2n ** 40n };
  const token = createPinnedToken(["List", "main"], position);
  expect(readPinnedToken(["List", "main"], token)).toEqual(position);
  expect(readPinnedToken(["List", "main"], "")).toBeUndefined();
  const { page, nextPageToken } = cutPinnedPage([1n, 2n], 1, ["List"], (after) => {
    return { after, sequence: 9n };
  });
  expect(page).toEqual([1n]);
  expect(readPinnedToken(["List"], nextPageToken)).toEqual({ after: 1n, sequence: 9n });
});

test("a token of one kind is none of the other", () => {
  const pinned = createPinnedToken(["List"], { after: 1n, sequence: 2n });
  expect(refusalOf(() => readPageToken(["List"], pinned)).code).toBe(Code.InvalidArgument);
  const plain = createPageToken(["List"], 1n);
  expect(refusalOf(() => readPinnedToken(["List"], plain)).code).toBe(Code.InvalidArgument);
});

function refusalOf(run: () => unknown): ConnectError {
  try {
    run();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("nothing was refused");
}
