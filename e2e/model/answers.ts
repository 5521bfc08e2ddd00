// Holds every answer of a round against what the model did.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import * as wire from "#gen/bursar/ledger/v1/account_pb.ts";
import { HoldSchema } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { PeriodSchema } from "#gen/bursar/ledger/v1/period_pb.ts";
import {
  type RefusalDetail,
  RefusalDetailSchema,
  TransactionSchema,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Answer } from "./ask.ts";
import { accountAt, type Balance, type Done, type Fact, type Ledger } from "./books.ts";
import type { Floating, KeyedCall, NamedCall, Round } from "./calls.ts";
import { difference, disagree, textOf, textOfValue } from "./disagreement.ts";
import { isRefused, refuseNamed } from "./execute.ts";
import type { Named } from "./operations.ts";
import type { Refusal } from "./refusals.ts";
import * as say from "./wire.ts";

export type Tally = { readonly refusals: Map<string, number>; replayed: number };

/** Of keyed requests, after the round was walked: what the journal says is what they were told. */
export function checkAnswers(ledger: Ledger, round: Round, calm: boolean, tally: Tally): void {
  for (const [key, calls] of round.keyed) {
    const done = ledger.done.get(key);
    let fresh = 0;
    for (const call of calls) {
      if (call.answer.kind === "refused") count(tally, call.answer.detail);
      checkAnswer(ledger, call, done);
      if (call.answer.kind !== "done") continue;
      if (call.answer.replayed) tally.replayed += 1;
      else fresh += 1;
    }
    const first = done && calls[0];
    const mustBeFresh = calm && first && !isRefused(done) && done.fact.sequence > first.after;
    if (fresh > 1 || (mustBeFresh && fresh === 0 && calls.some(({ body }) => body === done.body))) {
      const about = `${ledger.ledgerId} key ${key} was done freshly ${fresh} times`;
      throw disagree(about, textOfValue(done), textOfValue(calls));
    }
  }
}

export function count({ refusals }: Tally, { refusal }: RefusalDetail): void {
  const reason = say.reasonFromWire(refusal);
  refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
}

function checkAnswer(ledger: Ledger, call: KeyedCall, done: Done | undefined): void {
  const { asked, answer } = call;
  const { ledgerId } = ledger;
  const about = `${ledgerId} answer to ${textOfValue(asked)}`;
  const problem = (model: string) => disagree(about, model, textOfAnswer(answer));
  if (!done) {
    const none = ledger.sequence === 0n;
    const refusal: Refusal = { refused: "ledger-not-found" };
    if (none && isRefusedAs(answer, asked.key, refusal, Code.NotFound)) return;
    throw problem("it was never decided");
  }
  const { sequence } = done.fact;
  if (done.body !== call.body) {
    const conflict: Refusal = { refused: "idempotency-conflict", sequence };
    if (isRefusedAs(answer, asked.key, conflict, Code.AlreadyExists)) return;
    throw problem(`key is used by #${sequence}, ${done.body}`);
  }
  if (done.fact.kind === "transaction-refused" || done.fact.kind === "request-refused") {
    if (isRefusedAs(answer, asked.key, done.fact.refusal)) return;
    throw problem(`#${sequence} ${textOfValue(done.fact.refusal)}`);
  }
  if (answer.kind === "refused") throw problem(`#${sequence} ${textOfValue(done.fact)}`);
  if (!answer.replayed && sequence <= call.after) throw problem(`replayed, #${sequence}`);

  const [schema, thing] = thingMessage(ledgerId, done.fact);
  const differ = difference(schema, thing, answer.thing as Message | undefined);
  if (differ) throw disagree(about, differ.model, differ.service);
  checkBalances(about, done.balances, answer);
}

function checkBalances(about: string, model: readonly Balance[], answer: DoneAnswer): void {
  const { thing, balances, replayed } = answer;
  // These are told as accounts, with no balance.
  if (thing?.$typeName === wire.AccountSchema.typeName) return;
  const past = { debitsPending: undefined, creditsPending: undefined };
  const expected = model.map((balance) => {
    return say.balanceMessage(replayed ? { ...balance, ...past } : balance);
  });
  for (let place = 0; place < Math.max(expected.length, balances.length); place++) {
    const differ = difference(wire.BalanceSchema, expected[place], balances[place]);
    if (differ) throw disagree(`${about}, balance ${place}`, differ.model, differ.service);
  }
}

type DoneAnswer = Extract<Answer, { kind: "done" }>;

function thingMessage(ledgerId: string, fact: Fact): [DescMessage, Message] {
  switch (fact.kind) {
    case "transaction-posted":
      return [TransactionSchema, say.transactionMessage(ledgerId, fact.transaction)];
    case "account-updated":
      return [wire.AccountSchema, say.accountMessage(ledgerId, fact.account)];
    case "period-closed":
      return [PeriodSchema, say.periodMessage(ledgerId, fact.period)];
    case "hold-created":
    case "hold-increased":
    case "hold-voided":
      return [HoldSchema, say.holdMessage(ledgerId, fact.hold)];
    default:
      throw new Error(`a ${fact.kind} answers nobody`);
  }
}

/** Of a request without a key: what it was told was so at some moment of its call. */
export function floatOf(call: NamedCall): Floating {
  const { asked, answer } = call;
  return {
    ...call,
    what: `answer to ${textOfValue(asked)}`,
    problemAt(ledger) {
      const refusal = refuseNamed(ledger, asked);
      if (answer.kind === "refused") {
        if (refusal && isRefusedAs(answer, "", refusal)) return undefined;
        return `${textOfValue(refusal)}, answered ${textOfAnswer(answer)}`;
      }
      if (refusal) return `${textOfValue(refusal)}, answered ${textOfAnswer(answer)}`;
      return problemOfThing(ledger, asked, answer);
    },
  };
}

function problemOfThing(ledger: Ledger, asked: Named, answer: DoneAnswer): string | undefined {
  if (asked.kind === "create-ledger") return ledger.sequence > 0n ? undefined : "there is none";
  if (asked.kind === "register-asset") {
    const known = ledger.assets.get(asked.asset);
    return known?.scale === asked.scale ? undefined : `${textOfValue(known)}`;
  }
  const account = accountAt(ledger, asked.account);
  const model = account && say.accountMessage(ledger.ledgerId, account);
  const service = answer.thing as wire.Account | undefined;
  const differ = difference(wire.AccountSchema, model, service);
  return differ && `${differ.model}, answered ${differ.service}`;
}

export function isRefusedAs(answer: Answer, key: string, refusal: Refusal, code?: Code): boolean {
  if (answer.kind !== "refused") return false;
  // Within a batch there is no code.
  if (code !== undefined && answer.code !== undefined && answer.code !== code) return false;
  return !difference(RefusalDetailSchema, say.refusalMessage(key, refusal), answer.detail);
}

export function textOfAnswer(answer: Answer): string {
  if (answer.kind === "refused") return textOf(RefusalDetailSchema, answer.detail);
  return textOfValue(answer);
}
