// The books of one ledger as a batch works on them: what was read under the ledger's lock, changed
// in memory fact by fact, then written at once. Every fact takes the next sequence. Nothing here
// refuses; posting.ts and payment-rules.ts decide first.

import assert from "node:assert/strict";
import type { AccountKind } from "./chart.ts";
import type { Refusal } from "./posting.ts";

export type Side = "debit" | "credit";
export type Time = { readonly seconds: bigint; readonly nanos: number };
export type AccountKey = { readonly accountCode: string; readonly assetCode: string };
export type Note = { readonly key: string; readonly value: string };

export type Entry = {
  readonly account: AccountKey;
  readonly side: Side;
  readonly amountMinor: bigint;
};

export type Asset = {
  readonly assetCode: string;
  readonly scale: number;
  readonly registeredSequence: bigint;
  /** Debits of all accounts together. */
  postedMinor: bigint;
};

export type Account = AccountKey & {
  readonly kind: AccountKind;
  readonly openedSequence: bigint;
  readonly openTime: Time;
  debitsMinor: bigint;
  creditsMinor: bigint;
  /** Number of its entries. */
  version: bigint;
  /** Of the latest fact that changed it. */
  sequence: bigint;
};

/** What an account held at one moment. */
export type Balance = Readonly<Account>;

/** Totals of a payment; what is refunded follows from three of them. */
export type PaymentTotals = {
  readonly paymentId: string;
  readonly orderId: string;
  readonly currencyCode: string;
  readonly paidMinor: bigint;
  readonly refundsNamedMinor: bigint;
  readonly refundsStatedMinor: bigint;
  readonly refundsFailedMinor: bigint;
  readonly disputedMinor: bigint;
  readonly lostMinor: bigint;
};

export type Payment = PaymentTotals & {
  readonly firstSequence: bigint;
  readonly sequence: bigint;
};

export type Draft = {
  readonly idempotencyKey: string;
  readonly entries: readonly Entry[];
  readonly description: string;
  /** Sorted by key. */
  readonly metadata: readonly Note[];
  /** Undefined: when it is recorded. */
  readonly effectiveTime: Time | undefined;
  /** Zero: reverses none. */
  readonly reversesSequence: bigint;
  readonly payment: PaymentTotals | undefined;
};

export type Transaction = Draft & {
  readonly sequence: bigint;
  readonly effectiveTime: Time;
  readonly payment: Payment | undefined;
};

/** A fact of the ledger's own, as the journal keeps it; a provider's is a `PaymentFact`. */
export type JournalFact =
  | { readonly kind: "ledger-created"; readonly sequence: bigint; readonly displayName: string }
  | { readonly kind: "asset-registered"; readonly sequence: bigint; readonly asset: Asset }
  | { readonly kind: "account-opened"; readonly sequence: bigint; readonly account: Account }
  | {
      readonly kind: "transaction-posted";
      readonly sequence: bigint;
      readonly transaction: Transaction;
    }
  | {
      readonly kind: "transaction-refused";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      readonly refusal: Refusal;
    };

export type NumberedEntry = {
  readonly account: Account;
  readonly version: bigint;
  readonly sequence: bigint;
  /** Debits are positive, credits negative. */
  readonly amountMinor: bigint;
  readonly debitsMinorAfter: bigint;
  readonly creditsMinorAfter: bigint;
};

export type KeyUse = {
  readonly key: string;
  readonly digest: string;
  readonly sequence: bigint;
  readonly refused: boolean;
};

export type ReportedFact = {
  readonly key: string;
  /** What it says, to tell a repetition from a contradiction. */
  readonly content: string;
  /** Of the transaction it caused; undefined when it moved nothing. */
  readonly sequence: bigint | undefined;
};

/** What a reversal needs to know of a transaction. */
export type Reversible = {
  readonly entries: readonly Entry[];
  reversedBy: bigint | undefined;
};

export type Books = {
  readonly ledgerId: string;
  readonly recordedTime: Time;
  /** Zero: the ledger was never created. */
  sequence: bigint;
  displayName: string;
  /** Of what is being decided: the trace that the facts it adds belong to. */
  traceparent: string | undefined;
  readonly assets: Map<string, Asset>;
  readonly accounts: Map<string, Account>;
  readonly keys: Map<string, KeyUse>;
  readonly reported: Map<string, ReportedFact>;
  readonly payments: Map<string, Payment>;
  readonly transactions: Map<bigint, Reversible>;
  readonly written: Written;
};

/** What the batch adds. */
export type Written = {
  readonly facts: JournalFact[];
  /** By sequence. */
  readonly traceparents: Map<bigint, string>;
  readonly assets: Set<Asset>;
  readonly opened: Account[];
  readonly changed: Set<Account>;
  readonly entries: NumberedEntry[];
  readonly keys: KeyUse[];
  readonly reported: ReportedFact[];
  readonly payments: Set<string>;
};

