// What callers ask of a ledger, and what becomes of it. A request that the books refuse uses its
// key up: asked again, it gets the same answer for ever. Pure; one request after the other, in the
// order in which they queued.

import { currencyScale } from "#mesh/money/currency.ts";
import {
  type Account,
  type AccountKey,
  type Asset,
  accountName,
  type Balance,
  type Books,
  createLedger,
  type Draft,
  type Entry,
  keepKey,
  openAccount,
  post,
  refuseKey,
  registerAsset,
} from "./books.ts";
import { type AccountKind, chartKind } from "./chart.ts";
import { decidePosting, type Refusal } from "./posting.ts";

export type Command =
  | { readonly kind: "create-ledger"; readonly displayName: string }
  | { readonly kind: "register-asset"; readonly assetCode: string; readonly scale: number }
  | {
      readonly kind: "create-account";
      readonly account: AccountKey;
      readonly accountKind: AccountKind;
    }
  | {
      readonly kind: "post";
      readonly digest: string;
      readonly draft: Draft;
    }
  | {
      readonly kind: "reverse";
      readonly idempotencyKey: string;
      readonly digest: string;
      readonly sequence: bigint;
      readonly description: string;
    };

export type Outcome =
  | { readonly kind: "ledger"; readonly replayed: boolean }
  | { readonly kind: "asset"; readonly asset: Asset; readonly replayed: boolean }
  | { readonly kind: "account"; readonly account: Account; readonly replayed: boolean }
  | {
      readonly kind: "posted";
      readonly sequence: bigint;
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
      return decideAccount(books, command.account, command.accountKind);
    case "post":
      return onceAKey(books, command.draft.idempotencyKey, command.digest, () =>
        decideDraft(books, command.draft),
      );
    case "reverse":
      return onceAKey(books, command.idempotencyKey, command.digest, () =>
        decideReversal(books, command),
      );
  }
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

function decideAccount(books: Books, key: AccountKey, kind: AccountKind): Outcome {
  const { assetCode } = key;
  if (!books.assets.has(assetCode)) return refuse({ reason: "asset-not-found", assetCode });
  const known = books.accounts.get(accountName(key));
  if (!known) {
    // Providers' money will be posted to it, as what the chart says it is.
    if (kind !== (chartKind(key.accountCode) ?? kind)) {
      return refuse({ reason: "account-kind", account: key });
    }
    return { kind: "account", account: openAccount(books, key, kind), replayed: false };
  }
  const { openedSequence: sequence } = known;
  if (known.kind !== kind) return refuse({ reason: "account-exists", account: key, sequence });
  return { kind: "account", account: known, replayed: true };
}

/** Answers a used key from what it was used for; otherwise decides, and uses it up. */
function onceAKey(
  books: Books,
  key: string,
  digest: string,
  decide: () => Draft | Refusal,
): Outcome {
  const used = books.keys.get(key);
  if (used) {
    const { sequence } = used;
    if (used.digest !== digest) return refuse({ reason: "idempotency-conflict", sequence });
    if (used.refused) return { kind: "stays-refused", sequence };
    return { kind: "posted", sequence, balances: [], replayed: true };
  }

  const decided = decide();
  if ("reason" in decided) {
    refuseKey(books, { key, digest }, decided);
    return refuse(decided);
  }
  const { sequence } = post(books, decided);
  keepKey(books, { key, digest, sequence, refused: false });
  return { kind: "posted", sequence, balances: balancesOf(books, decided), replayed: false };
}

function decideDraft(books: Books, draft: Draft): Draft | Refusal {
  return decidePosting(books, draft.entries, draft.metadata) ?? draft;
}

function decideReversal(
  books: Books,
  command: Extract<Command, { kind: "reverse" }>,
): Draft | Refusal {
  const { sequence, idempotencyKey, description } = command;
  const original = books.transactions.get(sequence);
  if (!original) return { reason: "transaction-not-found", sequence };

  const entries = original.entries.map(opposite);
  const refusal = decidePosting(books, entries, []);
  if (refusal) return refusal;
  if (original.reversedBy !== undefined) {
    return { reason: "already-reversed", sequence: original.reversedBy };
  }
  return {
    idempotencyKey,
    entries,
    description,
    metadata: [],
    effectiveTime: undefined,
    reversesSequence: sequence,
    payment: undefined,
  };
}

export function opposite({ account, side, amountMinor }: Entry): Entry {
  return { account, side: side === "debit" ? "credit" : "debit", amountMinor };
}

/** As they are now: later transactions of the batch change the accounts. */
function balancesOf(books: Books, { entries }: Draft): Balance[] {
  const touched = new Set(entries.map(({ account }) => books.accounts.get(accountName(account))));
  return [...touched].flatMap((account) => (account ? [{ ...account }] : []));
}

function refuse(refusal: Refusal): Outcome {
  return { kind: "refused", refusal };
}
