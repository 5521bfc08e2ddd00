// Chooses what to ask next. The weights are such that every reason to refuse comes up, and that
// requests meet: the same keys, the same accounts, the same holds.

import type { Chance } from "../chance.ts";
import type { Memory } from "./memory.ts";
import type { Key, Keyed, Named, Post, Precondition, Time, UpdateAccount } from "./operations.ts";
import * as pools from "./pools.ts";

export type Now = () => Time;

export function nextKeyed(chance: Chance, memory: Memory, now: Now): Keyed {
  const of = chance.below(100);
  if (of < 7) return retried(chance, memory) ?? nextPost(chance, memory, now);
  if (of < 20) return nextPost(chance, memory, now);
  if (of < 40) return nextReversal(chance, memory, now);
  if (of < 52) return nextHold(chance, memory, now);
  if (of < 76) return nextOnHold(chance, memory, now);
  if (of < 90) return nextUpdate(chance, memory);
  if (of < 94) return nextPeriod(chance, memory, now);
  return nextRelease(chance, memory, now);
}

/** A new key; or one that others use at this moment for something else. */
function keyIn(chance: Chance, memory: Memory): string {
  memory.next += 1;
  if (chance.below(60) === 0) return `shared-${Math.floor(memory.next / 40)}`;
  return `key-${memory.next}`;
}

/** The same again, its notes in another order; or something else under the same key. */
function retried(chance: Chance, memory: Memory): Keyed | undefined {
  if (memory.asked.length === 0) return undefined;
  const before = chance.pick(memory.asked);
  if ("group" in before && before.group !== "") return undefined;
  if (chance.below(3) === 0 && "description" in before) {
    const other =
      before.kind === "update-account" && ["notes", "limits"].includes(before.change.what);
    return other ? before : { ...before, description: `${before.description}!` };
  }
  return "notes" in before ? { ...before, notes: [...before.notes].reverse() } : before;
}

export function nextPost(chance: Chance, memory: Memory, now: Now): Post {
  const asset = pools.assetOf(chance);
  const post: Post = {
    kind: "post",
    key: keyIn(chance, memory),
    legs: pools.legsIn(chance, asset, () => someAccount(chance, memory, asset)),
    description: chance.below(5) === 0 ? "for people" : "",
    notes: pools.notesIn(chance),
    effective: effectiveIn(chance, now),
    preconditions: chance.below(20) === 0 ? [preconditionIn(chance, memory)] : [],
    group: "",
  };
  const of = chance.below(60);
  if (of === 0) return { ...post, legs: hugeLegs(chance, memory) };
  if (of > 1) return post;
  const [first, ...others] = post.legs;
  return { ...post, legs: [{ ...first!, amount: first!.amount + 1n }, ...others] };
}

function hugeLegs(chance: Chance, memory: Memory): Post["legs"] {
  const asset = pools.hugeAsset(Math.floor(memory.next / 4_000));
  const [debit, credit] = chance.shuffled(pools.hugeCodes);
  const amount = pools.hugeAmount(chance);
  return [
    { account: { code: debit!, asset }, side: "debit", amount },
    { account: { code: credit!, asset }, side: "credit", amount },
  ];
}

function someAccount(chance: Chance, memory: Memory, asset: string): Key {
  const of = chance.below(80);
  if (of === 0) return pools.strange(chance);
  if (of < 4 && memory.brief.length > 0) return chance.pick(memory.brief);
  return pools.accountIn(chance, asset);
}

function effectiveIn(chance: Chance, now: Now): Time | undefined {
  const of = chance.below(40);
  if (of < 24) return undefined;
  if (of < 36) return pools.timeIn(chance, now() - 30n * pools.day, 30n * pools.day);
  if (of < 38) return pools.timeIn(chance, now(), 5n * 365n * pools.day);
  if (of === 38) return now() + 5n * 366n * pools.day + 600n * pools.second;
  return pools.timeIn(chance, now() - 1_000n * pools.day, 400n * pools.day);
}

function preconditionIn(chance: Chance, memory: Memory): Precondition {
  if (memory.balances.length === 0 || chance.below(20) === 0) {
    return { account: pools.strange(chance), version: 0n };
  }
  const { account, balance, version } = chance.pick(memory.balances.slice(-6));
  switch (chance.below(5)) {
    case 0:
      return { account, version };
    case 1:
      return { account, balance: { eq: balance } };
    case 2:
      return { account, balance: { gte: balance - 500n, lte: balance + 500n } };
    case 3:
      return { account, available: { gte: balance }, version };
    default:
      return { account, available: { gte: 0n }, balance: { gte: -1_000_000n } };
  }
}

