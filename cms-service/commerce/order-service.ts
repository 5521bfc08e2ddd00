// OrderService: what a learner means to buy, at the offer's price of that
// moment. No RPC marks an order as paid; money does, through the ledger.

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
import { judgePayment } from "../access/payment.ts";
import { judgementToWire, orderStateFromWire, orderStateToWire } from "../access/wire.ts";
import { orderKey, releaseOrder } from "../consumer.ts";
import { newId } from "../requests/identifiers.ts";
import { namedLearner, requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { lockOfferForOrder, readOffer } from "./offer-store.ts";
import { insertOrder, type PaidOrder, readOrder, readOrders } from "./order-store.ts";
import { decideOrder } from "./rules.ts";

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

    async getOrder({ orderId }, context) {
      const order = await readOrder(pool, orderId);
      if (!order || !mayRead(context, order)) throw notFound("ORDER_NOT_FOUND", orderId);
      return { order: orderToWire(order) };
    },

    async listOrders(request, context) {
      const learnerId = namedLearner(context, request.learnerId);
      const state = orderStateFromWire(request.state);
      const question = ["ListOrders", learnerId ?? "", state ?? ""];
      const page = readPage(request, question);
      const orders = await readOrders(pool, { learnerId, state }, page);
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
  { learnerId, offerId, currencyCode }: CreateOrderRequest,
  orderId: string,
): Promise<PaidOrder> {
  const offer = (await lockOfferForOrder(tx, offerId)) && (await readOffer(tx, offerId));
  if (!offer) throw notFound("OFFER_NOT_FOUND", offerId);
  const decision = decideOrder(offer, currencyCode);
  if (!decision.accepted) {
    throw decision.reason === "offer-archived"
      ? refused("OFFER_ARCHIVED", `offer ${offerId} takes no more orders`, { resource: offerId })
      : refused("CURRENCY_NOT_OFFERED", `offer ${offerId} has no price in ${currencyCode}`, {
          resource: offerId,
        });
  }

  // Money may be here before its order. The consumer parks it under the same lock, so either it
  // sees the order or we see what it parked.
  await lockKeys(tx, [orderKey(orderId)]);
  const { courseIds } = offer;
  const { amountMinor: dueMinor } = decision.due;
  await insertOrder(tx, { orderId, learnerId, offerId, courseIds, currencyCode, dueMinor });
  await releaseOrder(tx, orderId);
  const order = await readOrder(tx, orderId);
  if (!order) throw notFound("ORDER_NOT_FOUND", orderId);
  return order;
}

function orderToWire(order: PaidOrder): MessageInitShape<typeof OrderSchema> {
  const { orderId, learnerId, offerId, courseIds, currencyCode, dueMinor } = order;
  const due = { currencyCode, amountMinor: dueMinor };
  return {
    orderId,
    learnerId,
    offerId,
    courseIds: [...courseIds],
    due,
    state: orderStateToWire[order.state],
    payments: order.payments.map((payment) => ({
      ...payment,
      judgement: judgementToWire[judgePayment(due, payment)],
    })),
    createTime: timestampFromDate(order.createTime),
  };
}
