// The books of one ledger as the reference model keeps them: everything that ever happened, in
// lists, and running totals beside them. Nothing here decides.

import {
  type Key,
  type Kind,
  type Limits,
  type Note,
  nameOf,
  type Side,
  type Time,
} from "./operations.ts";
import type { Reason, Refusal } from "./refusals.ts";

export type Status = "open" | "frozen" | "closed";

export type Entry = {
  readonly sequence: bigint;
  readonly version: bigint;
  readonly side: Side;
  readonly amount: bigint;
  readonly effective: Time;
};

export type Account = Key & {
  readonly kind: Kind;
  readonly openedSequence: bigint;
  readonly openTime: Time;
  readonly entries: Entry[];
  debits: bigint;
  credits: bigint;
  debitsPending: bigint;
  creditsPending: bigint;
  /** Of the latest entry, or of the opening. */
  sequence: bigint;
  status: Status;
  limits: Limits;
  notes: readonly Note[];
  changedSequence: bigint;
};

export type Hold = {
  readonly sequence: bigint;
  readonly debit: Key;
  readonly credit: Key;
  readonly tolerance: bigint;
  readonly expire: Time | undefined;
  readonly description: string;
  readonly notes: readonly Note[];
  readonly created: Time;
  held: bigint;
  captured: bigint;
  voided: bigint;
  status: "open" | "captured" | "voided" | "expired";
  /** Of the latest fact that changed it. */
  changedSequence: bigint;
};

export type Suspended = {
  readonly index: number;
  readonly account: Key;
  readonly reason: Reason;
  released: bigint | undefined;
};

export type Transaction = {
  readonly sequence: bigint;
  readonly key: string;
  readonly legs: readonly { readonly account: Key; readonly side: Side; readonly amount: bigint }[];
  readonly description: string;
  readonly notes: readonly Note[];
  readonly effective: Time;
  readonly recorded: Time;
  /** Zero: none. */
  readonly reverses: bigint;
  readonly reversesLegs: readonly number[];
  readonly hold: Readonly<Hold> | undefined;
  readonly suspended: readonly Suspended[];
  readonly occurred: Time | undefined;
  readonly releases: { readonly sequence: bigint; readonly index: number } | undefined;
  readonly payment: PaymentState | undefined;
  /** How much of each leg is reversed. */
  readonly reversed: bigint[];
  reversedBy: bigint | undefined;
};

export type PaymentState = {
  readonly paymentId: string;
  readonly asset: string;
  readonly paid: bigint;
  readonly sequence: bigint;
};

export type Period = {
  readonly end: Time;
  readonly sequence: bigint;
  readonly closed: Time;
  readonly description: string;
};

/** What an account holds at one moment; pending amounts are absent where it is a past one. */
export type Balance = Key & {
  readonly kind: Kind;
  readonly debits: bigint;
  readonly credits: bigint;
  readonly version: bigint;
  readonly sequence: bigint;
  readonly debitsPending: bigint | undefined;
  readonly creditsPending: bigint | undefined;
};

export type Fact = { readonly sequence: bigint; readonly recorded: Time } & (
  | { readonly kind: "ledger-created"; readonly name: string }
  | { readonly kind: "asset-registered"; readonly asset: string; readonly scale: number }
  | { readonly kind: "account-opened"; readonly account: Readonly<Account> }
  | { readonly kind: "transaction-posted"; readonly transaction: Transaction }
  | {
      readonly kind: "transaction-refused" | "request-refused";
      readonly key: string;
      readonly refusal: Refusal;
    }
  | {
      readonly kind: "account-updated";
      readonly key: string;
      readonly account: Readonly<Account>;
      readonly description: string;
    }
  | {
      readonly kind: "hold-created" | "hold-increased" | "hold-voided";
      readonly key: string;
      readonly hold: Readonly<Hold>;
      readonly amount: bigint;
      readonly description: string;
    }
  | { readonly kind: "hold-expired"; readonly hold: Readonly<Hold>; readonly amount: bigint }
  | { readonly kind: "period-closed"; readonly key: string; readonly period: Period }
);

/** What a keyed request did, for ever. */
export type Done = {
  readonly body: string;
  readonly fact: Fact;
  /** Right after it; empty when it was refused. */
  readonly balances: readonly Balance[];
};

export type Ledger = {
  readonly ledgerId: string;
  name: string;
  /** Of the latest fact; zero: it was never created. */
  sequence: bigint;
  /** When the latest fact was written. */
  recorded: Time;
  closed: Time | undefined;
  readonly assets: Map<
    string,
    { readonly scale: number; readonly sequence: bigint; debits: bigint }
  >;
  readonly accounts: Map<string, Account>;
  readonly transactions: Map<bigint, Transaction>;
  /** By each of their notes. */
  readonly noted: Map<string, Transaction[]>;
  readonly holds: Map<bigint, Hold>;
  /** Those of the holds that are open and will expire. */
  readonly waiting: Set<Hold>;
  readonly periods: Period[];
  readonly done: Map<string, Done>;
  /** By key. */
  readonly payments: Map<string, PaymentState>;
};

export function createLedgerModel(ledgerId: string): Ledger {
  return {
    ledgerId,
    name: "",
    sequence: 0n,
    recorded: 0n,
    closed: undefined,
    assets: new Map(),
    accounts: new Map(),
    transactions: new Map(),
    noted: new Map(),
    holds: new Map(),
    waiting: new Set(),
    periods: [],
    done: new Map(),
    payments: new Map(),
  };
}

export function accountAt(ledger: Ledger, key: Key): Account | undefined {
  return ledger.accounts.get(nameOf(key));
}

export function growsByDebits(kind: Kind): boolean {
  return kind === "asset" || kind === "expense";
}

type Totals = Pick<Account, "kind" | "debits" | "credits" | "debitsPending" | "creditsPending">;

export function balanceOf({ kind, debits, credits }: Pick<Totals, "kind" | "debits" | "credits">) {
  return growsByDebits(kind) ? debits - credits : credits - debits;
}

/** What is left when holds take what they may. */
export function availableOf(account: Totals): bigint {
  const taken = growsByDebits(account.kind) ? account.creditsPending : account.debitsPending;
  return balanceOf(account) - taken;
}

/** What there is when holds add what they may. */
export function highestOf(account: Totals): bigint {
  const added = growsByDebits(account.kind) ? account.debitsPending : account.creditsPending;
  return balanceOf(account) + added;
}

export function remainingOf({ status, held, captured, voided }: Readonly<Hold>): bigint {
  const left = held - captured - voided;
  return status === "open" && left > 0n ? left : 0n;
}

export function balanceNow(account: Readonly<Account>): Balance {
  const { code, asset, kind, debits, credits, sequence, debitsPending, creditsPending } = account;
  const version = BigInt(account.entries.length);
  return { code, asset, kind, debits, credits, version, sequence, debitsPending, creditsPending };
}

/** One each, in the order in which they are named first. */
export function balancesNow(ledger: Ledger, keys: readonly Key[]): Balance[] {
  const names = new Set(keys.map(nameOf));
  return [...names].map((name) => balanceNow(ledger.accounts.get(name)!));
}

export function addPending(ledger: Ledger, hold: Readonly<Hold>, amount: bigint): void {
  accountAt(ledger, hold.debit)!.debitsPending += amount;
  accountAt(ledger, hold.credit)!.creditsPending += amount;
}

/** The list itself, which grows and shrinks with the transactions. */
export function transactionsWith({ noted }: Ledger, { key, value }: Note): Transaction[] {
  const name = `${key} ${value}`;
  const known = noted.get(name) ?? [];
  noted.set(name, known);
  return known;
}
