// The posting rules: may these entries be written to these books? Refusals come in a fixed order,
// the order of bursar.ledger.v1.Refusal. Pure, so that every rule can be read and tested here.

import assert from "node:assert/strict";
import {
  type Account,
  type AccountKey,
  type Asset,
  accountName,
  type Entry,
  type Note,
} from "./books.ts";

export const int64Max = 2n ** 63n - 1n;

export type Refusal =
  | { readonly reason: "idempotency-conflict"; readonly sequence: bigint }
  | { readonly reason: "ledger-not-found" }
  | { readonly reason: "ledger-exists" }
  | { readonly reason: "asset-not-found"; readonly assetCode: string }
  | { readonly reason: "asset-exists"; readonly assetCode: string; readonly sequence: bigint }
  | { readonly reason: "account-not-found"; readonly account: AccountKey }
  | { readonly reason: "account-exists"; readonly account: AccountKey; readonly sequence: bigint }
  | {
      readonly reason: "unbalanced";
      readonly assetCode: string;
      readonly debitsMinor: bigint;
      readonly creditsMinor: bigint;
    }
  | {
      readonly reason: "amount-out-of-range";
      /** Undefined when it is the total of the asset that has no room. */
      readonly account: AccountKey | undefined;
      readonly assetCode: string;
    }
  | { readonly reason: "transaction-not-found"; readonly sequence: bigint }
  | { readonly reason: "already-reversed"; readonly sequence: bigint }
  | { readonly reason: "metadata-duplicate"; readonly key: string }
  | { readonly reason: "asset-scale"; readonly assetCode: string }
  | { readonly reason: "account-kind"; readonly account: AccountKey };

export type PostingBooks = {
  readonly assets: ReadonlyMap<string, Readonly<Asset>>;
  readonly accounts: ReadonlyMap<string, Readonly<Account>>;
};

/** Undefined: the entries may be posted. */
export function decidePosting(
  books: PostingBooks,
  entries: readonly Entry[],
  metadata: readonly Note[],
): Refusal | undefined {
  assert(entries.length >= 2);
  for (const entry of entries) assert(entry.amountMinor > 0n && entry.amountMinor <= int64Max);
  return (
    findMissing(books, entries) ??
    findUnbalanced(entries) ??
    findOutOfRange(books, entries) ??
    findDuplicate(metadata)
  );
}

/** Undefined: every total stays within int64. Accounts that are not open yet count as empty. */
export function findOutOfRange(
  books: PostingBooks,
  entries: readonly Entry[],
): Refusal | undefined {
  const totals = new Map<string, bigint>();
  for (const { account: key, side, amountMinor } of entries) {
    const column = `${accountName(key)} ${side}`;
    const account = books.accounts.get(accountName(key));
    const before = (side === "debit" ? account?.debitsMinor : account?.creditsMinor) ?? 0n;
    const after = (totals.get(column) ?? before) + amountMinor;
    totals.set(column, after);
    const { assetCode } = key;
    if (after > int64Max) return { reason: "amount-out-of-range", account: key, assetCode };

    if (side === "credit") continue;
    const posted = books.assets.get(assetCode)?.postedMinor ?? 0n;
    const postedAfter = (totals.get(assetCode) ?? posted) + amountMinor;
    totals.set(assetCode, postedAfter);
    if (postedAfter > int64Max) {
      return { reason: "amount-out-of-range", account: undefined, assetCode };
    }
  }
  return undefined;
}

function findMissing(books: PostingBooks, entries: readonly Entry[]): Refusal | undefined {
  for (const { account } of entries) {
    const { assetCode } = account;
    if (!books.assets.has(assetCode)) return { reason: "asset-not-found", assetCode };
  }
  for (const { account } of entries) {
    if (!books.accounts.has(accountName(account))) return { reason: "account-not-found", account };
  }
  return undefined;
}

/** The first asset, in the order of the entries, whose debits and credits differ. */
function findUnbalanced(entries: readonly Entry[]): Refusal | undefined {
  const totals = new Map<string, { debitsMinor: bigint; creditsMinor: bigint }>();
  for (const { account, side, amountMinor } of entries) {
    const total = totals.get(account.assetCode) ?? { debitsMinor: 0n, creditsMinor: 0n };
    if (side === "debit") total.debitsMinor += amountMinor;
    else total.creditsMinor += amountMinor;
    totals.set(account.assetCode, total);
  }
  for (const [assetCode, total] of totals) {
    if (total.debitsMinor !== total.creditsMinor)
      return { reason: "unbalanced", assetCode, ...total };
  }
  return undefined;
}

function findDuplicate(metadata: readonly Note[]): Refusal | undefined {
  const keys = new Set<string>();
  for (const { key } of metadata) {
    if (keys.has(key)) return { reason: "metadata-duplicate", key };
    keys.add(key);
  }
  return undefined;
}
