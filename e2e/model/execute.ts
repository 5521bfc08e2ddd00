// Executes what was asked of a ledger, one request after the other, as the contract says. A key that
// is used answers from what it was used for; whatever it was, it stays.

import { open, refuseAccount, refuseAsset, refuseUpdate, update } from "./accounts.ts";
import { balancesNow, type Done, type Fact, type Ledger, remainingOf } from "./books.ts";
import * as holds from "./holds.ts";
import {
  accountsOf,
  bodyOf,
  type ClosePeriod,
  type Key,
  type Keyed,
  type Named,
  type Payment,
  type Post,
  sorted,
  type Time,
} from "./operations.ts";
import { draftOfPayment } from "./payments.ts";
import { type Draft, type Moment, post, refusePosting, unpost } from "./post.ts";
import { isRefusal, type Refusal } from "./refusals.ts";
import { draftOfReversal, keepReversal } from "./reversals.ts";
import { draftOfRelease, suspendedAt } from "./suspense.ts";

type Written = { readonly fact: Fact; readonly touched: readonly Key[] };

/** A request under a key that was not used before. */
export function executeKeyed(ledger: Ledger, asked: Keyed, at: Moment): Done {
  const decided = decide(ledger, asked, at);
  if (isRefusal(decided)) return refuse(ledger, asked, decided, at);
  const { fact, touched } = decided;
  return keep(ledger, asked, { fact, balances: balancesNow(ledger, touched), body: bodyOf(asked) });
}

export function executeNamed(ledger: Ledger, asked: Named, at: Moment): Fact | Refusal {
  const refusal = refuseNamed(ledger, asked);
  if (refusal) return refusal;
  advance(ledger, at);
  switch (asked.kind) {
    case "create-ledger":
      ledger.name = asked.name;
      return { ...at, kind: "ledger-created", name: asked.name };
    case "register-asset": {
      const { asset, scale } = asked;
      ledger.assets.set(asset, { scale, sequence: at.sequence, debits: 0n });
      return { ...at, kind: "asset-registered", asset, scale };
    }
    case "create-account":
      return { ...at, kind: "account-opened", account: { ...open(ledger, asked, at) } };
  }
}

/** Undefined: it may be made, or it is there as it is asked for. */
export function refuseNamed(ledger: Ledger, asked: Named): Refusal | undefined {
  if (asked.kind === "create-ledger") {
    const other = ledger.sequence > 0n && ledger.name !== asked.name;
    return other ? { refused: "ledger-exists" } : undefined;
  }
  if (ledger.sequence === 0n) return { refused: "ledger-not-found" };
  if (asked.kind === "register-asset") return refuseAsset(ledger, asked.asset, asked.scale);
  return refuseAccount(ledger, asked);
}

/**
 * The requests of a link group whose keys were not used before, all posted or all refused; their
 * facts are numbered from `at` on. Places are those in the caller's batch.
 */
export function executeGroup(
  ledger: Ledger,
  group: readonly { readonly asked: Post; readonly place: number }[],
  at: Moment,
): Done[] {
  const done: Done[] = [];
  let guilty: { readonly asked: Post; readonly place: number; readonly own: Refusal } | undefined;
  for (const { asked, place } of group) {
    const linked: Refusal = { refused: "linked-refused", index: place };
    const used = ledger.done.get(asked.key);
    if (used) {
      if (used.body === bodyOf(asked) && !isRefused(used)) continue;
      guilty = { asked, place, own: linked };
      break;
    }
    const next = { ...at, sequence: at.sequence + BigInt(done.length) };
    const decided = decide(ledger, asked, next);
    if (isRefusal(decided)) {
      guilty = { asked, place, own: decided };
      break;
    }
    const { fact, touched } = decided;
    const balances = balancesNow(ledger, touched);
    done.push(keep(ledger, asked, { fact, balances, body: bodyOf(asked) }));
  }
  if (!guilty) return done;

  for (const { fact } of done.reverse()) {
    if (fact.kind !== "transaction-posted") continue;
    unpost(ledger, fact.transaction);
    ledger.done.delete(fact.transaction.key);
  }
  const refused: Done[] = [];
  for (const { asked } of group) {
    if (ledger.done.has(asked.key)) continue;
    const own = asked === guilty.asked;
    const refusal: Refusal = own ? guilty.own : { refused: "linked-refused", index: guilty.place };
    const next = { ...at, sequence: at.sequence + BigInt(refused.length) };
    refused.push(refuse(ledger, asked, refusal, next));
  }
  return refused;
}

/** A provider's fact, which happened. */
export function executePayment(ledger: Ledger, payment: Payment, at: Moment): Fact {
  const transaction = post(ledger, draftOfPayment(ledger, payment, at), at);
  ledger.payments.set(transaction.key, transaction.payment!);
  advance(ledger, at);
  return { ...at, kind: "transaction-posted", transaction };
}

/** The time of a hold is over, and the ledger wrote it down. */
export function executeExpiry(ledger: Ledger, sequence: bigint, at: Moment): Fact | undefined {
  const hold = holds.dueHolds(ledger, at.recorded).find((due) => due.sequence === sequence);
  if (!hold) return undefined;
  advance(ledger, at);
  const amount = holds.expireHold(ledger, hold, at);
  return { ...at, kind: "hold-expired", hold: { ...hold }, amount };
}

/**
 * What PostTransaction would write now under a key that is not used: after what is overdue on its
 * accounts was written down. Nothing is changed.
 */
