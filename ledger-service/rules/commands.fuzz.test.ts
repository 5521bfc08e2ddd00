// The rules against a model written as naively as possible: plain numbers in plain objects, no shared
// code but the command types.

import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Books, createBooks } from "./books.ts";
import { type Command, decideCommand, type KeyedCommand, type Outcome } from "./commands.ts";
import { type AccountKey, type Entry, noLimits } from "./records.ts";

const accountCodes = ["assets:a", "assets:b", "income:c"] as const;
const assetCodes = ["USD", "EUR", "XAU"] as const;
const big = 2n ** 62n;

type Verdict = { what: string; sequence: bigint | undefined };

/** Answers as the service must, from lists that are searched from the front. */
class Model {
  sequence = 0n;
  assets: string[] = [];
  accounts: { name: string; kind: string; debits: bigint; credits: bigint }[] = [];
  keys: { key: string; digest: string; answer: string; sequence: bigint }[] = [];
  posted: { sequence: bigint; entries: readonly Entry[]; reversed: boolean }[] = [];

  decide(command: Command): Verdict {
    if (command.kind === "create-ledger") {
      if (this.sequence > 0n) return { what: "replayed", sequence: undefined };
      this.sequence = 1n;
      return { what: "done", sequence: undefined };
    }
    if (this.sequence === 0n) return { what: "ledger-not-found", sequence: undefined };
    if (command.kind === "register-asset") {
      if (this.assets.includes(command.assetCode)) return { what: "replayed", sequence: undefined };
      this.assets.push(command.assetCode);
      this.sequence += 1n;
      return { what: "done", sequence: undefined };
    }
    if (command.kind === "create-account") {
      const { accountCode, assetCode } = command.account;
      if (!this.assets.includes(assetCode)) return { what: "asset-not-found", sequence: undefined };
      const name = `${accountCode}/${assetCode}`;
      const known = this.accounts.find((account) => account.name === name);
      if (known) {
        const same = known.kind === command.accountKind;
        return { what: same ? "replayed" : "account-exists", sequence: undefined };
      }
      this.accounts.push({ name, kind: command.accountKind, debits: 0n, credits: 0n });
      this.sequence += 1n;
      return { what: "done", sequence: undefined };
    }
    return this.decideKeyed(command);
  }

  decideKeyed(command: KeyedCommand): Verdict {
    assert(command.kind === "post" || command.kind === "reverse");
    const { idempotencyKey: key } = command;
    const used = this.keys.find((one) => one.key === key);
    if (used && used.digest !== command.digest) {
      return { what: "idempotency-conflict", sequence: used.sequence };
    }
    if (used) {
      const what = used.answer === "done" ? "replayed" : "stays-refused";
      return { what, sequence: used.sequence };
    }
    const answer =
      command.kind === "post" ? this.post(command.draft.entries) : this.reverse(command);
    if (answer !== "done") this.sequence += 1n;
    this.keys.push({ key, digest: command.digest, answer, sequence: this.sequence });
    return { what: answer, sequence: answer === "done" ? this.sequence : undefined };
  }

  post(entries: readonly Entry[]): string {
    for (const { account } of entries) {
      if (!this.assets.includes(account.assetCode)) return "asset-not-found";
    }
    const find = ({ account }: Entry) => {
      const name = `${account.accountCode}/${account.assetCode}`;
      return this.accounts.find((one) => one.name === name);
    };
    if (entries.some((entry) => !find(entry))) return "account-not-found";
    for (const asset of this.assets) {
      let sum = 0n;
      for (const { account, side, amountMinor } of entries) {
        if (account.assetCode === asset) sum += side === "debit" ? amountMinor : -amountMinor;
      }
      if (sum !== 0n) return "unbalanced";
    }
    const before = structuredClone(this.accounts);
    for (const entry of entries) {
      const account = find(entry);
      if (entry.side === "debit") account!.debits += entry.amountMinor;
      else account!.credits += entry.amountMinor;
    }
    const tooMuch = 2n ** 63n;
    const overflows = this.assets.some((asset) => {
      const own = this.accounts.filter(({ name }) => name.endsWith(`/${asset}`));
      return own.reduce((sum, { debits }) => sum + debits, 0n) >= tooMuch;
    });
    if (overflows) {
      this.accounts = before;
      return "amount-out-of-range";
    }
    this.sequence += 1n;
    this.posted.push({ sequence: this.sequence, entries, reversed: false });
    return "done";
  }

  reverse({ sequence }: { sequence: bigint }): string {
    const original = this.posted.find((one) => one.sequence === sequence);
    if (!original) return "transaction-not-found";
    const flip = ({ account, side, amountMinor }: Entry): Entry => {
      return { account, side: side === "debit" ? "credit" : "debit", amountMinor };
    };
    if (original.reversed) {
      const before = structuredClone({ accounts: this.accounts, sequence: this.sequence });
      const postedCount = this.posted.length;
      const trial = this.post(original.entries.map(flip));
      this.accounts = before.accounts;
      this.sequence = before.sequence;
      this.posted.length = postedCount;
      return trial === "done" ? "already-reversed" : trial;
    }
    const answer = this.post(original.entries.map(flip));
    if (answer === "done") original.reversed = true;
    return answer;
  }
}

