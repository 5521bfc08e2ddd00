// OrderService: what a learner means to buy, at the offer's price of that
// moment, less what a coupon takes off. No RPC marks an order as paid; money
// does, through the ledger.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type CreateOrderRequest,
  type OrderSchema,
  OrderService,
} from "#gen/bursar/cms/v1/order_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { lockKeys } from "#mesh/events/parking.ts";
import { grantForFreeOrder } from "../access/grants.ts";
import { judgePayment } from "../access/payment.ts";
import { judgementToWire, orderStateFromWire, orderStateToWire } from "../access/wire.ts";
import { orderKey, releaseOrder } from "../consumer.ts";
import { newId } from "../requests/identifiers.ts";
import { namedLearner, requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { lockCouponForOrder } from "./coupon-store.ts";
import { type CouponProblem, normaliseCode } from "./discount.ts";
import { durationOf, secondsOf } from "./duration.ts";
import { lockOfferForOrder } from "./offer-store.ts";
import type { PaidOrder } from "./order-store.ts";
import * as store from "./order-store.ts";
import { digestOf, readTerms, type Terms } from "./quote.ts";
import { tellOrders } from "./tell.ts";

export type OrderServiceOptions = {
  readonly pool: Pool;
  readonly newOrderId?: () => string;
};

export function orderService(options: OrderServiceOptions): ServiceImpl<typeof OrderService> {
  const { pool, newOrderId = () => newId("ord") } = options;
  return {
    createOrder(wireRequest, context) {
      const learnerId = requiredLearner(context, wireRequest.learnerId);
      const request = { ...wireRequest, learnerId };
      return inTransaction(pool, (tx) =>
        once(tx, OrderService.method.createOrder, request, async () => {
          const order = await createOrder(tx, request, newOrderId());
          return { order: orderToWire(order) };
        }),
      );
    },

    async cancelOrder({ orderId }, context) {
      const mayCancel = (order: PaidOrder) => mayRead(context, order);
      const order = await inTransaction(pool, (tx) => cancelOrder(tx, orderId, mayCancel));
      return { order: orderToWire(order) };
    },

    async getOrder({ orderId }, context) {
      const order = await readKnown(pool, orderId);
      if (!mayRead(context, order)) throw notFound("ORDER_NOT_FOUND", orderId);
      return { order: orderToWire(order) };
    },

    async listOrders(request, context) {
      const learnerId = namedLearner(context, request.learnerId);
      const state = orderStateFromWire(request.state);
      const offerId = request.offerId || undefined;
      const couponCode = normaliseCode(request.couponCode) || undefined;
      const filter = { learnerId, state, offerId, couponCode };
      const parts = [learnerId, state, offerId, couponCode];
      const question = ["ListOrders", ...parts.map((part) => part ?? "")];
      const page = readPage(request, question);
      const orders = await store.readOrders(pool, filter, page);
      const { rows, nextPageToken } = cutPage(orders, page, question, ({ orderId }) => orderId);
      return { orders: rows.map(orderToWire), nextPageToken };
    },
  };
}

/** An end user is not even told that another learner's order is there. */
function mayRead(context: HandlerContext, order: PaidOrder): boolean {
  const learnerId = namedLearner(context, "");
  return learnerId === undefined || learnerId === order.learnerId;
}

async function createOrder(
  tx: Tx,
  request: CreateOrderRequest,
  orderId: string,
): Promise<PaidOrder> {
  const { learnerId, offerId, currencyCode, couponCode: typed } = request;
  if (!(await lockOfferForOrder(tx, offerId))) throw notFound("OFFER_NOT_FOUND", offerId);
  await lockCouponForOrder(tx, normaliseCode(typed));
  const now = new Date();
  const question = { offerId, currencyCode, couponCode: typed, learnerId };
  const terms = await readTerms(tx, question, now);
  refuseOtherTerms(terms, request);

  // Money may be here before its order. The consumer parks it under the same lock, so either it
  // sees the order or we see what it parked.
  await lockKeys(tx, [orderKey(orderId)]);
  const { offer, price, discountMinor, dueMinor, couponCode = null } = terms;
  const { courseIds, accessDurationS } = offer;
  const { priceId, amountMinor: listMinor } = price;
  const paymentWindowS = secondsOf(request.paymentWindow) ?? offer.paymentWindowS;
  await store.insertOrder(tx, {
    ...{ orderId, learnerId, offerId, courseIds, priceId, currencyCode, couponCode },
    ...{ listMinor, discountMinor, dueMinor, accessDurationS, paymentWindowS },
  });
  await releaseOrder(tx, orderId);
  if (dueMinor === 0n) {
    await grantForFreeOrder(tx, { orderId, learnerId, courseIds, accessDurationS }, now);
    await tellOrders(tx, [{ orderId, learnerId, state: "paid" }], now);
  }
  return readKnown(tx, orderId);
}

const whyNot = {
  COUPON_ARCHIVED: "was ended for good",
  COUPON_NOT_STARTED: "is not good yet",
  COUPON_ENDED: "is good no more",
  COUPON_OFFER_MISMATCH: "is for other offers",
  COUPON_CURRENCY_MISMATCH: "is for other currencies",
  COUPON_USED_UP: "was used as often as it may be",
  COUPON_USED_UP_BY_LEARNER: "was used by this learner as often as one may",
} satisfies Record<CouponProblem, string>;

/** A coupon that was named applies or nothing is sold; a quote that was named still holds. */
function refuseOtherTerms(terms: Terms, { couponCode: typed, quoteDigest }: CreateOrderRequest) {
  const { couponProblem, dueMinor, price, offer } = terms;
  if (couponProblem) {
    const code = normaliseCode(typed);
    const why = couponProblem === "COUPON_NOT_FOUND" ? "is none of ours" : whyNot[couponProblem];
    const message = `coupon ${code} ${why}; an order without it costs ${dueMinor} minor units`;
    throw refused(couponProblem, message, { resource: code });
  }
  if (quoteDigest === "" || quoteDigest === digestOf(terms)) return;
  const due = `${dueMinor} ${price.currencyCode}`;
  const message = `the quote does not hold any more: ${due} minor units are due; quote again`;
  throw refused("PRICE_CHANGED", message, { resource: offer.offerId });
}

async function cancelOrder(tx: Tx, orderId: string, mayCancel: (order: PaidOrder) => boolean) {
  await store.lockOrder(tx, orderId);
  const order = await readKnown(tx, orderId);
  if (!mayCancel(order)) throw notFound("ORDER_NOT_FOUND", orderId);
  if (order.state === "cancelled") return order;
  if (order.state !== "pending") {
    const message =
      `order ${orderId} is ${order.state} and cannot become cancelled: ` +
      "only one that is pending can; money goes back by a refund";
    throw refused("ORDER_STATE_ILLEGAL", message, { resource: orderId });
  }
  await store.cancelOrder(tx, orderId);
  await tellOrders(tx, [{ ...order, state: "cancelled" }], new Date());
  return readKnown(tx, orderId);
}

async function readKnown(sql: Pool | Tx, orderId: string): Promise<PaidOrder> {
  const order = await store.readOrder(sql, orderId);
  if (!order) throw notFound("ORDER_NOT_FOUND", orderId);
  return order;
}

function orderToWire(order: PaidOrder): MessageInitShape<typeof OrderSchema> {
  const { orderId, learnerId, offerId, courseIds, priceId, currencyCode, dueMinor } = order;
  const { couponCode, accessDurationS, cancelTime } = order;
  const due = { currencyCode, amountMinor: dueMinor };
  return {
    ...{ orderId, learnerId, offerId, priceId, due },
    courseIds: [...courseIds],
    listPrice: { currencyCode, amountMinor: order.listMinor },
    discount: { currencyCode, amountMinor: order.discountMinor },
    couponCode: couponCode ?? "",
    state: orderStateToWire[order.state],
    payments: order.payments.map((payment) => ({
      ...payment,
      judgement: judgementToWire[judgePayment(due, payment)],
    })),
    createTime: timestampFromDate(order.createTime),
    expireTime: timestampFromDate(order.expireTime),
    ...(accessDurationS !== null && { accessDuration: durationOf(accessDurationS) }),
    ...(cancelTime && { cancelTime: timestampFromDate(cancelTime) }),
  };
}
