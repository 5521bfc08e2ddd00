// Reads of the books as they are: what they tell was so at some moment of the call.

import * as wire from "#gen/bursar/ledger/v1/account_pb.ts";
import { HoldSchema } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { TransactionSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  accountAt,
  balanceNow,
  type Hold,
  type Ledger,
  remainingOf,
  transactionsWith,
} from "./books.ts";
import type { Window } from "./calls.ts";
import { different, differentLists, never, type Read, seen } from "./judge.ts";
import { type Key, type Note, nameOf } from "./operations.ts";
import { trialBalance } from "./past.ts";
import * as say from "./wire.ts";

export function readBalance(ledgerId: string, key: Key, minLedgerSequence: bigint): Read {
  return {
    what: `balance of ${nameOf(key)} from ${minLedgerSequence} on`,
    pinned: false,
    send: ({ ledger }) =>
      seen(
        ledger.getBalance({ ledgerId, account: say.keyToWire(key), minLedgerSequence }),
        (model) => {
          if (model.sequence < minLedgerSequence) {
            return { refused: "sequence-not-reached", sequence: minLedgerSequence };
          }
          return missing(model, key);
        },
        ({ balance }, model, window) => problemOfBalance(model, window, key, balance),
      ),
  };
}

export function readAccount(ledgerId: string, key: Key): Read {
  return {
    what: `account ${nameOf(key)}`,
    pinned: false,
    send: ({ ledger }) =>
      seen(
        ledger.getAccount({ ledgerId, account: say.keyToWire(key) }),
        (model) => missing(model, key),
        ({ account, balance }, model, window) => {
          const expected = say.accountMessage(ledgerId, accountAt(model, key)!);
          return (
            different(wire.AccountSchema, expected, account) ??
            problemOfBalance(model, window, key, balance)
          );
        },
      ),
  };
}

function missing(model: Ledger, account: Key) {
  if (accountAt(model, account)) return undefined;
  return { refused: "account-not-found", account } as const;
}

/** Every balance. */
export function readTrial(ledgerId: string): Read {
  return {
    what: "trial balance",
    pinned: false,
    send: ({ ledger }) =>
      seen(ledger.getTrialBalance({ ledgerId }), never, (answer, model, window) => {
        const { balances, ledgerSequence } = answer;
        if (model.sequence !== ledgerSequence) return `it is of ${ledgerSequence}`;
        const all = trialBalance(model, { effective: undefined, sequence: 0n });
        if (all.length !== balances.length) return `${all.length} accounts, not ${balances.length}`;
        for (const [place, { code, asset }] of all.entries()) {
          const problem = problemOfBalance(model, window, { code, asset }, balances[place]);
          if (problem) return problem;
        }
        return undefined;
      }),
  };
}

export function readHold(ledgerId: string, holdSequence: bigint): Read {
  return {
    what: `hold ${holdSequence}`,
    pinned: false,
    send: ({ holds }) =>
      seen(
        holds.getHold({ ledgerId, holdSequence }),
        (model) => {
          if (model.holds.has(holdSequence)) return undefined;
          return { refused: "hold-not-found", sequence: holdSequence };
        },
        ({ hold }, model, window) => {
          const known = model.holds.get(holdSequence)!;
          const isDue = (time: bigint) => model.waiting.has(known) && known.expire! <= time;
          const problems = [isDue(window.begun), isDue(window.ended)].map((due) => {
            const expected = say.holdMessage(ledgerId, due ? expired(known) : known);
            return different(HoldSchema, expected, hold);
          });
          return problems.includes(undefined) ? undefined : problems[0];
        },
      ),
  };
}

function expired(hold: Hold): Hold {
  return { ...hold, voided: hold.voided + remainingOf(hold), status: "expired" };
}

export function readTransaction(ledgerId: string, ledgerSequence: bigint): Read {
  return {
    what: `transaction ${ledgerSequence}`,
    pinned: false,
    send: ({ ledger }) =>
      seen(
        ledger.getTransaction({
          ledgerId,
          name: { case: "ledgerSequence", value: ledgerSequence },
        }),
        (model) => {
          if (model.transactions.has(ledgerSequence)) return undefined;
          return { refused: "transaction-not-found", sequence: ledgerSequence };
        },
        ({ transaction }, model) => {
          const known = model.transactions.get(ledgerSequence)!;
          return different(TransactionSchema, say.transactionMessage(ledgerId, known), transaction);
        },
      ),
  };
}

/** The transactions with a note, as many as fit a page. */
export function readNoted(ledgerId: string, note: Note): Read {
  const pageSize = 100;
  return {
    what: `transactions with ${note.key} ${note.value}`,
    pinned: false,
    send: ({ ledger }) =>
      seen(
        ledger.listTransactions({ ledgerId, metadata: [note], pageSize }),
        never,
        ({ transactions }, model) => {
          const known = transactionsWith(model, note)
            .slice(0, pageSize)
            .map((transaction) => say.transactionMessage(ledgerId, transaction));
          return differentLists(TransactionSchema, known, transactions);
        },
      ),
  };
}

function problemOfBalance(model: Ledger, window: Window, key: Key, balance: unknown) {
  const known = accountAt(model, key)!;
  const problems = pendingWithin(model, window, known).map((pending) => {
    const expected = say.balanceMessage({ ...balanceNow(known), ...pending });
    return different(wire.BalanceSchema, expected, balance);
  });
  return problems.includes(undefined) ? undefined : problems[0];
}

/** What is pending at each moment of the window: holds end by the clock, written down or not. */
function pendingWithin(ledger: Ledger, { begun, ended }: Window, key: Key) {
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
