// Reads of every kind, each with what must be true of its answer: at some moment of the call where it
// looks at the books as they are, exactly where it looks at the past.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import * as wire from "#gen/bursar/ledger/v1/account_pb.ts";
import { HoldSchema } from "#gen/bursar/ledger/v1/hold_pb.ts";
import {
  AccountEntrySchema,
  AggregateBalanceSchema,
  type PostTransactionResult,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { TransactionSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { isRefusedAs, textOfAnswer } from "./answers.ts";
import { type Answer, type Clients, postRequest, refusalOf } from "./ask.ts";
import {
  type Account,
  accountAt,
  balanceNow,
  balanceOf,
  type Done,
  type Hold,
  type Ledger,
  remainingOf,
} from "./books.ts";
import type { Window } from "./calls.ts";
import { difference, textOfValue } from "./disagreement.ts";
import { simulate } from "./execute.ts";
import type { AsOf, Key, Post } from "./operations.ts";
import { bodyOf, nameOf } from "./operations.ts";
import { aggregate, balanceAsOf, entriesAsOf, trialBalance } from "./past.ts";
import { isRefusal, type Refusal } from "./refusals.ts";
import * as say from "./wire.ts";

/** What is wrong with an answer, by a ledger at one moment. */
export type Judge = (ledger: Ledger, window: Window) => string | undefined;

export type Read = {
  readonly what: string;
  /** It looks at the past: it is judged once, when the round is over. */
  readonly pinned: boolean;
  readonly send: (clients: Clients) => Promise<Judge>;
};

export function readBalance(ledgerId: string, key: Key, minLedgerSequence: bigint): Read {
  return {
    what: `balance of ${nameOf(key)} from ${minLedgerSequence} on`,
    pinned: false,
    async send({ ledger }) {
      const account = say.keyToWire(key);
      const call = ledger.getBalance({ ledgerId, account, minLedgerSequence });
      return judging(call, ({ balance }) => (model, window) => {
        if (model.sequence < minLedgerSequence) return "it has not come to the sequence";
        if (!accountAt(model, key)) return "there is no such account";
        return problemOfBalance(model, window, key, balance);
      })((model) => {
        if (model.sequence < minLedgerSequence) {
          return { refused: "sequence-not-reached", sequence: minLedgerSequence };
        }
        return accountAt(model, key) ? undefined : { refused: "account-not-found", account: key };
      });
    },
  };
}

/** Every balance as it is. */
export function readTrial(ledgerId: string): Read {
  return {
    what: "trial balance",
    pinned: false,
    async send({ ledger }) {
      const { balances, ledgerSequence } = await ledger.getTrialBalance({ ledgerId });
      return (model, window) => {
        if (model.sequence !== ledgerSequence) return `it is of ${ledgerSequence}`;
        const all = trialBalance(model, { effective: undefined, sequence: 0n });
        if (all.length !== balances.length) return `${all.length} accounts, not ${balances.length}`;
        for (const [place, { code, asset }] of all.entries()) {
          const problem = problemOfBalance(model, window, { code, asset }, balances[place]);
          if (problem) return problem;
        }
        return undefined;
      };
    },
  };
}

function problemOfBalance(model: Ledger, window: Window, key: Key, balance: unknown) {
  const known = accountAt(model, key)!;
  const problems = momentsOf(model, window, known).map((pending) => {
    const expected = say.balanceMessage({ ...balanceNow(known), ...pending });
    return different(wire.BalanceSchema, expected, balance);
  });
  return problems.includes(undefined) ? undefined : problems[0];
}

/** What is pending at each moment of the window: holds end by the clock, written down or not. */
function momentsOf(ledger: Ledger, { begun, ended }: Window, key: Key) {
  const mine = [...ledger.waiting].filter(({ debit, credit, expire }) => {
    return expire! <= ended && (nameOf(debit) === nameOf(key) || nameOf(credit) === nameOf(key));
  });
  const times = [begun, ...mine.map(({ expire }) => expire!).filter((time) => time > begun)];
  const account = accountAt(ledger, key)!;
  return times.map((time) => {
    const gone = mine.filter(({ expire }) => expire! <= time);
    const sum = (side: "debit" | "credit") =>
      gone
        .filter((hold) => nameOf(hold[side]) === nameOf(key))
        .reduce((total, hold) => total + remainingOf(hold), 0n);
    return {
      debitsPending: account.debitsPending - sum("debit"),
      creditsPending: account.creditsPending - sum("credit"),
    };
  });
}

export function readHold(ledgerId: string, holdSequence: bigint): Read {
  return {
    what: `hold ${holdSequence}`,
    pinned: false,
    async send({ holds }) {
      return judging(holds.getHold({ ledgerId, holdSequence }), ({ hold }) => (model, window) => {
        const known = model.holds.get(holdSequence);
        if (!known) return "there is no such hold";
        const isDue = (time: bigint) => model.waiting.has(known) && known.expire! <= time;
        const seen = [isDue(window.begun), isDue(window.ended)].map((due) => {
          const expected = say.holdMessage(ledgerId, due ? expired(known) : known);
          return different(HoldSchema, expected, hold);
        });
        return seen.includes(undefined) ? undefined : seen[0];
      })((model) => {
        if (model.holds.has(holdSequence)) return undefined;
        return { refused: "hold-not-found", sequence: holdSequence };
      });
    },
  };
}

function expired(hold: Hold): Hold {
  return { ...hold, voided: hold.voided + remainingOf(hold), status: "expired" };
}

export function readPastBalance(ledgerId: string, key: Key, asOf: AsOf): Read {
  return {
    what: `balance of ${nameOf(key)} as of ${textOfValue(asOf)}`,
    pinned: true,
    async send({ ledger }) {
      const request = { ledgerId, account: say.keyToWire(key), asOf: asOfToWire(asOf) };
      return judging(ledger.getBalance(request), ({ balance }) => (model) => {
        const account = accountAt(model, key)!;
        const expected = say.balanceMessage(balanceAsOf(account, asOf));
        return different(wire.BalanceSchema, expected, balance);
      })((model) => {
        return accountAt(model, key) ? undefined : { refused: "account-not-found", account: key };
      });
    },
  };
}

export function readPastEntries(ledgerId: string, key: Key, asOf: AsOf): Read {
  return {
    what: `entries of ${nameOf(key)} as of ${textOfValue(asOf)}`,
    pinned: true,
    async send({ ledger }) {
      const request = { ledgerId, account: say.keyToWire(key), asOf: asOfToWire(asOf) };
      const entries: Message[] = [];
      for (let pageToken = "", pages = 0; pages < 3; pages++) {
        const page = await ledger.listEntries({ ...request, pageSize: 40, pageToken });
        entries.push(...page.entries);
        pageToken = page.nextPageToken;
        if (pageToken === "") break;
      }
      return (model) => {
        const account = accountAt(model, key)!;
        const expected = entriesAsOf(account, asOf).slice(0, 120);
        return differentLists(
          AccountEntrySchema,
          expected.map((entry) => {
            return create(AccountEntrySchema, {
              ledgerSequence: entry.sequence,
              version: entry.version,
              side: entry.side === "debit" ? wire.Side.DEBIT : wire.Side.CREDIT,
              amountMinor: entry.amount,
              balanceMinor: balanceOf(balanceAfter(account, entry.version)),
              effectiveTime: say.timeToWire(entry.effective - (entry.effective % 1_000n)),
            });
          }),
          entries,
        );
      };
    },
  };
}

function balanceAfter({ kind, entries }: Account, version: bigint) {
  let debits = 0n;
  let credits = 0n;
  for (const { side, amount } of entries.slice(0, Number(version))) {
    if (side === "debit") debits += amount;
    else credits += amount;
  }
  return { kind, debits, credits };
}

export function readAggregate(
  ledgerId: string,
  of: {
    readonly prefix: string;
    readonly depth: number;
    readonly asset: string;
    readonly asOf: AsOf;
  },
): Read {
  return {
    what: `aggregate ${textOfValue(of)}`,
    pinned: true,
    async send({ ledger }) {
      const { balances } = await ledger.aggregateBalances({
        ledgerId,
        codePrefix: of.prefix,
        depth: of.depth,
        assetCode: of.asset,
        asOf: asOfToWire(of.asOf),
      });
      return (model) => {
        const expected = aggregate(model, of).map((sum) => {
          return create(AggregateBalanceSchema, {
            codePrefix: sum.prefix,
            assetCode: sum.asset,
            accounts: sum.accounts,
            debitsMinor: sum.debits,
            creditsMinor: sum.credits,
            ...(sum.balance !== undefined && { balanceMinor: sum.balance }),
          });
        });
        return differentLists(AggregateBalanceSchema, expected, balances);
      };
    },
  };
}

export function readPastTrial(ledgerId: string, asOf: AsOf): Read {
  return {
    what: `trial balance as of ${textOfValue(asOf)}`,
    pinned: true,
    async send({ ledger }) {
      const { balances } = await ledger.getTrialBalance({ ledgerId, asOf: asOfToWire(asOf) });
      return (model) => {
        const expected = trialBalance(model, asOf).map(say.balanceMessage);
        return differentLists(wire.BalanceSchema, expected, balances);
      };
    },
  };
}

/** What PostTransaction would answer: at some moment, the model would answer the same. */
export function readSimulation(ledgerId: string, asked: Post): Read {
  return {
    what: `simulation of ${textOfValue(asked)}`,
    pinned: false,
    async send({ ledger }) {
      const request = postRequest(ledgerId, asked);
      const { result } = await ledger.simulateTransaction({ request });
      return (model) => problemOfSimulation(model, asked, result);
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

export function answerOfResult(result: PostTransactionResult | undefined): Answer {
  const { result: step } = result ?? {};
  if (step?.case === "refused") return { kind: "refused", detail: step.value, code: undefined };
  if (step?.case !== "posted") throw new Error("a result is posted or refused");
  const { transaction: thing, balances, replayed } = step.value;
  return { kind: "done", thing, balances, replayed };
}

function asOfToWire({ effective, sequence }: AsOf) {
  const effectiveTime = effective === undefined ? {} : { effectiveTime: say.timeToWire(effective) };
  return { ledgerSequence: sequence, ...effectiveTime };
}

/** An answer is judged by one, a refusal by what would be refused at that moment. */
function judging<T>(call: Promise<T>, judge: (answer: T) => Judge) {
  return async (refused: (ledger: Ledger) => Refusal | undefined): Promise<Judge> => {
    try {
      return judge(await call);
    } catch (error) {
      const detail = refusalOf(error);
      if (!detail) throw error;
      const answer: Answer = { kind: "refused", detail, code: undefined };
      return (ledger) => {
        const refusal = refused(ledger);
        if (refusal && isRefusedAs(answer, "", refusal)) return undefined;
        return `${textOfValue(refusal)}, answered ${textOfAnswer(answer)}`;
      };
    }
  };
}

function different<D extends DescMessage>(schema: D, model: never | Message, service: unknown) {
  const differ = difference(schema, model as never, service as never);
  return differ && `${differ.model}, answered ${differ.service}`;
}

function differentLists(
  schema: DescMessage,
  model: readonly Message[],
  service: readonly Message[],
): string | undefined {
  for (let place = 0; place < Math.max(model.length, service.length); place++) {
    const problem = different(schema, model[place] as never, service[place]);
    if (problem) return `${place}: ${problem}`;
  }
  return undefined;
}