function nextReversal(chance: Chance, memory: Memory, now: Now): Keyed {
  const request = {
    kind: "reverse",
    key: keyIn(chance, memory),
    description: "a mistake",
    notes: pools.notesIn(chance),
    effective: effectiveIn(chance, now),
  } as const;
  if (memory.transactions.length === 0 || chance.below(20) === 0) {
    return { ...request, sequence: guessed(chance, memory), parts: [] };
  }
  // Few, so that several reversals meet.
  const { sequence, amounts } = chance.pick(memory.transactions.slice(-12));
  if (chance.below(3) === 0) return { ...request, sequence, parts: [] };
  const [debit = 1n, credit = 1n] = amounts;
  const least = debit < credit ? debit : credit;
  const amount = chance.below(8) === 0 ? pools.sendable(debit + 1n) : partOf(chance, least);
  const parts = [
    { index: 0, amount },
    { index: chance.below(30) === 0 ? 99 : 1, amount },
  ];
  return { ...request, sequence, parts: chance.below(20) === 0 ? parts.slice(0, 1) : parts };
}

/** Of anything at all, of what may just be coming, or of nothing. */
function guessed(chance: Chance, { seen }: Memory): bigint {
  const near = seen + BigInt(1 + chance.below(40));
  return chance.pick([1n + seen / 2n, near, near, seen + 1_000_000n]);
}

function partOf(chance: Chance, amount: bigint): bigint {
  const parts = BigInt(1 + chance.below(3));
  return amount / parts > 0n ? amount / parts : 1n;
}

function nextHold(chance: Chance, memory: Memory, now: Now): Keyed {
  const asset = chance.below(40) === 0 ? "EUR" : pools.assetOf(chance);
  const debit = someAccount(chance, memory, asset);
  const other = chance.below(30) === 0 ? "EUR" : debit.asset;
  let credit = someAccount(chance, memory, other);
  if (credit.code === debit.code) credit = { code: "equity:capital", asset: other };
  if (credit.code === debit.code) credit = { code: "assets:cash", asset: other };
  const expires = chance.below(10);
  const after = BigInt(1 + chance.below(3_000)) * 1_000_000n;
  return {
    kind: "create-hold",
    key: keyIn(chance, memory),
    debit,
    credit,
    amount: chance.below(100) === 0 ? pools.hugeAmount(chance) : pools.amountIn(chance),
    tolerance: chance.below(3) === 0 ? BigInt(chance.below(50)) : 0n,
    expiration:
      expires < 4
        ? undefined
        : expires < 7
          ? { after }
          : expires < 9
            ? { at: now() + after }
            : { at: now() - pools.second },
    description: "",
    notes: pools.notesIn(chance),
  };
}

function nextOnHold(chance: Chance, memory: Memory, now: Now): Keyed {
  const key = keyIn(chance, memory);
  const known = memory.holds.length > 0 && chance.below(25) > 0;
  const missing = { sequence: guessed(chance, memory), amount: 5n };
  const { sequence: hold, amount: held } = known ? chance.pick(memory.holds.slice(-15)) : missing;
  const amount =
    chance.below(4) === 0 ? 0n : pools.sendable(partOf(chance, held) + BigInt(chance.below(12)));
  const request = { key, hold, amount, description: "" };
  const of = chance.below(10);
  if (of < 2) {
    return { ...request, kind: "increase-hold", amount: pools.amountIn(chance) };
  }
  if (of < 4) return { ...request, kind: "void-hold" };
  const notes = pools.notesIn(chance);
  const effective = effectiveIn(chance, now);
  return { ...request, kind: "capture-hold", final: chance.below(3) === 0, notes, effective };
}

