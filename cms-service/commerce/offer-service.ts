// OfferService: courses for sale at prices that never change.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type OfferSchema, OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { newId } from "../requests/identifiers.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import * as store from "./offer-store.ts";
import { refusePrices } from "./rules.ts";

export function offerService(pool: Pool): ServiceImpl<typeof OfferService> {
  return {
    createOffer: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, OfferService.method.createOffer, request, async () => {
          const { title, courseIds, prices } = request;
          const problem = refusePrices(prices);
          if (problem) {
            const { currencyCode } = problem;
            throw refused("PRICE_INVALID", `${currencyCode} ${problem.problem}`, {
              resource: currencyCode,
            });
          }
          await requirePublished(tx, courseIds);
          const offerId = newId("off");
          await store.insertOffer(tx, { offerId, title, courseIds, prices });
          return { offer: await readOffer(tx, offerId) };
        }),
      ),

    async getOffer({ offerId }) {
      return { offer: await readOffer(pool, offerId) };
    },

    async listOffers(request) {
      const { courseId } = request;
      const question = ["ListOffers", courseId];
      const page = readPage(request, question);
      const offers = await store.readOffers(pool, courseId, page);
      const { rows, nextPageToken } = cutPage(offers, page, question, ({ offerId }) => offerId);
      return { offers: rows.map(offerToWire), nextPageToken };
    },

    archiveOffer: ({ offerId }) =>
      inTransaction(pool, async (tx) => {
        if (!(await store.archiveOffer(tx, offerId))) throw notFound("OFFER_NOT_FOUND", offerId);
        return { offer: await readOffer(tx, offerId) };
      }),
  };
}

async function requirePublished(tx: Tx, courseIds: readonly string[]): Promise<void> {
  const courses = new Map(
    (await store.readCourses(tx, courseIds)).map((course) => [course.courseId, course]),
  );
  for (const courseId of courseIds) {
    const course = courses.get(courseId);
    if (!course) throw notFound("COURSE_NOT_FOUND", courseId);
    if (!course.published) {
      throw refused("COURSE_NOT_PUBLISHED", `course ${courseId} is not published`, {
        resource: courseId,
      });
    }
  }
}

async function readOffer(sql: Pool | Tx, offerId: string) {
  const offer = await store.readOffer(sql, offerId);
  if (!offer) throw notFound("OFFER_NOT_FOUND", offerId);
  return offerToWire(offer);
}

function offerToWire(offer: store.OfferRow): MessageInitShape<typeof OfferSchema> {
  const { createTime, courseIds, prices, ...rest } = offer;
  return {
    ...rest,
    courseIds: [...courseIds],
    prices: [...prices],
    createTime: timestampFromDate(createTime),
  };
}
