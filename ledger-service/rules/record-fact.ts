// Writes a provider's fact into the books: what it names, what it posts, and whatever of the chart of
// accounts it is the first to use. The fact has happened already; what cannot be written even to
// suspense is handed back and leaves the books as they were.

import assert from "node:assert/strict";
import { currencyScale } from "#mesh/money/currency.ts";
import {
  accountName,
  type Books,
  createLedger,
  keepPayment,
  keepReported,
  openAccount,
  post,
  registerAsset,
} from "./books.ts";
import { chart, chartKind, providerOf } from "./chart.ts";
import { type Circumstances, planPostings } from "./fact-postings.ts";
import { arrivalOf, type FactDecision, moneyOf, type PaymentFact } from "./payment-facts.ts";
import { decideFact } from "./payment-rules.ts";
import type { AccountKey } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { keepSuspended } from "./suspense-books.ts";

export type Recorded =
  | {
      readonly kind: "recorded";
      /** What waited for this fact may now be recorded. */
      readonly arrived: string | undefined;
    }
  | { readonly kind: "parked"; readonly waitsFor: string }
  | {
      readonly kind: "dead";
      readonly reason: "refused" | "conflict" | "currency-unknown";
      readonly detail: string;
    };

export function recordFact(books: Books, fact: PaymentFact, about: Circumstances): Recorded {
  for (const { currencyCode } of fact.kind === "payment-failed" ? [] : moneyOf(fact)) {
    if (books.assets.has(currencyCode) || currencyScale(currencyCode) !== undefined) continue;
    const detail = `ISO 4217 has no currency ${currencyCode}`;
    return { kind: "dead", reason: "currency-unknown", detail };
  }
  const decision = decideFact(books, fact);
  switch (decision.kind) {
    case "parked":
      return decision;
    case "refused":
    case "conflict":
      return { kind: "dead", reason: decision.kind, detail: decision.detail };
    case "accepted":
      return accept(books, fact, decision, about);
  }
}

/** Facts with the same answer may post to the same accounts. */
export function chartNameOf(fact: PaymentFact): string {
  if (fact.kind === "payment-failed") return "";
  const provider = providerOf("paymentId" in fact ? fact.paymentId : fact.payoutId);
  return `${provider} ${moneyOf(fact)[0]?.currencyCode}`;
}

/** Accounts that the fact may post to. */
export function accountsOf(fact: PaymentFact): AccountKey[] {
  const [provider = "", assetCode] = chartNameOf(fact).split(" ");
  if (!assetCode) return [];
  return Object.values(chart).map((code) => {
    const accountCode = typeof code === "string" ? code : code(provider);
    return { accountCode, assetCode };
  });
}

function accept(
  books: Books,
  fact: PaymentFact,
  { named, postings, payment }: Extract<FactDecision, { kind: "accepted" }>,
  about: Circumstances,
): Recorded {
  const plan = planPostings(books, postings, about);
  if ("reason" in plan) return { kind: "dead", reason: "refused", detail: describe(plan) };

  // Also the accounts of entries that go to suspense: that is where they will be released to.
  for (const { entries } of postings) for (const { account } of entries) open(books, account);
  const sequences = new Map<string, bigint>();
  let latest: bigint | undefined;
  for (const draft of plan.drafts) {
    if (draft.suspended) for (const { account } of draft.entries) open(books, account);
    const transaction = post(books, draft);
    if (draft.suspended) keepSuspended(books, transaction);
    latest = transaction.sequence;
    sequences.set(draft.idempotencyKey, latest);
  }
  for (const { key, content } of named) {
    keepReported(books, { key, content, sequence: sequences.get(key) ?? latest });
  }
  const before = payment && books.payments.get(payment.paymentId);
  if (before && postings.length === 0) keepPayment(books, { ...before, ...payment });

  const arrives = fact.kind === "payment-succeeded" && named.length > 0;
  return { kind: "recorded", arrived: arrives ? arrivalOf(fact.paymentId) : undefined };
}

/** A ledger, an asset and an account begin with the first fact that needs them. */
function open(books: Books, account: AccountKey): void {
  if (books.sequence === 0n) createLedger(books, books.ledgerId);
  const { assetCode, accountCode } = account;
  if (!books.assets.has(assetCode)) registerAsset(books, assetCode, currencyScale(assetCode) ?? 0);
  if (!books.accounts.has(accountName(account))) {
    const kind = chartKind(accountCode);
    assert(kind, `account ${accountCode} is not in the chart`);
    openAccount(books, account, kind);
  }
}

function describe(refusal: Refusal): string {
  const account = "account" in refusal ? refusal.account?.accountCode : undefined;
  return `${refusal.reason}: totals of ${account ?? "all accounts"} would leave int64`;
}
