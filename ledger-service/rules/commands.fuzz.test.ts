// The rules against a model written as naively as possible: plain numbers in plain objects, no shared
// code but the command types.

import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { command, linkGroup, openingCommands } from "../testing/arbitrary-commands.ts";
import { type Books, createBooks } from "./books.ts";
import type { Command, KeyedCommand, Outcome } from "./commands.ts";
import { type Asked, decideAll } from "./link-groups.ts";
import type { AmountRange, Precondition } from "./preconditions.ts";
import type { AccountKey, Entry } from "./records.ts";
import type { Reversal } from "./reversal-rules.ts";

type Verdict = { what: string; sequence: bigint | undefined };
type ModelAccount = { name: string; kind: string; debits: bigint; credits: bigint; count: bigint };

const none = { sequence: undefined };

/** Answers as the service must, from lists that are searched from the front. */
class Model {
  sequence = 0n;
  assets: string[] = [];
  accounts: ModelAccount[] = [];
  keys: { key: string; digest: string; answer: string; sequence: bigint }[] = [];
  posted: { sequence: bigint; entries: readonly Entry[] }[] = [];
  reversals: { of: bigint; place: number; amountMinor: bigint }[] = [];

  /** A group is tried on a copy, which is thrown away where it does not work out. */
  decideGroup(group: readonly KeyedCommand[]): Verdict[] {
    if (this.sequence === 0n) return group.map((one) => this.decide(one));
    const trial = Object.assign(new Model(), structuredClone({ ...this }));
    const verdicts: Verdict[] = [];
    for (const [place, one] of group.entries()) {
      const verdict = trial.decide(one);
      verdicts.push(verdict);
      if (verdict.what === "done" || verdict.what === "replayed") continue;
      return group.map((member, n) => {
        return this.useKey(member, () => (n === place ? verdict.what : "linked-refused"));
      });
    }
    Object.assign(this, trial);
    return verdicts;
  }

  decide(one: Command): Verdict {
    if (one.kind === "create-ledger") {
      if (this.sequence > 0n) return { what: "replayed", ...none };
      this.sequence = 1n;
      return { what: "done", ...none };
    }
    if (this.sequence === 0n) return { what: "ledger-not-found", ...none };
    if (one.kind === "register-asset") {
      if (this.assets.includes(one.assetCode)) return { what: "replayed", ...none };
      this.assets.push(one.assetCode);
      this.sequence += 1n;
      return { what: "done", ...none };
    }
    if (one.kind === "create-account") {
      if (!this.assets.includes(one.account.assetCode)) return { what: "asset-not-found", ...none };
      const known = this.find(one.account);
      if (known) {
        const same = known.kind === one.accountKind;
        return { what: same ? "replayed" : "account-exists", ...none };
      }
      const name = nameOf(one.account);
      this.accounts.push({ name, kind: one.accountKind, debits: 0n, credits: 0n, count: 0n });
      this.sequence += 1n;
      return { what: "done", ...none };
    }
    return this.useKey(one, () => {
      assert(one.kind === "post" || one.kind === "reverse");
      if (one.kind === "reverse") return this.reverse(one);
      return this.post(one.draft.entries, one.preconditions ?? []);
    });
  }

  useKey({ idempotencyKey: key, digest }: KeyedCommand, answerOf: () => string): Verdict {
    const used = this.keys.find((one) => one.key === key);
    if (used && used.digest !== digest) {
      return { what: "idempotency-conflict", sequence: used.sequence };
    }
    if (used) {
      const what = used.answer === "done" ? "replayed" : "stays-refused";
      return { what, sequence: used.sequence };
    }
    const answer = answerOf();
    if (answer !== "done") this.sequence += 1n;
    this.keys.push({ key, digest, answer, sequence: this.sequence });
    return { what: answer, sequence: answer === "done" ? this.sequence : undefined };
  }

  find(account: AccountKey): ModelAccount | undefined {
    return this.accounts.find((one) => one.name === nameOf(account));
  }

  post(entries: readonly Entry[], preconditions: readonly Precondition[]): string {
    for (const { account } of entries) {
      if (!this.assets.includes(account.assetCode)) return "asset-not-found";
    }
    for (const { account } of [...entries, ...preconditions]) {
      if (!this.find(account)) return "account-not-found";
    }
    for (const asset of this.assets) {
      let sum = 0n;
      for (const { account, side, amountMinor } of entries) {
        if (account.assetCode === asset) sum += side === "debit" ? amountMinor : -amountMinor;
      }
      if (sum !== 0n) return "unbalanced";
    }
    const before = structuredClone(this.accounts);
    for (const entry of entries) {
      const account = this.find(entry.account);
      if (entry.side === "debit") account!.debits += entry.amountMinor;
      else account!.credits += entry.amountMinor;
      account!.count += 1n;
    }
    const after = this.accounts;
    this.accounts = before;
    const tooMuch = 2n ** 63n;
    const overflows = this.assets.some((asset) => {
      const own = after.filter(({ name }) => name.endsWith(`/${asset}`));
      return own.reduce((sum, { debits }) => sum + debits, 0n) >= tooMuch;
    });
    if (overflows) return "amount-out-of-range";
    if (!preconditions.every((one) => this.holds(one))) return "precondition-failed";
    this.accounts = after;
    this.sequence += 1n;
    this.posted.push({ sequence: this.sequence, entries });
    return "done";
  }

