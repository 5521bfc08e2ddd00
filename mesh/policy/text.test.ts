import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetCatalogCourseRequestSchema } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CreateOfferRequestSchema } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { compileEcho } from "../testing/echo.ts";
import { findNoText } from "./text.ts";
import { validate } from "./validation.ts";

test("a string that is no text is found by the path of its field", () => {
  const offer = create(CreateOfferRequestSchema, {
    title: "a\0",
    courseIds: ["fine", "\ud800"],
    prices: [{ currencyCode: "USD", amountMinor: 1n }, { currencyCode: "\0" }],
  });
  const fields = ["title", "course_ids[1]", "prices[1].currency_code"];
  expect(findNoText(CreateOfferRequestSchema, offer)).toEqual(fields);
  const problems = validate(CreateOfferRequestSchema, offer);
  expect(problems.map(({ field }) => field)).toEqual(fields);
  expect(problems[0]?.problem).toMatch(/without the character U\+0000/);
});

test("it is looked for in oneofs, maps and messages inside messages", () => {
  const course = create(GetCatalogCourseRequestSchema, { name: { case: "slug", value: "\0" } });
  expect(findNoText(GetCatalogCourseRequestSchema, course)).toEqual(["slug"]);
  const { request } = compileEcho();
  const message = create(request, {
    text: "Ünïcode 😀\n\t\u0001",
    byNumber: { 7: "\0" },
    byName: { "\0": 1n },
    nested: { nested: { text: "\udc00" } },
    children: [{ text: "" }, { text: "\0" }],
    namedChildren: { a: { text: "\0" } },
    wrapped: 1n,
    choice: { case: "other", value: "\0" },
  } as never);
  expect(findNoText(request, message)).toEqual([
    "by_number[7]",
    'by_name["\\u0000"]',
    "nested.nested.text",
    "children[1].text",
    'named_children["a"].text',
    "other",
  ]);
});
