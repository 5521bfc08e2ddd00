import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createBooks } from "./books.ts";
import { decideCommand } from "./commands.ts";
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

  const rows = page().matchAll(/^\| `([^`]+)` \| (\d+) \| (\d+) \| −?\d+ \|$/gm);
  const told = [...rows].map(([, code, debits, credits]) => [code, debits, credits].join(" "));
  const actual = [...books.accounts.values()].map(({ accountCode, debitsMinor, creditsMinor }) => {
    return `${accountCode} ${debitsMinor} ${creditsMinor}`;
  });
  expect(actual.sort()).toEqual(told.sort());
});

test("what docs/chart-of-accounts.md says of suspense is what is posted", () => {
  const now = { seconds: 1_700_000_000n, nanos: 0 };
  const books = createBooks("main", 0n, now);
  const pay = (id: string) => {
    const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
    const amounts = { amount: usd(10_000n), fee: usd(320n), tax: usd(1_600n), orderId: "" };
    const about = { occurredTime: { seconds: 1n, nanos: 0 }, metadata: [] };
    recordFact(
      books,
      { kind: "payment-succeeded", paymentId: `stripe/a/${id}`, ...amounts },
      about,
    );
    return books.sequence;
  };
  const release = (sequence: bigint, entryIndex: number) =>
    decideCommand(books, {
      kind: "release-suspense",
      idempotencyKey: `${sequence} ${entryIndex}`,
      digest: "",
      entry: { sequence, entryIndex },
      account: undefined,
      description: "",
      effectiveTime: undefined,
    });
  pay("pi_0");
  const sales = books.accounts.get("income:sales USD")!;
  sales.status = "frozen";
  const first = pay("pi_1");
  sales.status = "open";
  release(first, 2);
  books.closedTime = now;
  release(pay("pi_2"), 1);

  const posted = books.written.facts.filter((fact) => fact.kind === "transaction-posted");
  const actual = posted.slice(1).map(({ transaction: { entries, suspended = [] } }) =>
    entries.map(({ account, side, amountMinor }, place) => {
      const code = suspended.find(({ entryIndex }) => entryIndex === place)?.account.accountCode;
      return `${side} ${account.accountCode}${code ? ` for ${code}` : ""} ${amountMinor}`;
    }),
  );
  const [, section = ""] = page().split("## Suspense");
  const [, table = ""] = section.split("|---|---|---|---|---|\n");
  const told: string[][] = [];
  for (const row of table.split("\n\n")[0]!.split("\n")) {
    const [, number, , debit = "", credit, amount] = row.split("|").map((cell) => cell.trim());
    if (number) told.push([]);
    const [code, intended] = [...`${debit}${credit}`.matchAll(/`([^`]+)`/g)].map(
      ([, name]) => name,
    );
    const suspended = intended ? ` for ${intended}` : "";
    told.at(-1)?.push(`${debit ? "debit" : "credit"} ${code}${suspended} ${amount}`);
  }
  expect(told).toEqual(actual);
});

function page(): string {
  return readFileSync(new URL("../../docs/chart-of-accounts.md", import.meta.url), "utf8");
}
