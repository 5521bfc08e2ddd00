// A ledger for tests: a database of its own, and commands in short.

import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { digestPosting, digestReversal, type ReversalRequest } from "../digest.ts";
import { type Poster, startPoster } from "../poster.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { Command, KeyedCommand } from "../rules/commands.ts";
import type { PostCommand } from "../rules/post-rules.ts";
import {
  type Draft,
  type Entry,
  type Limits,
  type Note,
  noLimits,
  type Side,
} from "../rules/records.ts";
import type { Reversal } from "../rules/reversal-rules.ts";

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
  await submit(poster, ...prepareCommands);
}

export const prepareCommands: readonly Command[] = [
  { kind: "create-ledger", displayName: "Main" },
  ...["USD", "EUR"].flatMap((assetCode): Command[] => [
    { kind: "register-asset", assetCode, scale: 2 },
    opening("assets:cash", "asset", assetCode),
    opening("income:sales", "income", assetCode),
  ]),
];

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
export function sale(
  idempotencyKey: string,
  amountMinor: bigint,
  more: Parameters<typeof posting>[2] = {},
): ReturnType<typeof posting> {
  const entries = [
    entry("debit", "assets:cash", amountMinor),
    entry("credit", "income:sales", amountMinor),
  ];
  return posting(idempotencyKey, entries, more);
}

export function posting(
  idempotencyKey: string,
  entries: readonly Entry[],
  more: Pick<PostCommand, "preconditions" | "linkGroup"> & Partial<Draft> = {},
): KeyedCommand & PostCommand {
  const { preconditions, linkGroup, ...fields } = more;
  const request = { entries, description: "", metadata: [], effectiveTime: undefined, ...fields };
  const guards = {
    ...(preconditions && { preconditions }),
    ...(linkGroup !== undefined && { linkGroup }),
  };
  return {
    kind: "post",
    idempotencyKey,
    digest: digestPosting({ ...request, ...guards }),
    draft: { ...request, idempotencyKey, reversesSequence: 0n, payment: undefined },
    ...guards,
  };
}

export function reversal(
  idempotencyKey: string,
  sequence: bigint,
  more: Partial<ReversalRequest> = {},
): KeyedCommand & Reversal {
  const request = { sequence, description: "", ...more };
  return { kind: "reverse", idempotencyKey, digest: digestReversal(request), ...request };
}
