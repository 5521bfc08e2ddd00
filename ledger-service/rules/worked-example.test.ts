import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createBooks } from "./books.ts";
import type { PaymentFact } from "./payment-facts.ts";
import { recordFact } from "./record-fact.ts";

test("the worked example of docs/chart-of-accounts.md adds up as it says", () => {
  const paymentId = "stripe/acct_1/pi_1";
  const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
  const refund = (id: string, amountMinor: bigint): PaymentFact => ({
    kind: "payment-refunded",
    paymentId,
    refund: { refundId: `stripe/acct_1/${id}`, amount: usd(amountMinor) },
    total: undefined,
  });
  const dispute = { paymentId, disputeId: "stripe/acct_1/dp_1", amount: usd(4_000n) };
  const facts: PaymentFact[] = [
    {
      kind: "payment-succeeded",
      paymentId,
      orderId: "",
      amount: usd(10_000n),
      fee: usd(320n),
      tax: usd(1_600n),
    },
    refund("re_a", 3_000n),
    { kind: "payment-refunded", paymentId, refund: undefined, total: usd(5_000n) },
    refund("re_b", 2_000n),
    { kind: "refund-failed", paymentId, refundId: "stripe/acct_1/re_b", amount: usd(2_000n) },
    { kind: "dispute-opened", ...dispute },
    { kind: "dispute-closed", ...dispute, outcome: "lost" },
    { kind: "payout-paid", payoutId: "stripe/acct_1/po_1", amount: usd(2_680n) },
  ];
  const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
  const about = { occurredTime: { seconds: 0n, nanos: 0 }, metadata: [] };
  for (const fact of facts) expect(recordFact(books, fact, about).kind).toBe("recorded");

  const page = readFileSync(new URL("../../docs/chart-of-accounts.md", import.meta.url), "utf8");
  const rows = page.matchAll(/^\| `([^`]+)` \| (\d+) \| (\d+) \| −?\d+ \|$/gm);
  const told = [...rows].map(([, code, debits, credits]) => [code, debits, credits].join(" "));
  const actual = [...books.accounts.values()].map(({ accountCode, debitsMinor, creditsMinor }) => {
    return `${accountCode} ${debitsMinor} ${creditsMinor}`;
  });
  expect(actual.sort()).toEqual(told.sort());
});
