// Walks the journal of a ledger and executes the model in its order, at its times: every fact must
// be what the model does with what was asked, byte for byte in meaning.

import type { Message } from "@bufbuild/protobuf";
import { Refusal as WireRefusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Done, Fact, Ledger } from "./books.ts";
import { type Floating, type KeyedCall, type Round, thingOf } from "./calls.ts";
import { Disagreement, difference, disagree, textOfValue } from "./disagreement.ts";
import {
  executeExpiry,
  executeGroup,
  executeKeyed,
  executeNamed,
  executePayment,
} from "./execute.ts";
import type { Event } from "./facts.ts";
import { dueHoldsOn } from "./holds.ts";
import { accountsOf, bodyOf, type Key, type Keyed } from "./operations.ts";
import type { Moment } from "./post.ts";
import { isRefusal } from "./refusals.ts";
import { factMessage, namedFromFact, timeFromWire } from "./wire.ts";

/** Executes what the facts tell of, and looks at what floats between them. */
export function walk(ledger: Ledger, facts: readonly Event[], round: Round): void {
  const planned: Fact[] = [];
  const floats = openFloats(round.floating);
  floats.lookAt(ledger);
  let { sequence } = ledger;
  for (const event of facts) {
    sequence += 1n;
    const at = { sequence: event.ledgerSequence, recorded: recordedOf(event) };
    const here = `${ledger.ledgerId} #${at.sequence}`;
    if (at.sequence !== sequence) throw new Disagreement(`${here} comes before ${sequence}`);
    if (at.recorded < ledger.recorded) throw new Disagreement(`${here} goes back in time`);
    floats.passed(at.recorded);
    if (planned.length === 0) planned.push(...execute(ledger, event, round, at));
    const fact = planned.shift()!;
    const model = factMessage(ledger.ledgerId, fact);
    const differ =
      model.schema.typeName === event.$typeName
        ? difference(model.schema, model.value as Message, event)
        : { model: textOfValue(fact), service: textOfValue(event) };
    if (differ) {
      const calls = round.keyed.get(keyOf(event)) ?? [];
      const about = `${here} ${event.$typeName} ${textOfValue(calls)}`;
      throw disagree(about, differ.model, differ.service);
    }
    // A group is executed at once; until its last fact, its middle cannot be looked at.
    if (planned.length === 0) floats.lookAt(ledger);
  }
  floats.end();
}

function recordedOf(event: Event) {
  const posted = event.$typeName === "bursar.ledger.v1.TransactionPosted";
  return timeFromWire(posted ? event.transaction?.recordedTime : event.recordedTime);
}

function execute(ledger: Ledger, event: Event, round: Round, at: Moment): readonly Fact[] {
  const here = `${ledger.ledgerId} #${at.sequence}`;
  if (event.$typeName === "bursar.ledger.v1.HoldExpired") {
    const fact = executeExpiry(ledger, event.hold?.holdSequence ?? 0n, at);
    if (fact) return [fact];
    throw disagree(`${here}: hold`, "is not due", textOfValue(event.hold));
  }
  const named = namedFromFact(event);
  if (named) {
    const calls = round.named.get(thingOf(named)) ?? [];
    if (!calls.some(({ body }) => body === bodyOf(named))) {
      throw disagree(`${here}: nobody asked for this`, textOfValue(calls), textOfValue(named));
    }
    const fact = executeNamed(ledger, named, at);
    if (isRefusal(fact)) throw disagree(here, textOfValue(fact), textOfValue(named));
    return [fact];
  }
  const key = keyOf(event);
  if (ledger.done.has(key) || ledger.payments.has(key)) {
    throw new Disagreement(`${here}: key ${key} was used before: ${textOfValue(event)}`);
  }
  const payment = round.payments.get(key);
  if (payment) return [executePayment(ledger, payment, at)];
  return executeAsked(ledger, winnerOf(round, key, here), at).map(({ fact }) => fact);
}

function executeAsked(ledger: Ledger, { asked, group }: KeyedCall, at: Moment): readonly Done[] {
  const all = group?.map((one) => one.asked) ?? [asked];
  for (const one of all) refuseOverdue(ledger, one, at);
  return group ? executeGroup(ledger, group, at) : [executeKeyed(ledger, asked, at)];
}

/** Of those who used the key, the one who got it: everybody else was told of a conflict. */
function winnerOf(round: Round, key: string, here: string): KeyedCall {
  const calls = round.keyed.get(key) ?? [];
  const conflict = WireRefusal.IDEMPOTENCY_CONFLICT;
  const won = calls.filter(({ answer }) => {
    return answer.kind === "done" || answer.detail.refusal !== conflict;
  });
  const bodies = new Set(won.map(({ body }) => body));
  if (bodies.size === 1) return won.find(({ group }) => group) ?? won[0]!;
  throw new Disagreement(`${here}: ${bodies.size} requests got key ${key}: ${textOfValue(calls)}`);
}

/** A hold whose time is over stands no more when something is decided on its accounts. */
function refuseOverdue(ledger: Ledger, asked: Keyed, at: Moment): void {
  const [overdue] = dueHoldsOn(ledger, accountsTouched(ledger, asked), at.recorded);
  if (!overdue) return;
  throw new Disagreement(
    `${ledger.ledgerId} #${at.sequence} was decided while hold ${overdue.sequence} was overdue: ${textOfValue(asked)}`,
  );
}

function accountsTouched(ledger: Ledger, asked: Keyed): readonly Key[] {
  if ("hold" in asked) {
    const hold = ledger.holds.get(asked.hold);
    return hold ? [hold.debit, hold.credit] : [];
  }
  if (asked.kind === "reverse") {
    const legs = ledger.transactions.get(asked.sequence)?.legs ?? [];
    return legs.map(({ account }) => account);
  }
  return accountsOf(asked);
}

export function keyOf(event: Event): string {
  if ("idempotencyKey" in event) return event.idempotencyKey;
  return "transaction" in event ? (event.transaction?.idempotencyKey ?? "") : "";
}

/** What must be true at some moment between the beginning and the end of its call. */
function openFloats(all: readonly Floating[]) {
  const waiting = [...all].sort((a, b) => (a.after < b.after ? -1 : 1));
  const open = new Map<Floating, Set<string>>();
  const fail = ({ what }: Floating, problems: Iterable<string>): never => {
    throw new Disagreement(`${what} was never true:\n${[...problems].join("\n")}`);
  };
  return {
    /** Nothing from this time on was seen by calls that ended before. */
    passed(recorded: bigint) {
      for (const [float, problems] of open) if (float.ended < recorded) fail(float, problems);
    },
    lookAt(ledger: Ledger) {
      while (waiting[0] && waiting[0].after <= ledger.sequence)
        open.set(waiting.shift()!, new Set());
      for (const [float, problems] of open) {
        const problem = float.problemAt(ledger);
        if (problem === undefined) open.delete(float);
        else if (problems.size < 9) problems.add(`#${ledger.sequence} ${problem}`);
      }
    },
    end() {
      for (const [float, problems] of open) fail(float, problems);
      for (const float of waiting) fail(float, [`the ledger never came to ${float.after}`]);
    },
  };
}
