// Reads the entries in suspense that a batch works with into its books, with the accounts they belong
// to. The suspense account itself is read with the transactions that put them there.

import type { Tx } from "#mesh/database/pool.ts";
import { entryName } from "../rules/books.ts";
import { addAccount, findLoaded, type Loaded } from "./loaded.ts";
import { readAccountsOfSuspense, readSuspense } from "./suspense.ts";

export type AskedSuspense = Awaited<ReturnType<typeof readAskedSuspense>>;

/** Two statements, sent one behind the other; none when nothing is asked for. */
export async function readAskedSuspense(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  const [items, accounts] = await Promise.all([
    readSuspense(tx, ids, sequences),
    readAccountsOfSuspense(tx, ids, sequences),
  ]);
  return { items, accounts };
}

export function addSuspense(loaded: Loaded, { items, accounts }: AskedSuspense): void {
  for (const row of accounts) addAccount(loaded, row);
  for (const { ledgerId, ...item } of items) {
    findLoaded(loaded, ledgerId).books.suspense.set(entryName(item), item);
  }
}
