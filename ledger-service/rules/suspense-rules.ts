// Suspense: where an entry of a provider's fact stands that could not be written where it belongs,
// until somebody releases it: by a transaction that takes it from there and writes it to an account
// that takes it.

import { type Books, entryName, post } from "./books.ts";
import { chart } from "./chart.ts";
import type { Accepted } from "./commands.ts";
import { decidePosting, findMissing } from "./posting.ts";
import type { AccountKey, Draft, EntryName, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { opposite } from "./reversal-rules.ts";
import { keepReleased, reversedMinorOf } from "./suspense-books.ts";

export type Release = {
  readonly kind: "release-suspense";
  readonly idempotencyKey: string;
  readonly entry: EntryName;
  /** Undefined: where it belongs. */
  readonly account: AccountKey | undefined;
  readonly description: string;
  readonly effectiveTime: Time | undefined;
};

export function decideRelease(books: Books, release: Release): Accepted | Refusal {
  const { idempotencyKey, entry, description, effectiveTime } = release;
  const item = books.suspense.get(entryName(entry));
  if (!item) {
    return { reason: "suspense-not-found", sequence: entry.sequence, index: entry.entryIndex };
  }
  if (item.releasedSequence !== undefined) {
    return { reason: "suspense-released", sequence: item.releasedSequence };
  }
  const { side } = item;
  // What a reversal took from suspense before is not there any more.
  const amountMinor = item.amountMinor - reversedMinorOf(books, item);
  const account = release.account ?? item.account;
  const { assetCode } = item.account;
  const missing = findMissing(books, [{ account }]);
  if (missing) return missing;
  if (account.assetCode !== assetCode) return { reason: "asset-mismatch", account };
  if (account.accountCode === chart.suspense) return { reason: "account-reserved", account };

  const held = { account: { accountCode: chart.suspense, assetCode }, side, amountMinor };
  // What takes it from suspense comes first: whoever rebuilds the items relies on it.
  const entries = [opposite(held), { ...held, account }];
  const draft: Draft = {
    idempotencyKey,
    entries,
    description,
    metadata: [],
    effectiveTime,
    reversesSequence: 0n,
    payment: undefined,
    releases: entry,
  };
  const refused = decidePosting(books, draft);
  if (refused) return refused;
  const transaction = post(books, draft);
  keepReleased(books, item, { transaction, entryIndex: 0 });
  return { sequence: transaction.sequence, touched: entries.map((of) => of.account) };
}
