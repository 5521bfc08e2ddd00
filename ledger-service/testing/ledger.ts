// A ledger for tests: a database of its own, and commands in short.

import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { digestPosting, digestReversal } from "../digest.ts";
import { type Poster, startPoster } from "../poster.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { Command } from "../rules/commands.ts";
import { type Entry, type Limits, type Note, noLimits, type Side } from "../rules/records.ts";

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
    opening("assets:cash", "asset", assetCode),
    opening("income:sales", "income", assetCode),
  ]);
  await submit(poster, { kind: "create-ledger", displayName: "Main" }, ...accounts);
}

export function opening(
  accountCode: string,
  accountKind: AccountKind,
  assetCode = "USD",
  more: { limits?: Limits; metadata?: readonly Note[] } = {},
): Command {
  const { limits = noLimits, metadata = [] } = more;
  const account = { accountCode, assetCode };
  return { kind: "create-account", account, accountKind, limits, metadata };
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
    idempotencyKey,
    digest: digestPosting(request),
    draft: { ...request, idempotencyKey, reversesSequence: 0n, payment: undefined },
  };
}

export function reversal(idempotencyKey: string, sequence: bigint): Command {
  const request = { sequence, description: "" };
  return { kind: "reverse", idempotencyKey, digest: digestReversal(request), ...request };
}