export function simulate(ledger: Ledger, asked: Post, recorded: Time): Fact | Refusal {
  const overdue = holds.dueHoldsOn(ledger, accountsOf(asked), recorded);
  const before = overdue.map((hold) => ({ ...hold }));
  for (const hold of overdue) holds.expireHold(ledger, hold, { sequence: 0n, recorded });
  const sequence = ledger.sequence + BigInt(overdue.length) + 1n;
  const decided = decide(ledger, asked, { sequence, recorded });
  if (!isRefusal(decided) && decided.fact.kind === "transaction-posted") {
    unpost(ledger, decided.fact.transaction);
  }
  for (const [place, hold] of overdue.entries()) holds.bringBack(ledger, hold, before[place]!);
  return isRefusal(decided) ? decided : decided.fact;
}

export function isRefused({ fact }: Done): boolean {
  return fact.kind === "transaction-refused" || fact.kind === "request-refused";
}

function decide(ledger: Ledger, asked: Keyed, at: Moment): Written | Refusal {
  switch (asked.kind) {
    case "post": {
      const draft = { ...asked, notes: sorted(asked.notes), reverses: 0n, reversesLegs: [] };
      return write(ledger, draft, at);
    }
    case "reverse": {
      const draft = draftOfReversal(ledger, asked);
      const written = isRefusal(draft) ? draft : write(ledger, draft, at);
      if (!isRefusal(written)) keepReversal(ledger, ledger.transactions.get(at.sequence)!);
      return written;
    }
    case "release": {
      const draft = draftOfRelease(ledger, asked);
      const written = isRefusal(draft) ? draft : write(ledger, draft, at);
      const item = suspendedAt(ledger, asked.sequence, asked.index);
      if (item && !isRefusal(written)) item.released = at.sequence;
      return written;
    }
    case "update-account": {
      const refusal = refuseUpdate(ledger, asked);
      if (refusal) return refusal;
      const { key, description } = asked;
      const account = { ...update(ledger, asked, at) };
      const fact: Fact = { ...at, kind: "account-updated", key, account, description };
      return { fact, touched: [asked.account] };
    }
    case "close-period":
      return closePeriod(ledger, asked, at);
    case "create-hold": {
      const refusal = holds.refuseHold(ledger, asked, at.recorded);
      if (refusal) return refusal;
      const hold = { ...holds.createHold(ledger, asked, at) };
      const { key, amount, debit, credit, description } = asked;
      const fact: Fact = { ...at, kind: "hold-created", key, hold, amount, description };
      return { fact, touched: [debit, credit] };
    }
    default:
      return decideOnHold(ledger, asked, at);
  }
}

type OnHold = Extract<Keyed, { hold: bigint }>;

function decideOnHold(ledger: Ledger, asked: OnHold, at: Moment): Written | Refusal {
  const ended = holds.refuseEnded(ledger, asked.hold);
  if (ended) return ended;
  const { key, description } = asked;
  const hold = ledger.holds.get(asked.hold)!;
  const touched = [hold.debit, hold.credit];
  const left = remainingOf(hold);
  const amount = asked.amount === 0n ? left : asked.amount;
  switch (asked.kind) {
    case "increase-hold": {
      const refusal = holds.refuseIncrease(ledger, hold, amount);
      if (refusal) return refusal;
      holds.increaseHold(ledger, hold, amount, at);
      return {
        fact: { ...at, kind: "hold-increased", key, hold: { ...hold }, amount, description },
        touched,
      };
    }
    case "void-hold": {
      const refusal = holds.refuseExceeding(hold, amount, left);
      if (refusal) return refusal;
      holds.voidHold(ledger, hold, amount, at);
      return {
        fact: { ...at, kind: "hold-voided", key, hold: { ...hold }, amount, description },
        touched,
      };
    }
    case "capture-hold": {
      const refusal = holds.refuseExceeding(hold, amount, left + hold.tolerance);
      if (refusal) return refusal;
      const draft = holds.draftOfCapture(hold, asked, at.sequence);
      const written = write(ledger, draft, at);
      if (!isRefusal(written)) holds.changeHold(ledger, hold, draft.hold!);
      return written;
    }
  }
}

function write(ledger: Ledger, draft: Draft, at: Moment): Written | Refusal {
  const refusal = refusePosting(ledger, draft, at.recorded);
  if (refusal) return refusal;
  const transaction = post(ledger, draft, at);
  const touched = transaction.legs.map(({ account }) => account);
  return { fact: { ...at, kind: "transaction-posted", transaction }, touched };
}

function closePeriod(ledger: Ledger, asked: ClosePeriod, at: Moment): Written | Refusal {
  const end = holds.wholeMicros(asked.end);
  const { closed } = ledger;
  if (closed !== undefined && end <= closed) return { refused: "period-order", limitTime: closed };
  if (end > at.recorded) return { refused: "period-order", limitTime: at.recorded };
  const { key, description } = asked;
  const period = { end, sequence: at.sequence, closed: at.recorded, description };
  ledger.closed = end;
  ledger.periods.push(period);
  return { fact: { ...at, kind: "period-closed", key, period }, touched: [] };
}

/** What would have been a transaction is refused as one. */
const transactions: readonly string[] = ["post", "reverse", "capture-hold", "release"];

function refuse(ledger: Ledger, asked: Keyed, refusal: Refusal, at: Moment): Done {
  const { key } = asked;
  const kind = transactions.includes(asked.kind) ? "transaction-refused" : "request-refused";
  const fact: Fact = { ...at, kind, key, refusal };
  return keep(ledger, asked, { fact, balances: [], body: bodyOf(asked) });
}

function keep(ledger: Ledger, { key }: Keyed, done: Done): Done {
  advance(ledger, done.fact);
  ledger.done.set(key, done);
  return done;
}

export function advance(ledger: Ledger, { sequence, recorded }: Moment): void {
  ledger.sequence = sequence;
  ledger.recorded = recorded;
}
