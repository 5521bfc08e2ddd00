import { expect, test } from "vitest";
import { orderState } from "./order-state.ts";

const due = { currencyCode: "USD", amountMinor: 100n };
const free = { ...due, amountMinor: 0n };
const payment = {
  ...{ ledgerId: "main", paymentId: "pi/1", orderId: "ord_1", ledgerSequence: 1n },
  ...{ currencyCode: "USD", paidMinor: 100n, refundedMinor: 0n, disputedMinor: 0n, lostMinor: 0n },
};

test.each([undefined, "pending", "expired", "cancelled"] as const)(
  "an order that is %s without money is so only until some is known",
  (unpaid) => {
    expect(orderState(due, [], unpaid)).toBe(unpaid ?? "pending");
    expect(orderState(due, [payment], unpaid)).toBe("paid");
    expect(orderState(due, [{ ...payment, paidMinor: 99n }], unpaid)).toBe("underpaid");
    const refunded = { ...payment, refundedMinor: 100n };
    expect(orderState(due, [refunded], unpaid)).toBe("refunded");
    expect(orderState(due, [{ ...payment, paidMinor: 0n }], unpaid)).toBe(unpaid ?? "pending");
  },
);

test("where nothing is due an order is paid, and all money is too much", () => {
  expect(orderState(free, [])).toBe("paid");
  expect(orderState(free, [payment])).toBe("overpaid");
  expect(orderState(free, [{ ...payment, currencyCode: "EUR" }])).toBe("overpaid");
  expect(orderState(free, [{ ...payment, refundedMinor: 100n }])).toBe("paid");
});
