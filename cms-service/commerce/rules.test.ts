import { expect, test } from "vitest";
import { decideOrder, refusePrices } from "./rules.ts";

const usd = { currencyCode: "USD", amountMinor: 100n };
const eur = { currencyCode: "EUR", amountMinor: 90n };
const usdPrice = { ...usd, priceId: "prc_usd" };
const eurPrice = { ...eur, priceId: "prc_eur" };

test.each([
  ["zero", [{ ...usd, amountMinor: 0n }], "USD"],
  ["negative", [usd, { ...eur, amountMinor: -1n }], "EUR"],
  ["twice in one currency", [usd, eur, usd], "USD"],
])("a price is refused: %s", (_, prices, currencyCode) => {
  expect(refusePrices(prices)).toMatchObject({ currencyCode });
});

test("one price a currency is fine", () => {
  expect(refusePrices([usd, eur])).toBeUndefined();
});

test("an order is due in the currency that was asked for", () => {
  expect(decideOrder({ archived: false, prices: [usdPrice, eurPrice] }, "EUR")).toEqual({
    accepted: true,
    price: eurPrice,
  });
});

// One row a refusal, in the order the rules are checked.
test.each([
  ["OFFER_ARCHIVED", { archived: true, prices: [usdPrice] }],
  ["CURRENCY_NOT_OFFERED", { archived: false, prices: [usdPrice] }],
])("an order is refused: %s", (reason, offer) => {
  expect(decideOrder(offer, "EUR")).toEqual({ accepted: false, reason });
});
