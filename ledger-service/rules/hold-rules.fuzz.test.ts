// Any sequence of operations on holds, with time going by: what is pending is what is left of the
// open holds, nothing is captured twice, and limits hold in between.

import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Books, createBooks, openAccount, registerAsset } from "./books.ts";
import { expireDueHolds, remainingMinor } from "./hold-books.ts";
import { decideHoldCommand, type HoldCommand } from "./hold-rules.ts";
import { availableMinor, highestMinor } from "./limits.ts";
import type { Account, Hold } from "./records.ts";

const codes = ["liabilities:a", "liabilities:b", "assets:c"] as const;
const floorMinor = -20n;
const ceilingMinor = 60n;

const amount = fc.bigInt({ min: 1n, max: 15n });
const amountOrAll = fc.bigInt({ min: 0n, max: 15n });
const seconds = fc.bigInt({ min: 1n, max: 6n });
const any = { idempotencyKey: "k", description: "", metadata: [], effectiveTime: undefined };
const step = fc.oneof(
  fc.record({ wait: seconds }),
  fc
    .record({
      pair: fc.constantFrom([0, 1], [1, 0], [0, 2], [2, 1]),
      amountMinor: amount,
      toleranceMinor: fc.bigInt({ min: 0n, max: 4n }),
      lives: fc.option(seconds, { nil: undefined }),
    })
    .map(({ pair: [debit, credit], lives, ...amounts }): HoldCommand => {
      const [debitAccount, creditAccount] = [debit!, credit!].map((place) => {
        return { accountCode: codes[place]!, assetCode: "USD" };
      });
      const expiration = lives ? { after: { seconds: lives, nanos: 0 } } : undefined;
      assert(debitAccount && creditAccount);
      return { ...any, kind: "create-hold", debitAccount, creditAccount, expiration, ...amounts };
    }),
  fc
    .record({
      kind: fc.constantFrom("increase-hold", "capture-hold", "void-hold"),
      which: fc.nat({ max: 9 }),
      amountMinor: amountOrAll,
      final: fc.boolean(),
    })
    .map(({ which, ...command }) => ({ which, command })),
);

test("no sequence of operations breaks what holds promise", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let books = prepared();
      for (const next of steps) {
        if ("wait" in next) books = waited(books, next.wait);
        else decide(books, "which" in next ? onHold(books, next) : next);
        check(books);
      }
    }),
    { numRuns: 500 },
  );
});

function decide(books: Books, command: HoldCommand): void {
  const before = structuredClone({ holds: books.holds, accounts: books.accounts });
  const decided = decideHoldCommand(books, command);
  if (!("reason" in decided)) return;
  expect(books.holds).toEqual(before.holds);
  expect(books.accounts).toEqual(before.accounts);
}

type OnHold = { which: number; command: { kind: string; amountMinor: bigint; final: boolean } };

function onHold(books: Books, { which, command }: OnHold): HoldCommand {
  const sequences = [...books.holds.keys()];
  const holdSequence = sequences[which % Math.max(sequences.length, 1)] ?? 999n;
  const amountMinor =
    command.kind === "increase-hold" && command.amountMinor === 0n ? 1n : command.amountMinor;
  return { ...any, ...command, holdSequence, amountMinor } as HoldCommand;
}

function check(books: Books): void {
  const holds = [...books.holds.values()];
  for (const hold of holds) checkHold(books, hold);
  for (const account of books.accounts.values()) {
    const on = (side: "debitAccount" | "creditAccount") => {
      const own = holds.filter((hold) => hold[side].accountCode === account.accountCode);
      return own.reduce((sum, hold) => sum + remainingMinor(hold), 0n);
    };
    expect(account.debitsPendingMinor).toBe(on("debitAccount"));
    expect(account.creditsPendingMinor).toBe(on("creditAccount"));
    expect(availableMinor(account)).toBe(available(account));
    expect(available(account)).toBeGreaterThanOrEqual(floorMinor);
    expect(highestMinor(account)).toBeLessThanOrEqual(ceilingMinor);
  }
  expect(books.written.facts.length).toBe(Number(books.sequence) - 1);
}

function checkHold(books: Books, hold: Hold): void {
  const { heldMinor, capturedMinor, voidedMinor, toleranceMinor, status, expireTime } = hold;
  expect(capturedMinor + voidedMinor).toBeLessThanOrEqual(heldMinor + toleranceMinor);
  expect(voidedMinor).toBeLessThanOrEqual(heldMinor);
  expect(remainingMinor(hold) > 0n).toBe(status === "open");
  if (status !== "open" || !expireTime) return;
  expect(expireTime.seconds).toBeGreaterThan(books.recordedTime.seconds);
}

/** Written without the code that it checks. */
function available(account: Account): bigint {
  const { debitsMinor, creditsMinor, debitsPendingMinor, creditsPendingMinor } = account;
  return account.kind === "asset"
    ? debitsMinor - creditsMinor - creditsPendingMinor
    : creditsMinor - debitsMinor - debitsPendingMinor;
}

function prepared(): Books {
  const books = createBooks("main", 1n, { seconds: 1_000n, nanos: 0 });
  registerAsset(books, "USD", 2);
  for (const accountCode of codes) {
    const kind = accountCode.startsWith("assets") ? "asset" : "liability";
    const more = { limits: { floorMinor, ceilingMinor }, metadata: [] };
    openAccount(books, { accountCode, assetCode: "USD" }, kind, more);
  }
  return books;
}

/** As the next batch has them: what is due then has ended. */
function waited(books: Books, seconds: bigint): Books {
  const recordedTime = { ...books.recordedTime, seconds: books.recordedTime.seconds + seconds };
  const later = { ...books, recordedTime };
  expireDueHolds(later);
  return later;
}