  holds({ account, balance, available, version }: Precondition): boolean {
    const { kind, debits, credits, count } = this.find(account)!;
    const minor = kind === "asset" ? debits - credits : credits - debits;
    const inRange = (range: AmountRange | undefined) => {
      if (range?.gteMinor !== undefined && minor < range.gteMinor) return false;
      if (range?.lteMinor !== undefined && minor > range.lteMinor) return false;
      return range?.eqMinor === undefined || minor === range.eqMinor;
    };
    if (version !== undefined && version !== count) return false;
    return inRange(balance) && inRange(available);
  }

  /** What is left of an entry is added up from all reversals, every time. */
  reverse({ sequence, parts = [] }: Reversal): string {
    const original = this.posted.find((one) => one.sequence === sequence);
    if (!original) return "transaction-not-found";
    const left = original.entries.map(({ amountMinor }, place) => {
      const taken = this.reversals.filter((one) => one.of === sequence && one.place === place);
      return taken.reduce((sum, one) => sum - one.amountMinor, amountMinor);
    });
    if (left.every((minor) => minor === 0n)) return "already-reversed";
    const wanted =
      parts.length > 0
        ? parts
        : left.flatMap((amountMinor, entryIndex) =>
            amountMinor > 0n ? [{ entryIndex, amountMinor }] : [],
          );
    if (wanted.some(({ entryIndex, amountMinor }) => amountMinor > (left[entryIndex] ?? 0n))) {
      return "reversal-exceeded";
    }
    const entries = wanted.map(({ entryIndex, amountMinor }): Entry => {
      const { account, side } = original.entries[entryIndex]!;
      return { account, side: side === "debit" ? "credit" : "debit", amountMinor };
    });
    const answer = this.post(entries, []);
    if (answer !== "done") return answer;
    for (const { entryIndex: place, amountMinor } of wanted) {
      this.reversals.push({ of: sequence, place, amountMinor });
    }
    return "done";
  }
}

function nameOf({ accountCode, assetCode }: AccountKey): string {
  return `${accountCode}/${assetCode}`;
}

type Step = { readonly alone: Command } | { readonly together: readonly KeyedCommand[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: command.map((alone) => ({ alone })) },
  { weight: 1, arbitrary: linkGroup.map((together) => ({ together })) },
);

const steps = fc
  .tuple(fc.integer({ min: 0, max: 9 }), fc.array(step, { maxLength: 40, size: "max" }))
  .map(([n, list]): Step[] => [
    // Most runs begin with books that can be posted to.
    ...(n > 0 ? openingCommands.map((alone) => ({ alone })) : []),
    // Callers repeat themselves.
    ...list.flatMap((it) => [it, it]),
  ]);

test("any sequence of commands is answered, and leaves the books, as in the naive model", () => {
  const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const seen = new Map<string, number>();
  const count = (what: string) => void seen.set(what, (seen.get(what) ?? 0) + 1);
  fc.assert(
    fc.property(steps, (list) => {
      const model = new Model();
      const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
      for (const one of list) {
        const expected =
          "alone" in one ? [model.decide(one.alone)] : model.decideGroup(one.together);
        const actual = decideAll(books, askedOf(one)).map(verdictOf);
        expect(actual.map(({ what }) => what)).toEqual(expected.map(({ what }) => what));
        for (const [place, { what, sequence }] of expected.entries()) {
          count(what);
          if (sequence !== undefined) expect(actual[place]?.sequence).toBe(sequence);
        }
        if ("together" in one && expected.every(({ what }) => what === "done")) count("group done");
      }
      expect(totalsOf(books)).toEqual(
        Object.fromEntries(
          model.accounts.map(({ name, debits, credits }) => [name, [debits, credits]]),
        ),
      );
      expect(books.sequence).toBe(model.sequence);
      expect(books.written.facts.map((fact) => fact.sequence)).toEqual(
        Array.from({ length: Number(model.sequence) }, (_, n) => BigInt(n + 1)),
      );
    }),
    { seed, numRuns: 1_200 },
  );
  // A run in which some rule was never reached would prove nothing about it.
  for (const what of [
    "done",
    "group done",
    "replayed",
    "stays-refused",
    "already-reversed",
    "reversal-exceeded",
    "precondition-failed",
    "linked-refused",
    "unbalanced",
    "amount-out-of-range",
    "idempotency-conflict",
    "transaction-not-found",
  ]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(20);
  }
});

function askedOf(one: Step): Asked[] {
  if ("alone" in one) return [{ command: one.alone, traceparent: undefined }];
  const group = {};
  return one.together.map((it, place) => ({ command: it, place, group, traceparent: undefined }));
}

function verdictOf(outcome: Outcome): Verdict {
  switch (outcome.kind) {
    case "refused": {
      const { refusal } = outcome;
      const conflict = refusal.reason === "idempotency-conflict";
      return { what: refusal.reason, sequence: conflict ? refusal.sequence : undefined };
    }
    case "stays-refused":
      return { what: "stays-refused", sequence: outcome.sequence };
    case "written":
      return { what: outcome.replayed ? "replayed" : "done", sequence: outcome.sequence };
    default:
      return { what: outcome.replayed ? "replayed" : "done", sequence: undefined };
  }
}

function totalsOf(books: Books): Record<string, [bigint, bigint]> {
  return Object.fromEntries(
    [...books.accounts.values()].map((it) => [nameOf(it), [it.debitsMinor, it.creditsMinor]]),
  );
}
