// What callers ask of a ledger, and what becomes of it. A request that the books refuse uses its
// key up: asked again, it gets the same answer for ever. Pure; one request after the other, in the
// order in which they queued.

import { currencyScale } from "#mesh/money/currency.ts";
import { type AccountUpdate, decideAccountUpdate, findBadAccount } from "./account-rules.ts";
import {
  accountName,
  type Books,
  createLedger,
  keepKey,
  openAccount,
  refuseKey,
  registerAsset,
} from "./books.ts";
import { type AccountKind, chartKind } from "./chart.ts";
import { decideHoldCommand, type HoldCommand } from "./hold-rules.ts";
import { type ClosePeriod, decideClosePeriod } from "./period-rules.ts";
import { decidePost, type PostCommand } from "./post-rules.ts";
import type { Account, AccountKey, Asset, Balance, Limits, Note } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { decideReversal, type Reversal } from "./reversal-rules.ts";
import { decideRelease, type Release } from "./suspense-rules.ts";

export type CreateAccount = {
  readonly kind: "create-account";
  readonly account: AccountKey;
  readonly accountKind: AccountKind;
  readonly limits: Limits;
  /** Sorted by key. */
  readonly metadata: readonly Note[];
};

/** What uses a key up. */
export type KeyedCommand = { readonly idempotencyKey: string; readonly digest: string } & (
  | PostCommand
  | Reversal
  | AccountUpdate
  | HoldCommand
  | ClosePeriod
  | Release
);

export type Command =
  | { readonly kind: "create-ledger"; readonly displayName: string }
  | { readonly kind: "register-asset"; readonly assetCode: string; readonly scale: number }
  | CreateAccount
  | KeyedCommand;

/** What a keyed command wrote: its fact, and the accounts that it touched. */
export type Accepted = { readonly sequence: bigint; readonly touched: readonly AccountKey[] };

export type Outcome =
  | { readonly kind: "ledger"; readonly replayed: boolean }
  | { readonly kind: "asset"; readonly asset: Asset; readonly replayed: boolean }
  | { readonly kind: "account"; readonly account: Readonly<Account>; readonly replayed: boolean }
  | {
      /** The journal has what was written. */
      readonly kind: "written";
      readonly sequence: bigint;
      /** Of the accounts it touched, right after it; empty when replayed. */
      readonly balances: readonly Balance[];
      readonly replayed: boolean;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** Refused before under the same key; the journal has the answer. */
  | { readonly kind: "stays-refused"; readonly sequence: bigint };

export function decideCommand(books: Books, command: Command): Outcome {
  if (command.kind === "create-ledger") return decideLedger(books, command.displayName);
  if (books.sequence === 0n) return refuse({ reason: "ledger-not-found" });
  switch (command.kind) {
    case "register-asset":
      return decideAsset(books, command.assetCode, command.scale);
    case "create-account":
      return decideAccount(books, command);
    default:
      return onceAKey(books, command);
  }
}

function decideKeyed(books: Books, command: KeyedCommand): Accepted | Refusal {
  switch (command.kind) {
    case "post":
      return decidePost(books, command);
    case "reverse":
      return decideReversal(books, command);
    case "update-account":
      return decideAccountUpdate(books, command);
    case "close-period":
      return decideClosePeriod(books, command);
    case "release-suspense":
      return decideRelease(books, command);
    default:
      return decideHoldCommand(books, command);
  }
}

/** Answers a used key from what it was used for; otherwise decides, and uses it up. */
function onceAKey(books: Books, command: KeyedCommand): Outcome {
  const answered = answerUsedKey(books, command);
  if (answered) return answered;
  const decided = decideKeyed(books, command);
  if ("reason" in decided) return refuseKeyed(books, command, decided);
  const { idempotencyKey: key, digest } = command;
  const { sequence, touched } = decided;
  keepKey(books, { key, digest, sequence, refused: false });
  return { kind: "written", sequence, balances: balancesOf(books, touched), replayed: false };
}

/** Undefined: the key is not used. */
export function answerUsedKey(
  books: Books,
  { idempotencyKey, digest }: KeyedCommand,
): Outcome | undefined {
  const used = books.keys.get(idempotencyKey);
  if (!used) return undefined;
  const { sequence } = used;
  if (used.digest !== digest) return refuse({ reason: "idempotency-conflict", sequence });
  if (used.refused) return { kind: "stays-refused", sequence };
  return { kind: "written", sequence, balances: [], replayed: true };
}

/** Uses the key up: asked again, it is refused again. */
export function refuseKeyed(books: Books, command: KeyedCommand, refusal: Refusal): Outcome {
  const { idempotencyKey: key, digest } = command;
  refuseKey(books, { key, digest }, refusedKind(command), refusal);
  return refuse(refusal);
}

/** What would have been a transaction is refused as one. */
function refusedKind({ kind }: KeyedCommand): "transaction-refused" | "request-refused" {
  const transactions: readonly string[] = ["post", "reverse", "capture-hold", "release-suspense"];
  return transactions.includes(kind) ? "transaction-refused" : "request-refused";
}

function decideLedger(books: Books, displayName: string): Outcome {
  if (books.sequence === 0n) {
    createLedger(books, displayName);
    return { kind: "ledger", replayed: false };
  }
  if (books.displayName !== displayName) return refuse({ reason: "ledger-exists" });
  return { kind: "ledger", replayed: true };
}

function decideAsset(books: Books, assetCode: string, scale: number): Outcome {
  const known = books.assets.get(assetCode);
  if (!known) {
    // Providers' money will be counted in it, by ISO's minor units.
    if (scale !== (currencyScale(assetCode) ?? scale)) {
      return refuse({ reason: "asset-scale", assetCode });
    }
    return { kind: "asset", asset: registerAsset(books, assetCode, scale), replayed: false };
  }
  const { registeredSequence: sequence } = known;
  if (known.scale !== scale) return refuse({ reason: "asset-exists", assetCode, sequence });
  return { kind: "asset", asset: known, replayed: true };
}

/** Its code and asset are the key of the request: the same account is opened once. */
function decideAccount(books: Books, command: CreateAccount): Outcome {
  const { account: key, accountKind: kind } = command;
  const { assetCode } = key;
  if (!books.assets.has(assetCode)) return refuse({ reason: "asset-not-found", assetCode });
  const known = books.accounts.get(accountName(key));
  if (!known) {
    // Providers' money will be posted to it, as what the chart says it is.
    if (kind !== (chartKind(key.accountCode) ?? kind)) {
      return refuse({ reason: "account-kind", account: key });
    }
    const refusal = findBadAccount(command);
    if (refusal) return refuse(refusal);
    const account = openAccount(books, key, kind, command);
    return { kind: "account", account: { ...account }, replayed: false };
  }
  const { openedSequence: sequence } = known;
  if (known.kind !== kind) return refuse({ reason: "account-exists", account: key, sequence });
  return { kind: "account", account: { ...known }, replayed: true };
}

/** As they are now: later transactions of the batch change the accounts. */
function balancesOf(books: Books, keys: readonly AccountKey[]): Balance[] {
  const touched = new Set(keys.map((key) => books.accounts.get(accountName(key))));
  return [...touched].flatMap((account) => (account ? [{ ...account }] : []));
}

function refuse(refusal: Refusal): Outcome {
  return { kind: "refused", refusal };
}
