// SimulateTransaction: at some moment of the call, PostTransaction would have answered the same.

import type { PostTransactionResult } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { TransactionSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { isRefusedAs, textOfAnswer } from "./answers.ts";
import { type Answer, answerOfResult, postRequest } from "./ask.ts";
import type { Done, Ledger } from "./books.ts";
import { textOfValue } from "./disagreement.ts";
import { simulate } from "./execute.ts";
import { different, type Read } from "./judge.ts";
import { bodyOf, type Post } from "./operations.ts";
import { isRefusal, type Refusal } from "./refusals.ts";
import * as say from "./wire.ts";

/** What PostTransaction would answer: at some moment, the model would answer the same. */
export function readSimulation(ledgerId: string, asked: Post): Read {
  return {
    what: `simulation of ${textOfValue(asked)}`,
    pinned: false,
    async send({ ledger }) {
      const request = postRequest(ledgerId, asked);
      const { result } = await ledger.simulateTransaction({ request });
      return { judge: (model) => problemOfSimulation(model, asked, result) };
    },
  };
}

function problemOfSimulation(
  ledger: Ledger,
  asked: Post,
  result: PostTransactionResult | undefined,
): string | undefined {
  const answer = answerOfResult(result);
  const done = ledger.done.get(asked.key);
  if (done) return problemOfUsedKey(ledger, asked, done, answer);
  const transaction = answer.kind === "done" ? transactionOf(answer) : undefined;
  // A refusal does not tell its moment.
  const time = transaction?.recordedTime;
  const decided = simulate(ledger, asked, time ? say.timeFromWire(time) : ledger.recorded);
  if (isRefusal(decided)) {
    if (isRefusedAs(answer, asked.key, decided)) return undefined;
    const isLate = decided.refused === "effective-time-too-late" && answer.kind === "refused";
    return isLate ? undefined : `${textOfValue(decided)}, answered ${textOfAnswer(answer)}`;
  }
  const model = decided.kind === "transaction-posted" ? decided.transaction : undefined;
  if (!model || !transaction) return `${textOfValue(decided)}, answered ${textOfAnswer(answer)}`;
  const expected = say.transactionMessage(ledger.ledgerId, model);
  return different(TransactionSchema, expected, transaction);
}

function problemOfUsedKey(ledger: Ledger, asked: Post, done: Done, answer: Answer) {
  const { fact, body } = done;
  const { sequence } = fact;
  const told = (refusal: Refusal) =>
    isRefusedAs(answer, asked.key, refusal) ? undefined : textOfAnswer(answer);
  if (body !== bodyOf(asked)) return told({ refused: "idempotency-conflict", sequence });
  if ("refusal" in fact) return told(fact.refusal);
  if (fact.kind !== "transaction-posted" || answer.kind === "refused") return textOfAnswer(answer);
  const expected = say.transactionMessage(ledger.ledgerId, fact.transaction);
  return different(TransactionSchema, expected, transactionOf(answer));
}

function transactionOf(answer: Extract<Answer, { kind: "done" }>) {
  const { thing } = answer;
  return thing?.$typeName === TransactionSchema.typeName ? thing : undefined;
}
