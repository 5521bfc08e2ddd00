import { ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/cms/v1/refusal_pb.ts";
import { cutPage, readPage } from "./page.ts";

const question = ["ListThings", "filter"];
const first = { pageSize: 2, pageToken: "" };

const { nextPageToken } = cutPage(["a", "b", "c"], readPage(first, question), question, (it) => it);

test("a token leads to where the page before ended", () => {
  expect(readPage({ pageSize: 7, pageToken: nextPageToken }, question)).toEqual({
    size: 7,
    after: "b",
  });
});

test("the last page has no token", () => {
  expect(cutPage(["a", "b"], readPage(first, question), question, (it) => it)).toEqual({
    rows: ["a", "b"],
    nextPageToken: "",
  });
});

test.each([
  [0, 50],
  [1, 1],
  [500, 500],
  [501, 500],
  [2_147_483_647, 500],
])("page size %i is %i", (pageSize, size) => {
  expect(readPage({ pageSize, pageToken: "" }, question).size).toBe(size);
});

test.each([
  ["of another list", nextPageToken, ["ListOthers", "filter"]],
  ["of another filter", nextPageToken, ["ListThings", "other"]],
  ["cut short", nextPageToken.slice(0, -1), question],
  ["made longer", `${nextPageToken}A`, question],
  ["not base64", "!!", question],
  ["with a NUL", Buffer.from("0123456789abcdef.a\0").toString("base64url"), question],
])("a token %s is refused", (_, pageToken, asked) => {
  let thrown: unknown;
  try {
    readPage({ pageSize: 2, pageToken }, asked);
  } catch (error) {
    thrown = error;
  }
  expect(ConnectError.from(thrown).findDetails(RefusalDetailSchema)).toMatchObject([
    { refusal: Refusal.PAGE_TOKEN_INVALID },
  ]);
});
