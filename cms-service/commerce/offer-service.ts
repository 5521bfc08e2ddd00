// OfferService: courses for sale at prices that never change.

import type { ServiceImpl } from "@connectrpc/connect";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { newId } from "../requests/identifiers.ts";
import { namedLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { secondsOf } from "./duration.ts";
import * as store from "./offer-store.ts";
import { offerToWire, priceToWire, quoteToWire } from "./offer-wire.ts";
import { readTerms, refuseNotOnSale } from "./quote.ts";
import { type Price, refusePrices } from "./rules.ts";
import { fieldsOf, refuseStale } from "./stale.ts";

/** How long an order waits for its payment where nobody says how long. */
const paymentWindowSUsual = 604_800n;

export function offerService(pool: Pool): ServiceImpl<typeof OfferService> {
  return {
    createOffer: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, OfferService.method.createOffer, request, async () => {
          const { title, courseIds, prices } = request;
          refuseBadPrices(prices);
          await refuseNotOnSale(tx, courseIds);
          const offerId = newId("off");
          const accessDurationS = secondsOf(request.accessDuration);
          const paymentWindowS = secondsOf(request.paymentWindow) ?? paymentWindowSUsual;
          const terms = { title, accessDurationS, paymentWindowS };
          await store.insertOffer(tx, { offerId, courseIds, ...terms });
          await store.insertPrices(tx, offerId, prices);
          return { offer: await readOffer(tx, offerId) };
        }),
      ),

    updateOffer: ({ offerId, offer: wanted, updateMask, etag }) =>
      inTransaction(pool, async (tx) => {
        const fields = fieldsOf(updateMask, ["title", "access_duration", "payment_window"]);
        const before = await lockFresh(tx, offerId, etag);
        const { title = "", accessDuration, paymentWindow } = wanted ?? {};
        if (fields.has("title") && title === "") {
          throw refused("UPDATE_INVALID", "offer.title is empty", { resource: offerId });
        }
        await store.updateOffer(tx, offerId, {
          ...before,
          ...(fields.has("title") && { title }),
          ...(fields.has("access_duration") && { accessDurationS: secondsOf(accessDuration) }),
          ...(fields.has("payment_window") && {
            paymentWindowS: secondsOf(paymentWindow) ?? paymentWindowSUsual,
          }),
        });
        return { offer: await readOffer(tx, offerId) };
      }),

    async getOffer({ offerId }) {
      return { offer: await readOffer(pool, offerId) };
    },

    async listOffers(request) {
      const { courseId, archived } = request;
      const question = ["ListOffers", courseId, String(archived ?? "")];
      const page = readPage(request, question);
      const offers = await store.readOffers(pool, { courseId, archived }, page);
      const { rows, nextPageToken } = cutPage(offers, page, question, ({ offerId }) => offerId);
      return { offers: rows.map(offerToWire), nextPageToken };
    },

    archiveOffer: (request) => setArchived(pool, request, true),
    unarchiveOffer: (request) => setArchived(pool, request, false),

    addPrice: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, OfferService.method.addPrice, request, async () => {
          const { offerId, etag } = request;
          const { currencyCode = "", amountMinor = 0n } = request.amount ?? {};
          refuseBadPrices([{ currencyCode, amountMinor }]);
          const before = await lockFresh(tx, offerId, etag);
          await store.archivePrice(tx, offerId, currencyCode);
          const [priceId = ""] = await store.insertPrices(tx, offerId, [
            { currencyCode, amountMinor },
          ]);
          await store.updateOffer(tx, offerId, before);
          return { price: await readPrice(tx, priceId), offer: await readOffer(tx, offerId) };
        }),
      ),

    archivePrice: ({ priceId, etag }) =>
      inTransaction(pool, async (tx) => {
        const { offerId, currencyCode } = await knownPrice(tx, priceId);
        const before = await lockFresh(tx, offerId, etag);
        const { archiveTime } = await knownPrice(tx, priceId);
        if (archiveTime) {
          const message = `price ${priceId} was archived at ${archiveTime.toISOString()}`;
          throw refused("PRICE_ARCHIVED", message, { resource: priceId });
        }
        await store.archivePrice(tx, offerId, currencyCode);
        await store.updateOffer(tx, offerId, before);
        return { price: await readPrice(tx, priceId), offer: await readOffer(tx, offerId) };
      }),

    async listPrices(request) {
      const { offerId, currencyCode } = request;
      const question = ["ListPrices", offerId, currencyCode];
      const page = readPage(request, question);
      await readOffer(pool, offerId);
      const prices = await store.readPrices(pool, { offerId, currencyCode }, page);
      const { rows, nextPageToken } = cutPage(prices, page, question, ({ priceId }) => priceId);
      return { prices: rows.map(priceToWire), nextPageToken };
    },

    async quoteOffer(request, context) {
      const learnerId = namedLearner(context, request.learnerId);
      const { offerId, currencyCode, couponCode } = request;
      const question = { offerId, currencyCode, couponCode, learnerId };
      const terms = await readTerms(pool, question, new Date());
      const { courseIds } = terms.offer;
      const owned = learnerId ? await store.readOwnedCourses(pool, learnerId, courseIds) : [];
      return { quote: quoteToWire(terms, owned) };
    },
  };
}

function setArchived(
  pool: Pool,
  { offerId, etag }: { readonly offerId: string; readonly etag: string },
  archived: boolean,
) {
  return inTransaction(pool, async (tx) => {
    const before = await lockFresh(tx, offerId, etag);
    if (before.archived !== archived) await store.updateOffer(tx, offerId, { ...before, archived });
    return { offer: await readOffer(tx, offerId) };
  });
}

/** The offer as its etag says, locked. */
async function lockFresh(tx: Tx, offerId: string, etag: string): Promise<store.LockedOffer> {
  const offer = await store.lockOffer(tx, offerId);
  if (!offer) throw notFound("OFFER_NOT_FOUND", offerId);
  refuseStale("offer", offerId, offer, etag);
  return offer;
}

function refuseBadPrices(prices: readonly Price[]): void {
  const problem = refusePrices(prices);
  if (!problem) return;
  const { currencyCode } = problem;
  throw refused("PRICE_INVALID", `${currencyCode} ${problem.problem}`, { resource: currencyCode });
}

async function readOffer(sql: Pool | Tx, offerId: string) {
  const offer = await store.readOffer(sql, offerId);
  if (!offer) throw notFound("OFFER_NOT_FOUND", offerId);
  return offerToWire(offer);
}

async function knownPrice(sql: Pool | Tx, priceId: string): Promise<store.PriceRow> {
  const price = await store.readPrice(sql, priceId);
  if (!price) throw notFound("PRICE_NOT_FOUND", priceId);
  return price;
}

async function readPrice(sql: Pool | Tx, priceId: string) {
  return priceToWire(await knownPrice(sql, priceId));
}
