// Reads the holds that a batch works with into its books: those that it asks for, and those on its
// accounts whose time is over, which it expires before it decides anything.

import type { Tx } from "#mesh/database/pool.ts";
import { microsLater } from "../rules/time.ts";
import * as store from "./holds.ts";
import { addAccount, findLoaded, type Loaded, type LoadedBooks } from "./loaded.ts";
import { bigints } from "./sql-arrays.ts";

export type AskedHolds = Awaited<ReturnType<typeof readAskedHolds>>;

/** Sent one behind the other, with the holds' accounts. */
export async function readAskedHolds(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  const [holds, accounts, assets] = await Promise.all([
    store.readHolds(tx, ids, sequences),
    store.readAccountsOfHolds(tx, ids, sequences),
    store.readAssetsOfHolds(tx, ids, sequences),
  ]);
  return { holds, accounts, assets };
}

export function addHolds(loaded: Loaded, { holds, accounts, assets }: AskedHolds): void {
  for (const { ledgerId, ...asset } of assets) {
    const known = findLoaded(loaded, ledgerId).books.assets;
    if (!known.has(asset.assetCode)) known.set(asset.assetCode, asset);
  }
  for (const row of accounts) addAccount(loaded, row);
  for (const row of holds) addHold(loaded, row);
}

/**
 * Those that are due on any account that was read, oldest first, in the last of so many batches at
 * the latest. Only an account on which something
 * is pending can have one, so the usual batch asks nothing. True when there may be more.
 */
export async function loadDueHolds(
  tx: Tx,
  all: readonly LoadedBooks[],
  { holdsMax, batches }: { holdsMax: number; batches: number },
): Promise<boolean> {
  const asked = all.flatMap(({ books, accountIds }) => {
    const time = microsLater(books.recordedTime, Math.max(batches - 1, 0));
    return [...accountIds].flatMap(([{ debitsPendingMinor, creditsPendingMinor }, accountId]) => {
      return debitsPendingMinor > 0n || creditsPendingMinor > 0n ? [{ accountId, time }] : [];
    });
  });
  if (asked.length === 0) return false;
  const due = await store.readDueHolds(tx, asked, holdsMax);
  if (due.length === 0) return false;

  const loaded: Loaded = new Map(all.map((one) => [one.head.id, one]));
  const ids = bigints(loaded.keys());
  const sequences = new Set(due.map(({ holdSequence }) => holdSequence));
  // The account on the other side may not be the batch's.
  for (const row of await store.readAccountsOfHolds(tx, ids, sequences)) addAccount(loaded, row);
  for (const row of due) addHold(loaded, row);
  return due.length === holdsMax;
}

function addHold(loaded: Loaded, { ledgerId, ...row }: store.HoldRow): void {
  const { holds } = findLoaded(loaded, ledgerId).books;
  if (!holds.has(row.holdSequence)) holds.set(row.holdSequence, store.holdOf(row));
}
