// A course with an offer, and orders for it: what must be there before money can
// open anything. Made through the same RPCs as everybody's.

import { randomUUID } from "node:crypto";
import type { Clients } from "./clients.ts";

export type Shop = {
  readonly courseId: string;
  readonly lessonId: string;
  readonly offerId: string;
};

export type ShopOptions = {
  readonly slug: string;
  readonly title: string;
  readonly prices: readonly { readonly amountMinor: bigint; readonly currencyCode: string }[];
};

export async function openShop(clients: Clients, options: ShopOptions): Promise<Shop> {
  const { slug, title, prices } = options;
  const created = await clients.courses.createCourse({ requestId: randomUUID(), slug, title });
  const courseId = must(created.course).courseId;
  const module = await clients.courses.addModule({
    requestId: randomUUID(),
    courseId,
    title: "Debits and credits",
  });
  const lesson = await clients.courses.addLesson({
    requestId: randomUUID(),
    moduleId: must(module.module).moduleId,
    title: "Every dollar twice",
    bodyMarkdown: "# Every dollar twice\n\nWhat one account gives, another receives.",
  });
  const { etag } = must(lesson.course);
  await clients.courses.publishCourse({ courseId, etag });
  const offered = await clients.offers.createOffer({
    requestId: randomUUID(),
    title,
    courseIds: [courseId],
    prices: [...prices],
  });
  return {
    courseId,
    lessonId: must(lesson.lesson).lessonId,
    offerId: must(offered.offer).offerId,
  };
}

export async function placeOrder(
  clients: Clients,
  shop: Shop,
  order: { readonly learnerId: string; readonly currencyCode: string },
): Promise<string> {
  const { offerId } = shop;
  const placed = await clients.orders.createOrder({ requestId: randomUUID(), offerId, ...order });
  return must(placed.order).orderId;
}

/** Replies always hold what they are about; the generated types cannot say so. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the reply lacks what it is about");
  return value;
}
