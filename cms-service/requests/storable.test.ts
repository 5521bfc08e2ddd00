import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetCatalogCourseRequestSchema } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CreateOfferRequestSchema } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { unstorable } from "./storable.ts";

test("text that cannot be stored is found by the name of its field", () => {
  const offer = create(CreateOfferRequestSchema, {
    title: "a\0",
    courseIds: ["fine", "\ud800"],
    prices: [{ currencyCode: "USD", amountMinor: 1n }, { currencyCode: "\0" }],
  });
  expect(unstorable(offer, "")).toEqual(["title", "course_ids[1]", "prices[1].currency_code"]);
  const course = create(GetCatalogCourseRequestSchema, { name: { case: "slug", value: "\0" } });
  expect(unstorable(course, "")).toEqual(["slug"]);
});

test("any other text is fine", () => {
  expect(unstorable({ title: "Ünïcode 😀\n\t\u0001", empty: "", count: 1n }, "")).toEqual([]);
});
