// A ledger for tests: a database of its own, and commands in short.

import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { digestPosting, digestReversal } from "../digest.ts";
import { type Poster, startPoster } from "../poster.ts";
import type { Entry, Side } from "../rules/books.ts";
import type { Command } from "../rules/commands.ts";

export const ledgerId = "main";

export function openLedgerDatabase(): Promise<TestDatabase> {
  const migrations = new URL("../migrations/", import.meta.url);
  return openTestDatabase({ schema: "ledger", migrations });
}

export function openPoster({ pool }: TestDatabase): Poster {
  return startPoster({ pool, metrics: createMetrics("test") });
}

/** USD and EUR, each with `assets:cash` and `income:sales`. */
export async function prepareLedger(poster: Poster): Promise<void> {
  const accounts = ["USD", "EUR"].flatMap((assetCode): Command[] => [
    { kind: "register-asset", assetCode, scale: 2 },
    {
      kind: "create-account",
      account: { accountCode: "assets:cash", assetCode },
      accountKind: "asset",
    },
    {
      kind: "create-account",
      account: { accountCode: "income:sales", assetCode },
      accountKind: "income",
    },
  ]);
  await submit(poster, { kind: "create-ledger", displayName: "Main" }, ...accounts);
}

/** Sequence of the last fact of a prepared ledger. */
export const preparedSequence = 7n;

export function submit(poster: Poster, ...commands: readonly Command[]) {
  return poster.submit(ledgerId, commands, new AbortController().signal);
}

export function entry(
  side: Side,
  accountCode: string,
  amountMinor: bigint,
  assetCode = "USD",
): Entry {
  return { account: { accountCode, assetCode }, side, amountMinor };
}

/** Cash for sales. */
export function sale(idempotencyKey: string, amountMinor: bigint): Command {
  return posting(idempotencyKey, [
    entry("debit", "assets:cash", amountMinor),
    entry("credit", "income:sales", amountMinor),
  ]);
}

export function posting(idempotencyKey: string, entries: readonly Entry[]): Command {
  const request = { entries, description: "", metadata: [], effectiveTime: undefined };
  return {
    kind: "post",
    digest: digestPosting(request),
    draft: { ...request, idempotencyKey, reversesSequence: 0n, payment: undefined },
  };
}

export function reversal(idempotencyKey: string, sequence: bigint): Command {
  const request = { sequence, description: "" };
  return { kind: "reverse", idempotencyKey, digest: digestReversal(request), ...request };
}
