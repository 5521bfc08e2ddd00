// Books as they are at one moment, to go back to: what belongs together is written all or none.

import { accountName, type Books, type Written } from "./books.ts";
import type { Account, AccountKey, Asset } from "./records.ts";

/**
 * The function that it returns restores the books exactly. Until then only the accounts named, and
 * their assets, may have changed of those that were there.
 */
export function checkpoint(books: Books, accounts: readonly AccountKey[]): () => void {
  const { sequence, displayName, closedTime, traceparent } = books;
  const states = statesOf(books, accounts);
  const sizes = grown.map((name) => books[name].size);
  // Few, or replaced as a whole: what is kept of them are the values themselves.
  const { payments, transactions, holds, suspense } = books;
  const kept = [payments, transactions, holds, suspense].map((map) => ({ map, was: [...map] }));
  const lengths = listsOf(books.written).map((list) => list.length);
  const members = setsOf(books.written).map((set) => set.size);

  return () => {
    Object.assign(books, { sequence, displayName, closedTime, traceparent });
    for (const { live, was } of states) Object.assign(live, was);
    for (const [place, name] of grown.entries()) cut(books[name], sizes[place]!);
    for (const { map, was } of kept) restore(map as Map<unknown, unknown>, was);
    for (const [place, list] of listsOf(books.written).entries()) list.length = lengths[place]!;
    for (const [place, set] of setsOf(books.written).entries()) cut(set, members[place]!);
  };
}

/** Maps that only grow, as a map keeps its keys in the order in which they came. */
const grown = ["assets", "accounts", "keys", "reported"] as const;

function listsOf({ facts, opened, entries, keys, reported, periods }: Written): unknown[][] {
  return [facts, opened, entries, keys, reported, periods];
}

function setsOf(written: Written) {
  const { traceparents, assets, changed, noted, payments, holds, reversed, suspense } = written;
  return [traceparents, assets, changed, noted, payments, holds, reversed, suspense];
}

function statesOf(books: Books, accounts: readonly AccountKey[]) {
  const live = new Set<Account | Asset | undefined>();
  for (const key of accounts) {
    live.add(books.accounts.get(accountName(key)));
    live.add(books.assets.get(key.assetCode));
  }
  live.delete(undefined);
  return Array.from(live, (it) => ({ live: it!, was: { ...it! } }));
}

/** Takes away what came after the first so many. */
function cut(grown: Map<unknown, unknown> | Set<unknown>, size: number): void {
  if (grown.size === size) return;
  let place = 0;
  for (const key of grown.keys()) {
    if (place >= size) grown.delete(key);
    place += 1;
  }
}

function restore(map: Map<unknown, unknown>, was: readonly (readonly [unknown, unknown])[]): void {
  map.clear();
  for (const [key, value] of was) map.set(key, value);
}
