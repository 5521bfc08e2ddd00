// What was read of the ledgers of a batch: their books, with what the database calls their parts.

import type { JournalRow } from "../journal.ts";
import { accountName, type Books, createBooks } from "../rules/books.ts";
import { type Account, noLimits } from "../rules/records.ts";
import { type Head, recordedTimeAfter } from "./heads.ts";
import type { AccountRow } from "./select.ts";
import { timeOfMicros } from "./sql-arrays.ts";

/** One ledger's books. */
export type LoadedBooks = {
  readonly head: Head;
  readonly books: Books;
  readonly accountIds: Map<Account, bigint>;
  /** Facts behind used keys and behind transactions to reverse. */
  readonly journal: Map<bigint, JournalRow>;
};

/** By the ledger's number. */
export type Loaded = ReadonlyMap<bigint, LoadedBooks>;

export function createLoaded(head: Head, clockMicros: bigint): LoadedBooks {
  const books = createBooks(head.ledgerId, head.sequence, recordedTimeAfter(head, clockMicros));
  books.displayName = head.displayName;
  books.closedTime = head.closedMicros === null ? undefined : timeOfMicros(head.closedMicros);
  return { head, books, accountIds: new Map(), journal: new Map() };
}

export function findLoaded(loaded: Loaded, ledgerId: bigint): LoadedBooks {
  const found = loaded.get(ledgerId);
  if (!found) throw new Error(`ledger ${ledgerId} was read without being locked`);
  return found;
}

/** Keeps an account that is in the books already: it may be another one by now. */
export function addAccount(loaded: Loaded, row: AccountRow): void {
  const { ledgerId, accountId, openMicros, effectiveMicrosMax, ...rest } = row;
  const { floorMinor, ceilingMinor, ...state } = rest;
  const { books, accountIds } = findLoaded(loaded, ledgerId);
  const name = accountName(rest);
  if (books.accounts.has(name)) return;
  const account: Account = {
    ...state,
    openTime: timeOfMicros(openMicros),
    effectiveTimeMax: effectiveMicrosMax === null ? undefined : timeOfMicros(effectiveMicrosMax),
    limits:
      floorMinor === null && ceilingMinor === null
        ? noLimits
        : { floorMinor: floorMinor ?? undefined, ceilingMinor: ceilingMinor ?? undefined },
    metadata: undefined,
  };
  books.accounts.set(name, account);
  accountIds.set(account, accountId);
}