const account = fc.record({
  accountCode: fc.constantFrom(...accountCodes),
  // Mostly one, or little would ever be posted.
  assetCode: fc.oneof(
    { weight: 12, arbitrary: fc.constant("USD" as const) },
    { weight: 1, arbitrary: fc.constantFrom(...assetCodes) },
  ),
});
const amount = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt(1n, 5n) },
  { weight: 1, arbitrary: fc.constantFrom(big, big * 2n - 1n) },
);
const pair = fc.tuple(account, account, amount).map(([from, to, amountMinor]): Entry[] => [
  { account: from, side: "debit", amountMinor },
  { account: { ...to, assetCode: from.assetCode }, side: "credit", amountMinor },
]);
const crooked = fc.tuple(account, account, amount, amount).map(([from, to, a, b]): Entry[] => [
  { account: from, side: "debit", amountMinor: a },
  { account: to, side: "credit", amountMinor: b },
]);
const entries = fc.oneof(
  { weight: 6, arbitrary: fc.array(pair, { minLength: 1, maxLength: 3 }).map((it) => it.flat()) },
  { weight: 1, arbitrary: crooked },
);
const key = fc.integer({ min: 1, max: 24 }).map((n) => `key-${n}`);
const sequence = fc.bigInt(6n, 16n);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(key, entries).map(([k, lines]) => postOf(k, lines)) },
  { weight: 4, arbitrary: fc.tuple(key, sequence).map(([k, s]) => reverseOf(k, s)) },
  {
    weight: 3,
    arbitrary: fc.tuple(account, fc.constantFrom("asset" as const, "income" as const)).map(
      ([it, accountKind]): Command => ({
        kind: "create-account",
        account: it,
        accountKind,
        limits: noLimits,
        metadata: [],
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...assetCodes)
      .map((assetCode): Command => ({ kind: "register-asset", assetCode, scale: 2 })),
  },
  { weight: 1, arbitrary: fc.constant<Command>({ kind: "create-ledger", displayName: "x" }) },
);

/** Most runs begin with books that can be posted to. */
const opening: readonly Command[] = [
  { kind: "create-ledger", displayName: "x" },
  { kind: "register-asset", assetCode: "USD", scale: 2 },
  { kind: "register-asset", assetCode: "EUR", scale: 2 },
  ...accountCodes.map(
    (accountCode): Command => ({
      kind: "create-account",
      account: { accountCode, assetCode: "USD" },
      accountKind: "asset",
      limits: noLimits,
      metadata: [],
    }),
  ),
];
const commands = fc
  .tuple(fc.integer({ min: 0, max: 9 }), fc.array(command, { maxLength: 40, size: "max" }))
  // Callers repeat themselves.
  .map(([n, list]) => [...(n > 0 ? opening : []), ...list.flatMap((it) => [it, it])]);

test("any sequence of commands is answered, and leaves the books, as in the naive model", () => {
  const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(commands, (list) => {
      const model = new Model();
      const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
      for (const one of list) {
        const expected = model.decide(one);
        const actual = verdictOf(decideCommand(books, one));
        seen.set(actual.what, (seen.get(actual.what) ?? 0) + 1);
        expect(actual.what).toBe(expected.what);
        if (expected.sequence !== undefined) expect(actual.sequence).toBe(expected.sequence);
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
    { seed, numRuns: 500 },
  );
  // A run in which some rule was never reached would prove nothing about it.
  for (const what of ["done", "replayed", "stays-refused", "already-reversed", "unbalanced"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(20);
  }
  for (const what of ["amount-out-of-range", "idempotency-conflict", "transaction-not-found"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(20);
  }
});

function postOf(idempotencyKey: string, lines: readonly Entry[]): Command {
  return {
    kind: "post",
    idempotencyKey,
    digest: JSON.stringify(lines, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
    draft: {
      idempotencyKey,
      entries: lines,
      description: "",
      metadata: [],
      effectiveTime: undefined,
      reversesSequence: 0n,
      payment: undefined,
    },
  };
}

function reverseOf(idempotencyKey: string, of: bigint): Command {
  return {
    kind: "reverse",
    idempotencyKey,
    digest: `reverse ${of}`,
    sequence: of,
    description: "",
  };
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
  const name = ({ accountCode, assetCode }: AccountKey) => `${accountCode}/${assetCode}`;
  return Object.fromEntries(
    [...books.accounts.values()].map((it) => [name(it), [it.debitsMinor, it.creditsMinor]]),
  );
}
