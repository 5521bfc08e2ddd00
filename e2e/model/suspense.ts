// Suspense in the model: entries of providers' facts that could not be written where they belong,
// and how they leave.

import type { Ledger, Suspended } from "./books.ts";
import type { Release } from "./operations.ts";
import { type Draft, refuseMissing } from "./post.ts";
import type { Refusal } from "./refusals.ts";

export const suspenseCode = "liabilities:suspense";

export function suspendedAt(
  ledger: Ledger,
  sequence: bigint,
  index: number,
): Suspended | undefined {
  return ledger.transactions.get(sequence)?.suspended.find((one) => one.index === index);
}

export function draftOfRelease(ledger: Ledger, asked: Release): Draft | Refusal {
  const { sequence, index } = asked;
  const item = suspendedAt(ledger, sequence, index);
  if (!item) return { refused: "suspense-not-found", sequence, index };
  if (item.released !== undefined) return { refused: "suspense-released", sequence: item.released };
  const original = ledger.transactions.get(sequence)!;
  const account = asked.account ?? item.account;
  const { asset } = item.account;
  const missing = refuseMissing(ledger, [{ account }]);
  if (missing) return missing;
  if (account.asset !== asset) return { refused: "asset-mismatch", account };
  if (account.code === suspenseCode) return { refused: "account-reserved", account };

  const { side, amount: whole } = original.legs[index]!;
  const amount = whole - original.reversed[index]!;
  const back = side === "debit" ? "credit" : "debit";
  return {
    key: asked.key,
    legs: [
      { account: { code: suspenseCode, asset }, side: back, amount },
      { account, side, amount },
    ],
    description: asked.description,
    notes: [],
    effective: asked.effective,
    reverses: 0n,
    reversesLegs: [],
    releases: { sequence, index },
  };
}
