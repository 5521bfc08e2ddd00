import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderState } from "#gen/bursar/cms/v1/order_service_pb.ts";
import {
  makeCourse,
  makeOffer,
  makeOrder,
  openTestCms,
  refusalOf,
  requestId,
  type TestCms,
} from "../testing/cms.ts";

let cms: TestCms;
let offerId: string;
let courseId: string;
beforeAll(async () => {
  cms = await openTestCms();
  ({ courseId } = await makeCourse(cms));
  offerId = await makeOffer(cms, [courseId]);
});
afterAll(() => cms[Symbol.asyncDispose]());

const order = (over: object = {}) => ({
  requestId: requestId(),
  learnerId: "ada",
  offerId,
  currencyCode: "USD",
  ...over,
});

test("an order is due at the offer's price in the currency that was chosen", async () => {
  const { order: inEuros } = await cms.orders.createOrder(order({ currencyCode: "EUR" }));
  expect(inEuros).toMatchObject({
    learnerId: "ada",
    courseIds: [courseId],
    due: { currencyCode: "EUR", amountMinor: 9_000n },
    state: OrderState.PENDING,
    payments: [],
  });
  expect(inEuros?.orderId).toMatch(/^ord_[0-9a-z]{26}$/);
});

// One row a refusal.
test.each([
  ["CURRENCY_NOT_OFFERED", Code.FailedPrecondition, { currencyCode: "CHF" }],
  ["OFFER_NOT_FOUND", Code.NotFound, { offerId: `off_${"0".repeat(26)}` }],
  ["LEARNER_MISSING", Code.InvalidArgument, { learnerId: "" }],
])("%s", async (refusal, code, over) => {
  expect(await refusalOf(cms.orders.createOrder(order(over)))).toMatchObject({ code, refusal });
});

test("64 copies of one request make one order", async () => {
  const request = order({ learnerId: "many" });
  const answers = await Promise.all(
    Array.from({ length: 64 }, () => cms.orders.createOrder(request, { timeoutMs: 20_000 })),
  );
  expect(new Set(answers.map(({ order }) => order?.orderId)).size).toBe(1);
  expect((await cms.orders.listOrders({ learnerId: "many" })).orders).toHaveLength(1);
});

test("a learner's token makes orders for that learner", async () => {
  const ada = await cms.as("ada");
  const { order: own } = await cms.orders.createOrder(order({ learnerId: "" }), ada);
  expect(own?.learnerId).toBe("ada");
  expect(await refusalOf(cms.orders.createOrder(order({ learnerId: "bob" }), ada))).toMatchObject({
    code: Code.PermissionDenied,
    refusal: "LEARNER_MISMATCH",
  });
});

test("one learner's request id does not open another's answer", async () => {
  const request = order({ learnerId: "" });
  await cms.orders.createOrder(request, await cms.as("ada"));
  const call = cms.orders.createOrder(request, await cms.as("eve"));
  expect(await refusalOf(call)).toMatchObject({
    code: Code.AlreadyExists,
    refusal: "REQUEST_ID_REUSED",
  });
});

test("another learner's order is not there", async () => {
  const orderId = await makeOrder(cms, offerId, "ada");
  expect((await cms.orders.getOrder({ orderId }, await cms.as("ada"))).order).toBeDefined();
  const missing = { code: Code.NotFound, refusal: "ORDER_NOT_FOUND" };
  const eve = await cms.as("eve");
  expect(await refusalOf(cms.orders.getOrder({ orderId }, eve))).toMatchObject(missing);
  const nowhere = cms.orders.getOrder({ orderId: `ord_${"0".repeat(26)}` });
  expect(await refusalOf(nowhere)).toMatchObject(missing);
});

test("orders are listed newest first; a learner sees none but their own", async () => {
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.push(await makeOrder(cms, offerId, "lister"));
  const lister = await cms.as("lister");
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await cms.orders.listOrders({ pageSize: 2, pageToken }, lister);
    listed.push(...page.orders.map(({ orderId }) => orderId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(made.toSorted().toReversed());

  const other = cms.orders.listOrders({ learnerId: "ada" }, lister);
  expect(await refusalOf(other)).toMatchObject({ refusal: "LEARNER_MISMATCH" });
  const all = await cms.orders.listOrders({ pageSize: 500 });
  expect(new Set(all.orders.map(({ learnerId }) => learnerId)).size).toBeGreaterThan(1);
});

test("a page token counts for the learner and the state it was given for", async () => {
  for (let n = 0; n < 2; n++) await makeOrder(cms, offerId, "pager");
  const { nextPageToken: pageToken } = await cms.orders.listOrders({
    learnerId: "pager",
    pageSize: 1,
  });
  expect(pageToken).not.toBe("");
  for (const over of [{ learnerId: "ada" }, { learnerId: "pager", state: OrderState.PAID }, {}]) {
    const call = cms.orders.listOrders({ ...over, pageSize: 1, pageToken });
    expect(await refusalOf(call)).toMatchObject({ refusal: "PAGE_TOKEN_INVALID" });
  }
  const rest = await cms.orders.listOrders({ learnerId: "pager", pageSize: 5, pageToken });
  expect(rest.orders).toHaveLength(1);
});