function nextUpdate(chance: Chance, memory: Memory): UpdateAccount {
  const expecting = chance.below(3) === 0 && memory.changed.length > 0;
  const seen = expecting ? chance.pick(memory.changed) : undefined;
  const asset = pools.assetOf(chance);
  const brief = memory.brief.length > 0 ? chance.pick(memory.brief) : undefined;
  const shared = { code: "assets:cash", asset };
  const account = seen?.account ?? chance.pick([brief ?? shared, shared]);
  const request = { kind: "update-account", key: keyIn(chance, memory) } as const;
  const of = chance.below(20);
  if (of < 4) {
    const change = { what: "notes", notes: pools.notesIn(chance) } as const;
    const expected = seen?.sequence ?? 0n;
    return { ...request, account, change, expected, description: "" };
  }
  if (of < 8) {
    const wallet = seen?.account ?? { code: chance.pick(pools.wallets), asset };
    const limits = chance.pick([
      { floor: 0n, ceiling: 20_000n },
      { floor: 0n, ceiling: undefined },
      { floor: -100n, ceiling: 2_000n },
      { floor: 300n, ceiling: undefined },
    ]);
    const expected = seen?.sequence ?? 0n;
    const change = { what: "limits", limits } as const;
    return { ...request, account: wallet, change, expected, description: "" };
  }
  const description = chance.below(2) === 0 ? "as told" : "";
  const on = (what: "freeze" | "unfreeze" | "close", key: Key): UpdateAccount => {
    return { ...request, account: key, change: { what }, expected: 0n, description };
  };
  const wallet = { code: pools.wallets[5]!, asset };
  const charted = { code: chance.pick(["liabilities:tax", "income:sales"]), asset: "EUR" };
  if (of < 10) return on("freeze", chance.pick([wallet, brief ?? wallet]));
  if (of < 15) {
    return on("unfreeze", chance.pick([wallet, wallet, wallet, brief ?? wallet, charted]));
  }
  if (of === 15) return on("freeze", charted);
  if (of === 16) return on("freeze", { code: "liabilities:suspense", asset });
  const strange = pools.strange(chance);
  // Not at the very beginning, when it is empty still.
  const full = memory.next > 1_000 ? shared : strange;
  return on("close", of === 17 ? chance.pick([full, strange]) : (brief ?? strange));
}

/** Far enough back, as a rule, to leave room for what is backdated. */
function nextPeriod(chance: Chance, memory: Memory, now: Now): Keyed {
  const step = (BigInt(memory.next) * pools.day) / 2_000n;
  const of = chance.below(10);
  const end =
    of === 0 ? now() + pools.day : now() - 400n * pools.day + step + BigInt(chance.below(999));
  return { kind: "close-period", key: keyIn(chance, memory), end, description: "" };
}

function nextRelease(chance: Chance, memory: Memory, now: Now): Keyed {
  const known = memory.suspended.length > 0 && chance.below(6) > 0;
  const missing = { sequence: guessed(chance, memory), index: 0, asset: "USD" };
  const { sequence, index, asset } = known ? chance.pick(memory.suspended) : missing;
  const other = chance.pick(["assets:cash", "equity:capital", "liabilities:suspense"]);
  const account = chance.below(3) === 0 ? { code: other, asset } : undefined;
  return {
    kind: "release",
    key: keyIn(chance, memory),
    sequence,
    index,
    account,
    description: "",
    effective: effectiveIn(chance, now),
  };
}

/** What is made once, or made again, or made otherwise. */
export function nextNamed(chance: Chance, memory: Memory): Named {
  const asset = pools.assetOf(chance);
  const huge = pools.hugeAsset(Math.floor(memory.next / 4_000));
  const of = chance.below(20);
  if (of < 2) return { kind: "create-ledger", name: chance.pick(["", memory.ledgerId]) };
  if (of < 5) {
    const [name, scale] = chance.pick([
      ["USD", 2],
      ["USD", 3],
      ["CHF", 3],
      [huge, 0],
      [huge, 0],
    ] as const);
    return { kind: "register-asset", asset: name, scale };
  }
  if (of < 7) return pools.opening({ code: chance.pick(pools.hugeCodes), asset: huge }, pools.none);
  if (of < 9) {
    const known = pools.accountIn(chance, asset);
    return {
      ...pools.opening(known, pools.none),
      accountKind: chance.pick(["asset", "liability"]),
    };
  }
  if (of === 9) {
    return {
      ...pools.opening({ code: "assets:paypal:clearing", asset }, pools.none),
      accountKind: "income",
    };
  }
  const code = `assets:brief:${Math.floor(memory.next / 100)}`;
  if (of === 10) return pools.opening({ code, asset: "XAU" }, pools.none);
  const limits = chance.pick([pools.none, pools.none, { floor: 5n, ceiling: undefined }]);
  return pools.opening({ code, asset }, limits, pools.notesIn(chance));
}