export function createBooks(ledgerId: string, sequence: bigint, recordedTime: Time): Books {
  return {
    ledgerId,
    recordedTime,
    sequence,
    displayName: "",
    traceparent: undefined,
    assets: new Map(),
    accounts: new Map(),
    keys: new Map(),
    reported: new Map(),
    payments: new Map(),
    transactions: new Map(),
    written: {
      facts: [],
      traceparents: new Map(),
      assets: new Set(),
      opened: [],
      changed: new Set(),
      entries: [],
      keys: [],
      reported: [],
      payments: new Set(),
    },
  };
}

/** Names an account within a ledger; neither part can contain a space. */
export function accountName({ accountCode, assetCode }: AccountKey): string {
  return `${accountCode} ${assetCode}`;
}

export function createLedger(books: Books, displayName: string): void {
  assert(books.sequence === 0n, `ledger ${books.ledgerId} exists`);
  const sequence = nextSequence(books);
  books.displayName = displayName;
  addFact(books, { kind: "ledger-created", sequence, displayName });
}

export function registerAsset(books: Books, assetCode: string, scale: number): Asset {
  assert(!books.assets.has(assetCode), `asset ${assetCode} is registered`);
  const sequence = nextSequence(books);
  const asset = { assetCode, scale, registeredSequence: sequence, postedMinor: 0n };
  books.assets.set(assetCode, asset);
  books.written.assets.add(asset);
  addFact(books, { kind: "asset-registered", sequence, asset });
  return asset;
}

export function openAccount(books: Books, key: AccountKey, kind: AccountKind): Account {
  const name = accountName(key);
  assert(books.assets.has(key.assetCode), `asset ${key.assetCode} is not registered`);
  assert(!books.accounts.has(name), `account ${name} is open`);
  const sequence = nextSequence(books);
  const account: Account = {
    accountCode: key.accountCode,
    assetCode: key.assetCode,
    kind,
    openedSequence: sequence,
    openTime: books.recordedTime,
    debitsMinor: 0n,
    creditsMinor: 0n,
    version: 0n,
    sequence,
  };
  books.accounts.set(name, account);
  books.written.opened.push(account);
  books.written.changed.add(account);
  addFact(books, { kind: "account-opened", sequence, account });
  return account;
}

/** Writes a transaction that was decided: its accounts exist, its entries are balanced. */
export function post(books: Books, draft: Draft): Transaction {
  const sequence = nextSequence(books);
  for (const entry of draft.entries) postEntry(books, sequence, entry);

  const firstSequence = draft.payment && books.payments.get(draft.payment.paymentId)?.firstSequence;
  const payment = draft.payment && {
    ...draft.payment,
    firstSequence: firstSequence ?? sequence,
    sequence,
  };
  if (payment) keepPayment(books, payment);

  const effectiveTime = draft.effectiveTime ?? books.recordedTime;
  const transaction = { ...draft, sequence, effectiveTime, payment };
  books.transactions.set(sequence, { entries: draft.entries, reversedBy: undefined });
  const reversed = books.transactions.get(draft.reversesSequence);
  if (reversed) reversed.reversedBy = sequence;
  addFact(books, { kind: "transaction-posted", sequence, transaction });
  return transaction;
}

/** Uses a caller's key up. */
export function keepKey(books: Books, use: KeyUse): void {
  assert(!books.keys.has(use.key), `key ${use.key} is used`);
  books.keys.set(use.key, use);
  books.written.keys.push(use);
}

export function refuseKey(books: Books, use: { key: string; digest: string }, refusal: Refusal) {
  const sequence = nextSequence(books);
  const { key: idempotencyKey } = use;
  addFact(books, { kind: "transaction-refused", sequence, idempotencyKey, refusal });
  keepKey(books, { ...use, sequence, refused: true });
}

export function keepReported(books: Books, fact: ReportedFact): void {
  assert(!books.reported.has(fact.key), `fact ${fact.key} was reported`);
  books.reported.set(fact.key, fact);
  books.written.reported.push(fact);
}

export function keepPayment(books: Books, payment: Payment): void {
  books.payments.set(payment.paymentId, payment);
  books.written.payments.add(payment.paymentId);
}

function postEntry(books: Books, sequence: bigint, { account: key, side, amountMinor }: Entry) {
  assert(amountMinor > 0n, `amount ${amountMinor} is not positive`);
  const account = books.accounts.get(accountName(key));
  const asset = books.assets.get(key.assetCode);
  assert(account && asset, `account ${accountName(key)} is not open`);

  if (side === "debit") {
    account.debitsMinor += amountMinor;
    asset.postedMinor += amountMinor;
    books.written.assets.add(asset);
  } else {
    account.creditsMinor += amountMinor;
  }
  account.version += 1n;
  account.sequence = sequence;
  books.written.changed.add(account);
  books.written.entries.push({
    account,
    version: account.version,
    sequence,
    amountMinor: side === "debit" ? amountMinor : -amountMinor,
    debitsMinorAfter: account.debitsMinor,
    creditsMinorAfter: account.creditsMinor,
  });
}

function addFact({ written, traceparent }: Books, fact: JournalFact): void {
  written.facts.push(fact);
  if (traceparent !== undefined) written.traceparents.set(fact.sequence, traceparent);
}

function nextSequence(books: Books): bigint {
  books.sequence += 1n;
  return books.sequence;
}
