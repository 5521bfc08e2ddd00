// What was asked of a ledger in one round, and what it answered, kept until the journal tells in
// which order it happened.

import type { RefusalDetail } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Answer } from "./ask.ts";
import type { Ledger } from "./books.ts";
import {
  bodyOf,
  type Keyed,
  type Named,
  type Payment,
  type Post,
  type Time,
} from "./operations.ts";

/** When a call was under way: it saw at least `after`, and nothing written later than `ended`. */
export type Window = {
  readonly after: bigint;
  readonly begun: Time;
  readonly ended: Time;
};

/** Requests of one batch that are posted all or none. */
export type Group = readonly { readonly asked: Post; readonly place: number }[];

export type KeyedCall = Window & {
  readonly asked: Keyed;
  readonly body: string;
  readonly group: Group | undefined;
  readonly answer: Answer;
};

export type NamedCall = Window & {
  readonly asked: Named;
  readonly body: string;
  readonly answer: Answer;
};

/** What must be true at some moment within the window; answers what is wrong at this one. */
export type Floating = Window & {
  readonly what: string;
  readonly problemAt: (ledger: Ledger) => string | undefined;
};

/** What must be true once the ledger has come to a sequence. */
export type Pinned = {
  readonly what: string;
  readonly problemIn: (ledger: Ledger) => string | undefined;
};

export type Round = {
  readonly keyed: Map<string, KeyedCall[]>;
  readonly named: Map<string, NamedCall[]>;
  readonly payments: Map<string, Payment>;
  readonly floating: Floating[];
  readonly pinned: Pinned[];
  /** Of reads. */
  readonly refusals: RefusalDetail[];
};

export function createRound(): Round {
  return {
    keyed: new Map(),
    named: new Map(),
    payments: new Map(),
    floating: [],
    pinned: [],
    refusals: [],
  };
}

export function keepKeyed(round: Round, call: Omit<KeyedCall, "body">): void {
  const { key } = call.asked;
  const calls = round.keyed.get(key) ?? [];
  calls.push({ ...call, body: bodyOf(call.asked) });
  round.keyed.set(key, calls);
}

export function keepNamed(round: Round, call: Omit<NamedCall, "body">): void {
  const name = thingOf(call.asked);
  const calls = round.named.get(name) ?? [];
  calls.push({ ...call, body: bodyOf(call.asked) });
  round.named.set(name, calls);
}

/** What there is once in a ledger. */
export function thingOf(asked: Named): string {
  switch (asked.kind) {
    case "create-ledger":
      return "ledger";
    case "register-asset":
      return `asset ${asked.asset}`;
    case "create-account":
      return `account ${asked.account.code} ${asked.account.asset}`;
  }
}
