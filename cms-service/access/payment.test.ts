import { expect, test } from "vitest";
import { orderState } from "./order-state.ts";
import { expiryOf, grantState, judgePayment, newerTotals, type Payment } from "./payment.ts";

const due = { currencyCode: "USD", amountMinor: 100n };

const usd = (paidMinor: bigint, over: Partial<Payment> = {}): Payment => ({
  ledgerId: "main",
  paymentId: "stripe/acct/pi",
  orderId: "ord",
  ledgerSequence: 1n,
  currencyCode: "USD",
  paidMinor,
  refundedMinor: 0n,
  disputedMinor: 0n,
  lostMinor: 0n,
  paidTime: new Date(0),
  ...over,
});

// One row a case: what a payment is worth, what its grants are, and the order it alone belongs to.
test.each<[string, Payment, string, string, string]>([
  ["exactly what is due", usd(100n), "covers", "active", "paid"],
  ["one more than is due", usd(101n), "covers", "active", "overpaid"],
  ["one less than is due", usd(99n), "underpays", "void", "underpaid"],
  ["nothing", usd(0n), "underpays", "void", "pending"],
  [
    "enough in another currency",
    usd(999n, { currencyCode: "EUR" }),
    "wrong-currency",
    "void",
    "wrong-currency",
  ],
  ["a partial refund", usd(100n, { refundedMinor: 99n }), "covers", "active", "paid"],
  [
    "too much, refunded to the price",
    usd(120n, { refundedMinor: 20n }),
    "covers",
    "active",
    "paid",
  ],
  ["a full refund", usd(100n, { refundedMinor: 100n }), "covers", "revoked", "refunded"],
  [
    "a refund of more than was paid",
    usd(100n, { refundedMinor: 101n }),
    "covers",
    "revoked",
    "refunded",
  ],
  ["an open dispute", usd(100n, { disputedMinor: 100n }), "covers", "suspended", "disputed"],
  [
    "an open dispute over a part",
    usd(100n, { disputedMinor: 1n }),
    "covers",
    "suspended",
    "disputed",
  ],
  ["a dispute won", usd(100n), "covers", "active", "paid"],
  ["a dispute lost", usd(100n, { lostMinor: 100n }), "covers", "revoked", "refunded"],
  ["a dispute over a part lost", usd(100n, { lostMinor: 99n }), "covers", "active", "paid"],
  [
    "a refund and a loss that together take all",
    usd(100n, { refundedMinor: 60n, lostMinor: 40n }),
    "covers",
    "revoked",
    "refunded",
  ],
  [
    "a refund and a loss that leave something",
    usd(100n, { refundedMinor: 60n, lostMinor: 39n }),
    "covers",
    "active",
    "paid",
  ],
  [
    "a full refund while a dispute is open",
    usd(100n, { refundedMinor: 100n, disputedMinor: 100n }),
    "covers",
    "revoked",
    "refunded",
  ],
  [
    "a partial refund while a dispute is open",
    usd(100n, { refundedMinor: 40n, disputedMinor: 60n }),
    "covers",
    "suspended",
    "disputed",
  ],
  ["too little, disputed", usd(99n, { disputedMinor: 99n }), "underpays", "void", "underpaid"],
  ["too little, refunded", usd(99n, { refundedMinor: 99n }), "underpays", "void", "refunded"],
  [
    "another currency, refunded",
    usd(100n, { currencyCode: "EUR", refundedMinor: 100n }),
    "wrong-currency",
    "void",
    "refunded",
  ],
  [
    "amounts beyond 2^53",
    usd(9_007_199_254_740_993n, { refundedMinor: 9_007_199_254_740_992n }),
    "covers",
    "active",
    "paid",
  ],
])("%s", (_, payment, judgement, grant, order) => {
  expect(judgePayment(due, payment)).toBe(judgement);
  expect(grantState(due, payment)).toBe(grant);
  expect(orderState(due, [payment])).toBe(order);
});

const refunded = usd(100n, { refundedMinor: 100n });
const disputed = usd(100n, { disputedMinor: 100n });
const euros = usd(100n, { currencyCode: "EUR" });

// One row a pair of payments of one order.
test.each<[string, Payment[], string]>([
  ["no payment", [], "pending"],
  ["paid twice", [usd(100n), usd(100n)], "overpaid"],
  ["paid twice, one refunded", [usd(100n), refunded], "paid"],
  ["paid twice, one disputed", [usd(100n), disputed], "overpaid"],
  ["paid, and a little more", [usd(100n), usd(1n)], "overpaid"],
  ["paid, and some in another currency", [usd(100n), euros], "overpaid"],
  ["two halves, of which neither covers", [usd(50n), usd(50n)], "underpaid"],
  ["refunded and disputed", [refunded, disputed], "disputed"],
  ["refunded, then paid too little", [refunded, usd(50n)], "underpaid"],
  ["too little in either currency", [usd(50n), euros], "underpaid"],
  ["refunded, and kept in another currency", [refunded, euros], "wrong-currency"],
  ["everything refunded", [refunded, refunded], "refunded"],
])("an order with %s", (_, payments, state) => {
  expect(orderState(due, payments)).toBe(state);
  expect(orderState(due, payments.toReversed())).toBe(state);
});

test("the higher sequence and the earlier time count, whichever came first", () => {
  const paid = usd(100n, { ledgerSequence: 2n, paidTime: new Date(1_000) });
  const refunded = usd(100n, { ledgerSequence: 5n, paidTime: new Date(9_000), refundedMinor: 7n });
  const both = { ...refunded, paidTime: new Date(1_000) };
  expect(newerTotals(paid, refunded)).toEqual(both);
  expect(newerTotals(refunded, paid)).toEqual(both);
  expect(newerTotals(both, paid)).toBe(both);
});

test.each<[bigint | null, string | undefined]>([
  [null, undefined],
  [1n, "1970-01-01T00:00:01.000Z"],
  [86_400n, "1970-01-02T00:00:00.000Z"],
  [9_000_000_000_000n, undefined],
])("access of %s seconds from 1970 on ends at %s", (durationS, end) => {
  expect(expiryOf(new Date(0), durationS)?.toISOString()).toBe(end);
});
